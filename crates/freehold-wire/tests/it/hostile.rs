//! Whatever an upstream sends, the caller gets well-formed events of the caller's dialect, and an end.

use freehold_wire::stream::{Events, Reader};
use freehold_wire::translate::{self, Stream};
use freehold_wire::write::Head;
use freehold_wire::{Api, answers, sse};
use proptest::prelude::*;
use serde_json::Value;

use crate::arbitrary::near_json;
use crate::streams::stream_of;

fn head() -> Head {
    Head { id: "abc".to_owned(), model: "served".to_owned(), created_s: 1_700_000_000, stream_usage: true }
}

fn pairs() -> impl Iterator<Item = (Api, Api)> {
    Api::DIALECTS.into_iter().flat_map(|from| Api::DIALECTS.into_iter().map(move |to| (from, to)))
}

fn translate((from, to): (Api, Api), bytes: &[u8], size: usize) -> Vec<u8> {
    let mut stream = Stream::new(from, to, head());
    let mut out: Vec<u8> = bytes.chunks(size).flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish());
    assert!(stream.is_over());
    assert!(stream.push(b"data: {}\n\n").is_empty() && stream.finish().is_empty(), "nothing follows the end");
    out
}

/// Checks what a client's parser relies on.
fn check(to: Api, bytes: &[u8]) {
    let mut decoder = sse::Decoder::default();
    let mut told: Vec<Value> = Vec::new();
    for event in decoder.push(bytes) {
        if event.data == "[DONE]" {
            assert_eq!(to, Api::OpenAiChat);
            told.push(Value::Null);
            continue;
        }
        let data: Value = serde_json::from_str(&event.data).expect("events are JSON");
        assert!(event.event.is_empty() || data["type"] == event.event.as_str());
        told.push(data);
    }
    assert_eq!(decoder.finish(), None, "the last event has its blank line");
    match to {
        Api::AnthropicMessages => check_blocks(&told),
        Api::OpenAiResponses => check_items(&told),
        _ => assert!(told.last().is_some_and(|last| last.is_null() || last["error"].is_object())),
    }
    let mut reader = Reader::new(to);
    reader.push(bytes);
    let outcome = reader.finish();
    assert!(outcome.is_complete != outcome.error.is_some(), "it ends in an end or an error: {outcome:?}");
}

fn check_blocks(told: &[Value]) {
    let (mut open, mut blocks) = (None, 0);
    for data in told {
        let index = data["index"].as_u64();
        match data["type"].as_str().unwrap_or_default() {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(blocks)), "blocks follow each other");
                (open, blocks) = (index, blocks + 1);
            }
            "content_block_delta" => assert!(open.is_some() && open == index),
            "content_block_stop" => assert_eq!(open.take(), index),
            "message_delta" => assert_eq!(open, None),
            "message_start" | "message_stop" | "ping" | "error" => {}
            other => assert_eq!(other, "an event of the dialect"),
        }
    }
    assert_eq!(told[0]["type"], "message_start");
    let last = &told[told.len() - 1]["type"];
    assert!(last == "message_stop" || last == "error");
}

fn check_items(told: &[Value]) {
    let (mut open, mut items) = (None, 0);
    for (sequence, data) in (0_u64..).zip(told) {
        assert_eq!(data["sequence_number"], sequence);
        let index = data["output_index"].as_u64();
        match data["type"].as_str().unwrap_or_default() {
            "response.output_item.added" => {
                assert_eq!((open, index), (None, Some(items)), "items follow each other");
                (open, items) = (index, items + 1);
            }
            "response.output_item.done" => assert_eq!(open.take(), index),
            _ => assert!(index.is_none() || index == open),
        }
    }
    assert_eq!(told[0]["type"], "response.created");
    let last = told[told.len() - 1]["type"].as_str().unwrap_or_default();
    assert!(matches!(last, "response.completed" | "response.incomplete" | "response.failed"), "{last}");
}

#[test]
fn translated_fixtures_are_well_formed() {
    for (from, to) in pairs() {
        check(to, &translate((from, to), &stream_of(from), 50));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_events_become_well_formed_ones(events in prop::collection::vec(near_json(), 0..8), size in 1usize..60) {
        let bytes: Vec<u8> = events.iter().flat_map(|event| sse::encode("", &event.to_string())).collect();
        for pair in pairs() {
            let translated = translate(pair, &bytes, size);
            check(pair.1, &translated);
            prop_assert_eq!(translate(pair, &bytes, bytes.len().max(1)), translated);
        }
    }

    #[test]
    fn events_mixed_into_a_stream_do_no_harm(events in prop::collection::vec((near_json(), any::<prop::sample::Index>()), 1..5)) {
        for (from, to) in pairs() {
            let text = String::from_utf8(stream_of(from)).expect("the fixture is UTF-8");
            let mut parts: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
            for (event, place) in &events {
                let event = String::from_utf8(sse::encode("", &event.to_string())).expect("events are UTF-8");
                parts.insert(place.index(parts.len()), event);
            }
            check(to, &translate((from, to), parts.concat().as_bytes(), 1000));
        }
    }

    #[test]
    fn any_bytes_become_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (from, to) in pairs() {
            check(to, &translate((from, to), &bytes, 7));
            let body = translate::error(from, to, 500, &bytes);
            let json: Value = serde_json::from_slice(&body).expect("errors are JSON");
            prop_assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
            drop(translate::answer(from, to, &head(), &bytes));
        }
    }

    #[test]
    fn any_answer_that_can_be_read_is_written_so_that_it_can_be_read(body in near_json()) {
        let body = body.to_string();
        for (from, to) in pairs() {
            let read = answers::read(from, body.as_bytes());
            let translated = translate::answer(from, to, &head(), body.as_bytes());
            prop_assert_eq!(read.is_ok(), translated.is_ok());
            if let (Ok(read), Ok(translated)) = (read, translated) {
                prop_assert_eq!(answers::read(to, &translated).expect("it is an answer").text, read.text);
            }
        }
    }

    /// The pieces tell what the sum tells, so that nobody needs both.
    #[test]
    fn events_end_at_most_once_in_a_proper_stream(cut in 0usize..4000) {
        for api in Api::DIALECTS {
            let stream = stream_of(api);
            let mut events = Events::new(api);
            let mut told = events.push(&stream[..cut.min(stream.len())]);
            told.extend(events.finish());
            let ends = told.iter().filter(|event| matches!(event, freehold_wire::stream::Event::End)).count();
            prop_assert_eq!(ends, usize::from(cut + 2 >= stream.len()));
        }
    }
}
