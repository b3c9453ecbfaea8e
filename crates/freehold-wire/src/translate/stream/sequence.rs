//! Puts what a stream says into an order in which no tool call is told while another one is.

use std::collections::VecDeque;

use crate::error_body::VendorError;
use crate::stream::{Event, ToolKind};

/// The most bytes that may wait for a tool call to end.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What one waiting event counts beside its text.
const EVENT_BYTES: usize = 128;

/// Holds back what cannot be told yet.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    open: Option<Open>,
    /// What comes after the open call; empty where none is open.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

/// The tool call that is being told.
#[derive(Debug)]
struct Open {
    place: usize,
    progress: JsonProgress,
}

#[derive(Debug)]
enum Waiting {
    Said(Event),
    Call { place: usize, start: Event, kind: ToolKind, arguments: String, is_over: bool },
}

impl Sequence {
    /// Takes an event and adds those that can be told now, in their order.
    ///
    /// # Errors
    /// More waits than may, or arguments come for a call that is over.
    pub(super) fn take(&mut self, event: Event, out: &mut Vec<Event>) -> Result<(), VendorError> {
        match event {
            Event::ToolArguments { place, piece } => return self.arguments(place, piece, out),
            Event::ToolEnd { place } if self.is_open(place) => {
                self.close(out);
                self.drain(out);
            }
            Event::ToolEnd { place } => {
                if let Some(Waiting::Call { is_over, .. }) = self.waiting_call(place) {
                    *is_over = true;
                }
            }
            event => {
                if self.open.as_ref().is_some_and(|open| open.progress.is_complete()) {
                    self.close(out);
                }
                self.follow(event, out);
            }
        }
        self.check()
    }

    /// Tells everything that still waits.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        self.close(out);
        while !self.waiting.is_empty() {
            self.drain(out);
            self.close(out);
        }
    }

    fn is_open(&self, place: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.place == place)
    }

    fn waiting_call(&mut self, wanted: usize) -> Option<&mut Waiting> {
        self.waiting.iter_mut().rev().find(|waiting| matches!(waiting, Waiting::Call { place, .. } if *place == wanted))
    }

    /// Tells what begins something new, or lets it wait.
    fn follow(&mut self, event: Event, out: &mut Vec<Event>) {
        let start = match event {
            Event::ToolStart { place, kind, .. } => Some((place, kind)),
            _ => None,
        };
        if self.open.is_none() {
            self.open = start.map(|(place, kind)| Open { place, progress: JsonProgress::new(kind) });
            return out.push(event);
        }
        self.waiting_bytes += EVENT_BYTES + text_bytes(&event);
        self.waiting.push_back(match start {
            Some((place, kind)) => {
                Waiting::Call { place, start: event, kind, arguments: String::new(), is_over: false }
            }
            None => Waiting::Said(event),
        });
    }

    fn arguments(&mut self, place: usize, piece: String, out: &mut Vec<Event>) -> Result<(), VendorError> {
        let has_waiting = !self.waiting.is_empty();
        if let Some(open) = self.open.as_mut().filter(|open| open.place == place) {
            open.progress.take(&piece);
            let is_over = open.progress.is_complete() && has_waiting;
            out.push(Event::ToolArguments { place, piece });
            if is_over {
                self.close(out);
                self.drain(out);
            }
        } else if let Some(Waiting::Call { arguments, .. }) = self.waiting_call(place) {
            arguments.push_str(&piece);
            self.waiting_bytes += piece.len();
        } else if !piece.trim().is_empty() {
            return Err(VendorError::of_reading("the upstream sent arguments for a tool call that was over"));
        }
        self.check()
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some(open) = self.open.take() {
            out.push(Event::ToolEnd { place: open.place });
        }
    }

    /// Tells what waits, up to the first call that may go on.
    fn drain(&mut self, out: &mut Vec<Event>) {
        while self.open.is_none()
            && let Some(waiting) = self.waiting.pop_front()
        {
            match waiting {
                Waiting::Said(event) => {
                    self.waiting_bytes -= EVENT_BYTES + text_bytes(&event);
                    out.push(event);
                }
                Waiting::Call { place, start, kind, arguments, is_over } => {
                    self.waiting_bytes -= EVENT_BYTES + text_bytes(&start) + arguments.len();
                    out.push(start);
                    let mut progress = JsonProgress::new(kind);
                    progress.take(&arguments);
                    let is_over = is_over || (progress.is_complete() && !self.waiting.is_empty());
                    Event::push_arguments(out, place, &arguments);
                    self.open = Some(Open { place, progress });
                    if is_over {
                        self.close(out);
                    }
                }
            }
        }
    }

    fn check(&self) -> Result<(), VendorError> {
        if self.waiting_bytes <= WAITING_BYTES_MAX {
            return Ok(());
        }
        let message = format!("more than {WAITING_BYTES_MAX} bytes of the answer wait for a tool call to end");
        Err(VendorError::of_reading(message))
    }
}

fn text_bytes(event: &Event) -> usize {
    match event {
        Event::Text { piece, logprobs } => piece.len() + EVENT_BYTES * logprobs.len(),
        Event::Reasoning(piece) | Event::Refusal(piece) | Event::Signature(piece) => piece.len(),
        Event::ToolStart { id, name, .. } => id.len() + name.len(),
        _ => 0,
    }
}

/// Tells when arguments are a whole JSON object or array, after which only white space can come.
///
/// Chat Completions never says that a call is over, so that this is the only way to know before the end.
#[derive(Debug, Default)]
struct JsonProgress {
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    is_over: bool,
    is_free_text: bool,
}

impl JsonProgress {
    fn new(kind: ToolKind) -> Self {
        JsonProgress { is_free_text: kind == ToolKind::Custom, ..JsonProgress::default() }
    }

    fn is_complete(&self) -> bool {
        self.is_over
    }

    fn take(&mut self, piece: &str) {
        if self.is_free_text {
            return;
        }
        for byte in piece.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_string => self.is_escaped = true,
                b'"' => self.is_in_string = !self.is_in_string,
                _ if self.is_in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_over |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}
