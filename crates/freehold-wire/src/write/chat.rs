//! Writes OpenAI Chat Completions answers.

use serde_json::{Map, Value, json};

use super::{Head, call_id};
use crate::{Answer, Api, ErrorKind, Finish, ToolCall, Usage, error_body, sse};

pub(super) fn whole(head: &Head, answer: &Answer) -> Value {
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let says_nothing = answer.text.is_empty() && !answer.tool_calls.is_empty();
    message.insert("content".into(), if says_nothing { Value::Null } else { answer.text.as_str().into() });
    message.insert("refusal".into(), Value::Null);
    if !answer.reasoning.is_empty() {
        message.insert("reasoning_content".into(), answer.reasoning.as_str().into());
    }
    if !answer.tool_calls.is_empty() {
        let calls = answer.tool_calls.iter().enumerate().map(|(place, call)| tool_call(head, call, place));
        message.insert("tool_calls".into(), calls.collect());
    }
    let mut body = json!({
        "id": format!("chatcmpl-{}", head.id),
        "object": "chat.completion",
        "created": head.created_s,
        "model": head.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": answer.finish.map(finish_reason),
        }],
    });
    if let Some(usage) = answer.usage {
        body["usage"] = usage_object(usage);
    }
    body
}

fn tool_call(head: &Head, call: &ToolCall, place: usize) -> Value {
    json!({
        "id": call_id(head, "call_", call, place),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refused => "content_filter",
    }
}

fn usage_object(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    })
}

#[derive(Debug, Default)]
pub(super) struct State {
    calls: usize,
}

impl State {
    pub(super) fn start(&self, head: &Head) -> Vec<u8> {
        delta(head, &json!({"role": "assistant", "content": "", "refusal": null}))
    }

    pub(super) fn text(&self, head: &Head, piece: &str) -> Vec<u8> {
        delta(head, &json!({"content": piece}))
    }

    pub(super) fn reasoning(&self, head: &Head, piece: &str) -> Vec<u8> {
        delta(head, &json!({"reasoning_content": piece}))
    }

    pub(super) fn tool_call(&mut self, head: &Head, call: &ToolCall) -> Vec<u8> {
        let mut spelt = json!({"index": self.calls});
        if let (Value::Object(spelt), Value::Object(call)) = (&mut spelt, tool_call(head, call, self.calls)) {
            spelt.extend(call);
        }
        self.calls += 1;
        delta(head, &json!({"tool_calls": [spelt]}))
    }

    pub(super) fn finish(&self, head: &Head, finish: Finish, usage: Usage) -> Vec<u8> {
        let last = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": finish_reason(finish)}]);
        let mut bytes = chunk(head, last, None);
        if head.stream_usage {
            bytes.extend(chunk(head, json!([]), Some(usage)));
        }
        bytes.extend(sse::encode("", "[DONE]"));
        bytes
    }
}

pub(super) fn error(message: &str) -> Vec<u8> {
    let body = error_body(Api::OpenAiChat, ErrorKind::Internal, message);
    sse::encode("", &String::from_utf8_lossy(&body))
}

fn delta(head: &Head, delta: &Value) -> Vec<u8> {
    let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null});
    chunk(head, Value::Array(vec![choice]), None)
}

fn chunk(head: &Head, choices: Value, usage: Option<Usage>) -> Vec<u8> {
    let mut chunk = json!({
        "id": format!("chatcmpl-{}", head.id),
        "object": "chat.completion.chunk",
        "created": head.created_s,
        "model": head.model,
    });
    chunk["choices"] = choices;
    if head.stream_usage {
        // Every chunk before the last has the member too, as null.
        chunk["usage"] = usage.map_or(Value::Null, usage_object);
    }
    sse::encode("", &chunk.to_string())
}
