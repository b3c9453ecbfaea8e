//! Events that differ only in their text are read without being parsed: what they tell must be the same.

use freehold_wire::Api;
use freehold_wire::stream::{Event, Events};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::streams::{chat, events};

/// Texts that also stand elsewhere in an event, that need an escape, or that end it early.
const TEXTS: [&str; 14] =
    ["Hello", " world", ",", ":", "content", "m-1", "0", "\"", "\\", "a\nb", "…", "", "\",\"", "data: {}"];

fn chat_event((kind, text): &(usize, &str)) -> Value {
    let choice = |delta: Value| json!({"id": "id-1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    match kind {
        0..=3 => choice(json!({ "content": text })),
        4 => choice(json!({ "reasoning_content": text })),
        5 => choice(json!({ "refusal": text })),
        6 => choice(json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": text}}]})),
        _ => json!({"id": "id-1", "model": "m-1", "choices": [{"index": 1, "delta": {"content": text}}]}),
    }
}

fn messages_event((kind, text): &(usize, &str)) -> Value {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    match kind {
        0..=3 => delta(json!({"type": "text_delta", "text": text})),
        4 => delta(json!({"type": "thinking_delta", "thinking": text})),
        5 => json!({"type": "ping"}),
        6 => json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}}),
        _ => delta(json!({"type": "input_json_delta", "partial_json": text})),
    }
}

/// Reads a stream in pieces of one size.
fn told(api: Api, bytes: &[u8], piece_bytes: usize) -> Vec<Event> {
    let mut reader = Events::new(api);
    let mut told: Vec<Event> = bytes.chunks(piece_bytes).flat_map(|piece| reader.push(piece)).collect();
    told.extend(reader.finish());
    told
}

proptest! {
    #[test]
    fn texts_are_the_same_however_the_stream_is_cut(
        drawn in proptest::collection::vec((0..8_usize, proptest::sample::select(&TEXTS[..])), 0..24),
        piece_bytes in 1..400_usize,
        has_crlf: bool,
    ) {
        let chat_stream = chat(&drawn.iter().map(chat_event).collect::<Vec<_>>());
        let messages_stream = events(&drawn.iter().map(messages_event).collect::<Vec<_>>());
        for (api, stream) in [(Api::OpenAiChat, chat_stream), (Api::AnthropicMessages, messages_stream)] {
            let stream = if has_crlf { String::from_utf8(stream).unwrap().replace('\n', "\r\n").into_bytes() } else { stream };
            // Byte by byte, every event is parsed.
            let parsed = told(api, &stream, 1);
            prop_assert_eq!(&told(api, &stream, usize::MAX), &parsed);
            prop_assert_eq!(&told(api, &stream, piece_bytes), &parsed);
        }
    }
}
