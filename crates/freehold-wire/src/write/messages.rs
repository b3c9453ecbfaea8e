//! Writes Anthropic Messages answers.

use serde_json::{Value, json};

use super::block::{Block, Content, Ended};
use super::{Head, call_id, push_event, tool_id};
use crate::error_body::VendorError;
use crate::{Dialect, Finish, Usage, sse};

pub(super) fn whole(head: &Head, content: &Content) -> Value {
    let mut calls = 0;
    let blocks: Vec<Value> = content
        .blocks
        .iter()
        .map(|block| match block {
            Block::Text { text, .. } | Block::Refusal(text) => json!({"type": "text", "text": text}),
            Block::Reasoning { text, signature } => {
                json!({"type": "thinking", "thinking": text, "signature": signature})
            }
            Block::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
            Block::Tool { call, .. } => {
                calls += 1;
                tool_use(head, (&call.id, &call.name), calls - 1, &arguments(&call.arguments))
            }
        })
        .collect();
    let mut message = message(head, &blocks, content.usage);
    message["stop_reason"] = content.finish.map(|finish| stop_reason(finish, content.stop_text.as_deref())).into();
    message["stop_sequence"] = content.stop_text.as_deref().into();
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

fn tool_use(head: &Head, (id, name): (&str, &str), place: usize, input: &Value) -> Value {
    let id = call_id(head, "toolu_", id, place);
    json!({"type": "tool_use", "id": tool_id::legal(&id), "name": name, "input": input})
}

/// Returns the arguments as the object that this API has for them.
fn arguments(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => object,
        _ if text.trim().is_empty() => json!({}),
        _ => json!({"arguments": text}),
    }
}

fn stop_reason(finish: Finish, stop_text: Option<&str>) -> &'static str {
    match finish {
        Finish::Stop if stop_text.is_some() => "stop_sequence",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Refused => "refusal",
    }
}

/// Spells the counts; here `input_tokens` leaves out what came from the cache or went into it.
fn usage_object(usage: Usage) -> Value {
    let mut spelt = json!({
        "input_tokens": usage.input.saturating_sub(usage.cache_read).saturating_sub(usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    });
    if usage.reasoning > 0 {
        spelt["output_tokens_details"] = json!({"thinking_tokens": usage.reasoning});
    }
    spelt
}

/// The block that deltas go to.
#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    Tool(Input),
}

/// The arguments of the tool call under way.
#[derive(Debug)]
enum Input {
    /// Nothing but white space came.
    Blank,
    /// They are an object, and are written as they come.
    Object,
    /// They are none, and wait for their end to be wrapped.
    Other(String),
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The block under way; its index is `blocks - 1`.
    open: Option<Open>,
    blocks: usize,
    calls: usize,
}

impl State {
    pub(super) fn start(&self, head: &Head, usage: Usage) -> Vec<u8> {
        let message = message(head, &[], Some(usage));
        let mut bytes = Vec::new();
        push_event(&mut bytes, &json!({"type": "message_start", "message": message}));
        bytes
    }

    pub(super) fn text(&mut self, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !matches!(self.open, Some(Open::Text)) {
            self.begin(&mut bytes, Open::Text, &json!({"type": "text", "text": ""}));
        }
        self.delta(&mut bytes, &json!({"type": "text_delta", "text": piece}));
        bytes
    }

    pub(super) fn reasoning(&mut self, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open_thinking(&mut bytes);
        self.delta(&mut bytes, &json!({"type": "thinking_delta", "thinking": piece}));
        bytes
    }

    pub(super) fn signature(&mut self, signature: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open_thinking(&mut bytes);
        self.delta(&mut bytes, &json!({"type": "signature_delta", "signature": signature}));
        bytes
    }

    fn open_thinking(&mut self, bytes: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Thinking)) {
            self.begin(bytes, Open::Thinking, &json!({"type": "thinking", "thinking": "", "signature": ""}));
        }
    }

    pub(super) fn reasoning_part(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if matches!(self.open, Some(Open::Thinking)) {
            self.close(&mut bytes);
        }
        bytes
    }

    pub(super) fn redacted(&mut self, data: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.begin(&mut bytes, Open::Thinking, &json!({"type": "redacted_thinking", "data": data}));
        self.close(&mut bytes);
        bytes
    }

    pub(super) fn begin_tool_call(&mut self, head: &Head, id: &str, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let block = tool_use(head, (id, name), self.calls, &json!({}));
        self.begin(&mut bytes, Open::Tool(Input::Blank), &block);
        self.calls += 1;
        bytes
    }

    pub(super) fn arguments(&mut self, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(Open::Tool(input)) = &mut self.open else { return bytes };
        if matches!(input, Input::Blank) {
            *input = match piece.trim_start().bytes().next() {
                None => Input::Blank,
                Some(b'{') => Input::Object,
                Some(_) => Input::Other(String::new()),
            };
        }
        match input {
            Input::Blank => {}
            Input::Object => self.delta(&mut bytes, &json!({"type": "input_json_delta", "partial_json": piece})),
            Input::Other(text) => text.push_str(piece),
        }
        bytes
    }

    pub(super) fn end_tool_call(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(&mut bytes);
        bytes
    }

    pub(super) fn finish(&mut self, ended: Ended<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(&mut bytes);
        let reason = stop_reason(ended.finish, ended.stop_text);
        let delta = json!({"stop_reason": reason, "stop_sequence": ended.stop_text});
        let usage = usage_object(ended.usage.unwrap_or_default());
        push_event(&mut bytes, &json!({"type": "message_delta", "delta": delta, "usage": usage}));
        push_event(&mut bytes, &json!({"type": "message_stop"}));
        bytes
    }

    fn begin(&mut self, bytes: &mut Vec<u8>, open: Open, block: &Value) {
        self.close(bytes);
        push_event(bytes, &json!({"type": "content_block_start", "index": self.blocks, "content_block": block}));
        self.blocks += 1;
        self.open = Some(open);
    }

    fn close(&mut self, bytes: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        let input = match open {
            Open::Tool(Input::Blank) => Some("{}".to_owned()),
            Open::Tool(Input::Other(text)) => Some(arguments(&text).to_string()),
            Open::Tool(Input::Object) | Open::Text | Open::Thinking => None,
        };
        if let Some(input) = input {
            self.delta(bytes, &json!({"type": "input_json_delta", "partial_json": input}));
        }
        push_event(bytes, &json!({"type": "content_block_stop", "index": self.index()}));
    }

    fn delta(&self, bytes: &mut Vec<u8>, delta: &Value) {
        push_event(bytes, &json!({"type": "content_block_delta", "index": self.index(), "delta": delta}));
    }

    fn index(&self) -> usize {
        self.blocks.saturating_sub(1)
    }
}

pub(super) fn error(error: &VendorError) -> Vec<u8> {
    sse::encode("error", &json!({"type": "error", "error": error.spelt(Dialect::Messages, 0)}).to_string())
}

pub(super) fn ping() -> Vec<u8> {
    sse::encode("ping", &json!({"type": "ping"}).to_string())
}
