//! Which step and run a call belongs to: explicit marks first, then the exact hash of the request's head.

mod head;
mod known;
mod learned;
mod marks;
mod mask;
mod passages;
mod state;
mod steps;
mod trie;
mod units;

use std::fmt;

use freehold_wire::Request;

pub use head::head_sha256;
pub use known::Heads;
pub use learned::Alias;
pub use marks::{RUN_CHARS_MAX, STEP_CHARS_MAX};
pub use state::StateError;
pub use steps::{Figures, Steps};

/// Marks that a caller may set in headers; header names are lower case.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks<'a> {
    /// `x-freehold-step`.
    pub step: Option<&'a str>,
    /// `x-freehold-run`.
    pub run: Option<&'a str>,
    /// `traceparent`.
    pub traceparent: Option<&'a str>,
}

/// How a step was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepBy {
    /// A header named it.
    Header,
    /// A field of the request named it (`metadata.step`).
    Field,
    /// The hash of the head (system text, tools, response schema, API family).
    Head,
    /// The static text that it shares with the step's other calls.
    Template,
}

impl StepBy {
    /// Returns the stable word that records keep: `header`, `field`, `head` or `template`.
    pub fn as_str(self) -> &'static str {
        match self {
            StepBy::Header => "header",
            StepBy::Field => "field",
            StepBy::Head => "head",
            StepBy::Template => "template",
        }
    }
}

impl fmt::Display for StepBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The step and run of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The step's id: the given name, or a readable slug of the system text with six hex digits of the head hash.
    pub step: String,
    /// How it was found.
    pub by: StepBy,
    /// The run, where a mark names it.
    pub run: Option<String>,
}

/// Finds the step and run of a request.
///
/// The step is the one that the header names, else the one that `metadata.step` names, else that of the head: API family,
/// system text, tools and response schema, with neither the order of tools nor that of JSON members mattering. The
/// requested model is never part of it, so that a step stays itself when it moves; nor are the turns.
///
/// Requests with neither system text nor tools nor schema have no head to tell them apart: all those of one API family
/// are one step (`openai-chat-no-system-` and the digits), which may well be several call sites. Name such steps.
///
/// The run is the one that the header names, else `metadata.run`, `run_id` or `session_id`, else the trace of a valid
/// `traceparent`.
///
/// Names are cleaned: a step's to [`STEP_CHARS_MAX`] letters, digits and `._/-`, a run's to [`RUN_CHARS_MAX`] printable
/// characters; a name of which nothing is left is ignored.
pub fn identify(request: &Request, marks: Marks<'_>) -> Identity {
    let (step, by) = mark_of(request, marks).unwrap_or_else(|| (head::step_id(request).0, StepBy::Head));
    Identity { step, by, run: run_of(request, marks) }
}

/// Returns the step that a mark names.
fn mark_of(request: &Request, marks: Marks<'_>) -> Option<(String, StepBy)> {
    let by_header = || Some((marks.step.and_then(marks::step_name)?, StepBy::Header));
    let by_field = || Some((marks::field(request, "step").and_then(marks::step_name)?, StepBy::Field));
    by_header().or_else(by_field)
}

/// Returns the run that a mark names.
fn run_of(request: &Request, marks: Marks<'_>) -> Option<String> {
    let run = marks.run.and_then(marks::run_name).or_else(|| {
        let mut fields = ["run", "run_id", "session_id"].into_iter();
        fields.find_map(|name| marks::field(request, name).and_then(marks::run_name))
    });
    run.or_else(|| marks.traceparent.and_then(marks::trace_id).map(str::to_owned))
}
