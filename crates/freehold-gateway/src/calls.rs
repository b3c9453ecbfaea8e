//! One call from its admission to the head of its answer. Whatever happens, its record is closed exactly once.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use freehold_wire::Api;

use crate::admit::Permit;
use crate::budget::Estimate;
use crate::config::Upstream;
use crate::dispatch::{self, On};
use crate::error::CallError;
use crate::gateway::Shared;
use crate::identify::View;
use crate::record::{Ending, OpenRecord, Shape, Stamp};
use crate::reply::ReplyBody;
use crate::route::{self, Asked, Hop};
use crate::{admit, encoding, identify, record, reply};

/// A call whose request is here and read.
pub(crate) struct Arrived {
    pub api: Api,
    pub parts: Parts,
    /// The body as it came.
    pub body: Bytes,
    /// The body decoded, where it came compressed.
    pub plain: Option<Bytes>,
    pub view: View,
    pub permit: Permit,
}

/// Serves one call.
pub(crate) async fn serve(
    shared: &Shared,
    api: Api,
    mut request: Request<Incoming>,
    stamp: Stamp,
) -> Response<ReplyBody> {
    let current = shared.current.load_full();
    let on = On { shared, current: &current };
    let (permit, mut record) = match admit(on, api, request.headers_mut(), stamp) {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    let arrived = match arrive(on, api, request, permit, &mut record).await {
        Ok(arrived) => arrived,
        Err(error) => return refuse(on, record, error).await,
    };
    let plan = match decide(on, &arrived, &mut record) {
        Ok(plan) => plan,
        Err(error) => return refuse(on, record, error).await,
    };
    match dispatch::walk(on, &plan, arrived, record).await {
        Ok(response) => response,
        Err((error, record)) => refuse(on, record, error).await,
    }
}

/// Lets a call in and opens its record, or returns the answer that turns it away.
pub(crate) fn admit(
    on: On<'_>,
    api: Api,
    headers: &mut HeaderMap,
    stamp: Stamp,
) -> Result<(Permit, OpenRecord), Box<Response<ReplyBody>>> {
    let (permit, principal) = match on.shared.gate.admit(headers, &stamp) {
        Ok(admitted) => admitted,
        Err(error) => {
            // What is turned away is counted but not recorded: under overload the records would be the load.
            tracing::warn!(%error, "turned a call away");
            let mut response = reply::error(api, &error);
            reply::mark(response.headers_mut(), &record::blank(api, stamp));
            return Err(Box::new(response));
        }
    };
    let mut record = OpenRecord::open(&on.shared.keeper, api, stamp);
    record.made_by(principal);
    record.join_trace(headers);
    record.call_mut().generation = on.shared.routes.current_number();
    Ok((permit, record))
}

async fn arrive(
    on: On<'_>,
    api: Api,
    request: Request<Incoming>,
    permit: Permit,
    record: &mut OpenRecord,
) -> Result<Arrived, CallError> {
    let (parts, body) = request.into_parts();
    let config = &on.current.config;
    let limits = admit::BodyLimits { bytes_max: config.body_bytes_max, timeout: config.body_timeout };
    let body = admit::body(&parts.headers, body, limits).await?;
    let plain = decoded(&parts, &body, limits.bytes_max)?;
    let readable = plain.as_ref().unwrap_or(&body);
    record.keep_request(readable.clone());
    let mut view = identify::read(api, &parts.headers, readable, on.shared).await?;
    let call = record.call_mut();
    call.step = std::mem::take(&mut view.step);
    view.step_by.clone_into(&mut call.step_by);
    call.run = view.run.take();
    call.model.clone_from(&view.model);
    record.principal().check_scope(&record.call().step, &view.model)?;
    Ok(Arrived { api, parts, body, plain, view, permit })
}

fn decoded(parts: &Parts, body: &[u8], bytes_max: usize) -> Result<Option<Bytes>, CallError> {
    let codings = encoding::of(&parts.headers);
    if codings.is_empty() {
        return Ok(None);
    }
    match encoding::decode(&codings, body, bytes_max) {
        Some(decoded) if decoded.is_whole => Ok(Some(decoded.bytes.into())),
        _ => Err(CallError::Coding { coding: codings.join(", ") }),
    }
}

fn decide(on: On<'_>, arrived: &Arrived, record: &mut OpenRecord) -> Result<Vec<Hop>, CallError> {
    let generation = on.shared.routes.snapshot();
    record.call_mut().generation = generation.number;
    let step = arrived.view.routed_as.as_ref().unwrap_or(&record.call().step);
    let asked = Asked { api: arrived.api, model: &arrived.view.model, step };
    Ok(route::plan(asked, &generation, on.current.among(), |model| on.shared.engine.serves(model))?)
}

/// Checks that whoever is asked next may be asked with the caller's key, and reserves what that may take of budgets.
pub(crate) fn afford(
    on: On<'_>,
    upstream: Option<&Upstream>,
    estimate: impl FnOnce() -> Estimate,
    record: &mut OpenRecord,
) -> Result<(), CallError> {
    record.release();
    if let Some(upstream) = upstream {
        record.principal().check_upstream(upstream, &on.current.config.unbilled)?;
    }
    if let Some(spend) = on.shared.gate.reserve(record, &on.current.prices, estimate)? {
        record.spend(spend);
    }
    Ok(())
}

/// Tells the caller of an error, after its record.
pub(crate) async fn refuse(on: On<'_>, mut record: OpenRecord, error: CallError) -> Response<ReplyBody> {
    let mut response = reply::error(record.call().api, &error);
    record.mark(response.headers_mut());
    if let ReplyBody::Whole(Some(body)) = response.body() {
        record.forget_answer();
        record.we_answer(response.status(), Shape::Whole);
        record.copy(body);
    }
    let closing = record.close(Ending { failure: Some(error.failure()), ..Ending::default() });
    closing.durable_within(on.current.config.record_wait).await;
    response
}
