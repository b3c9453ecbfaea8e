//! Writes OpenAI Responses answers.

use serde_json::{Value, json};

use super::block::{Block, Content, Ended};
use super::{Head, call_id, push_event};
use crate::error_body::VendorError;
use crate::stream::ToolKind;
use crate::{Finish, ToolCall, Usage};

pub(super) fn whole(head: &Head, content: &Content) -> Value {
    let mut calls = 0;
    let mut output = Vec::with_capacity(content.blocks.len());
    for (index, block) in content.blocks.iter().enumerate() {
        output.push(item(head, index, block, calls));
        calls += usize::from(matches!(block, Block::Tool { .. }));
    }
    let (status, details) = status(content.finish, &output);
    let mut response = response(head, status, &output);
    response["incomplete_details"] = details;
    response["usage"] = content.usage.map_or(Value::Null, usage_object);
    response
}

fn response(head: &Head, status: &str, output: &[Value]) -> Value {
    json!({
        "id": format!("resp_{}", head.id),
        "object": "response",
        "created_at": head.created_s,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": head.model,
        "output": output,
        "parallel_tool_calls": true,
        "temperature": null,
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "usage": null,
    })
}

/// Returns the status of an answer and why it is incomplete, where it is.
///
/// A refusal in the output is an answer like any other; without one, the vendor withheld the content.
fn status(finish: Option<Finish>, output: &[Value]) -> (&'static str, Value) {
    match finish {
        Some(Finish::Stop | Finish::ToolCalls) => ("completed", Value::Null),
        Some(Finish::Length) => ("incomplete", json!({"reason": "max_output_tokens"})),
        Some(Finish::Refused) if output.iter().any(is_refusal) => ("completed", Value::Null),
        Some(Finish::Refused) => ("incomplete", json!({"reason": "content_filter"})),
        None => ("incomplete", Value::Null),
    }
}

fn is_refusal(item: &Value) -> bool {
    item["content"].as_array().is_some_and(|parts| parts.iter().any(|part| part["type"] == "refusal"))
}

fn usage_object(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

/// Returns the id of the item at an index of the output.
fn item_id(head: &Head, index: usize, block: &Block) -> String {
    let prefix = match block {
        Block::Text { .. } | Block::Refusal(_) => "msg",
        Block::Reasoning { .. } | Block::Redacted(_) => "rs",
        Block::Tool { kind: ToolKind::Function, .. } => "fc",
        Block::Tool { kind: ToolKind::Custom, .. } => "ctc",
    };
    format!("{prefix}_{}_{index}", head.id)
}

/// Returns a finished item; `calls` counts the tool calls before it.
fn item(head: &Head, index: usize, block: &Block, calls: usize) -> Value {
    let id = item_id(head, index, block);
    match block {
        Block::Text { .. } | Block::Refusal(_) => {
            let content: Vec<Value> = part(block).into_iter().collect();
            json!({"id": id, "type": "message", "status": "completed", "role": "assistant", "content": content})
        }
        Block::Reasoning { signature, .. } => {
            let content: Vec<Value> = part(block).into_iter().collect();
            let mut item =
                json!({"id": id, "type": "reasoning", "status": "completed", "summary": [], "content": content});
            if !signature.is_empty() {
                item["encrypted_content"] = signature.as_str().into();
            }
            item
        }
        Block::Redacted(data) => json!({
            "id": id, "type": "reasoning", "status": "completed", "summary": [], "content": [],
            "encrypted_content": data,
        }),
        Block::Tool { call, kind } => {
            let call_id = call_id(head, "call_", &call.id, calls);
            let mut item = json!({
                "id": id, "type": "function_call", "status": "completed", "call_id": call_id, "name": call.name,
            });
            if *kind == ToolKind::Custom {
                item["type"] = "custom_tool_call".into();
            }
            item[arguments_member(*kind)] = call.arguments.as_str().into();
            item
        }
    }
}

/// Returns an item that has just begun.
fn begun(mut item: Value) -> Value {
    item["status"] = "in_progress".into();
    for (member, empty) in [("content", json!([])), ("arguments", "".into()), ("input", "".into())] {
        if !item[member].is_null() {
            item[member] = empty;
        }
    }
    item
}

/// Returns the part that holds the text of an item; none for an item without any.
fn part(block: &Block) -> Option<Value> {
    match block {
        Block::Text { text, logprobs } => {
            Some(json!({"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}))
        }
        Block::Refusal(text) => Some(json!({"type": "refusal", "refusal": text})),
        Block::Reasoning { text, .. } if text.is_empty() => None,
        Block::Reasoning { text, .. } => Some(json!({"type": "reasoning_text", "text": text})),
        Block::Redacted(_) | Block::Tool { .. } => None,
    }
}

fn arguments_member(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Function => "arguments",
        ToolKind::Custom => "input",
    }
}

/// Returns the first half of the names of the events that tell the text of an item.
fn event_stem(block: &Block) -> &'static str {
    match block {
        Block::Text { .. } => "response.output_text",
        Block::Refusal(_) => "response.refusal",
        Block::Reasoning { .. } | Block::Redacted(_) => "response.reasoning_text",
        Block::Tool { kind: ToolKind::Function, .. } => "response.function_call_arguments",
        Block::Tool { kind: ToolKind::Custom, .. } => "response.custom_tool_call_input",
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    sequence: u64,
    /// The items that are done.
    output: Vec<Value>,
    /// The item under way with what it says so far; its index is the number of items that are done.
    open: Option<Block>,
    /// The part of the open item has been told of.
    has_part: bool,
    /// The tool calls that are done.
    calls: usize,
}

impl State {
    pub(super) fn start(&mut self, head: &Head) -> Vec<u8> {
        let mut bytes = Vec::new();
        for name in ["response.created", "response.in_progress"] {
            self.push(&mut bytes, json!({"type": name, "response": response(head, "in_progress", &[])}));
        }
        bytes
    }

    pub(super) fn text(&mut self, head: &Head, piece: &str, tokens: Vec<Value>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !matches!(self.open, Some(Block::Text { .. })) {
            self.begin(head, Block::Text { text: String::new(), logprobs: Vec::new() }, &mut bytes);
        }
        self.delta(head, piece, tokens, &mut bytes);
        bytes
    }

    pub(super) fn refusal(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !matches!(self.open, Some(Block::Refusal(_))) {
            self.begin(head, Block::Refusal(String::new()), &mut bytes);
        }
        self.delta(head, piece, Vec::new(), &mut bytes);
        bytes
    }

    pub(super) fn reasoning(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open_reasoning(head, &mut bytes);
        self.delta(head, piece, Vec::new(), &mut bytes);
        bytes
    }

    /// Keeps what the vendor wants back with the reasoning; it is told when the item ends.
    pub(super) fn signature(&mut self, head: &Head, said: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open_reasoning(head, &mut bytes);
        if let Some(Block::Reasoning { signature, .. }) = &mut self.open {
            signature.push_str(said);
        }
        bytes
    }

    fn open_reasoning(&mut self, head: &Head, bytes: &mut Vec<u8>) {
        if !matches!(self.open, Some(Block::Reasoning { .. })) {
            self.begin(head, Block::Reasoning { text: String::new(), signature: String::new() }, bytes);
        }
    }

    pub(super) fn reasoning_part(&mut self, head: &Head) -> Vec<u8> {
        let mut bytes = Vec::new();
        if matches!(self.open, Some(Block::Reasoning { .. })) {
            self.close(head, &mut bytes);
        }
        bytes
    }

    pub(super) fn redacted(&mut self, head: &Head, data: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.begin(head, Block::Redacted(data.to_owned()), &mut bytes);
        self.close(head, &mut bytes);
        bytes
    }

    pub(super) fn begin_tool_call(&mut self, head: &Head, id: &str, name: &str, kind: ToolKind) -> Vec<u8> {
        let mut bytes = Vec::new();
        let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() };
        self.begin(head, Block::Tool { call, kind }, &mut bytes);
        bytes
    }

    pub(super) fn arguments(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if matches!(self.open, Some(Block::Tool { .. })) {
            self.delta(head, piece, Vec::new(), &mut bytes);
        }
        bytes
    }

    pub(super) fn end_tool_call(&mut self, head: &Head) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(head, &mut bytes);
        bytes
    }

    fn begin(&mut self, head: &Head, block: Block, bytes: &mut Vec<u8>) {
        self.close(head, bytes);
        let index = self.output.len();
        let item = begun(item(head, index, &block, self.calls));
        self.push(bytes, json!({"type": "response.output_item.added", "output_index": index, "item": item}));
        self.has_part = false;
        self.open = Some(block);
    }

    fn delta(&mut self, head: &Head, piece: &str, tokens: Vec<Value>, bytes: &mut Vec<u8>) {
        self.tell_part(head, bytes);
        let Some(block) = &mut self.open else { return };
        let mut data = place(head, block, self.output.len(), "delta");
        data["delta"] = piece.into();
        match block {
            Block::Text { text, logprobs } => {
                text.push_str(piece);
                data["logprobs"] = json!(tokens);
                logprobs.extend(tokens);
            }
            Block::Refusal(text) | Block::Reasoning { text, .. } => text.push_str(piece),
            Block::Tool { call, .. } => call.arguments.push_str(piece),
            Block::Redacted(_) => {}
        }
        self.push(bytes, data);
    }

    /// Tells of the part that holds the text of the open item, before its first piece.
    fn tell_part(&mut self, head: &Head, bytes: &mut Vec<u8>) {
        let Some(block) = &self.open else { return };
        if std::mem::replace(&mut self.has_part, true) || matches!(block, Block::Tool { .. }) {
            return;
        }
        let empty = match block {
            Block::Reasoning { .. } => Some(json!({"type": "reasoning_text", "text": ""})),
            other => part(other),
        };
        let mut data = place(head, block, self.output.len(), "");
        data["type"] = "response.content_part.added".into();
        data["part"] = empty.into();
        self.push(bytes, data);
    }

    fn close(&mut self, head: &Head, bytes: &mut Vec<u8>) {
        let Some(block) = self.open.take() else { return };
        let index = self.output.len();
        let mut done = place(head, &block, index, "done");
        match &block {
            Block::Tool { call, kind } => {
                done["name"] = call.name.as_str().into();
                done[arguments_member(*kind)] = call.arguments.as_str().into();
                self.push(bytes, done);
            }
            Block::Text { text, logprobs } => {
                done["text"] = text.as_str().into();
                done["logprobs"] = json!(logprobs);
                self.push(bytes, done);
            }
            Block::Refusal(text) => {
                done["refusal"] = text.as_str().into();
                self.push(bytes, done);
            }
            Block::Reasoning { text, .. } if !text.is_empty() => {
                done["text"] = text.as_str().into();
                self.push(bytes, done);
            }
            Block::Reasoning { .. } | Block::Redacted(_) => {}
        }
        if let Some(part) = part(&block) {
            let mut data = place(head, &block, index, "");
            data["type"] = "response.content_part.done".into();
            data["part"] = part;
            self.push(bytes, data);
        }
        let item = item(head, index, &block, self.calls);
        self.calls += usize::from(matches!(block, Block::Tool { .. }));
        self.push(bytes, json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        self.output.push(item);
    }

    pub(super) fn finish(&mut self, head: &Head, ended: Ended<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(head, &mut bytes);
        let output = std::mem::take(&mut self.output);
        let (status, details) = status(Some(ended.finish), &output);
        let mut response = response(head, status, &output);
        response["incomplete_details"] = details;
        response["usage"] = ended.usage.map_or(Value::Null, usage_object);
        self.push(&mut bytes, json!({"type": format!("response.{status}"), "response": response}));
        bytes
    }

    pub(super) fn error(&mut self, head: &Head, error: &VendorError) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut response = response(head, "failed", &std::mem::take(&mut self.output));
        response["error"] = json!({"code": error.response_code(), "message": error.message});
        self.push(&mut bytes, json!({"type": "response.failed", "response": response}));
        bytes
    }

    fn push(&mut self, bytes: &mut Vec<u8>, mut data: Value) {
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        push_event(bytes, &data);
    }
}

/// Returns an event about an item; of all items but tool calls it is the first part that is meant.
fn place(head: &Head, block: &Block, index: usize, event: &str) -> Value {
    let name = format!("{}.{event}", event_stem(block));
    let mut data = json!({"type": name, "item_id": item_id(head, index, block), "output_index": index});
    if !matches!(block, Block::Tool { .. }) {
        data["content_index"] = 0.into();
    }
    data
}
