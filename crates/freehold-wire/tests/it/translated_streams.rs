//! Streams carried from one dialect to another.

use freehold_wire::stream::{Outcome, Reader};
use freehold_wire::translate::Stream;
use freehold_wire::write::Head;
use freehold_wire::{Answer, Api, Finish, ToolCall, sse};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::round_trip;
use crate::streams::{chat, events, expected_of, stream_of};

fn head() -> Head {
    Head { id: "abc123".to_owned(), model: "served".to_owned(), created_s: 1_700_000_000, stream_usage: true }
}

fn pairs() -> impl Iterator<Item = (Api, Api)> {
    Api::DIALECTS.into_iter().flat_map(|from| Api::DIALECTS.into_iter().map(move |to| (from, to)))
}

fn translate<'p>((from, to): (Api, Api), pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut stream = Stream::new(from, to, head());
    let mut bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| stream.push(piece)).collect();
    bytes.extend(stream.finish());
    assert!(stream.is_over());
    bytes
}

fn read(api: Api, bytes: &[u8]) -> Outcome {
    let mut reader = Reader::new(api);
    reader.push(bytes);
    reader.finish()
}

fn prefix(api: Api) -> &'static str {
    match api {
        Api::OpenAiChat => "chatcmpl-",
        Api::OpenAiResponses => "resp_",
        _ => "msg_",
    }
}

/// The answer as it has to arrive: under the id and the model of the head.
fn carried(answer: Answer, to: Api) -> Answer {
    Answer { id: format!("{}abc123", prefix(to)), model: "served".into(), ..answer }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("events are UTF-8")
}

fn delta(delta: &Value) -> Value {
    json!({"id": "id-1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn call(index: u64, said: &Value) -> Value {
    let mut call = json!({"index": index});
    for (name, value) in said.as_object().expect("the fixture is an object") {
        call[name] = value.clone();
    }
    delta(&json!({"tool_calls": [call]}))
}

fn begin(index: u64, id: &str) -> Value {
    call(index, &json!({"id": id, "type": "function", "function": {"name": "f", "arguments": ""}}))
}

fn arguments(index: u64, piece: &str) -> Value {
    call(index, &json!({"function": {"arguments": piece}}))
}

#[test]
fn text_reasoning_tools_and_usage_arrive_in_every_dialect() {
    for (from, to) in pairs().filter(|(from, to)| from != to) {
        let bytes = translate((from, to), [stream_of(from).as_slice()]);
        let expected = carried(expected_of(from), to);
        assert_eq!(read(to, &bytes), Outcome { answer: expected, is_complete: true, error: None }, "{from} to {to}");
        insta::assert_snapshot!(format!("{from}-to-{to}"), text(&bytes));
    }
}

#[test]
fn every_cut_gives_the_same_bytes() {
    for (from, to) in pairs() {
        let stream = stream_of(from);
        let whole = translate((from, to), [stream.as_slice()]);
        for size in 1..40 {
            assert_eq!(text(&translate((from, to), stream.chunks(size))), text(&whole), "{from} to {to} by {size}");
        }
        // A single cut differs from many in what lies whole before it; blocks and their tools show it best.
        for cut in (0..stream.len()).filter(|_| from != to && to == Api::AnthropicMessages) {
            let (before, after) = stream.split_at(cut);
            assert_eq!(text(&translate((from, to), [before, after])), text(&whole), "{from} to {to} cut at {cut}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_ends_in_an_error() {
    for (from, to) in pairs() {
        let stream = stream_of(from);
        // The last two bytes are the blank line that the reader can do without. Seven is prime to the lines' lengths.
        for cut in (0..stream.len() - 3).step_by(7).chain([stream.len() - 4]) {
            let bytes = translate((from, to), [&stream[..cut]]);
            let outcome = read(to, &bytes);
            let message = "the upstream broke off before the end of its answer";
            assert_eq!(
                (outcome.is_complete, outcome.error.as_deref()),
                (false, Some(message)),
                "{from} to {to} at {cut}"
            );
            assert!(!text(&bytes).contains("[DONE]") && !text(&bytes).contains("message_stop"));
            assert!("Looking…".starts_with(&outcome.answer.text));
        }
    }
}

#[test]
fn every_event_goes_out_as_soon_as_it_can() {
    for (from, to) in pairs() {
        let mut stream = Stream::new(from, to, head());
        let (mut bytes, mut reached) = (Vec::new(), Vec::new());
        for piece in stream_of(from).chunks(1) {
            bytes.extend(stream.push(piece));
            let said = read(to, &bytes).answer;
            let first = said.tool_calls.first().map(|call| call.arguments.len()).unwrap_or_default();
            reached.push((said.text.len(), first, said.tool_calls.len()));
        }
        for step in [(4, 0, 0), (10, 0, 0), (10, 8, 1), (10, 15, 1)] {
            let is_reached = reached.iter().any(|(text, first, _)| (*text, *first) == (step.0, step.1));
            assert!(is_reached, "{from} to {to} never stood at {step:?}");
        }
    }
}

/// Blocks of Anthropic's dialect are told one after the other, so each call has to be whole and at its place.
#[test]
fn mixed_tool_calls_become_nested_blocks() {
    let upstream = chat(&[
        begin(0, "a"),
        begin(1, "b"),
        begin(2, "c"),
        arguments(1, "{\"b\":"),
        arguments(0, "{\"a\":[1,"),
        arguments(2, "{}"),
        arguments(0, "\"}\"]}"),
        arguments(1, "2}"),
        delta(&json!({"content": "after"})),
        finish("tool_calls"),
    ]);
    let bytes = translate((Api::OpenAiChat, Api::AnthropicMessages), upstream.chunks(7));
    let mut open = None;
    let mut order = Vec::new();
    let mut decoder = sse::Decoder::default();
    for event in decoder.push(&bytes) {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        let index = data["index"].as_u64();
        match event.event.as_str() {
            "content_block_start" => {
                assert_eq!(open.replace(index), None, "a block begins in another");
                order.push(data["content_block"]["id"].as_str().unwrap_or("text").to_owned());
            }
            "content_block_delta" => assert_eq!(open, Some(index)),
            "content_block_stop" => assert_eq!(open.take(), Some(index)),
            _ => {}
        }
    }
    assert_eq!(order, ["a", "b", "c", "text"]);
    let calls = read(Api::AnthropicMessages, &bytes).answer.tool_calls;
    let arguments: Vec<&str> = calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"a\":[1,\"}\"]}", "{\"b\":2}", "{}"]);
}

#[test]
fn calls_that_follow_each_other_do_not_wait_for_the_end() {
    let mut stream = Stream::new(Api::OpenAiChat, Api::AnthropicMessages, head());
    let first = events(&[begin(0, "a"), arguments(0, "{\"x\":\"{\"}"), begin(1, "b"), arguments(1, "{\"y\"")]);
    let bytes = stream.push(&first);
    assert!(text(&bytes).contains("\"id\":\"b\"") && text(&bytes).contains("{\\\"y\\\""), "{}", text(&bytes));
}

#[test]
fn arguments_for_a_call_that_is_over_are_an_error() {
    let upstream =
        chat(&[begin(0, "a"), arguments(0, "{}"), begin(1, "b"), arguments(0, " \n"), arguments(0, "{\"late\":1}")]);
    for to in Api::DIALECTS {
        let outcome = read(to, &translate((Api::OpenAiChat, to), [upstream.as_slice()]));
        assert_eq!(outcome.error.as_deref(), Some("the upstream sent arguments for a tool call that was over"));
    }
}

#[test]
fn errors_of_the_upstream_keep_their_message_and_kind() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let limited = json!({"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}});
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "rate_limit_exceeded", "message": "Slow down"}}});
    for (from, error) in
        [(Api::AnthropicMessages, overloaded), (Api::OpenAiChat, limited), (Api::OpenAiResponses, failed)]
    {
        for to in Api::DIALECTS.into_iter().filter(|to| *to != from) {
            let stream = stream_of(from);
            let upstream =
                [&stream[..stream.len() / 2], b"\n\n", &events(std::slice::from_ref(&error)), &stream].concat();
            let bytes = translate((from, to), [upstream.as_slice()]);
            let last = sse::Decoder::default().push(&bytes).pop().expect("there are events");
            insta::assert_snapshot!(format!("error-{from}-to-{to}"), format!("{}\n{}", last.event, last.data));
        }
    }
}

#[test]
fn reasons_to_end_are_carried() {
    let messages = |delta: Value| {
        let upstream = [
            json!({"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}}),
            json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 1}}),
            json!({"type": "message_stop"}),
        ];
        events(&upstream)
    };
    let stopped = messages(json!({"stop_reason": "stop_sequence", "stop_sequence": "END"}));
    for (from, upstream, finish, word) in [
        (Api::OpenAiChat, chat(&[finish("length")]), Finish::Length, ""),
        (Api::OpenAiChat, chat(&[finish("content_filter")]), Finish::Refused, ""),
        (Api::OpenAiChat, chat(&[begin(0, "a"), finish("stop")]), Finish::ToolCalls, ""),
        (Api::OpenAiChat, chat(&[delta(&json!({"content": "no reason"}))]), Finish::Stop, ""),
        (Api::AnthropicMessages, messages(json!({"stop_reason": "refusal"})), Finish::Refused, ""),
        (Api::AnthropicMessages, messages(json!({"stop_reason": "pause_turn"})), Finish::Stop, ""),
        (Api::AnthropicMessages, messages(json!({"stop_reason": "max_tokens"})), Finish::Length, ""),
        (Api::AnthropicMessages, stopped, Finish::Stop, "END"),
    ] {
        for to in Api::DIALECTS {
            let bytes = translate((from, to), [upstream.as_slice()]);
            let outcome = read(to, &bytes);
            assert_eq!((outcome.is_complete, outcome.answer.finish), (true, Some(finish)), "{from} to {to}");
            // Responses has no place for the stop text.
            assert!(to == Api::OpenAiResponses || text(&bytes).contains(word), "{from} to {to}");
        }
    }
}

#[test]
fn refusals_stay_refusals() {
    let refused = [delta(&json!({"refusal": "I will "})), delta(&json!({"refusal": "not."})), finish("stop")];
    for to in Api::DIALECTS {
        let bytes = translate((Api::OpenAiChat, to), [chat(&refused).as_slice()]);
        let answer = read(to, &bytes).answer;
        assert_eq!((answer.text.as_str(), answer.finish), ("I will not.", Some(Finish::Refused)), "{to}");
        let (kept, word) = match to {
            Api::OpenAiChat => (true, "\"refusal\":\"I will \""),
            Api::OpenAiResponses => (true, "response.refusal.delta"),
            _ => (true, "\"stop_reason\":\"refusal\""),
        };
        assert_eq!(text(&bytes).contains(word), kept, "{to}");
    }
}

#[test]
fn log_probabilities_pass_between_the_dialects_of_openai() {
    let token = json!({"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []});
    let mut piece = delta(&json!({"content": "Hi"}));
    piece["choices"][0]["logprobs"] = json!({"content": [token], "refusal": null});
    let responses = translate((Api::OpenAiChat, Api::OpenAiResponses), [chat(&[piece, finish("stop")]).as_slice()]);
    let told: Vec<Value> = sse::Decoder::default()
        .push(&responses)
        .iter()
        .map(|event| serde_json::from_str(&event.data).expect("events are JSON"))
        .collect();
    let delta = told.iter().find(|event| event["type"] == "response.output_text.delta").expect("it has text");
    assert_eq!(delta["logprobs"], json!([token]));
    let whole = &told.last().expect("it has an end")["response"];
    assert_eq!(whole["output"][0]["content"][0]["logprobs"], json!([token]));
    let back = translate((Api::OpenAiResponses, Api::OpenAiChat), [responses.as_slice()]);
    assert!(text(&back).contains(&format!("\"logprobs\":{{\"content\":[{token}]")), "{}", text(&back));
}

/// Some servers of Responses send whole items only, or nothing but the last event.
#[test]
fn items_without_pieces_are_told() {
    let output = json!([
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
    ]);
    let done = |(index, item): (usize, &Value)| json!({"type": "response.output_item.done", "output_index": index, "item": item});
    let items: Vec<Value> = output.as_array().expect("it is a list").iter().enumerate().map(done).collect();
    let last = json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": output}});
    for upstream in [events(std::slice::from_ref(&last)), events(&[items, vec![last]].concat())] {
        for to in Api::DIALECTS {
            let answer = read(to, &translate((Api::OpenAiResponses, to), [upstream.as_slice()])).answer;
            assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Hello", "Hm."), "{to}");
            let call = ToolCall { id: "c1".into(), name: "f".into(), arguments: "{\"a\":1}".into() };
            assert_eq!((answer.tool_calls, answer.finish), (vec![call], Some(Finish::ToolCalls)));
        }
    }
}

#[test]
fn reasoning_parts_stay_apart() {
    let thinking = |index: u64, text: &str| {
        [
            json!({"type": "content_block_start", "index": index, "content_block": {"type": "thinking", "thinking": ""}}),
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "thinking_delta", "thinking": text}}),
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "signature_delta", "signature": "secret"}}),
            json!({"type": "content_block_stop", "index": index}),
        ]
    };
    let upstream = [
        &[json!({"type": "message_start", "message": {"id": "i", "model": "m"}})][..],
        &thinking(0, "One."),
        &thinking(1, "Two."),
        &[json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}), json!({"type": "message_stop"})],
    ]
    .concat();
    for to in Api::DIALECTS {
        let bytes = translate((Api::AnthropicMessages, to), [events(&upstream).as_slice()]);
        assert_eq!(read(to, &bytes).answer.reasoning, "One.\n\nTwo.", "{to}");
        // Chat Completions has no place for what the vendor wants back.
        assert_eq!(text(&bytes).contains("secret"), to != Api::OpenAiChat, "{to}");
    }
}

/// What a vendor wants back reaches its clients, even where it shows no reasoning beside it.
#[test]
fn encrypted_reasoning_comes_as_a_signature() {
    let item = |index: u64, summary: &str| {
        let summary = if summary.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": summary}]) };
        let item = json!({"type": "reasoning", "id": "rs", "summary": summary, "encrypted_content": "gAAAA"});
        json!({"type": "response.output_item.done", "output_index": index, "item": item})
    };
    let last = json!({"type": "response.completed", "response": {"status": "completed", "output": []}});
    let upstream = events(&[item(0, "Hm."), item(1, ""), last]);
    let bytes = translate((Api::OpenAiResponses, Api::AnthropicMessages), [upstream.as_slice()]);
    assert_eq!(text(&bytes).matches(r#"{"type":"signature_delta","signature":"gAAAA"}"#).count(), 2);
    assert_eq!(text(&bytes).matches("content_block_stop\"").count(), 2);
    let back = translate((Api::AnthropicMessages, Api::OpenAiResponses), [bytes.as_slice()]);
    // Twice where each item ends, twice where the whole answer is repeated.
    assert_eq!(text(&back).matches(r#""encrypted_content":"gAAAA""#).count(), 4);
}

#[test]
fn ids_that_anthropic_would_not_take_are_spelt_anew() {
    let upstream = chat(&[begin(0, "functions.f:0"), arguments(0, "{}"), finish("tool_calls")]);
    let bytes = translate((Api::OpenAiChat, Api::AnthropicMessages), [upstream.as_slice()]);
    assert_eq!(read(Api::AnthropicMessages, &bytes).answer.tool_calls[0].id, "fhx_functions_2ef_3a0");
}

#[test]
fn too_long_an_event_is_an_error_and_not_a_gap() {
    let upstream = chat(&[delta(&json!({"content": "x".repeat(sse::EVENT_BYTES_MAX)})), finish("stop")]);
    let bytes = translate((Api::OpenAiChat, Api::AnthropicMessages), upstream.chunks(1 << 20));
    let outcome = read(Api::AnthropicMessages, &bytes);
    assert!(outcome.error.is_some_and(|error| error.contains("longer than")) && !outcome.is_complete);
}

#[test]
fn waiting_is_bounded() {
    let upstream: Vec<Value> =
        [begin(0, "a"), begin(1, "b")].into_iter().chain((0..10).map(|_| arguments(1, &"x".repeat(1 << 20)))).collect();
    let bytes = translate((Api::OpenAiChat, Api::AnthropicMessages), [chat(&upstream).as_slice()]);
    let error = read(Api::AnthropicMessages, &bytes).error;
    assert!(error.as_ref().is_some_and(|error| error.contains("wait for a tool call")), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_both_can_say_arrives(answer in round_trip::answer(), size in 1usize..20, cut in 1usize..100) {
        for (from, to) in pairs() {
            let upstream = round_trip::stream(from, head(), &answer, size);
            let bytes = translate((from, to), upstream.chunks(cut));
            let mut expected = read(from, &upstream);
            expected.answer = carried(expected.answer, to);
            prop_assert_eq!(read(to, &bytes), expected, "{} to {}", from, to);
        }
    }
}
