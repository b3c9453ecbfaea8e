//! Writes Anthropic Messages answers.

use serde_json::{Value, json};

use super::{Head, call_id, push_event};
use crate::{Answer, Api, ErrorKind, Finish, ToolCall, Usage, error_body, sse};

pub(super) fn whole(head: &Head, answer: &Answer) -> Value {
    let mut content = Vec::new();
    if !answer.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": answer.reasoning, "signature": ""}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"type": "text", "text": answer.text}));
    }
    for (place, call) in answer.tool_calls.iter().enumerate() {
        content.push(tool_use(head, call, place, &arguments(call)));
    }
    let mut message = message(head, &content, answer.usage);
    message["stop_reason"] = answer.finish.map(stop_reason).into();
    message
}

fn message(head: &Head, content: &[Value], usage: Option<Usage>) -> Value {
    json!({
        "id": format!("msg_{}", head.id),
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage.map(usage_object),
    })
}

fn tool_use(head: &Head, call: &ToolCall, place: usize, input: &Value) -> Value {
    json!({"type": "tool_use", "id": call_id(head, "toolu_", call, place), "name": call.name, "input": input})
}

/// Returns the arguments as the object that this API has for them.
fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(object @ Value::Object(_)) => object,
        _ if call.arguments.trim().is_empty() => json!({}),
        _ => json!({"arguments": call.arguments}),
    }
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Refused => "refusal",
    }
}

/// Spells the counts; here `input_tokens` leaves out what came from the cache.
fn usage_object(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cache_read),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The block that deltas go to; its index is `blocks - 1`.
    open: Option<Block>,
    blocks: usize,
    calls: usize,
}

impl State {
    pub(super) fn start(&self, head: &Head, input_tokens: u64) -> Vec<u8> {
        let usage = Usage { input: input_tokens, ..Usage::default() };
        let message = message(head, &[], Some(usage));
        let mut bytes = Vec::new();
        push_event(&mut bytes, &json!({"type": "message_start", "message": message}));
        bytes
    }

    pub(super) fn text(&mut self, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open(&mut bytes, Block::Text, &json!({"type": "text", "text": ""}));
        self.delta(&mut bytes, &json!({"type": "text_delta", "text": piece}));
        bytes
    }

    pub(super) fn reasoning(&mut self, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open(&mut bytes, Block::Thinking, &json!({"type": "thinking", "thinking": "", "signature": ""}));
        self.delta(&mut bytes, &json!({"type": "thinking_delta", "thinking": piece}));
        bytes
    }

    pub(super) fn tool_call(&mut self, head: &Head, call: &ToolCall) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(&mut bytes);
        self.begin(&mut bytes, &tool_use(head, call, self.calls, &json!({})));
        self.calls += 1;
        let input = arguments(call).to_string();
        self.delta(&mut bytes, &json!({"type": "input_json_delta", "partial_json": input}));
        self.end(&mut bytes);
        bytes
    }

    pub(super) fn finish(&mut self, finish: Finish, usage: Usage) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(&mut bytes);
        let delta = json!({"stop_reason": stop_reason(finish), "stop_sequence": null});
        push_event(&mut bytes, &json!({"type": "message_delta", "delta": delta, "usage": usage_object(usage)}));
        push_event(&mut bytes, &json!({"type": "message_stop"}));
        bytes
    }

    fn open(&mut self, bytes: &mut Vec<u8>, block: Block, start: &Value) {
        if self.open != Some(block) {
            self.close(bytes);
            self.begin(bytes, start);
            self.open = Some(block);
        }
    }

    fn close(&mut self, bytes: &mut Vec<u8>) {
        if self.open.take().is_some() {
            self.end(bytes);
        }
    }

    fn begin(&mut self, bytes: &mut Vec<u8>, block: &Value) {
        push_event(bytes, &json!({"type": "content_block_start", "index": self.blocks, "content_block": block}));
        self.blocks += 1;
    }

    fn delta(&self, bytes: &mut Vec<u8>, delta: &Value) {
        push_event(bytes, &json!({"type": "content_block_delta", "index": self.index(), "delta": delta}));
    }

    fn end(&self, bytes: &mut Vec<u8>) {
        push_event(bytes, &json!({"type": "content_block_stop", "index": self.index()}));
    }

    fn index(&self) -> usize {
        self.blocks.saturating_sub(1)
    }
}

pub(super) fn error(message: &str) -> Vec<u8> {
    let body = error_body(Api::AnthropicMessages, ErrorKind::Internal, message);
    sse::encode("error", &String::from_utf8_lossy(&body))
}
