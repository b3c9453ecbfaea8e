//! Takes the answer of an upstream that speaks another dialect than the caller.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use freehold_wire::write::Head;
use freehold_wire::{answers, translate};

use crate::error::{self, CallError};
use crate::identify::View;
use crate::record::{Ending, OpenRecord, Shape};
use crate::shaping::{Reshaped, Shaper};
use crate::tee::Source;
use crate::{encoding, headers};

use super::request::To;
use super::{Answered, Content, On, own, sending};

/// Turns an answer into one in the caller's dialect.
pub(super) async fn answer(
    on: On<'_>,
    to: To<'_>,
    response: Response<Incoming>,
    (view, record): (&View, &mut OpenRecord),
) -> Result<Answered, CallError> {
    let is_framed = sending::is_framed(&response);
    let (head, body) = response.into_parts();
    let status = head.status;
    let mut marks = head.headers;
    let codings = encoding::of(&marks);
    let is_sse = marks.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    headers::to_caller(&mut marks);
    marks.remove(CONTENT_LENGTH);
    marks.remove(CONTENT_ENCODING);
    if to.upstream.simulated {
        marks.insert(headers::SIMULATED, HeaderValue::from_static("true"));
    }
    if is_sse && status.is_success() {
        return stream(to, (marks, codings), Reshaping { body, is_framed }, (view, record));
    }
    let came = sending::gather(on, &to.upstream.name, body).await?;
    let came = plain(to, &codings, came, on.current.config.record_bytes_max)?;
    marks.extend(own::json_headers());
    whole(to, (status, marks), &came, record)
}

struct Reshaping {
    body: Incoming,
    is_framed: bool,
}

fn stream(
    to: To<'_>,
    (mut marks, codings): (HeaderMap, Vec<String>),
    reshaping: Reshaping,
    (view, record): (&View, &mut OpenRecord),
) -> Result<Answered, CallError> {
    if !codings.is_empty() {
        let found = format!("its stream is compressed ({}), which was not asked for", codings.join(", "));
        return Err(CallError::Unreadable { upstream: to.upstream.name.clone(), found });
    }
    let api = record.call().api;
    let stream_usage = view.request.as_ref().is_ok_and(|request| request.stream_usage);
    let head = Head { stream_usage, ..own::head(record, to.model.unwrap_or(&view.model)) };
    record.upstream_streams(to.spoken);
    marks.extend(own::stream_headers());
    let shaper = Shaper::Translated(Box::new(translate::Stream::new(to.spoken, api, head)));
    let source = Source::Reshaped(Box::new(Reshaped {
        is_unframed: !reshaping.is_framed,
        ..Reshaped::new(reshaping.body, shaper)
    }));
    Ok(Answered { status: StatusCode::OK, headers: marks, content: Content::Flowing(source, VecDeque::new()) })
}

fn whole(
    to: To<'_>,
    (status, marks): (StatusCode, HeaderMap),
    came: &[u8],
    record: &mut OpenRecord,
) -> Result<Answered, CallError> {
    let api = record.call().api;
    record.we_answer(status, Shape::Whole);
    let mut ending = Ending::default();
    let body = if status.is_success() {
        let unreadable = |error: answers::Error| CallError::Unreadable {
            upstream: to.upstream.name.clone(),
            found: error.to_string(),
        };
        let read = answers::read(to.spoken, came).map_err(unreadable)?;
        let model = to.model.unwrap_or(&record.call().model).to_owned();
        let head = own::head(record, &model);
        ending.usage = read.usage;
        ending.answer = read.usage.is_none().then(|| Box::new(read));
        translate::answer(to.spoken, api, &head, came).map_err(unreadable)?
    } else {
        ending.failure = Some(error::upstream_status(&to.upstream.name, status));
        translate::error(to.spoken, api, status.as_u16(), came)
    };
    record.copy(&body);
    Ok(Answered { status, headers: marks, content: Content::Whole(body.into(), ending) })
}

/// Returns a body without its compression.
fn plain(to: To<'_>, codings: &[String], body: Bytes, bytes_max: usize) -> Result<Bytes, CallError> {
    if codings.is_empty() {
        return Ok(body);
    }
    match encoding::decode(codings, &body, bytes_max) {
        Some(decoded) if decoded.is_whole => Ok(decoded.bytes.into()),
        _ => {
            let found = format!("its body is compressed in a way that cannot be read here ({})", codings.join(", "));
            Err(CallError::Unreadable { upstream: to.upstream.name.clone(), found })
        }
    }
}
