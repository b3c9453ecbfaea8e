//! One line of an import: `{"id","at"?,"api","request","response"|"response_events"|"error","step"?,"run"?,"model"?,"reference"?}`.

use std::borrow::Cow;

use freehold_wire::{Api, Call, Failure, Reference};
use freehold_workflow::{Marks, identify};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::exported;

/// Why a line was rejected. No text of the call is in it.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Longer than the limit.
    #[error("longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at byte {byte}")]
    NotUtf8 {
        /// The first bad byte.
        byte: usize,
    },
    /// Not a JSON object of the form.
    #[error("{}", plain(.0))]
    Json(#[from] serde_json::Error),
    /// A field is wrong.
    #[error("{field}: {found}")]
    Field {
        /// The field.
        field: &'static str,
        /// What was found.
        found: String,
    },
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    at: Option<&'a RawValue>,
    #[serde(borrow)]
    api: Cow<'a, str>,
    #[serde(borrow)]
    request: &'a RawValue,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_events: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    step: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    run: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    reference: Option<Reference>,
}

/// Reads one line into a call; `default_at_ms` dates it when it does not say.
///
/// # Errors
/// The line is not JSON of the form, or its request or response is not of its API.
pub fn call_of(text: &str, default_at_ms: i64) -> Result<Call, LineError> {
    if !text.trim_start().starts_with('{') {
        return Err(LineError::Field { field: "line", found: "not a JSON object".to_owned() });
    }
    if let Some(call) = exported::call_of(text)? {
        return Ok(call);
    }
    spelt(serde_json::from_str(text)?, default_at_ms)
}

/// Makes a call of the members of a line.
fn spelt(fields: Fields<'_>, default_at_ms: i64) -> Result<Call, LineError> {
    if fields.id.is_empty() {
        return Err(LineError::Field { field: "id", found: "empty".to_owned() });
    }
    let api: Api = fields.api.parse().map_err(|error: freehold_wire::UnknownApi| wrong("api", &error))?;
    let body = fields.request.get().as_bytes();
    let request = freehold_wire::requests::read(api, body).map_err(|error| wrong("request", &error))?;
    let identity =
        identify(&request, Marks { step: fields.step.as_deref(), run: fields.run.as_deref(), ..Marks::default() });
    let streamed = fields.response_events.is_some();
    let answered = match (fields.response_events, fields.response, fields.error) {
        (Some(events), None, None) => from_events(api, &events),
        (Some(_), ..) => Err(LineError::Field { field: "response_events", found: "given beside another".to_owned() }),
        (None, response, error) => answered(api, response, error),
    }?;
    let at_ms = fields.at.map_or(Ok(default_at_ms), at_ms)?;
    Ok(Call {
        step: identity.step,
        step_by: identity.by.as_str().to_owned(),
        run: identity.run,
        model: fields.model.map_or(request.model, Cow::into_owned),
        upstream: "import".to_owned(),
        served_model: answered.model,
        request: body.to_vec(),
        response: answered.body,
        streamed,
        status: answered.status,
        failure: answered.failure,
        usage: answered.usage,
        reference: fields.reference,
        ..Call::new(fields.id, at_ms, api)
    })
}

struct Answered {
    body: Vec<u8>,
    status: u16,
    failure: Option<Failure>,
    usage: Option<freehold_wire::Usage>,
    model: Option<String>,
}

fn answered(api: Api, response: Option<&RawValue>, error: Option<&RawValue>) -> Result<Answered, LineError> {
    match (response, error) {
        (Some(response), None) => {
            let body = response.get().as_bytes();
            let answer = freehold_wire::answers::read(api, body).map_err(|error| wrong("response", &error))?;
            let model = Some(answer.model).filter(|model| !model.is_empty());
            Ok(Answered { body: body.to_vec(), status: 200, failure: None, usage: answer.usage, model })
        }
        (None, Some(error)) => {
            let message = "the recorded call failed; its error is kept as the response".to_owned();
            let failure = Some(Failure { kind: "upstream_status".to_owned(), message });
            Ok(Answered { body: error.get().as_bytes().to_vec(), status: 0, failure, usage: None, model: None })
        }
        (Some(_), Some(_)) => Err(LineError::Field { field: "error", found: "given beside a response".to_owned() }),
        (None, None) => Err(LineError::Field { field: "response", found: "neither it nor error is given".to_owned() }),
    }
}

/// Reads the text of a stream of server-sent events; one that broke off is a failure.
fn from_events(api: Api, events: &str) -> Result<Answered, LineError> {
    let mut reader = freehold_wire::stream::Reader::new(api);
    reader.push(events.as_bytes());
    let outcome = reader.finish();
    let message = outcome.error.unwrap_or_else(|| "the recorded stream has no end".to_owned());
    let failure = (!outcome.is_complete).then(|| Failure { kind: "cut".to_owned(), message });
    let model = Some(outcome.answer.model).filter(|model| !model.is_empty());
    Ok(Answered { body: events.as_bytes().to_vec(), status: 200, failure, usage: outcome.answer.usage, model })
}

/// Reads RFC 3339 text, or a number of seconds since the Unix epoch.
pub(super) fn at_ms(raw: &RawValue) -> Result<i64, LineError> {
    let bad = |found: &str| LineError::Field {
        field: "at",
        found: format!("{found:.40} is neither RFC 3339 nor Unix seconds"),
    };
    let text = raw.get();
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds.abs() < 1e11 { Ok((seconds * 1e3) as i64) } else { Err(bad(text)) };
    }
    let stamp: Cow<'_, str> = serde_json::from_str(text).map_err(|_| bad(text))?;
    stamp.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).map_err(|_| bad(text))
}

pub(super) fn wrong(field: &'static str, error: &dyn std::error::Error) -> LineError {
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    LineError::Field { field, found: format!("{error}{cause}") }
}

fn plain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "cut off: the JSON does not end".to_owned(),
        serde_json::error::Category::Syntax => format!("not JSON at column {}", error.column()),
        _ => error.to_string(),
    }
}
