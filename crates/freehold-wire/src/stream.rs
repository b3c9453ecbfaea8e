//! Reads a streamed answer of every dialect into [`Answer`], from pieces of any size.

use crate::{Answer, Api};

/// Accumulates the answer of a stream that passes by.
#[derive(Debug)]
pub struct Reader {
    api: Api,
    answer: Answer,
}

/// What a stream came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The answer as far as it came.
    pub answer: Answer,
    /// Whether the stream ended the way its API ends one (`[DONE]`, `message_stop`, `response.completed`).
    pub is_complete: bool,
    /// The message of an error event in the stream, where there was one.
    pub error: Option<String>,
}

impl Reader {
    /// Begins a stream.
    pub fn new(api: Api) -> Self {
        Reader { api, answer: Answer::default() }
    }

    /// Takes a piece of any size.
    pub fn push(&mut self, piece: &[u8]) {
        let _ = (self.api, piece);
    }

    /// Ends the stream.
    pub fn finish(self) -> Outcome {
        Outcome { answer: self.answer, is_complete: false, error: None }
    }
}
