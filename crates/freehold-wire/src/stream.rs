//! Reads a streamed answer of every dialect, from pieces of any size: event by event, or summed up into [`Answer`].

mod chat;
mod event;
mod messages;
mod progress;
mod responses;
mod template;
mod usage_filter;

pub(crate) use progress::sum;

pub use event::{Event, ToolKind};
pub use usage_filter::UsageEventFilter;

use memchr::memmem;

use crate::error_body::VendorError;
use crate::{Answer, Api, Dialect, sse};
use progress::Progress;
use template::Template;

/// The most bytes of text, reasoning and arguments that are kept of one answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most tool calls of one answer.
pub const TOOL_CALLS_MAX: usize = 16 * 1024;

/// Reads a stream into neutral events as they come.
#[derive(Debug)]
pub struct Events {
    decoder: sse::Decoder,
    form: Form,
    /// The event that came last, where the next may differ from it in nothing but its text.
    template: Option<Template>,
    /// The dropped events that were told of.
    dropped: u64,
}

#[derive(Debug)]
enum Form {
    Chat(chat::State),
    Responses(responses::State),
    Messages(messages::State),
}

impl Events {
    /// Begins a stream.
    pub fn new(api: Api) -> Self {
        let form = match api.dialect() {
            Dialect::Chat => Form::Chat(chat::State::default()),
            Dialect::Responses => Form::Responses(responses::State::default()),
            Dialect::Messages => Form::Messages(messages::State::default()),
        };
        Events { decoder: sse::Decoder::default(), form, template: None, dropped: 0 }
    }

    /// Takes a piece of any size and returns what it tells.
    ///
    /// What cannot be read is skipped; an event longer than [`sse::EVENT_BYTES_MAX`] is told as an error.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut rest = piece;
        while !rest.is_empty() {
            let template = self.template.as_ref().filter(|_| self.decoder.is_between_events());
            rest = match template.and_then(|template| template.take(rest)) {
                Some((event, after)) => {
                    events.push(event);
                    after
                }
                None => {
                    let (first, after) = rest.split_at(memmem::find(rest, b"\n\n").map_or(rest.len(), |at| at + 2));
                    self.parse(first, &mut events);
                    after
                }
            };
        }
        events
    }

    /// Takes a piece in which hardly more than one event ends.
    fn parse(&mut self, piece: &[u8], events: &mut Vec<Event>) {
        let begins = self.decoder.is_between_events();
        let told_before = events.len();
        let ended = self.decoder.push_all(piece);
        let is_one = begins && self.decoder.is_between_events() && matches!(ended.as_slice(), [Some(_)]);
        for event in &ended {
            match event {
                Some(event) => self.take(event, events),
                None => self.dropped(events),
            }
        }
        // The one that is being dropped has not ended, so that all events of this piece came before it.
        if self.decoder.dropped() > self.dropped {
            self.dropped(events);
        }
        if !ended.is_empty() {
            self.template = match self.form {
                Form::Chat(_) | Form::Messages(_) if is_one => Template::learn(piece, &events[told_before..]),
                // Each event of a Responses stream has its own number.
                _ => None,
            };
        }
    }

    /// Ends the stream and returns what was still to be told.
    ///
    /// An event that lacks only its closing blank line still counts, and tool calls that the stream did not end are
    /// ended. Without [`Event::End`] in all that was returned, the stream broke off.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(event) = self.decoder.finish() {
            self.take(&event, &mut events);
        }
        match &mut self.form {
            Form::Chat(state) => state.end(&mut events),
            Form::Responses(state) => state.end(&mut events),
            Form::Messages(state) => state.end(&mut events),
        }
        events
    }

    fn dropped(&mut self, events: &mut Vec<Event>) {
        // One that was told when it outgrew the limit is not told again when it ends.
        if self.decoder.dropped() > self.dropped {
            self.dropped += 1;
            let message = format!("an event of the stream is longer than {} bytes", sse::EVENT_BYTES_MAX);
            events.push(Event::Error(VendorError::of_reading(message)));
        }
    }

    fn take(&mut self, event: &sse::Event, events: &mut Vec<Event>) {
        match &mut self.form {
            Form::Chat(state) => state.take(event, events),
            Form::Responses(state) => state.take(event, events),
            Form::Messages(state) => state.take(event, events),
        }
    }
}

fn too_many_calls() -> VendorError {
    VendorError::of_reading(format!("the answer has more than {TOOL_CALLS_MAX} tool calls"))
}

/// Accumulates the answer of a stream that passes by.
#[derive(Debug)]
pub struct Reader {
    events: Events,
    progress: Progress,
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

impl Reader {
    /// Begins a stream.
    pub fn new(api: Api) -> Self {
        Reader { events: Events::new(api), progress: Progress::default() }
    }

    /// Takes a piece of any size.
    pub fn push(&mut self, piece: &[u8]) {
        for event in self.events.push(piece) {
            self.progress.take(event);
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
        for event in self.events.finish() {
            self.progress.take(event);
        }
        self.progress.settle();
        let Progress { answer, is_complete, error, .. } = self.progress;
        Outcome { answer, is_complete: is_complete && error.is_none(), error }
    }
}
