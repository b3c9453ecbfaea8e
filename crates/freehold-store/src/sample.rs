//! A call for the tests of this crate's own modules.

use freehold_wire::{Api, Call};

/// A successful call of the step `triage` without bodies and tokens.
pub(crate) fn call(id: impl Into<String>, at_ms: i64) -> Call {
    Call {
        step: "triage".to_owned(),
        step_by: "head".to_owned(),
        model: "large".to_owned(),
        upstream: "vendor".to_owned(),
        status: 200,
        ..Call::new(id, at_ms, Api::OpenAiChat)
    }
}
