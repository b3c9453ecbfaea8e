//! Spells answers of our own engine in the caller's dialect, whole and streamed.

use crate::{Answer, Api, Finish, ToolCall, Usage};

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

/// Returns the body of a whole answer.
pub fn whole(api: Api, head: &Head, answer: &Answer) -> Vec<u8> {
    let _ = (api, head, answer);
    Vec::new()
}

/// Writes a streamed answer event by event; every method returns the bytes to send.
#[derive(Debug)]
pub struct StreamWriter {
    api: Api,
    head: Head,
}

impl StreamWriter {
    /// Begins a stream.
    pub fn new(api: Api, head: Head) -> Self {
        StreamWriter { api, head }
    }

    /// Returns the opening events (`message_start`, `response.created`, the role chunk).
    pub fn start(&mut self, input_tokens: u64) -> Vec<u8> {
        let _ = (self.api, &self.head, input_tokens);
        Vec::new()
    }

    /// Returns the events of a piece of text.
    pub fn text(&mut self, piece: &str) -> Vec<u8> {
        let _ = piece;
        Vec::new()
    }

    /// Returns the events of a piece of reasoning.
    pub fn reasoning(&mut self, piece: &str) -> Vec<u8> {
        let _ = piece;
        Vec::new()
    }

    /// Returns the events of a whole tool call.
    pub fn tool_call(&mut self, call: &ToolCall) -> Vec<u8> {
        let _ = call;
        Vec::new()
    }

    /// Returns the closing events.
    pub fn finish(&mut self, finish: Finish, usage: Usage) -> Vec<u8> {
        let _ = (finish, usage);
        Vec::new()
    }

    /// Returns the events that tell of an error in mid-stream; nothing follows them.
    pub fn error(&mut self, message: &str) -> Vec<u8> {
        let _ = message;
        Vec::new()
    }
}
