//! The server-sent events codec.

use freehold_wire::sse::{Decoder, Event, encode};
use proptest::prelude::*;

fn event(name: &str, data: &str) -> Event {
    Event { event: name.to_owned(), data: data.to_owned() }
}

fn decode(pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    let mut events: Vec<Event> = pieces.iter().flat_map(|piece| decoder.push(piece)).collect();
    events.extend(decoder.finish());
    events
}

#[test]
fn events_follow_the_standard() {
    let cases: &[(&str, &[Event])] = &[
        ("data: a\n\n", &[event("", "a")]),
        ("data:a\n\ndata:  b\n\n", &[event("", "a"), event("", " b")]),
        ("event: x\ndata: 1\ndata: 2\n\n", &[event("x", "1\n2")]),
        ("event: x\rdata: 1\r\rdata: 2\r\r", &[event("x", "1"), event("", "2")]),
        ("event: x\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", &[event("x", "1"), event("", "2")]),
        ("\u{feff}data: a\n\n", &[event("", "a")]),
        ("data: \u{feff}a\n\n\u{feff}data: b\n\n", &[event("", "\u{feff}a")]),
        (": comment\n\n:\ndata: a\n: more\n\n", &[event("", "a")]),
        ("id: 1\nretry: 5\nunknown: x\ndata: a\n\n", &[event("", "a")]),
        // Without a data line there is no event, and its name is forgotten.
        ("event: x\n\ndata: a\n\n", &[event("", "a")]),
        ("data\n\ndata\ndata\n\n", &[event("", ""), event("", "\n")]),
        ("data: a", &[event("", "a")]),
        ("data: a\n", &[event("", "a")]),
        ("\n\n\n", &[]),
        ("", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(decode(&[text.as_bytes()]), *expected, "{text:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    assert_eq!(decode(&[b"data: a\xffb\n\n"]), [event("", "a\u{fffd}b")]);
}

#[test]
fn too_long_event_is_dropped_and_counted() {
    for cut in 1..40 {
        let mut decoder = Decoder::with_limit(20);
        let stream = b"data: short\n\ndata: much too long for the limit\ndata: x\n\ndata: next\n\n";
        let events: Vec<Event> = stream.chunks(cut).flat_map(|piece| decoder.push(piece)).collect();
        assert_eq!(events, [event("", "short"), event("", "next")], "cut every {cut}");
        assert_eq!(decoder.dropped(), 1, "cut every {cut}");
    }
}

/// Streams made of the tokens that matter to the codec.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => Just("data: ".to_owned()),
        1 => Just("data".to_owned()),
        1 => Just("event: ".to_owned()),
        1 => Just(":".to_owned()),
        1 => Just("\u{feff}".to_owned()),
        3 => Just("\n".to_owned()),
        2 => Just("\r".to_owned()),
        2 => Just("\r\n".to_owned()),
        2 => Just("\n\n".to_owned()),
        3 => "[a-zä€🙂{}\" ]{0,6}",
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn every_cut_gives_the_same_events(stream in streams(), cuts in prop::collection::vec(1usize..9, 1..40), limit in 5usize..200) {
        let mut whole = Decoder::with_limit(limit);
        let mut expected = whole.push(&stream);
        expected.extend(whole.finish());
        let mut cut = Decoder::with_limit(limit);
        let mut events = Vec::new();
        let mut rest = stream.as_slice();
        for size in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            events.extend(cut.push(piece));
            rest = after;
        }
        events.extend(cut.finish());
        prop_assert_eq!(events, expected);
        prop_assert_eq!(cut.dropped(), whole.dropped());
    }

    #[test]
    fn what_is_encoded_is_decoded(name in "[a-z._]{0,20}", data in "[a-z\nä🙂 :]{0,60}") {
        prop_assert_eq!(decode(&[&encode(&name, &data)]), [event(&name, &data)]);
    }
}
