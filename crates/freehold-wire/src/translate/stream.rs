//! Streams: read event by event, written again in the other dialect as soon as can be.

mod sequence;

use super::answer;
use crate::error_body::VendorError;
use crate::stream::{ANSWER_BYTES_MAX, Event, Events};
use crate::write::{Ended, Head, StreamWriter};
use crate::{Api, Dialect, Finish, Usage};
use sequence::Sequence;

/// Translates a stream while it passes.
///
/// What is carried is what [`answer`](super::answer()) carries. Events go out as soon as they can; only of tool calls whose
/// pieces are mixed, the later ones wait until the one before them is over, since the other dialects tell one after the
/// other. Anthropic's `message_start` has to tell the input's tokens before an upstream of another dialect does: it says
/// 0, and `message_delta` at the end tells them all. An error in the stream, a stream that breaks off, and one that
/// outgrows a limit end in an error event of the caller's dialect (in Chat Completions without `[DONE]`).
#[derive(Debug)]
pub struct Stream {
    from: Dialect,
    to: Dialect,
    events: Events,
    sequence: Sequence,
    writer: StreamWriter,
    state: State,
    usage: Option<Usage>,
    finish: Option<(Finish, Option<String>)>,
    calls: usize,
    carried_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Begun,
    Over,
}

impl Stream {
    /// Begins a stream of an upstream that speaks `from`, for a caller who speaks `to`.
    pub fn new(from: Api, to: Api, head: Head) -> Self {
        Stream {
            from: from.dialect(),
            to: to.dialect(),
            events: Events::new(from),
            sequence: Sequence::default(),
            writer: StreamWriter::new(to, head),
            state: State::Waiting,
            usage: None,
            finish: None,
            calls: 0,
            carried_bytes: 0,
        }
    }

    /// Takes a piece of any size of the upstream's stream and returns the bytes to send to the caller.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.state != State::Over {
            for event in self.events.push(piece) {
                self.take(event, &mut bytes);
            }
        }
        bytes
    }

    /// Ends the stream and returns the last bytes; where the upstream broke off, they tell of it.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.state != State::Over {
            for event in self.events.finish() {
                self.take(event, &mut bytes);
            }
            self.fail(&VendorError::of_reading("the upstream broke off before the end of its answer"), &mut bytes);
        }
        bytes
    }

    /// Returns whether the caller has been told the end, be it an error.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn take(&mut self, event: Event, bytes: &mut Vec<u8>) {
        match event {
            _ if self.state == State::Over => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { finish, stop_text } => self.finish = Some((finish, stop_text)),
            Event::Error(error) => self.fail(&error, bytes),
            Event::End => self.end(bytes),
            Event::Start { .. } => self.begin(bytes),
            Event::Ping => {
                self.begin(bytes);
                bytes.extend(self.writer.ping());
            }
            Event::Whole(_) => {}
            event if self.from == self.to || answer::is_carried(&event) => self.content(event, bytes),
            _ => {}
        }
    }

    fn content(&mut self, event: Event, bytes: &mut Vec<u8>) {
        self.begin(bytes);
        let mut ordered = Vec::new();
        let taken = self.sequence.take(event, &mut ordered);
        for event in ordered {
            self.write(event, bytes);
        }
        if let Err(error) = taken {
            self.fail(&error, bytes);
        } else if self.carried_bytes > ANSWER_BYTES_MAX {
            let message = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
            self.fail(&VendorError::of_reading(message), bytes);
        }
    }

    fn begin(&mut self, bytes: &mut Vec<u8>) {
        if self.state == State::Waiting {
            self.state = State::Begun;
            bytes.extend(self.writer.start_with(self.usage.unwrap_or_default()));
        }
    }

    fn write(&mut self, event: Event, bytes: &mut Vec<u8>) {
        let written = match event {
            Event::Text { piece, logprobs } => self.writer.text_with(&piece, logprobs),
            Event::ReasoningPart => self.writer.reasoning_part(),
            Event::Reasoning(piece) => self.writer.reasoning(&piece),
            Event::Refusal(piece) => self.writer.refusal(&piece),
            Event::Signature(signature) => self.writer.signature(&signature),
            Event::Redacted(data) => self.writer.redacted(&data),
            Event::ToolStart { id, name, kind, .. } => {
                self.calls += 1;
                self.writer.begin_tool_call(&id, &name, kind)
            }
            Event::ToolArguments { piece, .. } => self.writer.tool_call_arguments(&piece),
            Event::ToolEnd { .. } => self.writer.end_tool_call(),
            _ => Vec::new(),
        };
        self.carried_bytes = self.carried_bytes.saturating_add(written.len());
        bytes.extend(written);
    }

    fn end(&mut self, bytes: &mut Vec<u8>) {
        self.begin(bytes);
        let mut ordered = Vec::new();
        self.sequence.end(&mut ordered);
        for event in ordered {
            self.write(event, bytes);
        }
        let (finish, stop_text) = match self.finish.take() {
            Some(told) => told,
            // Some servers end a stream properly and give no reason; Responses gives one or has been cut.
            None if self.from != Dialect::Responses => (Finish::Stop, None),
            None => {
                let error = VendorError::of_reading("the upstream ended its answer early and did not say why");
                return self.fail(&error, bytes);
            }
        };
        let finish = answer::settled(finish, self.calls);
        bytes.extend(self.writer.end(Ended { finish, stop_text: stop_text.as_deref(), usage: self.usage }));
        self.state = State::Over;
    }

    fn fail(&mut self, error: &VendorError, bytes: &mut Vec<u8>) {
        if self.state != State::Over {
            self.begin(bytes);
            bytes.extend(self.writer.vendor_error(error));
            self.state = State::Over;
        }
    }
}
