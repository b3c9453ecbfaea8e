//! A recorded call: the unit that the store keeps and everything else works on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Api, Usage};

/// One LLM request with its response or failure, proxied or imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Unique id; imported calls keep their own.
    pub id: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The caller's dialect.
    pub api: Api,
    /// The step it belongs to.
    pub step: String,
    /// How the step was found: `header`, `field`, `head` or `template`.
    pub step_by: String,
    /// The run it belongs to, where known.
    pub run: Option<String>,
    /// The model that the caller asked for.
    pub model: String,
    /// The name of the upstream that answered; `import` for imported calls.
    pub upstream: String,
    /// The model that answered, where it differs from the one asked for or a move chose it.
    pub served_model: Option<String>,
    /// The request body as received.
    pub request: Vec<u8>,
    /// The response body as sent to the caller (server-sent events as they came); empty when there was none.
    pub response: Vec<u8>,
    /// Whether `response` is a stream of server-sent events.
    pub streamed: bool,
    /// The HTTP status that the caller saw; 0 when there was none.
    pub status: u16,
    /// What went wrong, when something did.
    pub failure: Option<Failure>,
    /// Tokens, where the provider said, or where they were counted here.
    pub usage: Option<Usage>,
    /// Whether `usage` was counted here because the provider did not say.
    pub is_estimated: bool,
    /// How long it took.
    pub timings: Timings,
    /// What it is to be scored against beside the incumbent's answer.
    pub reference: Option<Reference>,
    /// The name of the virtual key that the caller came with, where one was needed.
    pub key: Option<String>,
    /// The generation of routes that decided who answered; 0 before the first move.
    pub generation: u64,
    /// Those who were asked before, and why that came to nothing; in their order.
    pub attempts: Vec<Attempt>,
    /// What of the bodies is kept.
    pub kept: Kept,
}

impl Call {
    /// Makes a call of which nothing is known yet but who it is; every name is empty.
    pub fn new(id: impl Into<String>, at_ms: i64, api: Api) -> Self {
        Call {
            id: id.into(),
            at_ms,
            api,
            step: String::new(),
            step_by: String::new(),
            run: None,
            model: String::new(),
            upstream: String::new(),
            served_model: None,
            request: Vec::new(),
            response: Vec::new(),
            streamed: false,
            status: 0,
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
}

/// Somebody who was asked for the answer of a call and did not give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The name of the upstream.
    pub upstream: String,
    /// The model that it was asked for, where that differs from the one that the caller asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What went wrong.
    pub failure: Failure,
    /// When that was known, in microseconds since the call began.
    pub after_us: u64,
}

/// What of a call's bodies is kept; by default both, as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whether something in them was replaced by a mark before they were written.
    pub masked: bool,
    /// What stands in for them, where they are not kept.
    pub instead: Option<Instead>,
}

/// What stands in for bodies that are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Instead {
    /// Their sizes and digests: only those were ever kept.
    Digests {
        /// Of the request.
        request: Digest,
        /// Of the response.
        response: Digest,
    },
    /// Nothing: they were kept until their time was over.
    Expired,
}

/// The size and the digest of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How long it was.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A short stable word: `upstream_status`, `connect`, `timeout`, `cut`, `client_left`, `engine`, `refused`, `unreadable`,
    /// `over_limit`.
    pub kind: String,
    /// What was found; no prompt text, no secret.
    pub message: String,
}

/// How long a call took, in microseconds from the last byte of the request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Until the first byte of the answer's body, where there was one.
    pub first_byte_us: Option<u64>,
    /// Until the last byte.
    pub total_us: u64,
}

/// The truth about a case that did not come from the incumbent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Where it comes from.
    pub kind: ReferenceKind,
    /// The value: the right output for a label; a number, boolean or object for an outcome.
    pub value: Value,
}

/// Where a reference comes from, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The incumbent's recorded answer.
    Incumbent,
    /// A human label.
    Label,
    /// What the business saw happen.
    Outcome,
}
