//! Reading whole answers.

use freehold_wire::{Answer, Api, Finish, ToolCall, Usage, answers};
use serde_json::{Value, json};

fn read(api: Api, body: &Value) -> Answer {
    let body = body.to_string();
    let answer = answers::read(api, body.as_bytes()).expect("the fixture is an answer");
    let outline = answers::outline(api, body.as_bytes());
    assert_eq!(outline.is_some(), answer.usage.is_some(), "an outline is what tells tokens");
    if let Some(outline) = outline {
        assert_eq!((&outline.model, &outline.usage), (&answer.model, &answer.usage));
    }
    answer
}

/// Returns a call that asks for the weather of a city.
pub(crate) fn weather(id: &str, city: &str) -> ToolCall {
    ToolCall { id: id.into(), name: "weather".into(), arguments: json!({ "city": city }).to_string() }
}

/// Returns the answer; not every dialect tells cache writes or reasoning.
fn expected(cache_write: u64, reasoning: u64) -> Answer {
    Answer {
        id: "id-1".into(),
        model: "m-1".into(),
        text: "Looking.".into(),
        reasoning: "Hm.".into(),
        tool_calls: vec![weather("c1", "Oslo"), weather("c2", "Rome")],
        finish: Some(Finish::ToolCalls),
        usage: Some(Usage { input: 100, cache_read: 40, cache_write, output: 20, reasoning }),
    }
}

#[test]
fn every_dialect_spells_the_same_answer() {
    let arguments = |city: &str| json!({ "city": city }).to_string();
    let chat_call =
        |id, city| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments(city)}});
    let chat = json!({"id": "id-1", "object": "chat.completion", "model": "m-1", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Looking.", "refusal": null,
            "reasoning_content": "Hm.", "tool_calls": [chat_call("c1", "Oslo"), chat_call("c2", "Rome")]}},
        {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "not this one"}},
    ], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens_details": {"reasoning_tokens": 5}}});
    assert_eq!(read(Api::OpenAiChat, &chat), expected(0, 5));

    let item =
        |id, city| json!({"type": "function_call", "call_id": id, "name": "weather", "arguments": arguments(city)});
    let responses = json!({"id": "id-1", "object": "response", "model": "m-1", "status": "completed", "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Look"}, {"type": "output_text", "text": "ing."}]},
        item("c1", "Oslo"), item("c2", "Rome"),
    ], "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 20, "total_tokens": 120}});
    assert_eq!(read(Api::OpenAiResponses, &responses), expected(0, 0));

    let block = |id, city: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": city}});
    let messages = json!({"id": "id-1", "type": "message", "role": "assistant", "model": "m-1", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Looking."},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
        block("c1", "Oslo"), block("c2", "Rome"),
    ], "stop_reason": "tool_use", "usage": {"input_tokens": 50, "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 40, "output_tokens": 20}});
    assert_eq!(read(Api::AnthropicMessages, &messages), expected(10, 0));
}

#[test]
fn reasons_to_end_are_told_apart() {
    let chat = |reason: &str| json!({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]});
    let messages = |reason: &str| json!({"content": [{"type": "text", "text": "x"}], "stop_reason": reason});
    let incomplete =
        |reason: &str| json!({"output": [], "status": "incomplete", "incomplete_details": {"reason": reason}});
    for (api, body, finish) in [
        (Api::OpenAiChat, chat("stop"), Some(Finish::Stop)),
        (Api::OpenAiChat, chat("length"), Some(Finish::Length)),
        (Api::OpenAiChat, chat("content_filter"), Some(Finish::Refused)),
        (Api::OpenAiChat, chat("function_call"), Some(Finish::ToolCalls)),
        (Api::OpenAiChat, chat("eos"), Some(Finish::Stop)),
        (Api::OpenAiChat, json!({"choices": [{"message": {"content": "x"}, "finish_reason": null}]}), None),
        (Api::AnthropicMessages, messages("end_turn"), Some(Finish::Stop)),
        (Api::AnthropicMessages, messages("stop_sequence"), Some(Finish::Stop)),
        (Api::AnthropicMessages, messages("max_tokens"), Some(Finish::Length)),
        (Api::AnthropicMessages, messages("refusal"), Some(Finish::Refused)),
        (Api::OpenAiResponses, incomplete("max_output_tokens"), Some(Finish::Length)),
        (Api::OpenAiResponses, incomplete("content_filter"), Some(Finish::Refused)),
        (Api::OpenAiResponses, json!({"output": [], "status": "in_progress"}), None),
        (Api::OpenAiResponses, json!({"output": [], "status": "completed"}), Some(Finish::Stop)),
    ] {
        assert_eq!(read(api, &body).finish, finish, "{api} {body}");
    }
}

#[test]
fn refusals_are_the_text() {
    let chat = json!({"choices": [{"message": {"content": null, "refusal": "I will not."}, "finish_reason": "stop"}]});
    let responses = json!({"status": "completed", "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}]});
    for (api, body) in [(Api::OpenAiChat, chat), (Api::OpenAiResponses, responses)] {
        let answer = read(api, &body);
        assert_eq!((answer.text.as_str(), answer.finish), ("I will not.", Some(Finish::Refused)));
    }
}

#[test]
fn older_and_other_servers_spellings_are_read() {
    let legacy = json!({"choices": [{"message": {"content": null, "function_call": {"name": "f", "arguments": "{}"}}, "finish_reason": "function_call"}]});
    let answer = read(Api::OpenAiChat, &legacy);
    assert_eq!(answer.tool_calls, [ToolCall { id: String::new(), name: "f".into(), arguments: "{}".into() }]);
    assert_eq!(answer.usage, None);
    let deepseek = json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}});
    let answer = read(Api::OpenAiChat, &deepseek);
    assert_eq!(
        (answer.text.as_str(), answer.usage),
        ("a", Some(Usage { input: 9, cache_read: 4, output: 1, ..Usage::default() }))
    );
}

#[test]
fn bodies_that_are_no_answers_are_refused() {
    let openai = json!({"error": {"type": "rate_limit_error", "message": "secret text"}});
    let anthropic = json!({"type": "error", "error": {"type": "overloaded_error", "message": "secret text"}});
    let failed = json!({"object": "response", "status": "failed", "output": [], "error": {"code": "server_error", "message": "secret text"}});
    for (api, body, found) in [
        (Api::OpenAiChat, &openai, "an error of type \"rate_limit_error\""),
        (Api::OpenAiResponses, &openai, "an error of type \"rate_limit_error\""),
        (Api::AnthropicMessages, &anthropic, "an error of type \"overloaded_error\""),
        (Api::OpenAiResponses, &failed, "a failed response with the code \"server_error\""),
        (Api::OpenAiChat, &json!({"choices": []}), "an object without choices"),
        (Api::AnthropicMessages, &json!([1]), "an array"),
    ] {
        assert_eq!(answers::outline(api, body.to_string().as_bytes()), None);
        let error = answers::read(api, body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("the body is not an answer of {api}: {found}"));
    }
    assert!(matches!(answers::read(Api::OpenAiChat, b"<html>"), Err(answers::Error::Json(_))));
}
