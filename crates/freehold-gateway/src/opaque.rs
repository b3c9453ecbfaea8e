//! Passes a call on that nobody here understands: any path of a vendor, any method, bytes both ways as they come.
//!
//! Nothing is held in memory, and nothing is kept but sizes and digests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use freehold_wire::Api;

use crate::admit::Permit;
use crate::breaker::{Fault, Others};
use crate::budget::Estimate;
use crate::calls;
use crate::config::Upstream;
use crate::digest::Passing;
use crate::dispatch::{self, On};
use crate::error::CallError;
use crate::gateway::Shared;
use crate::headers::{self, Credentials};
use crate::outgoing::Outgoing;
use crate::record::{OpenRecord, Passed, Shape, Stamp};
use crate::reply::ReplyBody;
use crate::route::{self, Vendor};
use crate::tee::{Source, Tee};

/// The step of such calls, where the caller names none.
const STEP: &str = "opaque";

/// Serves one call by passing it on.
pub(crate) async fn serve(shared: &Shared, mut request: Request<Incoming>, stamp: Stamp) -> Response<ReplyBody> {
    let current = shared.current.load_full();
    let on = On { shared, current: &current };
    let (permit, mut record) = match calls::admit(on, Api::Opaque, request.headers_mut(), stamp) {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    let (parts, body) = request.into_parts();
    let seen = Arc::new(Passing::default());
    name(&parts, &seen, &mut record);
    let limit = dispatch::CallLimit::of(on, &record);
    match dispatch::within(limit, pass(on, (parts, body, seen), &mut record)).await {
        Ok((response, source)) => respond(on, response, source, (record, permit)),
        Err(error) => calls::refuse(on, record, error).await,
    }
}

/// Fills in what is known of the call before anybody is asked.
fn name(parts: &Parts, seen: &Arc<Passing>, record: &mut OpenRecord) {
    record.passes(Passed {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        request: Arc::clone(seen),
        response: Passing::default(),
    });
    let call = record.call_mut();
    let named = headers::text(&parts.headers, &headers::STEP);
    named.unwrap_or(STEP).clone_into(&mut call.step);
    if named.is_some() {
        "header".clone_into(&mut call.step_by);
    }
    call.run = headers::text(&parts.headers, &headers::RUN).map(str::to_owned);
}

async fn pass(
    on: On<'_>,
    (mut parts, body, seen): (Parts, Incoming, Arc<Passing>),
    record: &mut OpenRecord,
) -> Result<(http::response::Parts, Source), CallError> {
    let config = &on.current.config;
    let name = headers::text(&parts.headers, &headers::UPSTREAM);
    let is_marked = |name: &str| parts.headers.contains_key(name);
    let vendor = match is_marked("anthropic-version") || is_marked("x-api-key") {
        true => Vendor::Anthropic,
        false => Vendor::OpenAi,
    };
    let at = route::passing(name, vendor, on.current.among())?;
    let upstream = &config.upstreams[at];
    record.call_mut().upstream.clone_from(&upstream.name);
    record.principal().check_scope(&record.call().step, "")?;
    calls::afford(on, Some(upstream), || Estimate::OPAQUE, record)?;

    to_upstream(&mut parts.headers, upstream);
    if let Some(parent) = record.parent_for_upstream() {
        parts.headers.insert(headers::TRACEPARENT, parent);
    }
    let uri = upstream.uri(parts.uri.path(), parts.uri.query());
    let mut sent = Request::new(Outgoing::passed(body, seen, config.idle_timeout));
    *sent.method_mut() = parts.method;
    *sent.uri_mut() = uri.map_err(|_| CallError::Internal("the upstream's address could not be built"))?;
    *sent.headers_mut() = parts.headers;

    // There is one attempt: the body is gone with it.
    let resting = |after| CallError::Resting { upstream: upstream.name.clone(), after };
    let pass = on.current.breakers[at].pass(Instant::now(), Others::None).map_err(resting)?;
    match on.current.pool.send(&upstream.name, sent).await {
        Ok(response) => {
            match response.status().is_server_error() {
                true => pass.failed(Instant::now(), Fault::Prompt),
                false => pass.worked(),
            }
            Ok(come(response, upstream, record))
        }
        Err(error) => {
            pass.failed(Instant::now(), Fault::of(&error));
            Err(error)
        }
    }
}

/// Makes the caller's headers ready; the vendor's dialect decides in which one a key goes along.
fn to_upstream(sent: &mut HeaderMap, upstream: &Upstream) {
    let credentials = upstream.key.as_ref().map_or(Credentials::Callers, Credentials::Upstreams);
    let spelt = if upstream.is_openais() || !upstream.speaks(Api::AnthropicMessages) {
        Api::Opaque
    } else {
        Api::AnthropicMessages
    };
    headers::to_upstream(sent, spelt, credentials);
}

/// Takes the head of the answer.
fn come(response: Response<Incoming>, upstream: &Upstream, record: &mut OpenRecord) -> (http::response::Parts, Source) {
    let is_framed = dispatch::is_framed(&response);
    let (mut head, body) = response.into_parts();
    let is_sse = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let shape = if is_sse { Shape::Streamed } else { Shape::Whole };
    record.upstream_answers(head.status, shape, Vec::new());
    headers::to_caller(&mut head.headers);
    if upstream.simulated {
        head.headers.insert(headers::SIMULATED, http::HeaderValue::from_static("true"));
    }
    if !is_framed {
        tracing::debug!(
            upstream = upstream.name,
            "an answer lasts until its connection closes, so a cut would not show"
        );
    }
    (head, Source::Upstream(body))
}

fn respond(
    on: On<'_>,
    mut head: http::response::Parts,
    source: Source,
    (record, permit): (OpenRecord, Permit),
) -> Response<ReplyBody> {
    record.mark(&mut head.headers);
    let terms = dispatch::terms(on, &record);
    let tee = Tee::new(source, VecDeque::new(), terms, (record, permit));
    let mut response = Response::new(ReplyBody::Tee(Box::new(tee)));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}
