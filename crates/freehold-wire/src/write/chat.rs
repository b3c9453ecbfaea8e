//! Writes OpenAI Chat Completions answers.

use serde_json::{Map, Value, json};

use super::block::{Block, Content, Ended};
use super::{Head, call_id};
use crate::error_body::VendorError;
use crate::stream::ToolKind;
use crate::{Dialect, Finish, ToolCall, Usage, sse};

pub(super) fn whole(head: &Head, content: &Content) -> Value {
    let text = content.joined("", |block| if let Block::Text { text, .. } = block { Some(text) } else { None });
    let refusal = content.joined("", |block| if let Block::Refusal(text) = block { Some(text) } else { None });
    let reasoning = content.joined("\n\n", |block| match block {
        Block::Reasoning { text, .. } => Some(text),
        _ => None,
    });
    let calls = tool_calls(head, content);
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let says_nothing = text.is_empty() && !(calls.is_empty() && refusal.is_empty());
    message.insert("content".into(), if says_nothing { Value::Null } else { text.into() });
    message.insert("refusal".into(), if refusal.is_empty() { Value::Null } else { refusal.as_str().into() });
    if !reasoning.is_empty() {
        message.insert("reasoning_content".into(), reasoning.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    let finish = content.finish.map(|finish| finish_reason(finish, &refusal));
    let mut choice =
        json!({"index": 0, "message": message, "logprobs": logprobs(&logprobs_of(content)), "finish_reason": finish});
    if let Some(stop_text) = &content.stop_text {
        choice["stop_reason"] = stop_text.as_str().into();
    }
    let mut body = json!({
        "id": format!("chatcmpl-{}", head.id),
        "object": "chat.completion",
        "created": head.created_s,
        "model": head.model,
        "choices": [choice],
    });
    if let Some(usage) = content.usage {
        body["usage"] = usage_object(usage);
    }
    body
}

fn tool_calls(head: &Head, content: &Content) -> Vec<Value> {
    let calls = content.blocks.iter().filter_map(|block| match block {
        Block::Tool { call, kind } => Some((call, *kind)),
        _ => None,
    });
    calls
        .enumerate()
        .map(|(place, (call, kind))| tool_call(&call_id(head, "call_", &call.id, place), call, kind))
        .collect()
}

fn tool_call(id: &str, call: &ToolCall, kind: ToolKind) -> Value {
    match kind {
        ToolKind::Function => {
            json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
        }
        ToolKind::Custom => json!({"id": id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}),
    }
}

fn logprobs_of(content: &Content) -> Vec<Value> {
    let texts = content.blocks.iter().filter_map(|block| match block {
        Block::Text { logprobs, .. } => Some(logprobs.iter().cloned()),
        _ => None,
    });
    texts.flatten().collect()
}

fn logprobs(tokens: &[Value]) -> Value {
    if tokens.is_empty() { Value::Null } else { json!({"content": tokens, "refusal": null}) }
}

/// Returns the word for the reason; beside a refusal's text the model ended by itself.
fn finish_reason(finish: Finish, refusal: &str) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refused if !refusal.is_empty() => "stop",
        Finish::Refused => "content_filter",
    }
}

fn usage_object(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}

#[derive(Debug, Default)]
pub(super) struct State {
    calls: usize,
    /// What the arguments of the tool call under way are.
    kind: ToolKind,
    /// The first piece of the refusal.
    refusal: String,
    has_reasoning: bool,
    is_new_part: bool,
}

impl State {
    pub(super) fn start(&self, head: &Head) -> Vec<u8> {
        delta(head, &json!({"role": "assistant", "content": "", "refusal": null}))
    }

    pub(super) fn text(&self, head: &Head, piece: &str, tokens: &[Value]) -> Vec<u8> {
        let choice = json!({
            "index": 0, "delta": {"content": piece}, "logprobs": logprobs(tokens), "finish_reason": null,
        });
        chunk(head, json!([choice]), None)
    }

    /// This dialect has one text for all reasoning; its parts become paragraphs.
    pub(super) fn reasoning_part(&mut self) {
        self.is_new_part = self.has_reasoning;
    }

    pub(super) fn reasoning(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        self.has_reasoning = true;
        let mut bytes = Vec::new();
        if std::mem::take(&mut self.is_new_part) {
            bytes = delta(head, &json!({"reasoning_content": "\n\n"}));
        }
        bytes.extend(delta(head, &json!({"reasoning_content": piece})));
        bytes
    }

    pub(super) fn refusal(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        if self.refusal.is_empty() {
            piece.clone_into(&mut self.refusal);
        }
        delta(head, &json!({"refusal": piece}))
    }

    /// Writes a call, or its beginning where the arguments are still empty.
    pub(super) fn tool_call(&mut self, head: &Head, call: &ToolCall, kind: ToolKind) -> Vec<u8> {
        let mut spelt = json!({"index": self.calls});
        let whole = tool_call(&call_id(head, "call_", &call.id, self.calls), call, kind);
        if let (Value::Object(spelt), Value::Object(call)) = (&mut spelt, whole) {
            spelt.extend(call);
        }
        self.calls += 1;
        self.kind = kind;
        delta(head, &json!({"tool_calls": [spelt]}))
    }

    pub(super) fn arguments(&self, head: &Head, piece: &str) -> Vec<u8> {
        let index = self.calls.saturating_sub(1);
        let call = match self.kind {
            ToolKind::Function => json!({"index": index, "function": {"arguments": piece}}),
            ToolKind::Custom => json!({"index": index, "custom": {"input": piece}}),
        };
        delta(head, &json!({"tool_calls": [call]}))
    }

    pub(super) fn finish(&self, head: &Head, ended: Ended<'_>) -> Vec<u8> {
        let reason = finish_reason(ended.finish, &self.refusal);
        let mut last = json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason});
        if let Some(stop_text) = ended.stop_text {
            last["stop_reason"] = stop_text.into();
        }
        let mut bytes = chunk(head, json!([last]), None);
        if let Some(usage) = ended.usage.filter(|_| head.stream_usage) {
            bytes.extend(chunk(head, json!([]), Some(usage)));
        }
        bytes.extend(sse::encode("", "[DONE]"));
        bytes
    }
}

pub(super) fn error(error: &VendorError) -> Vec<u8> {
    sse::encode("", &json!({"error": error.spelt(Dialect::Chat, 0)}).to_string())
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
