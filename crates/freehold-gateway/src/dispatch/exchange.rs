//! Asks an upstream, again where that may help, and takes its answer.

use std::collections::VecDeque;
use std::time::Instant;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use freehold_wire::Api;

use crate::breaker::{Breaker, Fault, Others};
use crate::calls::Arrived;
use crate::error::CallError;
use crate::identify::View;
use crate::record::{Ending, OpenRecord, Shape};
use crate::retry::Found;
use crate::route::Hop;
use crate::shaping::{Reshaped, Shaper};
use crate::tee::Source;
use crate::{encoding, headers};

use super::request::{self, Headers, Sent, To};
use super::sending::{self, Held};
use super::{Answered, Attempts, Content, On, own, translated};

/// Asks an upstream until it answers or there is no point in asking it again.
pub(super) async fn ask(
    on: On<'_>,
    hop: &Hop,
    arrived: &mut Arrived,
    (record, attempts): (&mut OpenRecord, &mut Attempts),
) -> Result<Answered, CallError> {
    let (at, to) = target(on, hop)?;
    if arrived.api == Api::AnthropicCountTokens && to.spoken != arrived.api {
        return Ok(own::tokens_estimated(&arrived.view, record));
    }
    let headers = if attempts.others == Others::None { Headers::Taken } else { Headers::Copied };
    let sent = request::make(to, arrived, record, headers)?;
    let response = until_answered(on, (at, &to, &sent), record, attempts).await?;
    if attempts.others == Others::Some && Found::head(response.status(), response.headers()).is_upstreams_fault() {
        let error = status(&to, &response);
        attempts.kept = Some((hop.clone(), sent, response));
        return Err(error);
    }
    answer(on, (hop, sent), response, (&arrived.view, record)).await
}

/// Sends a request as often as it takes and is allowed.
async fn until_answered(
    on: On<'_>,
    (at, to, sent): (usize, &To<'_>, &Sent),
    record: &mut OpenRecord,
    attempts: &Attempts,
) -> Result<Response<Incoming>, CallError> {
    let mut retries = 0;
    loop {
        let answer = attempt(on, &on.current.breakers[at], (to, sent), attempts.others).await;
        let (found, error) = match &answer {
            Ok(response) if response.status().is_success() => return answer,
            Ok(response) => (Found::head(response.status(), response.headers()), &status(to, response)),
            Err(error) => (Found::error(error), error),
        };
        let Some(wait) = found.wait(retries, to.upstream.retries_max, attempts.seed) else { return answer };
        tracing::info!(failed = %error, wait_ms = wait.as_millis(), "an upstream is asked again");
        record.note_attempt(error);
        drop(answer);
        tokio::time::sleep(wait).await;
        retries += 1;
    }
}

/// Returns the error that an answer is.
fn status(to: &To<'_>, response: &Response<Incoming>) -> CallError {
    CallError::Status { upstream: to.upstream.name.clone(), status: response.status() }
}

/// Sends a request once, if the upstream is not at rest, and tells its breaker how it went.
async fn attempt(
    on: On<'_>,
    breaker: &Breaker,
    (to, sent): (&To<'_>, &Sent),
    others: Others,
) -> Result<Response<Incoming>, CallError> {
    let name = &to.upstream.name;
    let resting = |after| CallError::Resting { upstream: name.clone(), after };
    let pass = breaker.pass(Instant::now(), others).map_err(resting)?;
    let answer = on.current.pool.send(name, sent.request()).await;
    match &answer {
        Ok(response) if response.status().is_server_error() => pass.failed(Instant::now(), Fault::Prompt),
        // A limit that the caller has reached says nothing about the upstream's health.
        Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS => drop(pass),
        Ok(_) => pass.worked(),
        Err(error) => pass.failed(Instant::now(), Fault::of(error)),
    }
    answer
}

/// Turns the answer of an upstream into ours.
pub(super) async fn answer(
    on: On<'_>,
    (hop, sent): (&Hop, Sent),
    response: Response<Incoming>,
    (view, record): (&View, &mut OpenRecord),
) -> Result<Answered, CallError> {
    let (_, to) = target(on, hop)?;
    if to.spoken != record.call().api {
        return translated::answer(on, to, response, (view, record)).await;
    }
    let is_framed = sending::is_framed(&response);
    let (head, body) = response.into_parts();
    let (status, mut marks) = (head.status, head.headers);
    let is_sse = marks.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let shape = if is_sse { Shape::Streamed } else { Shape::Whole };
    let codings = encoding::of(&marks);
    let shows_its_end = is_framed || !codings.is_empty() || !status.is_success();
    let is_hiding = sent.hides_usage && is_sse && status.is_success() && codings.is_empty();
    record.upstream_answers(status, shape, codings);
    headers::to_caller(&mut marks);
    if to.upstream.simulated {
        marks.insert(headers::SIMULATED, HeaderValue::from_static("true"));
    }
    let flowing = |source, ready| Answered { status, headers: marks.clone(), content: Content::Flowing(source, ready) };
    if is_hiding {
        let source = Reshaped { is_unframed: !is_framed, ..Reshaped::new(body, Shaper::hiding_usage()) };
        let mut answered = flowing(Source::Reshaped(Box::new(source)), VecDeque::new());
        answered.headers.remove(http::header::CONTENT_LENGTH);
        return Ok(answered);
    }
    if is_sse || (view.is_stream && status.is_success()) {
        let source = if is_sse && !shows_its_end { Source::Unframed(body) } else { Source::Upstream(body) };
        return Ok(flowing(source, VecDeque::new()));
    }
    match sending::hold(on, &to.upstream.name, body, record).await? {
        Held::Whole(body) => Ok(Answered { status, headers: marks, content: Content::Whole(body, Ending::default()) }),
        Held::Slow(pieces, body) => Ok(flowing(Source::Upstream(body), pieces)),
    }
}

/// Returns the upstream of a hop.
fn target<'a>(on: On<'a>, hop: &'a Hop) -> Result<(usize, To<'a>), CallError> {
    let Hop::Upstream { at, model, chosen, spoken } = hop else {
        return Err(CallError::Internal("the engine is asked as if it were an upstream"));
    };
    let upstream = &on.current.config.upstreams[*at];
    Ok((*at, To { upstream, model: model.as_deref(), chosen: *chosen, spoken: *spoken }))
}
