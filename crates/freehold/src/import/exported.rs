//! A line that an export wrote: taken as it is, so that what comes out again is what went in.

use std::borrow::Cow;

use freehold_wire::{Api, Attempt, Call, Failure, Instead, Kept, Reference, Timings, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::line::{LineError, at_ms, wrong};
use crate::export::VERSION;

#[derive(Deserialize)]
struct Mark {
    #[serde(default)]
    export: Option<u32>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    id: String,
    #[serde(borrow)]
    at: &'a RawValue,
    api: String,
    step: String,
    step_by: String,
    run: Option<String>,
    model: String,
    upstream: String,
    served_model: Option<String>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    request_text: Option<Cow<'a, str>>,
    request_hex: Option<String>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    response_events: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response_text: Option<Cow<'a, str>>,
    response_hex: Option<String>,
    reference: Option<Reference>,
    status: u16,
    streamed: bool,
    failure: Option<Failure>,
    #[serde(default)]
    attempts: Vec<Attempt>,
    usage: Option<Usage>,
    is_estimated: bool,
    timings: Timings,
    key: Option<String>,
    generation: u64,
    masked: bool,
    instead: Option<Instead>,
}

/// Reads the line of an export; `None` for any other line.
pub(super) fn call_of(text: &str) -> Result<Option<Call>, LineError> {
    if !text.contains("\"export\"") || !has_mark(text)? {
        return Ok(None);
    }
    let fields: Fields<'_> = serde_json::from_str(text)?;
    let api: Api = fields.api.parse().map_err(|error: freehold_wire::UnknownApi| wrong("api", &error))?;
    let request = body(fields.request, fields.request_text.as_deref(), fields.request_hex.as_deref());
    let text = fields.response_events.as_deref().or(fields.response_text.as_deref());
    let response = body(fields.response.or(fields.error), text, fields.response_hex.as_deref());
    let missing = |field| move || LineError::Field { field, found: "in none of its spellings".to_owned() };
    Ok(Some(Call {
        at_ms: at_ms(fields.at)?,
        api,
        request: request.ok_or_else(missing("request"))?,
        response: response.ok_or_else(missing("response"))?,
        kept: Kept { masked: fields.masked, instead: fields.instead },
        id: fields.id,
        step: fields.step,
        step_by: fields.step_by,
        run: fields.run,
        model: fields.model,
        upstream: fields.upstream,
        served_model: fields.served_model,
        streamed: fields.streamed,
        status: fields.status,
        failure: fields.failure,
        attempts: fields.attempts,
        usage: fields.usage,
        is_estimated: fields.is_estimated,
        timings: fields.timings,
        reference: fields.reference,
        key: fields.key,
        generation: fields.generation,
    }))
}

/// Returns whether a line says that it is of an export, of a version that is read here.
fn has_mark(text: &str) -> Result<bool, LineError> {
    match serde_json::from_str::<Mark>(text)?.export {
        Some(version) if version > VERSION => {
            let found = format!("version {version}, this program reads versions up to {VERSION}");
            Err(LineError::Field { field: "export", found })
        }
        found => Ok(found.is_some()),
    }
}

fn body(json: Option<&RawValue>, text: Option<&str>, hex: Option<&str>) -> Option<Vec<u8>> {
    if let Some(text) = json.map(RawValue::get).or(text) {
        return Some(text.as_bytes().to_vec());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    hex?.as_bytes().chunks(2).map(|two| if two.len() == 2 { pair(two) } else { None }).collect()
}
