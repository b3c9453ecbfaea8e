//! Reads a streamed answer of every dialect into [`Answer`], from pieces of any size.

mod chat;
mod messages;
mod responses;

use crate::json::{Json, word};
use crate::{Answer, Api, ToolCall, sse};

/// The most bytes of text, reasoning and arguments that are kept of one answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one tool call counts beside its text, so that empty ones cannot pile up.
const TOOL_CALL_BYTES: usize = 256;

/// Accumulates the answer of a stream that passes by.
#[derive(Debug)]
pub struct Reader {
    decoder: sse::Decoder,
    form: Form,
    progress: Progress,
}

#[derive(Debug)]
enum Form {
    Chat(chat::State),
    Responses(responses::State),
    Messages(messages::State),
}

/// What a stream came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The answer as far as it came.
    pub answer: Answer,
    /// Whether the stream ended the way its API ends one: `[DONE]`; `message_stop`; `response.completed` or
    /// `response.incomplete`.
    pub is_complete: bool,
    /// The message of an error event in the stream, where there was one.
    pub error: Option<String>,
}

/// What the dialects fill while events pass.
#[derive(Debug, Default)]
struct Progress {
    answer: Answer,
    is_complete: bool,
    error: Option<String>,
    kept_bytes: usize,
}

impl Reader {
    /// Begins a stream.
    pub fn new(api: Api) -> Self {
        let form = match api {
            Api::OpenAiChat | Api::OpenAiEmbeddings | Api::Opaque => Form::Chat(chat::State::default()),
            Api::OpenAiResponses => Form::Responses(responses::State::default()),
            Api::AnthropicMessages | Api::AnthropicCountTokens => Form::Messages(messages::State::default()),
        };
        Reader { decoder: sse::Decoder::default(), form, progress: Progress::default() }
    }

    /// Takes a piece of any size.
    pub fn push(&mut self, piece: &[u8]) {
        for event in self.decoder.push(piece) {
            self.take(&event);
        }
    }

    /// Returns how many bytes of text, reasoning and tool calls have come so far.
    pub fn content_bytes(&self) -> usize {
        self.progress.kept_bytes
    }

    /// Ends the stream.
    ///
    /// An event that lacks only its closing blank line still counts. Where an event was longer than
    /// [`sse::EVENT_BYTES_MAX`] or the answer longer than [`ANSWER_BYTES_MAX`], the outcome is not complete.
    pub fn finish(mut self) -> Outcome {
        if let Some(event) = self.decoder.finish() {
            self.take(&event);
        }
        match self.form {
            Form::Messages(state) => state.end(&mut self.progress),
            Form::Responses(state) => state.end(&mut self.progress),
            Form::Chat(_) => {}
        }
        let Progress { answer, mut is_complete, mut error, .. } = self.progress;
        if self.decoder.dropped() > 0 {
            is_complete = false;
            error.get_or_insert_with(|| format!("{} events of the stream were too long", self.decoder.dropped()));
        }
        Outcome { answer, is_complete: is_complete && error.is_none(), error }
    }

    fn take(&mut self, event: &sse::Event) {
        match &mut self.form {
            Form::Chat(state) => state.take(event, &mut self.progress),
            Form::Responses(state) => state.take(event, &mut self.progress),
            Form::Messages(state) => state.take(event, &mut self.progress),
        }
    }
}

impl Progress {
    fn text(&mut self, piece: &str) {
        if self.keeps(piece.len()) {
            self.answer.text.push_str(piece);
        }
    }

    fn reasoning(&mut self, piece: &str) {
        if self.keeps(piece.len()) {
            self.answer.reasoning.push_str(piece);
        }
    }

    /// Begins a tool call and returns its place; `None` where no more is kept.
    fn tool_call(&mut self, id: &str, name: &str) -> Option<usize> {
        let keeps = self.keeps(TOOL_CALL_BYTES + id.len() + name.len());
        keeps.then(|| {
            let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() };
            self.answer.tool_calls.push(call);
            self.answer.tool_calls.len() - 1
        })
    }

    fn arguments(&mut self, place: usize, piece: &str) {
        if self.keeps(piece.len())
            && let Some(call) = self.answer.tool_calls.get_mut(place)
        {
            call.arguments.push_str(piece);
        }
    }

    fn keeps(&mut self, bytes: usize) -> bool {
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        if self.kept_bytes > ANSWER_BYTES_MAX {
            self.fail(&format!("the answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        self.kept_bytes <= ANSWER_BYTES_MAX
    }

    fn fail(&mut self, message: &str) {
        self.error.get_or_insert_with(|| message.to_owned());
    }

    /// Takes the message of an error object; without one, its type or code.
    fn fail_with(&mut self, error: &Json<'_>) {
        let message = match error {
            Json::Text(text) => text.as_ref(),
            other => other.str_or_empty("message"),
        };
        if !message.is_empty() {
            return self.fail(message);
        }
        let names = [error.str_or_empty("type"), error.str_or_empty("code")];
        let name = names.into_iter().find(|name| !name.is_empty());
        self.fail(&name.map_or_else(
            || "an error without a message".to_owned(),
            |name| format!("an error of type {}", word(name)),
        ));
    }
}
