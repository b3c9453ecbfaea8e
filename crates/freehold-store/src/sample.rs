//! A call for the tests of this crate's own modules.

use freehold_wire::{Api, Call, Kept, Timings};

/// A successful call of the step `triage` without bodies and tokens.
pub(crate) fn call(id: impl Into<String>, at_ms: i64) -> Call {
    Call {
        id: id.into(),
        at_ms,
        api: Api::OpenAiChat,
        step: "triage".to_owned(),
        step_by: "head".to_owned(),
        run: None,
        model: "large".to_owned(),
        upstream: "vendor".to_owned(),
        served_model: None,
        request: Vec::new(),
        response: Vec::new(),
        streamed: false,
        status: 200,
        failure: None,
        usage: None,
        is_estimated: false,
        timings: Timings::default(),
        reference: None,
        key: None,
        generation: 0,
        attempts: Vec::new(),
        kept: Kept::default(),
    }
}
