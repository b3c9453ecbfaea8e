//! Finds what is to be masked in a body: in the strings of JSON, in JSON that is in such a string, or in plain text.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use super::{Rules, Span, formats, settled};

/// What stands for the match of a user's pattern.
const PATTERN_MARK: &str = "[masked]";
/// JSON in a string of JSON is followed so far down.
const DEPTH_MAX: usize = 4;

/// A decoded string, and where each of its bytes lies in the text that it was decoded from.
pub(super) struct Decoded<'t> {
    pub(super) text: Cow<'t, str>,
    /// One more than there are bytes; `None` where nothing was escaped, so that every byte lies where it is.
    places: Option<Vec<usize>>,
}

/// Returns what is to be masked in a body, in order and apart.
pub(super) fn in_body(rules: &Rules, body: &[u8]) -> Vec<Span> {
    match std::str::from_utf8(body) {
        Ok(text) => {
            let spans = settled(in_text(rules, text, 0));
            if spans.is_empty() || !is_lone_literal(text) { spans } else { quoted(spans, text) }
        }
        // What is not text is masked as far as it is: bytes beyond ASCII stand for nothing.
        Err(_) => settled(plain(rules, &ascii(body))),
    }
}

/// Returns what is to be masked in a text, which may be JSON.
pub(super) fn in_text(rules: &Rules, text: &str, depth: usize) -> Vec<Span> {
    if depth < DEPTH_MAX && is_json(text) { in_json(rules, text, depth) } else { plain(rules, text) }
}

impl<'t> Decoded<'t> {
    /// Decodes the inside of a JSON string; `None` where it is not one.
    pub(super) fn new(inside: &'t str) -> Option<Self> {
        if memchr(b'\\', inside.as_bytes()).is_none() {
            return Some(Self { text: Cow::Borrowed(inside), places: None });
        }
        let (mut text, mut places) = (String::with_capacity(inside.len()), Vec::with_capacity(inside.len() + 1));
        let mut at = 0;
        while at < inside.len() {
            let (letter, length) = letter(&inside[at..])?;
            let from = text.len();
            text.push(letter);
            places.resize(places.len() + text.len() - from, at);
            at += length;
        }
        places.push(inside.len());
        Some(Self { text: Cow::Owned(text), places: Some(places) })
    }

    /// Returns where a stretch of the decoded text lies in the text that it was decoded from.
    pub(super) fn place(&self, range: &Range<usize>) -> Range<usize> {
        match &self.places {
            Some(places) => places[range.start]..places[range.end],
            None => range.clone(),
        }
    }
}

/// Returns the first letter of the inside of a JSON string, and how many bytes spell it.
fn letter(inside: &str) -> Option<(char, usize)> {
    let first = inside.chars().next()?;
    if first != '\\' {
        return Some((first, first.len_utf8()));
    }
    let escaped = match inside.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(inside),
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        _ => return None,
    };
    Some((escaped, 2))
}

fn unicode(inside: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u16::from_str_radix(inside.get(at..at + 4)?, 16).ok();
    let first = unit(2)?;
    let second = if inside.get(6..8) == Some("\\u") { unit(8) } else { None };
    if let Some(second) = second
        && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
        && pair.len_utf16() == 2
    {
        return Some((pair, 12));
    }
    // Half a pair alone is legal JSON and no letter.
    Some((char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 6))
}

fn is_json(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[', '"']);
    begins && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Returns whether a body is nothing but a number, or another literal of JSON that is no string.
fn is_lone_literal(text: &str) -> bool {
    !text.trim_start().starts_with(['{', '[', '"']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Makes a string of a literal in which something is masked, so that JSON stays JSON.
fn quoted(mut spans: Vec<Span>, text: &str) -> Vec<Span> {
    let quote = |at: usize| Span { range: at..at, mark: "\"" };
    spans.insert(0, quote(text.len() - text.trim_start().len()));
    spans.push(quote(text.trim_end().len()));
    spans
}

/// Returns what is to be masked in the strings of a JSON text.
fn in_json(rules: &Rules, text: &str, depth: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(inside) = next_string(text, at) {
        at = inside.end + 1;
        let Some(decoded) = Decoded::new(&text[inside.clone()]) else { continue };
        let found = in_text(rules, &decoded.text, depth + 1);
        spans.extend(found.into_iter().map(|span| {
            let place = decoded.place(&span.range);
            Span { range: inside.start + place.start..inside.start + place.end, mark: span.mark }
        }));
    }
    spans
}

/// Returns the inside of the next string of a JSON text.
fn next_string(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = from + memchr(b'"', bytes.get(from..)?)? + 1;
    let mut at = start;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(start..at);
        }
        at += 2;
    }
}

fn plain(rules: &Rules, text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for kind in &rules.kinds {
        let found = formats::find(*kind, text);
        spans.extend(found.into_iter().map(|range| Span { range, mark: kind.mark() }));
    }
    for pattern in &rules.patterns {
        let found = pattern.find_iter(text).filter(|found| !found.is_empty());
        spans.extend(found.map(|found| Span { range: found.range(), mark: PATTERN_MARK }));
    }
    spans
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\0' }).collect()
}
