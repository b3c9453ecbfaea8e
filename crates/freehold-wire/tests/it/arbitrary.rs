//! No input makes a reader panic: bytes from outside are never trusted.

use freehold_wire::{Answer, Api, answers, requests, sse, stream};
use proptest::prelude::*;

/// The names and words that the readers look for.
const WORDS: &[&str] = &[
    "type",
    "text",
    "role",
    "user",
    "assistant",
    "system",
    "tool",
    "content",
    "messages",
    "input",
    "model",
    "tools",
    "function",
    "name",
    "arguments",
    "tool_calls",
    "id",
    "index",
    "delta",
    "choices",
    "message",
    "usage",
    "error",
    "output",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "message_delta",
    "message_stop",
    "content_block",
    "tool_use",
    "tool_result",
    "input_json_delta",
    "partial_json",
    "thinking",
    "response",
    "response.completed",
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "item",
    "function_call",
    "reasoning",
    "output_index",
    "stop",
    "max_tokens",
    "prompt_tokens",
    "input_tokens",
    "status",
    "metadata",
    "response_format",
    "json_schema",
    "schema",
    "tool_choice",
    "stream",
    "finish_reason",
    "[DONE]",
    "instructions",
    "call_id",
    "function_call_output",
    "tool_call_id",
    "tool_use_id",
    "is_error",
    "image_url",
    "input_image",
    "image",
    "source",
    "url",
    "data:image/png;base64,AA==",
    "signature",
    "encrypted_content",
    "input_schema",
    "parameters",
    "output_config",
    "format",
    "parallel_tool_calls",
    "disable_parallel_tool_use",
    "allowed_tools",
    "required",
    "include",
    "reasoning_effort",
    "effort",
    "budget_tokens",
    "enabled",
    "temperature",
    "text.format",
    "developer",
];

/// JSON of any shape whose names and words are those that the readers look for, so that it reaches deep into them.
pub(crate) fn near_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        prop::sample::select(WORDS).prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 80, 8, |inner| {
        let name = prop::sample::select(WORDS).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            3 => prop::collection::vec((name, inner), 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn try_all(bytes: &[u8]) {
    let mut decoder = sse::Decoder::with_limit(64);
    drop((decoder.push(bytes), decoder.finish()));
    drop(requests::with_model(bytes, "m"));
    for api in Api::DIALECTS {
        drop((requests::read(api, bytes), requests::as_replay(api, bytes, "m")));
        let answer = answers::read(api, bytes);
        if let Some(outline) = answers::outline(api, bytes) {
            let answer = answer.expect("what has an outline can be read in full");
            assert_eq!((outline.model, outline.usage), (answer.model, answer.usage));
        }
        let mut reader = stream::Reader::new(api);
        reader.push(bytes);
        let outcome = reader.finish();
        assert!(outcome.error.is_none() || !outcome.is_complete);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all(&bytes);
    }

    #[test]
    fn nearly_right_bodies(json in near_json()) {
        try_all(json.to_string().as_bytes());
    }

    #[test]
    fn nearly_right_events(events in prop::collection::vec(near_json(), 0..6), cut in 1usize..40) {
        let bytes: Vec<u8> = events.iter().flat_map(|event| sse::encode("", &event.to_string())).collect();
        try_all(&bytes);
        for api in Api::DIALECTS {
            let mut whole = stream::Reader::new(api);
            whole.push(&bytes);
            let mut pieces = stream::Reader::new(api);
            bytes.chunks(cut).for_each(|piece| pieces.push(piece));
            prop_assert_eq!(pieces.finish(), whole.finish());
        }
    }
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let bytes = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    for api in Api::DIALECTS {
        assert!(matches!(requests::read(api, &bytes), Err(requests::Error::Json(_))));
        assert!(matches!(answers::read(api, &bytes), Err(answers::Error::Json(_))));
        let mut reader = stream::Reader::new(api);
        reader.push(&sse::encode("", &String::from_utf8_lossy(&bytes)));
        assert_eq!(reader.finish().answer, Answer::default());
    }
}
