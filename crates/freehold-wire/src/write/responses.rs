//! Writes OpenAI Responses answers.

use serde_json::{Value, json};

use super::{Head, call_id, push_event};
use crate::{Answer, Finish, ToolCall, Usage};

pub(super) fn whole(head: &Head, answer: &Answer) -> Value {
    let mut output = Vec::new();
    if !answer.reasoning.is_empty() {
        output.push(Kind::Reasoning.item(head, output.len(), Some(&answer.reasoning)));
    }
    if !answer.text.is_empty() {
        output.push(Kind::Message.item(head, output.len(), Some(&answer.text)));
    }
    for (place, call) in answer.tool_calls.iter().enumerate() {
        output.push(function_call(head, output.len(), call, place));
    }
    let (status, details) = status(answer.finish);
    let mut response = response(head, status, &output);
    response["incomplete_details"] = details;
    response["usage"] = answer.usage.map_or(Value::Null, usage_object);
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
fn status(finish: Option<Finish>) -> (&'static str, Value) {
    match finish {
        Some(Finish::Stop | Finish::ToolCalls) => ("completed", Value::Null),
        Some(Finish::Length) => ("incomplete", json!({"reason": "max_output_tokens"})),
        Some(Finish::Refused) => ("incomplete", json!({"reason": "content_filter"})),
        None => ("incomplete", Value::Null),
    }
}

fn usage_object(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

fn function_call(head: &Head, index: usize, call: &ToolCall, place: usize) -> Value {
    json!({
        "id": format!("fc_{}_{index}", head.id),
        "type": "function_call",
        "status": "completed",
        "call_id": call_id(head, "call_", call, place),
        "name": call.name,
        "arguments": call.arguments,
    })
}

/// The kinds of item that are written in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Reasoning,
}

impl Kind {
    fn id(self, head: &Head, index: usize) -> String {
        match self {
            Kind::Message => format!("msg_{}_{index}", head.id),
            Kind::Reasoning => format!("rs_{}_{index}", head.id),
        }
    }

    /// Returns the item; without a text it is one that has just begun.
    fn item(self, head: &Head, index: usize, text: Option<&str>) -> Value {
        let id = self.id(head, index);
        let status = if text.is_some() { "completed" } else { "in_progress" };
        let content: Vec<Value> = text.map(|text| self.part(text)).into_iter().collect();
        match self {
            Kind::Message => {
                json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
            }
            Kind::Reasoning => {
                json!({"id": id, "type": "reasoning", "status": status, "summary": [], "content": content})
            }
        }
    }

    fn part(self, text: &str) -> Value {
        match self {
            Kind::Message => json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
            Kind::Reasoning => json!({"type": "reasoning_text", "text": text}),
        }
    }

    fn delta_event(self) -> &'static str {
        match self {
            Kind::Message => "response.output_text.delta",
            Kind::Reasoning => "response.reasoning_text.delta",
        }
    }

    fn done_event(self) -> &'static str {
        match self {
            Kind::Message => "response.output_text.done",
            Kind::Reasoning => "response.reasoning_text.done",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    sequence: u64,
    /// The items that are done.
    output: Vec<Value>,
    /// The item under way and its text so far; its index is the number of items that are done.
    open: Option<(Kind, String)>,
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

    pub(super) fn text(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        self.piece(head, Kind::Message, piece)
    }

    pub(super) fn reasoning(&mut self, head: &Head, piece: &str) -> Vec<u8> {
        self.piece(head, Kind::Reasoning, piece)
    }

    fn piece(&mut self, head: &Head, kind: Kind, piece: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.open.as_ref().is_none_or(|(open, _)| *open != kind) {
            self.close(head, &mut bytes);
            self.begin(head, kind, &mut bytes);
        }
        if let Some((_, text)) = &mut self.open {
            text.push_str(piece);
        }
        let mut data = self.place(kind.delta_event(), &kind.id(head, self.output.len()));
        data["content_index"] = 0.into();
        data["delta"] = piece.into();
        if kind == Kind::Message {
            data["logprobs"] = json!([]);
        }
        self.push(&mut bytes, data);
        bytes
    }

    fn begin(&mut self, head: &Head, kind: Kind, bytes: &mut Vec<u8>) {
        let index = self.output.len();
        let item = kind.item(head, index, None);
        self.push(bytes, json!({"type": "response.output_item.added", "output_index": index, "item": item}));
        let mut data = self.place("response.content_part.added", &kind.id(head, index));
        data["content_index"] = 0.into();
        data["part"] = kind.part("");
        self.push(bytes, data);
        self.open = Some((kind, String::new()));
    }

    fn close(&mut self, head: &Head, bytes: &mut Vec<u8>) {
        let Some((kind, text)) = self.open.take() else { return };
        let index = self.output.len();
        let id = kind.id(head, index);
        let mut done = self.place(kind.done_event(), &id);
        done["content_index"] = 0.into();
        done["text"] = text.as_str().into();
        if kind == Kind::Message {
            done["logprobs"] = json!([]);
        }
        self.push(bytes, done);
        let mut part = self.place("response.content_part.done", &id);
        part["content_index"] = 0.into();
        part["part"] = kind.part(&text);
        self.push(bytes, part);
        let item = kind.item(head, index, Some(&text));
        self.end(item, bytes);
    }

    fn end(&mut self, item: Value, bytes: &mut Vec<u8>) {
        let index = self.output.len();
        self.push(bytes, json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        self.output.push(item);
    }

    pub(super) fn tool_call(&mut self, head: &Head, call: &ToolCall) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(head, &mut bytes);
        let index = self.output.len();
        let item = function_call(head, index, call, self.calls);
        self.calls += 1;
        let mut begun = item.clone();
        begun["status"] = "in_progress".into();
        begun["arguments"] = "".into();
        self.push(&mut bytes, json!({"type": "response.output_item.added", "output_index": index, "item": begun}));
        let id = format!("fc_{}_{index}", head.id);
        let mut delta = self.place("response.function_call_arguments.delta", &id);
        delta["delta"] = call.arguments.as_str().into();
        self.push(&mut bytes, delta);
        let mut done = self.place("response.function_call_arguments.done", &id);
        done["name"] = call.name.as_str().into();
        done["arguments"] = call.arguments.as_str().into();
        self.push(&mut bytes, done);
        self.end(item, &mut bytes);
        bytes
    }

    pub(super) fn finish(&mut self, head: &Head, finish: Finish, usage: Usage) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close(head, &mut bytes);
        let (status, details) = status(Some(finish));
        let mut response = response(head, status, &std::mem::take(&mut self.output));
        response["incomplete_details"] = details;
        response["usage"] = usage_object(usage);
        self.push(&mut bytes, json!({"type": format!("response.{status}"), "response": response}));
        bytes
    }

    pub(super) fn error(&mut self, head: &Head, message: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut response = response(head, "failed", &std::mem::take(&mut self.output));
        response["error"] = json!({"code": "server_error", "message": message});
        self.push(&mut bytes, json!({"type": "response.failed", "response": response}));
        bytes
    }

    /// Returns an event about the item under way.
    fn place(&self, name: &str, id: &str) -> Value {
        json!({"type": name, "item_id": id, "output_index": self.output.len()})
    }

    fn push(&mut self, bytes: &mut Vec<u8>, mut data: Value) {
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        push_event(bytes, &data);
    }
}
