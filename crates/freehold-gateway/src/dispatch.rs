//! Walks the plan of a call: asks whoever is to answer, and turns what comes back into the response.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use freehold_wire::requests;
use freehold_wire::write::Head;

use crate::calls::Arrived;
use crate::config::{OnRecordFailure, Upstream};
use crate::error::CallError;
use crate::gateway::Shared;
use crate::headers::{self, Credentials};
use crate::record::{Ending, OpenRecord, Shape};
use crate::reply::{self, ReplyBody};
use crate::route::{Chosen, Plan};
use crate::tee::{Source, Tee, Terms};
use crate::{encoding, local};

/// A call that failed, with its record still open.
pub(crate) type Failed = (CallError, OpenRecord);

/// Walks a plan. There is one attempt, and what comes back is the caller's, whatever its status.
pub(crate) async fn walk(
    shared: &Shared,
    plan: Plan,
    mut arrived: Arrived,
    record: OpenRecord,
) -> Result<Response<ReplyBody>, Failed> {
    match plan {
        Plan::Engine { model, .. } => by_engine(shared, &model, arrived, record).await,
        Plan::Upstream { at, model, chosen } => {
            let upstream = &shared.config.upstreams[at];
            let sent = match outgoing(upstream, model.as_deref(), &mut arrived, chosen) {
                Ok(mut request) => {
                    if let Some(parent) = record.parent_for_upstream() {
                        request.headers_mut().insert(headers::TRACEPARENT, parent);
                    }
                    shared.pool.send(&upstream.name, request).await
                }
                Err(error) => Err(error),
            };
            match sent {
                Ok(response) => by_upstream(shared, upstream, response, (arrived, record)).await,
                Err(error) => Err((error, record)),
            }
        }
    }
}

async fn by_engine(
    shared: &Shared,
    model: &str,
    arrived: Arrived,
    mut record: OpenRecord,
) -> Result<Response<ReplyBody>, Failed> {
    let Arrived { view, permit, .. } = arrived;
    let request = match view.request {
        Ok(request) => request,
        Err(error) => return Err((CallError::Request(error), record)),
    };
    let call = record.call();
    let head = Head {
        id: call.id.clone(),
        model: model.to_owned(),
        created_s: call.at_ms / 1000,
        stream_usage: request.stream_usage,
    };
    let asked = local::Asked { model, request: &request, first_byte_timeout: shared.config.first_byte_timeout };
    if request.stream {
        let source = match local::streamed(&shared.engine, asked, head).await {
            Ok(source) => source,
            Err(error) => return Err((error, record)),
        };
        record.we_answer(StatusCode::OK, Shape::Streamed);
        let mut marks = HeaderMap::new();
        marks.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        marks.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        reply::mark(&mut marks, record.call());
        return Ok(tee(shared, (StatusCode::OK, marks), (source, VecDeque::new()), record, permit));
    }
    let (body, usage) = match local::whole(&shared.engine, asked, &head).await {
        Ok(answer) => answer,
        Err(error) => return Err((error, record)),
    };
    record.we_answer(StatusCode::OK, Shape::Whole);
    record.copy(&body);
    let mut response = reply::json(StatusCode::OK, body);
    reply::mark(response.headers_mut(), record.call());
    Ok(after_record(shared, response, record, Ending { failure: None, usage }).await)
}

/// Makes the request for an upstream: the caller's own, but for the connection's headers, the key and a moved model.
fn outgoing(
    upstream: &Upstream,
    model: Option<&str>,
    arrived: &mut Arrived,
    chosen: Chosen,
) -> Result<Request<Full<Bytes>>, CallError> {
    let mut sent = std::mem::take(&mut arrived.parts.headers);
    let body = match model {
        None => arrived.body.clone(),
        Some(model) => {
            sent.remove(CONTENT_ENCODING);
            let body = arrived.plain.as_ref().unwrap_or(&arrived.body);
            requests::with_model(body, model).map_err(CallError::Request)?.into()
        }
    };
    let credentials = match &upstream.key {
        Some(key) => Credentials::Upstreams(key),
        None if chosen == Chosen::ByCaller => Credentials::Callers,
        None => Credentials::None,
    };
    headers::to_upstream(&mut sent, arrived.api, credentials);
    let uri = upstream.uri(arrived.api.path(), arrived.parts.uri.query());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.map_err(|_| CallError::Internal("the upstream's address could not be built"))?;
    *request.headers_mut() = sent;
    Ok(request)
}

async fn by_upstream(
    shared: &Shared,
    upstream: &Upstream,
    response: Response<Incoming>,
    (arrived, mut record): (Arrived, OpenRecord),
) -> Result<Response<ReplyBody>, Failed> {
    let (parts, body) = response.into_parts();
    let is_framed = is_framed(&parts);
    let (status, mut marks) = (parts.status, parts.headers);
    let is_sse = marks.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let shape = if is_sse { Shape::Streamed } else { Shape::Whole };
    let codings = encoding::of(&marks);
    let shows_its_end = is_framed || !codings.is_empty() || !status.is_success();
    record.upstream_answers(status, shape, codings);
    headers::to_caller(&mut marks);
    reply::mark(&mut marks, record.call());
    if upstream.simulated {
        marks.insert(headers::SIMULATED, HeaderValue::from_static("true"));
    }
    let permit = arrived.permit;
    if is_sse || (arrived.view.is_stream && status.is_success()) {
        let source = if is_sse && !shows_its_end { Source::Unframed(body) } else { Source::Upstream(body) };
        return Ok(tee(shared, (status, marks), (source, VecDeque::new()), record, permit));
    }
    match hold(shared, &upstream.name, body, &mut record).await {
        Ok(Held::Whole(body)) => {
            let mut response = Response::new(ReplyBody::Whole(Some(body)));
            *response.status_mut() = status;
            *response.headers_mut() = marks;
            Ok(after_record(shared, response, record, Ending::default()).await)
        }
        Ok(Held::Slow(pieces, body)) => {
            Ok(tee(shared, (status, marks), (Source::Upstream(body), pieces), record, permit))
        }
        Err(error) => Err((error, record)),
    }
}

/// Returns whether the end of a body shows by itself, as opposed to lasting until the connection closes.
fn is_framed(head: &http::response::Parts) -> bool {
    let headers = &head.headers;
    head.version == Version::HTTP_2 || headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// Closes the record of a whole answer, and lets the answer go once the record is durable or the wait is over.
async fn after_record(
    shared: &Shared,
    response: Response<ReplyBody>,
    record: OpenRecord,
    ending: Ending,
) -> Response<ReplyBody> {
    let (after, call) = (shared.config.record_wait, record.call());
    let must_be_durable = shared.config.on_record_failure == OnRecordFailure::Refuse;
    let refusal = must_be_durable.then(|| {
        let mut refusal = reply::error(call.api, &CallError::NotRecorded { after });
        reply::mark(refusal.headers_mut(), call);
        refusal
    });
    let is_durable = record.close(ending).durable_within(after).await;
    refusal.filter(|_| !is_durable).unwrap_or(response)
}

fn tee(
    shared: &Shared,
    (status, marks): (StatusCode, HeaderMap),
    (source, ready): (Source, VecDeque<Frame<Bytes>>),
    record: OpenRecord,
    permit: OwnedSemaphorePermit,
) -> Response<ReplyBody> {
    let terms = Terms {
        upstream: record.call().upstream.clone(),
        api: record.call().api,
        idle_timeout: shared.config.idle_timeout,
        record_wait: shared.config.record_wait,
        on_record_failure: shared.config.on_record_failure,
    };
    let mut response = Response::new(ReplyBody::Tee(Box::new(Tee::new(source, ready, record, terms, permit))));
    *response.status_mut() = status;
    *response.headers_mut() = marks;
    response
}

/// An answer that was held back to be sent whole.
enum Held {
    /// It is here.
    Whole(Bytes),
    /// It is slow or large: what came, and the rest to be passed on as it comes.
    Slow(VecDeque<Frame<Bytes>>, Incoming),
}

async fn hold(shared: &Shared, upstream: &str, mut body: Incoming, record: &mut OpenRecord) -> Result<Held, CallError> {
    let patience = tokio::time::sleep(shared.config.hold_max);
    tokio::pin!(patience);
    let mut pieces: VecDeque<Bytes> = VecDeque::new();
    let mut held_bytes = 0;
    while held_bytes <= shared.config.record_bytes_max {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut patience => break,
        };
        let Some(frame) = frame else { return Ok(Held::Whole(join(pieces, held_bytes))) };
        let broken = |error: hyper::Error| CallError::Cut { upstream: upstream.to_owned(), found: error.to_string() };
        if let Ok(piece) = frame.map_err(broken)?.into_data() {
            record.copy(&piece);
            held_bytes += piece.len();
            pieces.push_back(piece);
        }
    }
    Ok(Held::Slow(pieces.into_iter().map(Frame::data).collect(), body))
}

fn join(mut pieces: VecDeque<Bytes>, bytes: usize) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(bytes);
    pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
    joined.freeze()
}
