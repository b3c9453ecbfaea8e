//! Spells answers of our own engine in the caller's dialect, whole and streamed.

mod chat;
mod messages;
mod responses;

use serde_json::Value;

use crate::{Answer, Api, Finish, ToolCall, Usage, sse};

/// What every written answer carries beside its content.
#[derive(Debug, Clone)]
pub struct Head {
    /// The id, without the dialect's prefix (`chatcmpl-`, `resp_`, `msg_`), which is added.
    pub id: String,
    /// The model's name as served.
    pub model: String,
    /// Seconds since the Unix epoch.
    pub created_s: i64,
    /// Whether a Chat Completions stream ends with a usage chunk.
    pub stream_usage: bool,
}

/// Returns the body of a whole answer; the head's id and model are written, not the answer's.
///
/// A tool call without an id gets one. Anthropic's dialect has objects only as arguments: other texts are wrapped as
/// `{"arguments": TEXT}`.
pub fn whole(api: Api, head: &Head, answer: &Answer) -> Vec<u8> {
    let body = match api {
        Api::OpenAiChat | Api::OpenAiEmbeddings | Api::Opaque => chat::whole(head, answer),
        Api::OpenAiResponses => responses::whole(head, answer),
        Api::AnthropicMessages | Api::AnthropicCountTokens => messages::whole(head, answer),
    };
    body.to_string().into_bytes()
}

/// Writes a streamed answer event by event; every method returns the bytes to send.
///
/// The order is `start`, then any of `text`, `reasoning` and `tool_call`, then `finish` or `error`.
#[derive(Debug)]
pub struct StreamWriter {
    head: Head,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Chat(chat::State),
    Responses(responses::State),
    Messages(messages::State),
}

impl StreamWriter {
    /// Begins a stream.
    pub fn new(api: Api, head: Head) -> Self {
        let form = match api {
            Api::OpenAiChat | Api::OpenAiEmbeddings | Api::Opaque => Form::Chat(chat::State::default()),
            Api::OpenAiResponses => Form::Responses(responses::State::default()),
            Api::AnthropicMessages | Api::AnthropicCountTokens => Form::Messages(messages::State::default()),
        };
        StreamWriter { head, form }
    }

    /// Returns the opening events (`message_start`, `response.created`, the role chunk).
    pub fn start(&mut self, input_tokens: u64) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => state.start(&self.head),
            Form::Responses(state) => state.start(&self.head),
            Form::Messages(state) => state.start(&self.head, input_tokens),
        }
    }

    /// Returns the events of a piece of text; none for an empty piece.
    pub fn text(&mut self, piece: &str) -> Vec<u8> {
        match &mut self.form {
            _ if piece.is_empty() => Vec::new(),
            Form::Chat(state) => state.text(&self.head, piece),
            Form::Responses(state) => state.text(&self.head, piece),
            Form::Messages(state) => state.text(piece),
        }
    }

    /// Returns the events of a piece of reasoning; none for an empty piece.
    pub fn reasoning(&mut self, piece: &str) -> Vec<u8> {
        match &mut self.form {
            _ if piece.is_empty() => Vec::new(),
            Form::Chat(state) => state.reasoning(&self.head, piece),
            Form::Responses(state) => state.reasoning(&self.head, piece),
            Form::Messages(state) => state.reasoning(piece),
        }
    }

    /// Returns the events of a whole tool call.
    pub fn tool_call(&mut self, call: &ToolCall) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => state.tool_call(&self.head, call),
            Form::Responses(state) => state.tool_call(&self.head, call),
            Form::Messages(state) => state.tool_call(&self.head, call),
        }
    }

    /// Returns the closing events.
    pub fn finish(&mut self, finish: Finish, usage: Usage) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => state.finish(&self.head, finish, usage),
            Form::Responses(state) => state.finish(&self.head, finish, usage),
            Form::Messages(state) => state.finish(finish, usage),
        }
    }

    /// Returns the events that tell of an error in mid-stream; nothing follows them.
    pub fn error(&mut self, message: &str) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(_) => chat::error(message),
            Form::Responses(state) => state.error(&self.head, message),
            Form::Messages(_) => messages::error(message),
        }
    }
}

/// Adds an event that carries its name in its data too.
fn push_event(bytes: &mut Vec<u8>, data: &Value) {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    bytes.extend_from_slice(&sse::encode(name, &data.to_string()));
}

/// Returns the id of a call of this answer; `place` counts the calls from 0.
fn call_id(head: &Head, prefix: &str, call: &ToolCall, place: usize) -> String {
    if call.id.is_empty() { format!("{prefix}{}_{place}", head.id) } else { call.id.clone() }
}
