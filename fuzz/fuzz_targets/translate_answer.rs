//! Whole answers and error bodies in other dialects: what can be read can be read there too.

#![no_main]

use freehold_wire::write::Head;
use freehold_wire::{Api, answers, translate};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    let head = Head { id: "abc".to_owned(), model: "served".to_owned(), created_s: 1_700_000_000, stream_usage: true };
    for from in Api::DIALECTS {
        let read = answers::read(from, body);
        for to in Api::DIALECTS {
            let translated = translate::answer(from, to, &head, body);
            assert_eq!(translated.is_ok(), read.is_ok(), "{from} to {to}");
            if let (Ok(translated), Ok(read)) = (translated, &read) {
                let there = answers::read(to, &translated).expect("an answer is written");
                assert_eq!(there.text, read.text, "{from} to {to}");
                assert_eq!(there.tool_calls.len(), read.tool_calls.len(), "{from} to {to}");
            }
            let error: Value =
                serde_json::from_slice(&translate::error(from, to, status, body)).expect("JSON is written");
            assert!(error.get("error").is_some(), "{from} to {to}");
        }
    }
});
