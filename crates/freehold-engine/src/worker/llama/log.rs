//! What llama.cpp logs: warnings and errors go to the error output, the last of them are kept to explain a failed load.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The most lines kept.
const LINES_MAX: usize = 4;
/// The most characters kept of a line.
const LINE_CHARACTERS_MAX: usize = 300;

static LAST_ERRORS: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Routes llama.cpp's log here, for the rest of the process.
pub(crate) fn install() {
    // The binary may have set up a log of its own before it became a worker; then that one is used.
    tracing::subscriber::set_global_default(Warnings).ok();
    send_logs_to_tracing(LogOptions::default());
}

/// Returns what went wrong, with the last errors, oldest first.
pub(crate) fn told_with(what: &str) -> String {
    let lines = LAST_ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.is_empty() {
        return what.to_owned();
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    format!("{what}: {}", lines.join(" | "))
}

struct Warnings;

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0 = value.to_owned();
        }
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let line: String = message.0.trim().chars().take(LINE_CHARACTERS_MAX).collect();
        eprintln!("{line}");
        if *event.metadata().level() == Level::ERROR {
            let mut lines = LAST_ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}
