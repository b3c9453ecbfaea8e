//! Whole answers and error bodies carried from one dialect to another.

use freehold_wire::write::{Head, whole};
use freehold_wire::{Answer, Api, Finish, answers, translate};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::round_trip;

fn head() -> Head {
    Head { id: "abc123".to_owned(), model: "served".to_owned(), created_s: 1_700_000_000, stream_usage: true }
}

fn pairs() -> impl Iterator<Item = (Api, Api)> {
    Api::DIALECTS.into_iter().flat_map(|from| Api::DIALECTS.into_iter().map(move |to| (from, to)))
}

fn translated((from, to): (Api, Api), body: &Value) -> Value {
    let body = translate::answer(from, to, &head(), body.to_string().as_bytes()).expect("it is an answer");
    serde_json::from_slice(&body).expect("answers are JSON")
}

fn chat() -> Value {
    let call = |id: &str, city: &str| {
        let arguments = json!({ "city": city }).to_string();
        json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
    };
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "Looking.", "refusal": null, "reasoning_content": "Hm.",
            "annotations": [{"type": "url_citation"}], "tool_calls": [call("c1", "Oslo"), call("c2", "Rome")]},
        "logprobs": {"content": [{"token": "Looking.", "logprob": -0.5, "bytes": null, "top_logprobs": []}]},
        "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 5}}})
}

fn responses() -> Value {
    let call = |id: &str, city: &str| {
        let arguments = json!({ "city": city }).to_string();
        json!({"type": "function_call", "id": "fc", "call_id": id, "name": "weather", "arguments": arguments})
    };
    json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m-1", "output": [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "secret"},
        {"type": "message", "content": [{"type": "output_text", "text": "Looking.",
            "annotations": [{"type": "url_citation"}], "logprobs": [{"token": "Looking.", "logprob": -0.5}]}]},
        call("c1", "Oslo"), call("c2", "Rome"),
    ], "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120}})
}

fn messages() -> Value {
    let call = |id: &str, city: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": city}});
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "secret"},
        {"type": "redacted_thinking", "data": "redacted"},
        {"type": "text", "text": "Look", "citations": [{"type": "char_location"}]}, {"type": "text", "text": "ing."},
        call("c1", "Oslo"), call("c2", "Rome"),
    ], "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 50, "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 40, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 5}}})
}

fn answer_of(api: Api) -> Value {
    match api {
        Api::OpenAiChat => chat(),
        Api::OpenAiResponses => responses(),
        _ => messages(),
    }
}

#[test]
fn answers_arrive_in_every_dialect() {
    for (from, to) in pairs().filter(|(from, to)| from != to) {
        let body = translated((from, to), &answer_of(from));
        assert_eq!(
            body.to_string().contains("secret"),
            to != Api::OpenAiChat && from != Api::OpenAiChat,
            "{from} to {to}"
        );
        assert!(!body.to_string().contains("redacted"));
        insta::assert_snapshot!(format!("answer-{from}-to-{to}"), serde_json::to_string_pretty(&body).unwrap());
        let read = |api, body: &Value| answers::read(api, body.to_string().as_bytes()).expect("it is an answer");
        let expected = Answer { id: String::new(), model: "served".into(), ..read(from, &answer_of(from)) };
        assert_eq!(Answer { id: String::new(), ..read(to, &body) }, expected, "{from} to {to}");
    }
}

#[test]
fn refusals_and_stop_texts_are_carried() {
    let refusal =
        json!({"choices": [{"message": {"content": null, "refusal": "I will not."}, "finish_reason": "stop"}]});
    let to = |to| translated((Api::OpenAiChat, to), &refusal);
    assert_eq!(to(Api::OpenAiChat)["choices"][0]["message"]["refusal"], "I will not.");
    assert_eq!(to(Api::OpenAiChat)["choices"][0]["finish_reason"], "stop");
    let responses = to(Api::OpenAiResponses);
    assert_eq!(responses["output"][0]["content"][0], json!({"type": "refusal", "refusal": "I will not."}));
    assert_eq!(responses["status"], "completed");
    let messages = to(Api::AnthropicMessages);
    assert_eq!(messages["content"], json!([{"type": "text", "text": "I will not."}]));
    assert_eq!((&messages["stop_reason"], &messages["usage"]["input_tokens"]), (&json!("refusal"), &json!(0)));

    let stopped =
        json!({"content": [{"type": "text", "text": "x"}], "stop_reason": "stop_sequence", "stop_sequence": "END"});
    let chat = translated((Api::AnthropicMessages, Api::OpenAiChat), &stopped);
    assert_eq!(
        (&chat["choices"][0]["finish_reason"], &chat["choices"][0]["stop_reason"]),
        (&json!("stop"), &json!("END"))
    );
    let back = translated((Api::OpenAiChat, Api::AnthropicMessages), &chat);
    assert_eq!((&back["stop_reason"], &back["stop_sequence"]), (&json!("stop_sequence"), &json!("END")));
}

#[test]
fn bodies_that_are_no_answers_are_refused() {
    for (from, to) in pairs() {
        let error = translate::answer(from, to, &head(), b"{\"error\":{\"type\":\"x\"}}").unwrap_err();
        assert_eq!(error.to_string(), format!("the body is not an answer of {from}: an error of type \"x\""));
    }
}

fn told((from, to): (Api, Api), status: u16, body: &Value) -> Value {
    let body = translate::error(from, to, status, body.to_string().as_bytes());
    serde_json::from_slice(&body).expect("errors are JSON")
}

#[test]
fn errors_are_told_in_the_words_of_anthropic() {
    let error = |kind: &str, code: Value| json!({"error": {"message": "M", "type": kind, "param": "p", "code": code}});
    for (status, body, kind, message, code) in [
        (429, error("requests", json!("rate_limit_exceeded")), "rate_limit_error", "M", "rate_limit_exceeded"),
        (429, error("insufficient_quota", json!("insufficient_quota")), "billing_error", "M", "insufficient_quota"),
        (404, error("invalid_request_error", Value::Null), "not_found_error", "M", ""),
        (401, error("invalid_request_error", json!("invalid_api_key")), "authentication_error", "M", "invalid_api_key"),
        (
            400,
            error("invalid_request_error", json!("context_length_exceeded")),
            "invalid_request_error",
            "prompt is too long: M",
            "context_length_exceeded",
        ),
        (
            400,
            json!({"object": "error", "message": "M", "type": "BadRequestError", "code": 400, "param": "p"}),
            "invalid_request_error",
            "M",
            "400",
        ),
    ] {
        let mut expected = json!({"type": "error", "error": {"type": kind, "message": message, "param": "p"}});
        if !code.is_empty() {
            expected["error"]["code"] = code.into();
        }
        assert_eq!(told((Api::OpenAiChat, Api::AnthropicMessages), status, &body), expected, "{status} {body}");
    }
}

#[test]
fn errors_are_told_in_the_words_of_openai() {
    let error = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    for (status, body, kind, message, code) in [
        (529, error("overloaded_error", "M"), "server_error", "M", json!("overloaded_error")),
        (429, error("rate_limit_error", "M"), "rate_limit_error", "M", Value::Null),
        (
            400,
            error("invalid_request_error", "prompt is too long: 9"),
            "invalid_request_error",
            "prompt is too long: 9",
            json!("context_length_exceeded"),
        ),
        (413, error("request_too_large", "M"), "invalid_request_error", "M", json!("request_too_large")),
        (500, json!({"error": "just text"}), "server_error", "just text", Value::Null),
        (422, json!({"detail": [{"loc": 1}]}), "invalid_request_error", "[{\"loc\":1}]", Value::Null),
        (502, json!("x"), "server_error", "the upstream answered 502: \"\\\"x\\\"\"", Value::Null),
    ] {
        let expected = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        for to in [Api::OpenAiChat, Api::OpenAiResponses] {
            assert_eq!(told((Api::AnthropicMessages, to), status, &body), expected, "{status} {body}");
        }
    }
}

#[test]
fn bodies_without_a_known_form_are_quoted_and_bounded() {
    let page = format!("<html>\n{}", "é".repeat(10_000));
    for (from, to) in pairs() {
        let body = translate::error(from, to, 502, page.as_bytes());
        let told: Value = serde_json::from_slice(&body).unwrap();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("the upstream answered 502: \"<html>\\né"), "{message}");
        assert!(message.chars().count() < 600 && message.ends_with("é…\""));
        let empty: Value = serde_json::from_slice(&translate::error(from, to, 503, b"")).unwrap();
        assert_eq!(empty["error"]["message"], "the upstream answered 503 without a message");
    }
}

/// An error body in the caller's own dialect passes as it is.
#[test]
fn an_error_of_the_same_dialect_stays() {
    let body = br#"{"error": {"message":"M","extra":1}}"#;
    assert_eq!(translate::error(Api::OpenAiChat, Api::OpenAiChat, 400, body), body);
}

proptest! {
    #[test]
    fn what_both_can_say_arrives(answer in round_trip::answer(), is_cut: bool) {
        let mut answer = answer;
        if is_cut { answer.finish = None; }
        for (from, to) in pairs() {
            let body = whole(from, &head(), &answer);
            let expected = Answer { id: String::new(), ..answers::read(from, &body).unwrap() };
            let body = translate::answer(from, to, &head(), &body).unwrap();
            let read = answers::read(to, &body).unwrap();
            prop_assert_eq!(Answer { id: String::new(), ..read }, expected, "{} to {}", from, to);
        }
    }
}

#[test]
fn a_finish_that_forgets_its_tools_is_corrected() {
    let mut body = chat();
    body["choices"][0]["finish_reason"] = "stop".into();
    assert_eq!(translated((Api::OpenAiChat, Api::AnthropicMessages), &body)["stop_reason"], "tool_use");
    assert_eq!(answers::read(Api::OpenAiChat, body.to_string().as_bytes()).unwrap().finish, Some(Finish::Stop));
}
