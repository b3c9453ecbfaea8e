//! Asking for the usage of a stream, and hiding the chunk that it brings.

use freehold_wire::stream::{Reader, UsageEventFilter};
use freehold_wire::{Api, requests, sse};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::streams::stream_of;

#[test]
fn usage_is_asked_for_and_all_other_bytes_stay() {
    for (body, expected) in [
        (r#"{"stream":true}"#, r#"{"stream_options":{"include_usage":true},"stream":true}"#),
        (
            "\n { \"stream\" : true , \"x\":1.50}",
            "\n {\"stream_options\":{\"include_usage\":true}, \"stream\" : true , \"x\":1.50}",
        ),
        (r#"{"stream":true,"stream_options":null}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
        (r#"{"stream":true,"stream_options": { } }"#, r#"{"stream":true,"stream_options": {"include_usage":true } }"#),
        (
            r#"{"stream_options":{"include_obfuscation":false},"stream":true}"#,
            r#"{"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_usage" : false, "y":2}}"#,
            r#"{"stream":true,"stream_options":{"include_usage" : true, "y":2}}"#,
        ),
    ] {
        let asked = requests::with_stream_usage(body.as_bytes()).expect("it can be asked for");
        assert_eq!(String::from_utf8(asked.clone()).unwrap(), expected);
        let json: Value = serde_json::from_slice(&asked).unwrap();
        assert_eq!(json["stream_options"]["include_usage"], true);
        assert_eq!(requests::with_stream_usage(&asked), None, "it is asked for once");
    }
}

#[test]
fn there_is_nothing_to_ask_without_a_stream() {
    for body in [
        r#"{"stream":false}"#,
        r#"{"model":"m"}"#,
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"stream":true,"stream_options":[]}"#,
        "[1]",
        "",
        "{",
    ] {
        assert_eq!(requests::with_stream_usage(body.as_bytes()), None, "{body}");
    }
}

fn filtered<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<u8>, Vec<u8>) {
    let mut filter = UsageEventFilter::default();
    let mut bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| filter.push(piece)).collect();
    bytes.extend(filter.finish());
    (bytes, filter.removed().to_vec())
}

/// A stream with what a filter could stumble over, before, in and behind the usage chunk.
fn stream(end: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let text = String::from_utf8(stream_of(Api::OpenAiChat)).expect("the fixture is UTF-8");
    let at = text.find("data: {\"choices\":[],").expect("the fixture has a usage chunk");
    let len = text[at..].find("\n\n").expect("it has an end") + 2;
    let quirks = concat!(
        ": a comment\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"usage\\\"\"}}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: not json \"usage\"\n\n",
    );
    let spell = |text: &str| text.replace('\n', end).into_bytes();
    let before = spell(&[quirks, &text[..at]].concat());
    (before, spell(&text[at..at + len]), spell(&text[at + len..]))
}

#[test]
fn the_usage_chunk_is_removed_whatever_the_cuts_and_line_ends() {
    for end in ["\n", "\r\n", "\r"] {
        let (before, usage, after) = stream(end);
        let whole = [before.as_slice(), &usage, &after].concat();
        let expected = ([before.as_slice(), &after].concat(), usage.clone());
        for cut in 0..whole.len() {
            let (first, second) = whole.split_at(cut);
            assert_eq!(filtered([first, second]), expected, "{end:?} cut at {cut}");
        }
        for size in 1..9 {
            assert_eq!(filtered(whole.chunks(size)), expected, "{end:?} in pieces of {size}");
        }
        // A reader that is given what was removed too knows the usage.
        let mut reader = Reader::new(Api::OpenAiChat);
        reader.push(&expected.0);
        reader.push(&expected.1);
        assert_eq!(reader.finish().answer.usage.expect("it was told").input, 100);
    }
}

#[test]
fn a_usage_chunk_without_its_blank_line_is_removed_too() {
    let (before, usage, _) = stream("\n");
    let cut = &usage[..usage.len() - 2];
    assert_eq!(filtered([&[before.as_slice(), cut].concat()[..]]), (before, cut.to_vec()));
}

#[test]
fn an_event_too_long_to_be_the_usage_passes_as_it_comes() {
    let long = sse::encode("", &json!({"choices": [], "usage": {"x": "y".repeat(100_000)}}).to_string());
    let mut filter = UsageEventFilter::default();
    let passed = filter.push(&long[..90_000]);
    assert!(passed.len() > 89_000, "it is not held back");
    let (_, usage, after) = stream("\n");
    let rest = [&long[90_000..], &usage, &after].concat();
    let bytes = [passed, filter.push(&rest), filter.finish()].concat();
    assert_eq!(bytes, [long.as_slice(), &after].concat());
}

proptest! {
    #[test]
    fn other_bytes_pass_as_they_are(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'd'), Just(b':')], 0..60),
        size in 1usize..5) {
        prop_assert_eq!(filtered(bytes.chunks(size)), (bytes.clone(), Vec::new()));
    }
}
