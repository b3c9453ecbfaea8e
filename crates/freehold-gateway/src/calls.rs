//! One call from its admission to the head of its answer. Whatever happens, its record is closed exactly once.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use freehold_wire::Api;

use crate::error::CallError;
use crate::gateway::Shared;
use crate::identify::View;
use crate::record::{Ending, OpenRecord, Shape, Stamp};
use crate::reply::ReplyBody;
use crate::route::{self, Asked, Chosen, Plan};
use crate::{admit, dispatch, encoding, identify, record, reply};

/// A call whose request is here and read.
pub(crate) struct Arrived {
    pub api: Api,
    pub parts: Parts,
    /// The body as it came.
    pub body: Bytes,
    /// The body decoded, where it came compressed.
    pub plain: Option<Bytes>,
    pub view: View,
    pub permit: OwnedSemaphorePermit,
}

/// Serves one call.
pub(crate) async fn serve(shared: &Shared, api: Api, request: Request<Incoming>, stamp: Stamp) -> Response<ReplyBody> {
    let permit = match shared.gate.admit(request.headers()) {
        Ok(permit) => permit,
        Err(error) => {
            // What is turned away is counted but not recorded: under overload the records would be the load.
            tracing::warn!(%error, "turned a call away");
            let mut response = reply::error(api, &error);
            reply::mark(response.headers_mut(), &record::blank(api, stamp));
            return response;
        }
    };
    let mut record = OpenRecord::open(&shared.keeper, api, stamp);
    record.join_trace(request.headers());
    record.call_mut().generation = shared.routes.current_number();
    let arrived = match arrive(shared, api, request, permit, &mut record).await {
        Ok(arrived) => arrived,
        Err(error) => return refuse(shared, record, error).await,
    };
    let plan = match decide(shared, &arrived, &mut record) {
        Ok(plan) => plan,
        Err(error) => return refuse(shared, record, error).await,
    };
    match dispatch::walk(shared, plan, arrived, record).await {
        Ok(response) => response,
        Err((error, record)) => refuse(shared, record, error).await,
    }
}

async fn arrive(
    shared: &Shared,
    api: Api,
    request: Request<Incoming>,
    permit: OwnedSemaphorePermit,
    record: &mut OpenRecord,
) -> Result<Arrived, CallError> {
    let (parts, body) = request.into_parts();
    let limits = admit::BodyLimits { bytes_max: shared.config.body_bytes_max, timeout: shared.config.body_timeout };
    let body = admit::body(&parts.headers, body, limits).await?;
    let plain = decoded(&parts, &body, limits.bytes_max)?;
    let readable = plain.as_ref().unwrap_or(&body);
    record.keep_request(readable.clone());
    let view = identify::read(api, &parts.headers, readable, &shared.keeper.tracker).await?;
    let call = record.call_mut();
    call.step.clone_from(&view.step);
    view.step_by.clone_into(&mut call.step_by);
    call.run.clone_from(&view.run);
    call.model.clone_from(&view.model);
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

fn decide(shared: &Shared, arrived: &Arrived, record: &mut OpenRecord) -> Result<Plan, CallError> {
    let generation = shared.routes.snapshot();
    record.call_mut().generation = generation.number;
    let asked = Asked { api: arrived.api, model: &arrived.view.model, step: &arrived.view.step };
    let upstreams = &shared.config.upstreams;
    let plan = route::plan(asked, &generation, upstreams, |model| is_loaded(shared, model))?;
    let call = record.call_mut();
    match &plan {
        Plan::Engine { model, chosen } => {
            crate::config::ENGINE.clone_into(&mut call.upstream);
            call.served_model = (*chosen == Chosen::ByMove).then(|| model.clone());
        }
        Plan::Upstream { at, model, .. } => {
            call.upstream.clone_from(&upstreams[*at].name);
            call.served_model.clone_from(model);
        }
    }
    Ok(plan)
}

fn is_loaded(shared: &Shared, model: &str) -> bool {
    shared.engine.models().iter().any(|loaded| loaded.name == model)
}

/// Tells the caller of an error, after its record.
async fn refuse(shared: &Shared, mut record: OpenRecord, error: CallError) -> Response<ReplyBody> {
    let mut response = reply::error(record.call().api, &error);
    reply::mark(response.headers_mut(), record.call());
    if let ReplyBody::Whole(Some(body)) = response.body() {
        record.forget_answer();
        record.we_answer(response.status(), Shape::Whole);
        record.copy(body);
    }
    let closing = record.close(Ending { failure: Some(error.failure()), usage: None });
    closing.durable_within(shared.config.record_wait).await;
    response
}
