//! Writes recorded calls as JSON Lines that an import reads again: every call, whatever its bodies are.

use std::io::Write;

use freehold_store::{Selection, Store};
use freehold_wire::{Attempt, Call, Failure, Instead, Reference, Timings, Usage};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::exit::Fault;

/// The version of the lines; an import takes a line that has it as it is.
pub const VERSION: u32 = 1;

/// One line; the first members are those that any import line has.
#[derive(Serialize)]
struct Line<'c> {
    id: &'c str,
    at: String,
    api: &'c str,
    step: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'c str>,
    model: &'c str,
    #[serde(flatten)]
    request: Body<'c>,
    #[serde(flatten)]
    response: Body<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'c Reference>,
    export: u32,
    step_by: &'c str,
    upstream: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_model: Option<&'c str>,
    status: u16,
    streamed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'c Failure>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'c [Attempt],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'c Usage>,
    is_estimated: bool,
    timings: &'c Timings,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'c str>,
    generation: u64,
    masked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<&'c Instead>,
}

/// A body under the name that says how it is spelt.
#[derive(Serialize)]
enum Body<'c> {
    #[serde(rename = "request")]
    Request(&'c RawValue),
    #[serde(rename = "request_text")]
    RequestText(&'c str),
    #[serde(rename = "request_hex")]
    RequestHex(String),
    #[serde(rename = "response")]
    Response(&'c RawValue),
    #[serde(rename = "error")]
    Error(&'c RawValue),
    #[serde(rename = "response_events")]
    ResponseEvents(&'c str),
    #[serde(rename = "response_text")]
    ResponseText(&'c str),
    #[serde(rename = "response_hex")]
    ResponseHex(String),
}

/// Writes the chosen calls, one a line, and returns how many; `progress` is told of each hundredth.
///
/// # Errors
/// The store cannot be read, or the output cannot be written.
pub fn export(
    store: &Store,
    selection: &Selection,
    output: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<u64> {
    let mut exported = 0;
    store.export(selection, |call| -> anyhow::Result<()> {
        let cannot = |error| Fault::input("cannot write the export further").because(error);
        let mut line = serde_json::to_vec(&line(&call))?;
        line.push(b'\n');
        output.write_all(&line).map_err(cannot)?;
        exported += 1;
        if exported % 100 == 0 {
            progress(exported);
        }
        Ok(())
    })
}

fn line(call: &Call) -> Line<'_> {
    Line {
        id: &call.id,
        at: at(call.at_ms),
        api: call.api.as_str(),
        step: &call.step,
        run: call.run.as_deref(),
        model: &call.model,
        request: request(&call.request),
        response: response(call),
        reference: call.reference.as_ref(),
        export: VERSION,
        step_by: &call.step_by,
        upstream: &call.upstream,
        served_model: call.served_model.as_deref(),
        status: call.status,
        streamed: call.streamed,
        failure: call.failure.as_ref(),
        attempts: &call.attempts,
        usage: call.usage.as_ref(),
        is_estimated: call.is_estimated,
        timings: &call.timings,
        key: call.key.as_deref(),
        generation: call.generation,
        masked: call.kept.masked,
        instead: call.kept.instead.as_ref(),
    }
}

/// Returns the time as RFC 3339 text; one that no calendar has becomes its number of seconds.
fn at(at_ms: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at_ms);
    stamp.map_or_else(|_| format!("{}", at_ms as f64 / 1e3), |stamp| format!("{stamp:.3}"))
}

fn request(body: &[u8]) -> Body<'_> {
    match (raw(body), std::str::from_utf8(body)) {
        (Some(raw), _) => Body::Request(raw),
        (None, Ok(text)) => Body::RequestText(text),
        (None, Err(_)) => Body::RequestHex(hex(body)),
    }
}

fn response(call: &Call) -> Body<'_> {
    let body = &call.response;
    let has_failed = call.failure.is_some() || !(call.status == 0 || (200..300).contains(&call.status));
    match (raw(body), std::str::from_utf8(body)) {
        (_, Ok(text)) if call.streamed => Body::ResponseEvents(text),
        (Some(raw), _) if has_failed => Body::Error(raw),
        (Some(raw), _) => Body::Response(raw),
        (None, Ok(text)) => Body::ResponseText(text),
        (None, Err(_)) => Body::ResponseHex(hex(body)),
    }
}

/// Returns a body that can stand in a line byte for byte: JSON of one line.
fn raw(body: &[u8]) -> Option<&RawValue> {
    let text = std::str::from_utf8(body).ok()?;
    let is_whole = text.trim() == text && !text.contains(['\n', '\r']);
    if !is_whole || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn hex(body: &[u8]) -> String {
    body.iter().map(|byte| format!("{byte:02x}")).collect()
}
