//! Reading streamed answers as vendors send them.

use freehold_wire::stream::{Outcome, Reader};
use freehold_wire::{Answer, Api, Finish, ToolCall, Usage, sse};
use serde_json::{Value, json};

use crate::answers::weather;

pub(crate) fn events(items: &[Value]) -> Vec<u8> {
    let named = |item: &Value| sse::encode(item["type"].as_str().unwrap_or_default(), &item.to_string());
    items.iter().flat_map(named).collect()
}

pub(crate) fn chat(items: &[Value]) -> Vec<u8> {
    [events(items), sse::encode("", "[DONE]")].concat()
}

fn read(api: Api, bytes: &[u8]) -> Outcome {
    let mut reader = Reader::new(api);
    reader.push(bytes);
    reader.finish()
}

fn delta(delta: &Value) -> Value {
    json!({"id": "id-1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null})
}

fn expected() -> Answer {
    Answer {
        id: "id-1".into(),
        model: "m-1".into(),
        text: "Looking…".into(),
        reasoning: "Hm. So.".into(),
        tool_calls: vec![weather("c1", "Oslo"), weather("c2", "Rome")],
        finish: Some(Finish::ToolCalls),
        usage: Some(Usage { input: 100, cache_read: 40, output: 20, ..Usage::default() }),
    }
}

fn chat_stream() -> Vec<u8> {
    let piece =
        |index: u64, text: &str| delta(&json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}));
    let begin = |index: u64, id: &str| {
        let function = json!({"name": "weather", "arguments": ""});
        delta(&json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}))
    };
    chat(&[
        delta(&json!({"role": "assistant", "content": "", "refusal": null})),
        delta(&json!({"reasoning_content": "Hm. "})),
        delta(&json!({"reasoning_content": "So."})),
        delta(&json!({"content": "Look"})),
        delta(&json!({"content": "ing…"})),
        json!({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}),
        begin(0, "c1"),
        begin(1, "c2"),
        piece(0, "{\"city\":"),
        piece(1, "{\"city\":"),
        piece(0, "\"Oslo\"}"),
        piece(1, "\"Rome\"}"),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}}),
    ])
}

fn messages_stream() -> Vec<u8> {
    let piece = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let begin =
        |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let tool = |id: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {}});
    let json_piece = |index, text: &str| piece(index, json!({"type": "input_json_delta", "partial_json": text}));
    events(&[
        json!({"type": "message_start", "message": {"id": "id-1", "model": "m-1", "usage": {"input_tokens": 50,
            "cache_creation_input_tokens": 10, "cache_read_input_tokens": 40, "output_tokens": 1}}}),
        json!({"type": "ping"}),
        begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        piece(0, json!({"type": "thinking_delta", "thinking": "Hm. "})),
        piece(0, json!({"type": "thinking_delta", "thinking": "So."})),
        piece(0, json!({"type": "signature_delta", "signature": "s"})),
        json!({"type": "content_block_stop", "index": 0}),
        begin(1, json!({"type": "text", "text": ""})),
        piece(1, json!({"type": "text_delta", "text": "Look"})),
        piece(1, json!({"type": "text_delta", "text": "ing…"})),
        begin(2, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        json_piece(2, "{\"query\":1}"),
        begin(3, tool("c1")),
        json_piece(3, ""),
        json_piece(3, "{\"city\":"),
        json_piece(3, "\"Oslo\"}"),
        begin(4, tool("c2")),
        json_piece(4, "{\"city\":\"Rome\"}"),
        json!({"type": "an_event_of_the_future", "index": []}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ])
}

fn responses_pieces() -> Vec<Value> {
    let piece = |name: &str, index: u64, text: &str| json!({"type": name, "output_index": index, "content_index": 0, "delta": text});
    let arguments = "response.function_call_arguments.delta";
    let call = |index: u64, id: &str| {
        let item = json!({"type": "function_call", "call_id": id, "name": "weather", "arguments": ""});
        json!({"type": "response.output_item.added", "output_index": index, "item": item})
    };
    vec![
        json!({"type": "response.created", "response": {"id": "id-1", "model": "m-1", "status": "in_progress", "output": []}}),
        piece("response.reasoning_summary_text.delta", 0, "Hm. "),
        piece("response.reasoning_summary_text.delta", 0, "So."),
        piece("response.output_text.delta", 1, "Look"),
        piece("response.output_text.delta", 1, "ing…"),
        call(2, "c1"),
        call(3, "c2"),
        piece(arguments, 2, "{\"city\":"),
        piece(arguments, 3, "{\"city\":\"Rome\"}"),
        piece(arguments, 2, "\"Oslo\"}"),
    ]
}

fn responses_stream() -> Vec<u8> {
    let mut items = responses_pieces();
    // Some servers repeat no output at the end.
    items.push(json!({"type": "response.completed", "response": {"id": "id-1", "model": "m-1", "status": "completed",
        "output": [], "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 20}}}));
    events(&items)
}

pub(crate) fn stream_of(api: Api) -> Vec<u8> {
    match api {
        Api::OpenAiChat => chat_stream(),
        Api::OpenAiResponses => responses_stream(),
        _ => messages_stream(),
    }
}

/// Returns the answer as a dialect can tell it: only Anthropic's says what was written to the cache.
pub(crate) fn expected_of(api: Api) -> Answer {
    let mut answer = expected();
    if let (Api::AnthropicMessages, Some(usage)) = (api, &mut answer.usage) {
        usage.cache_write = 10;
    }
    answer
}

#[test]
fn every_dialect_streams_the_same_answer() {
    for api in Api::DIALECTS {
        let outcome = read(api, &stream_of(api));
        assert_eq!(outcome, Outcome { answer: expected_of(api), is_complete: true, error: None }, "{api}");
    }
}

#[test]
fn every_cut_into_two_pieces_gives_the_same_answer() {
    for api in Api::DIALECTS {
        let stream = stream_of(api);
        for cut in 0..stream.len() {
            let mut reader = Reader::new(api);
            reader.push(&stream[..cut]);
            reader.push(&stream[cut..]);
            assert_eq!(reader.finish().answer, expected_of(api), "{api} cut at {cut}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_is_not_complete() {
    for api in Api::DIALECTS {
        let stream = stream_of(api);
        let mut longest = 0;
        // The last two bytes are the blank line that the reader can do without.
        for cut in 0..stream.len() - 3 {
            let outcome = read(api, &stream[..cut]);
            assert!(!outcome.is_complete, "{api} cut at {cut}");
            assert!(expected().text.starts_with(&outcome.answer.text));
            longest = longest.max(outcome.answer.text.len());
        }
        assert_eq!(longest, expected().text.len());
    }
}

#[test]
fn the_whole_answer_at_the_end_of_a_responses_stream_counts() {
    let mut items = responses_pieces();
    let output = json!([{"type": "message", "content": [{"type": "output_text", "text": "As corrected."}]}]);
    items.push(
        json!({"type": "response.incomplete", "response": {"id": "id-2", "status": "incomplete", "output": output,
        "incomplete_details": {"reason": "max_output_tokens"}}}),
    );
    let outcome = read(Api::OpenAiResponses, &events(&items));
    assert!(outcome.is_complete);
    assert_eq!((outcome.answer.id.as_str(), outcome.answer.text.as_str()), ("id-2", "As corrected."));
    assert_eq!(outcome.answer.finish, Some(Finish::Length));
}

#[test]
fn errors_in_mid_stream_are_told() {
    for (api, error) in [
        (Api::OpenAiChat, json!({"error": {"message": "too busy", "type": "server_error"}})),
        (Api::OpenAiResponses, json!({"type": "error", "code": "x", "message": "too busy", "param": null})),
        (
            Api::OpenAiResponses,
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "x", "message": "too busy"}}}),
        ),
        (
            Api::AnthropicMessages,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}}),
        ),
    ] {
        let stream = stream_of(api);
        let bytes = [&stream[..stream.len() / 2], b"\n\n", &events(&[error])].concat();
        let outcome = read(api, &bytes);
        assert_eq!((outcome.is_complete, outcome.error.as_deref()), (false, Some("too busy")), "{api}");
        assert_eq!(outcome.answer.id, "id-1");
    }
}

#[test]
fn tool_calls_are_told_apart_as_servers_send_them() {
    let call = |index: Value, id: Value, name: Value, text: &str| {
        let call = json!({"index": index, "id": id, "function": {"name": name, "arguments": text}});
        delta(&json!({"tool_calls": [call]}))
    };
    let calls = |items: &[Value]| read(Api::OpenAiChat, &chat(items)).answer.tool_calls;
    let expected = [
        ToolCall { id: "a".into(), name: "f".into(), arguments: "{}".into() },
        ToolCall { id: "b".into(), name: "g".into(), arguments: "[]".into() },
    ];
    let null = Value::Null;
    let all_at_index_0 = [call(json!(0), json!("a"), json!("f"), "{}"), call(json!(0), json!("b"), json!("g"), "[]")];
    assert_eq!(calls(&all_at_index_0), expected);
    let without_index = [
        call(null.clone(), json!("a"), json!("f"), "{"),
        call(null.clone(), null.clone(), null.clone(), "}"),
        call(null.clone(), json!("b"), json!("g"), "[]"),
    ];
    assert_eq!(calls(&without_index), expected);
    let id_repeated = [
        call(json!(4), json!("a"), json!("f"), "{"),
        call(json!(4), json!("a"), json!("f"), "}"),
        call(json!(u64::MAX), json!("b"), json!("g"), "[]"),
    ];
    assert_eq!(calls(&id_repeated), expected);
    let legacy = [
        delta(&json!({"function_call": {"name": "f", "arguments": "{"}})),
        delta(&json!({"function_call": {"arguments": "}"}})),
    ];
    assert_eq!(calls(&legacy), [ToolCall { id: String::new(), name: "f".into(), arguments: "{}".into() }]);
}

#[test]
fn a_tool_without_input_has_empty_arguments() {
    let block = json!({"type": "tool_use", "id": "c", "name": "now", "input": {}});
    let bytes = events(&[json!({"type": "content_block_start", "index": 0, "content_block": block})]);
    assert_eq!(read(Api::AnthropicMessages, &bytes).answer.tool_calls[0].arguments, "{}");
}

#[test]
fn refusals_are_told_in_streams() {
    let mut bytes = events(&[delta(&json!({"refusal": "I will "})), delta(&json!({"refusal": "not."}))]);
    bytes.extend(chat(&[json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})]));
    let answer = read(Api::OpenAiChat, &bytes).answer;
    assert_eq!((answer.text.as_str(), answer.finish), ("I will not.", Some(Finish::Refused)));
}

/// Some servers end a stream in the usual way even after an error.
#[test]
fn a_stream_with_an_error_is_not_complete() {
    let bytes = chat(&[delta(&json!({"content": "Hel"})), json!({"error": {"type": "overloaded"}})]);
    let outcome = read(Api::OpenAiChat, &bytes);
    assert_eq!((outcome.is_complete, outcome.error.as_deref()), (false, Some("an error of type \"overloaded\"")));
}
