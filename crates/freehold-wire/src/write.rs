//! Spells answers in the caller's dialect, whole and streamed: those of our own engine, and those of another dialect.

mod block;
mod chat;
mod messages;
mod responses;
pub(crate) mod tool_id;
mod vectors;

pub(crate) use block::Ended;
pub use vectors::{VectorForm, VectorsAsked, vectors};

use serde_json::Value;

use crate::error_body::VendorError;
use crate::stream::{Event, ToolKind};
use crate::{Answer, Api, Dialect, Finish, ToolCall, Usage, sse};
use block::Content;

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
/// `{"arguments": TEXT}`. Of an API that is no dialect, [`Api::dialect`] is written.
pub fn whole(api: Api, head: &Head, answer: &Answer) -> Vec<u8> {
    whole_content(api, head, &Content::of_answer(answer))
}

/// Returns the body of a whole answer as [`whole`] does, with the log probabilities of its text's tokens, in the spelling
/// of Chat Completions; Anthropic's dialect has no place for them.
pub fn whole_with_logprobs(api: Api, head: &Head, answer: &Answer, logprobs: Vec<Value>) -> Vec<u8> {
    whole_content(api, head, &Content::of_answer(answer).with_logprobs(logprobs))
}

/// Returns the body of the whole answer that these events tell.
pub(crate) fn whole_of(api: Api, head: &Head, events: Vec<Event>) -> Vec<u8> {
    whole_content(api, head, &Content::of_events(events))
}

fn whole_content(api: Api, head: &Head, content: &Content) -> Vec<u8> {
    let body = match api.dialect() {
        Dialect::Chat => chat::whole(head, content),
        Dialect::Responses => responses::whole(head, content),
        Dialect::Messages => messages::whole(head, content),
    };
    body.to_string().into_bytes()
}

/// Writes a streamed answer event by event; every method returns the bytes to send.
///
/// The order is `start`, then any of the content, then `finish` or `error`. A tool call is written by `tool_call`, or
/// by `begin_tool_call`, `tool_call_arguments` and `end_tool_call` with nothing else in between.
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
    /// Begins a stream in the [dialect](Api::dialect) of an API.
    pub fn new(api: Api, head: Head) -> Self {
        let form = match api.dialect() {
            Dialect::Chat => Form::Chat(chat::State::default()),
            Dialect::Responses => Form::Responses(responses::State::default()),
            Dialect::Messages => Form::Messages(messages::State::default()),
        };
        StreamWriter { head, form }
    }

    /// Returns the opening events (`message_start`, `response.created`, the role chunk).
    pub fn start(&mut self, input_tokens: u64) -> Vec<u8> {
        self.start_with(Usage { input: input_tokens, ..Usage::default() })
    }

    /// Returns the opening events, in which Anthropic's dialect tells the tokens that are known already.
    pub(crate) fn start_with(&mut self, usage: Usage) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => state.start(&self.head),
            Form::Responses(state) => state.start(&self.head),
            Form::Messages(state) => state.start(&self.head, usage),
        }
    }

    /// Returns the events of a piece of text; none for an empty piece.
    pub fn text(&mut self, piece: &str) -> Vec<u8> {
        self.text_with(piece, Vec::new())
    }

    /// Returns the events of a piece of text with the log probabilities of its tokens, which Anthropic's dialect has not.
    pub fn text_with(&mut self, piece: &str, logprobs: Vec<Value>) -> Vec<u8> {
        match &mut self.form {
            _ if piece.is_empty() && logprobs.is_empty() => Vec::new(),
            Form::Chat(state) => state.text(&self.head, piece, &logprobs),
            Form::Responses(state) => state.text(&self.head, piece, logprobs),
            Form::Messages(_) if piece.is_empty() => Vec::new(),
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

    /// Ends the part of the reasoning under way, where there is one: what follows is another part.
    pub(crate) fn reasoning_part(&mut self) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => {
                state.reasoning_part();
                Vec::new()
            }
            Form::Responses(state) => state.reasoning_part(&self.head),
            Form::Messages(state) => state.reasoning_part(),
        }
    }

    /// Returns the events of a signature of the reasoning part under way (in Responses its `encrypted_content`, which is
    /// told when the item ends); Chat Completions has no place for one.
    pub(crate) fn signature(&mut self, signature: &str) -> Vec<u8> {
        match &mut self.form {
            _ if signature.is_empty() => Vec::new(),
            Form::Chat(_) => Vec::new(),
            Form::Responses(state) => state.signature(&self.head, signature),
            Form::Messages(state) => state.signature(signature),
        }
    }

    /// Returns the events of a reasoning part that is shown in encrypted form only; Chat Completions has none.
    pub(crate) fn redacted(&mut self, data: &str) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(_) => Vec::new(),
            Form::Responses(state) => state.redacted(&self.head, data),
            Form::Messages(state) => state.redacted(data),
        }
    }

    /// Returns the events of a piece of a refusal; Anthropic's dialect has text for it.
    pub(crate) fn refusal(&mut self, piece: &str) -> Vec<u8> {
        match &mut self.form {
            _ if piece.is_empty() => Vec::new(),
            Form::Chat(state) => state.refusal(&self.head, piece),
            Form::Responses(state) => state.refusal(&self.head, piece),
            Form::Messages(state) => state.text(piece),
        }
    }

    /// Returns the events of a whole tool call.
    pub fn tool_call(&mut self, call: &ToolCall) -> Vec<u8> {
        if let Form::Chat(state) = &mut self.form {
            return state.tool_call(&self.head, call, ToolKind::Function);
        }
        let mut bytes = self.begin_tool_call(&call.id, &call.name, ToolKind::Function);
        bytes.extend(self.tool_call_arguments(&call.arguments));
        bytes.extend(self.end_tool_call());
        bytes
    }

    /// Returns the events that begin a tool call; without an id it gets one.
    pub fn begin_tool_call(&mut self, id: &str, name: &str, kind: ToolKind) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => {
                let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() };
                state.tool_call(&self.head, &call, kind)
            }
            Form::Responses(state) => state.begin_tool_call(&self.head, id, name, kind),
            Form::Messages(state) => state.begin_tool_call(&self.head, id, name),
        }
    }

    /// Returns the events of a piece of the arguments of the tool call under way; none for an empty piece.
    pub fn tool_call_arguments(&mut self, piece: &str) -> Vec<u8> {
        match &mut self.form {
            _ if piece.is_empty() => Vec::new(),
            Form::Chat(state) => state.arguments(&self.head, piece),
            Form::Responses(state) => state.arguments(&self.head, piece),
            Form::Messages(state) => state.arguments(piece),
        }
    }

    /// Returns the events that end the tool call under way.
    pub fn end_tool_call(&mut self) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(_) => Vec::new(),
            Form::Responses(state) => state.end_tool_call(&self.head),
            Form::Messages(state) => state.end_tool_call(),
        }
    }

    /// Returns the closing events.
    pub fn finish(&mut self, finish: Finish, usage: Usage) -> Vec<u8> {
        self.end(Ended { finish, stop_text: None, usage: Some(usage) })
    }

    pub(crate) fn end(&mut self, ended: Ended<'_>) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(state) => state.finish(&self.head, ended),
            Form::Responses(state) => state.finish(&self.head, ended),
            Form::Messages(state) => state.finish(ended),
        }
    }

    /// Returns an event that says nothing and keeps a quiet stream open: Anthropic's `ping`, a comment elsewhere.
    pub(crate) fn ping(&self) -> Vec<u8> {
        match &self.form {
            Form::Chat(_) | Form::Responses(_) => b": ping\n\n".to_vec(),
            Form::Messages(_) => messages::ping(),
        }
    }

    /// Returns the events that tell of an error in mid-stream; nothing follows them.
    pub fn error(&mut self, message: &str) -> Vec<u8> {
        self.vendor_error(&VendorError::of_reading(message))
    }

    /// Returns the events that tell of a vendor's error in mid-stream; nothing follows them.
    pub(crate) fn vendor_error(&mut self, error: &VendorError) -> Vec<u8> {
        match &mut self.form {
            Form::Chat(_) => chat::error(error),
            Form::Responses(state) => state.error(&self.head, error),
            Form::Messages(_) => messages::error(error),
        }
    }
}

/// Adds an event that carries its name in its data too.
fn push_event(bytes: &mut Vec<u8>, data: &Value) {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    bytes.extend_from_slice(&sse::encode(name, &data.to_string()));
}

/// Returns the id of a call of this answer; `place` counts the calls from 0.
fn call_id(head: &Head, prefix: &str, id: &str, place: usize) -> String {
    if id.is_empty() { format!("{prefix}{}_{place}", head.id) } else { id.to_owned() }
}
