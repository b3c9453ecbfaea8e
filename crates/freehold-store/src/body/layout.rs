//! Cuts a request at the elements of its lists, and puts it together again byte for byte.
//!
//! A cut need not be right, only exact: a body that is no JSON, or an odd one, is one piece.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

/// Lists that grow from call to call of one run.
const GROWING: &[&[u8]] = &[b"messages", b"input"];
/// What stays from call to call, in the order in which it is kept: what changes least comes first.
const STEADY: &[&[u8]] = &[b"tools", b"system", b"instructions"];
/// The most elements that a list is cut into; what follows stays in one piece.
const PIECES_MAX: usize = 4096;
/// The number of the hole that what grows fills; those above it are of the steady members, in their order.
const GROWN: u64 = 0;
const TRAILER_BYTES: usize = 5;

/// A request in pieces: each way's pieces, joined, are its text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout<'b> {
    /// Tools and system text, and last the frame: all other bytes, and where the holes in them are.
    pub(super) steady: Vec<Cow<'b, [u8]>>,
    /// The elements of what grows, each with the separator before it; `None` where nothing does.
    pub(super) grown: Option<Vec<&'b [u8]>>,
}

/// A value that is taken out of the frame.
struct Hole {
    /// `GROWN`, or one more than the place in `STEADY`.
    number: u64,
    /// Where the elements end; the last is the end of the hole.
    ends: Vec<usize>,
    start: usize,
}

impl Hole {
    fn range(&self) -> Range<usize> {
        self.start..self.ends.last().copied().unwrap_or(self.start)
    }

    fn pieces<'b>(&self, body: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let starts = std::iter::once(self.start).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &body[start..*end])
    }
}

/// Returns the pieces of a request.
pub(super) fn cut(body: &[u8]) -> Layout<'_> {
    let holes = holes(body).unwrap_or_default();
    let mut by_number: Vec<&Hole> = holes.iter().collect();
    by_number.sort_by_key(|hole| hole.number);
    let steady = by_number.iter().filter(|hole| hole.number != GROWN);
    let mut steady: Vec<Cow<'_, [u8]>> = steady.flat_map(|hole| hole.pieces(body)).map(Cow::Borrowed).collect();
    steady.push(Cow::Owned(frame(body, &holes)));
    let grown = by_number.first().filter(|hole| hole.number == GROWN).map(|hole| hole.pieces(body).collect());
    Layout { steady, grown }
}

/// Returns the request whose pieces were joined to these texts; `None` where they are not of one request.
pub(super) fn join(steady: &[u8], grown: &[u8]) -> Option<Vec<u8>> {
    let (rest, trailer) = steady.split_at_checked(steady.len().checked_sub(TRAILER_BYTES)?)?;
    let (literal_bytes, header_bytes) = trailer.split_at(4);
    let literal_bytes = usize::try_from(u32::from_le_bytes(literal_bytes.try_into().ok()?)).ok()?;
    let (rest, mut header) = rest.split_at_checked(rest.len().checked_sub(header_bytes[0].into())?)?;
    let (mut values, literals) = rest.split_at_checked(rest.len().checked_sub(literal_bytes)?)?;
    let mut holes = Vec::new();
    while !header.is_empty() {
        let [number, at, bytes] = [take_number(&mut header)?, take_number(&mut header)?, take_number(&mut header)?];
        holes.push((number, usize::try_from(at).ok()?, usize::try_from(bytes).ok()?));
    }
    let mut by_number = holes.clone();
    by_number.sort_unstable();
    let mut filled = Vec::new();
    for (number, at, bytes) in by_number {
        if number == GROWN {
            filled.push((at, number, grown));
        } else {
            let (value, others) = values.split_at_checked(bytes)?;
            values = others;
            filled.push((at, number, value));
        }
    }
    filled.sort_by_key(|(at, ..)| *at);
    let mut body = Vec::with_capacity(steady.len() + grown.len());
    let mut from = 0;
    for (at, _, value) in filled {
        body.extend_from_slice(literals.get(from..at)?);
        body.extend_from_slice(value);
        from = at;
    }
    body.extend_from_slice(literals.get(from..)?);
    Some(body)
}

/// Returns what is left of the body without the holes, then the holes as numbers, then the lengths of both.
fn frame(body: &[u8], holes: &[Hole]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(256);
    let mut header = Vec::new();
    let mut from = 0;
    for hole in holes {
        let range = hole.range();
        frame.extend_from_slice(&body[from..range.start]);
        put_number(&mut header, hole.number);
        put_number(&mut header, frame.len() as u64);
        put_number(&mut header, if hole.number == GROWN { 0 } else { range.len() as u64 });
        from = range.end;
    }
    frame.extend_from_slice(&body[from..]);
    let literal_bytes = u32::try_from(frame.len()).expect("a body is far shorter than 4 GiB; the gateway bounds it");
    let header_bytes = u8::try_from(header.len()).expect("four holes take at most 84 bytes");
    frame.extend_from_slice(&header);
    frame.extend_from_slice(&literal_bytes.to_le_bytes());
    frame.push(header_bytes);
    frame
}

/// Returns the holes of a JSON object in their order, each number once; `None` where the body is none.
fn holes(body: &[u8]) -> Option<Vec<Hole>> {
    let mut holes: Vec<Hole> = Vec::new();
    let mut at = expect(body, space(body, 0), b'{')?;
    loop {
        let key_start = expect(body, space(body, at), b'"')?;
        let key_end = string_end(body, key_start)?;
        let key = &body[key_start..key_end - 1];
        at = space(body, expect(body, space(body, key_end), b':')?);
        let number = number(key).filter(|number| holes.iter().all(|hole| hole.number != *number));
        at = match number {
            Some(number) if number != GROWN || body.get(at) == Some(&b'[') => {
                let (hole, end) = hole(body, at, number)?;
                holes.push(hole);
                end
            }
            _ => value_end(body, at)?,
        };
        at = space(body, at);
        match body.get(at)? {
            b',' => at += 1,
            b'}' => return Some(holes),
            _ => return None,
        }
    }
}

fn number(key: &[u8]) -> Option<u64> {
    if GROWING.contains(&key) {
        return Some(GROWN);
    }
    STEADY.iter().position(|name| *name == key).map(|place| place as u64 + 1)
}

/// Returns the hole of the value at `start` and the end of the value. A list is cut into its elements.
fn hole(body: &[u8], start: usize, number: u64) -> Option<(Hole, usize)> {
    if body.get(start) != Some(&b'[') {
        let end = value_end(body, start)?;
        return Some((Hole { number, ends: vec![end], start }, end));
    }
    let first = space(body, start + 1);
    if body.get(first) == Some(&b']') {
        return Some((Hole { number, ends: Vec::new(), start: start + 1 }, first + 1));
    }
    let mut ends = Vec::new();
    let mut at = first;
    loop {
        let end = value_end(body, at)?;
        if ends.len() == PIECES_MAX {
            ends.pop();
        }
        ends.push(end);
        at = space(body, end);
        match body.get(at)? {
            b',' => at = space(body, at + 1),
            b']' => return Some((Hole { number, ends, start: start + 1 }, at + 1)),
            _ => return None,
        }
    }
}

fn space(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

fn expect(body: &[u8], at: usize, byte: u8) -> Option<usize> {
    (body.get(at) == Some(&byte)).then_some(at + 1)
}

/// Returns the position behind the closing quote of a string whose text begins at `at`.
fn string_end(body: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', body.get(at..)?)?;
        if body[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Returns the position behind the value that begins at `at`, without looking at what is in it.
fn value_end(body: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match body.get(at)? {
            b'"' => at = string_end(body, at + 1)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            _ if depth == 0 => {
                let rest = &body[at..];
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                let bytes = rest.iter().position(is_end)?;
                return (bytes > 0).then_some(at + bytes);
            }
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn joined(layout: &Layout<'_>) -> Option<Vec<u8>> {
        join(&layout.steady.concat(), &layout.grown.as_deref().unwrap_or_default().concat())
    }

    #[test]
    fn a_request_is_cut_at_its_elements() {
        let body = br#" {"model":"m", "tools" : [ {"a":[1]}, {"b":"]\""} ],"messages":[{"role":"user"} ,
            "x"] , "system":"be \\ brief","stream":true}"#;
        let layout = cut(body);
        let texts = |pieces: &[&[u8]]| {
            pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect::<Vec<_>>()
        };
        let steady: Vec<&[u8]> = layout.steady.iter().map(AsRef::as_ref).collect();
        assert_eq!(texts(&steady[..3]), [r#" {"a":[1]}"#, r#", {"b":"]\""}"#, r#""be \\ brief""#]);
        assert_eq!(texts(layout.grown.as_ref().unwrap()), [r#"{"role":"user"}"#, " ,\n            \"x\""]);
        assert!(steady[3].starts_with(br#" {"model":"m", "tools" : [ ],"messages":[] , "system":,"stream":true}"#));
        assert_eq!(joined(&layout).unwrap(), body);
    }

    #[test]
    fn the_next_turn_begins_with_the_pieces_of_the_last() {
        let turn = |n: usize| json!({"model": "m", "messages": vec![json!({"role": "user", "content": "hi"}); n], "tools": [{"x": 1}]});
        let (first, second) = (turn(3).to_string(), turn(5).to_string());
        let (first, second) = (cut(first.as_bytes()), cut(second.as_bytes()));
        assert_eq!(first.steady, second.steady);
        assert_eq!(first.grown.unwrap()[..], second.grown.unwrap()[..3]);
    }

    #[test]
    fn odd_bodies_are_one_piece() {
        for body in [
            "",
            "{",
            "{}",
            "[]",
            "plain text",
            "{\"messages\":[",
            "{\"messages\":[}",
            "{\"messages\":[1,]}",
            "{\"a\":\"\\\"}",
            "{\"a\":}",
        ] {
            let layout = cut(body.as_bytes());
            assert_eq!((layout.steady.len(), &layout.grown), (1, &None), "{body}");
            assert_eq!(joined(&layout).unwrap(), body.as_bytes());
        }
    }

    #[test]
    fn a_member_that_comes_twice_is_cut_once() {
        let body = br#"{"messages":[1],"messages":[2],"input":[3],"system":1,"system":2}"#;
        let layout = cut(body);
        assert_eq!(layout.grown.as_deref(), Some(&[&b"1"[..]][..]));
        assert_eq!(joined(&layout).unwrap(), body);
    }

    #[test]
    fn very_long_lists_stay_exact() {
        let body = json!({"messages": vec![7; PIECES_MAX + 10]}).to_string();
        let layout = cut(body.as_bytes());
        assert_eq!(layout.grown.as_ref().unwrap().len(), PIECES_MAX);
        assert_eq!(joined(&layout).unwrap(), body.as_bytes());
    }

    #[test]
    fn texts_of_no_request_are_refused() {
        for steady in [&b""[..], &[9; 4], &[255; 5], &[0, 0, 0, 0, 9], &[0, 200, 1, 0, 0, 0, 0, 3]] {
            assert_eq!(join(steady, b""), None, "{steady:?}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![
                Just("messages".to_owned()),
                Just("tools".to_owned()),
                Just("system".to_owned()),
                Just("input".to_owned()),
                ".{0,4}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_put_together_again(value in json_value(), pretty in any::<bool>()) {
            let body = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            prop_assert_eq!(joined(&cut(body.as_bytes())).unwrap(), body.as_bytes());
        }

        #[test]
        fn any_bytes_are_put_together_again(body in "[\\[\\]{},:\" \\\\amesgtol0-9]{0,60}", cut_at in 0_usize..80) {
            let text = format!("{{\"messages\":[{{}},{body}],\"tools\":[{body}]}}");
            let bytes = &text.as_bytes()[..cut_at.min(text.len())];
            prop_assert_eq!(joined(&cut(bytes)).unwrap(), bytes);
            prop_assert_eq!(joined(&cut(text.as_bytes())).unwrap(), text.as_bytes());
        }
    }
}
