//! Reads the copy of a request: its model, whether it wants a stream, its step and run.

use std::cell::RefCell;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use freehold_wire::{Api, Part, Request, requests};
use freehold_workflow::{Heads, Marks, StepBy, Steps};

use crate::error::CallError;
use crate::gateway::Shared;
use crate::headers;

/// Bodies from this size on are read on a thread of their own: it takes longer than the async threads may be kept.
const OFF_THREAD_BYTES_MIN: usize = 256 << 10;

/// The step of calls whose request has a form that nobody here can read.
pub(crate) const UNREAD: &str = "unread";

thread_local! {
    static HEADS: RefCell<Heads> = RefCell::default();
}

/// What is read from a copy of a request.
#[derive(Debug)]
pub(crate) struct View {
    /// The model asked for; empty where none was named.
    pub model: String,
    /// Whether a stream was asked for.
    pub is_stream: bool,
    /// The step it belongs to.
    pub step: String,
    /// How the step was found: `header`, `field`, `head` or `template`.
    pub step_by: &'static str,
    /// The run it belongs to, where known.
    pub run: Option<String>,
    /// The step whose route counts, where it is another one: a count of tokens goes where the call itself would go.
    pub routed_as: Option<String>,
    /// The body without the line that Claude Code changes with every request, where there was one.
    pub without_billing: Option<Bytes>,
    /// The body with all it refers to, where somebody needs it so who keeps no earlier answers.
    pub completed: Option<Bytes>,
    /// The neutral view, or why there is none. A vendor may know more than we do, so such a request still passes through.
    pub request: Result<Request, requests::Error>,
}

/// Reads a request body, off the async threads where it is large.
pub(crate) async fn read(api: Api, headers: &HeaderMap, body: &Bytes, shared: &Shared) -> Result<View, CallError> {
    let steps = shared.steps.load_full();
    if body.len() < OFF_THREAD_BYTES_MIN {
        return view(api, headers, body, steps.as_deref());
    }
    let (headers, body) = (headers.clone(), body.clone());
    let reading = shared.keeper.tracker.spawn_blocking(move || view(api, &headers, &body, steps.as_deref()));
    reading.await.unwrap_or(Err(CallError::Internal("reading the request failed")))
}

/// Reads a request body here and now; without what was learned of steps it goes by the head alone.
pub(crate) fn view(api: Api, headers: &HeaderMap, body: &[u8], steps: Option<&Steps>) -> Result<View, CallError> {
    let marks = Marks {
        step: headers::text(headers, &headers::STEP),
        run: headers::text(headers, &headers::RUN),
        traceparent: headers::text(headers, &headers::TRACEPARENT),
    };
    // The changing line must not make every call a step of its own.
    let without_billing = if api.is_anthropic() { requests::without_billing_line(body).map(Bytes::from) } else { None };
    match requests::read(api, without_billing.as_deref().unwrap_or(body)) {
        Ok(request) => {
            let identify = |request: &Request| {
                HEADS.with_borrow_mut(|heads| match steps {
                    Some(steps) => steps.identify(request, marks, heads),
                    None => heads.identify(request, marks),
                })
            };
            let identity = identify(&request);
            let routed_as = (api == Api::AnthropicCountTokens)
                .then(|| identify(&Request { api: Api::AnthropicMessages, ..request.clone() }).step);
            Ok(View {
                model: request.model.clone(),
                is_stream: request.stream,
                step: identity.step,
                step_by: identity.by.as_str(),
                run: identity.run,
                routed_as,
                without_billing,
                completed: None,
                request: Ok(request),
            })
        }
        Err(error @ requests::Error::Json(_)) => Err(CallError::Request(error)),
        Err(error) => Ok(View { without_billing, ..unread(body, marks, error) }),
    }
}

/// Returns the little that is known of a request that cannot be read in full.
fn unread(body: &[u8], marks: Marks<'_>, error: requests::Error) -> View {
    let outline: Outline = serde_json::from_slice(body).unwrap_or_default();
    View {
        model: outline.model.and_then(|model| model.as_str().map(str::to_owned)).unwrap_or_default(),
        is_stream: outline.stream == Some(Value::Bool(true)),
        step: marks.step.unwrap_or(UNREAD).to_owned(),
        step_by: if marks.step.is_some() { StepBy::Header } else { StepBy::Head }.as_str(),
        run: marks.run.map(str::to_owned),
        routed_as: None,
        without_billing: None,
        completed: None,
        request: Err(error),
    }
}

/// What a Responses request leaves to the memory of whoever answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum References {
    /// Earlier answers or items of them, which the record may have.
    Answers,
    /// A conversation that only the vendor knows.
    Conversation,
}

/// Returns what a Responses request refers to, where it does not stand alone.
pub(crate) fn references(view: &View, body: &[u8]) -> Option<References> {
    let members: Memory = serde_json::from_slice(body).unwrap_or_default();
    let is_said = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
    if is_said(&members.conversation) {
        return Some(References::Conversation);
    }
    let is_reference = |part: &Part| matches!(part, Part::Other(item) if item["type"] == "item_reference");
    let mut turns = view.request.iter().flat_map(|request| &request.messages);
    let refers = is_said(&members.previous_response_id) || turns.any(|turn| turn.parts.iter().any(is_reference));
    refers.then_some(References::Answers)
}

/// The members of a Responses request that refer to the vendor's memory.
#[derive(Debug, Default, Deserialize)]
struct Memory {
    previous_response_id: Option<Value>,
    conversation: Option<Value>,
}

/// The little that routing needs of a request that cannot be read in full.
#[derive(Debug, Default, Deserialize)]
struct Outline {
    model: Option<Value>,
    stream: Option<Value>,
}
