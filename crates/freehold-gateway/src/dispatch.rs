//! Walks the plan of a call: asks those who may answer, one after the other, and turns what comes back into the response.
//!
//! Only here is anybody asked twice, and only before the first byte of the answer has left.

mod attempts;
mod chain;
mod exchange;
mod own;
mod request;
mod sending;
mod translated;

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use tokio::time::Instant;

use crate::admit::Permit;
use crate::breaker::Others;
use crate::budget::Estimate;
use crate::calls::{self, Arrived};
use crate::config::OnRecordFailure;
use crate::current::Current;
use crate::error::CallError;
use crate::gateway::Shared;
use crate::record::{Ending, OpenRecord};
use crate::reply::{self, ReplyBody};
use crate::retry::Found;
use crate::route::Hop;
use crate::tee::{Source, Tee, Terms};

use attempts::Attempts;
use attempts::seed;
pub(crate) use sending::is_framed;

/// A call that failed, with its record still open.
pub(crate) type Failed = (CallError, OpenRecord);

/// What everybody who answers needs.
#[derive(Clone, Copy)]
pub(crate) struct On<'a> {
    pub shared: &'a Shared,
    pub current: &'a Current,
}

/// An answer whose head is here.
pub(crate) struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
}

/// The content of an answer.
pub(crate) enum Content {
    /// All of it, and how the call ended.
    Whole(Bytes, Ending),
    /// It is passed on as it comes; some pieces are here already.
    Flowing(Source, VecDeque<Frame<Bytes>>),
}

/// Walks a plan: each in turn is asked, until one answers.
pub(crate) async fn walk(
    on: On<'_>,
    plan: &[Hop],
    mut arrived: Arrived,
    mut record: OpenRecord,
) -> Result<Response<ReplyBody>, Failed> {
    let mut attempts = Attempts::new(seed(&record.call().id));
    for (nth, hop) in plan.iter().enumerate() {
        let is_last = nth + 1 == plan.len();
        attempts.others = if is_last { Others::None } else { Others::Some };
        name_server(on, hop, &mut record);
        let completed = chain::complete(on, hop, &mut arrived, &record).await;
        if let Err(error) = completed.and_then(|()| afford(on, hop, &arrived, &mut record)) {
            return Err((error, record));
        }
        let limit = CallLimit::of(on, &record);
        let asking = async {
            match hop {
                Hop::Engine { model, .. } => own::ask(on, model, &arrived, &mut record).await,
                Hop::Upstream { .. } => exchange::ask(on, hop, &mut arrived, (&mut record, &mut attempts)).await,
            }
        };
        let error = match within(limit, asking).await {
            Ok(answered) => return Ok(respond(on, answered, record, arrived.permit).await),
            Err(error) => error,
        };
        if !Found::error(&error).is_upstreams_fault() {
            return Err((error, record));
        }
        if !is_last {
            tracing::warn!(%error, "somebody else is asked");
            // Who rests was not asked.
            if !matches!(error, CallError::Resting { .. }) {
                record.note_attempt(&error);
            }
            continue;
        }
        // What an upstream said itself tells the caller more than that another one could not be reached.
        let Some((hop, request, response)) = attempts.kept.take() else { return Err((error, record)) };
        record.note_attempt(&error);
        name_server(on, &hop, &mut record);
        let answering = exchange::answer(on, (&hop, request), response, (&arrived.view, &mut record));
        return match within(limit, answering).await {
            Ok(answered) => Ok(respond(on, answered, record, arrived.permit).await),
            Err(error) => Err((error, record)),
        };
    }
    Err((CallError::Internal("the plan of the call is empty"), record))
}

/// The moment at which a call has taken as long as it may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLimit {
    pub until: Instant,
    pub after: Duration,
}

impl CallLimit {
    /// Returns the limit of a call, where there is one.
    pub(crate) fn of(on: On<'_>, record: &OpenRecord) -> Option<Self> {
        let after = on.current.config.call_timeout?;
        Some(CallLimit { until: (record.begun() + after).into(), after })
    }
}

/// Waits for somebody as long as the call may take.
pub(crate) async fn within<T>(
    limit: Option<CallLimit>,
    asked: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let Some(CallLimit { until, after }) = limit else { return asked.await };
    tokio::time::timeout_at(until, asked).await.unwrap_or(Err(CallError::CallTimeout { after }))
}

/// Sees to it that the caller may ask whoever is next, and can pay for it.
fn afford(on: On<'_>, hop: &Hop, arrived: &Arrived, record: &mut OpenRecord) -> Result<(), CallError> {
    let upstream = match hop {
        Hop::Engine { .. } => None,
        Hop::Upstream { at, .. } => Some(&on.current.config.upstreams[*at]),
    };
    let readable = arrived.plain.as_ref().unwrap_or(&arrived.body);
    calls::afford(on, upstream, || Estimate::of(arrived.api, &arrived.view, readable.len()), record)
}

/// Notes in the record who is asked now.
fn name_server(on: On<'_>, hop: &Hop, record: &mut OpenRecord) {
    let call = record.call_mut();
    let (upstream, model) = match hop {
        Hop::Engine { model, .. } => (crate::config::ENGINE, Some(model).filter(|model| **model != call.model)),
        Hop::Upstream { at, model, .. } => (on.current.config.upstreams[*at].name.as_str(), model.as_ref()),
    };
    upstream.clone_into(&mut call.upstream);
    call.served_model = model.cloned();
}

/// Makes the response of an answer, and closes the record of one that is whole.
async fn respond(on: On<'_>, answered: Answered, record: OpenRecord, permit: Permit) -> Response<ReplyBody> {
    let Answered { status, mut headers, content } = answered;
    record.mark(&mut headers);
    let (body, record) = match content {
        Content::Whole(body, ending) => (ReplyBody::Whole(Some(body)), Some((record, ending))),
        Content::Flowing(source, ready) => {
            let tee = Tee::new(source, ready, terms(on, &record), (record, permit));
            (ReplyBody::Tee(Box::new(tee)), None)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    match record {
        Some((record, ending)) => after_record(on, response, record, ending).await,
        None => response,
    }
}

/// Returns what a tee must know for a call.
pub(crate) fn terms(on: On<'_>, record: &OpenRecord) -> Terms {
    let config = &on.current.config;
    Terms {
        upstream: record.call().upstream.clone(),
        api: record.call().api,
        idle_timeout: config.idle_timeout,
        limit: CallLimit::of(on, record),
        record_wait: config.record_wait,
        on_record_failure: config.on_record_failure,
    }
}

/// Closes the record of a whole answer, and lets the answer go once the record is acknowledged or the wait is over.
pub(crate) async fn after_record(
    on: On<'_>,
    response: Response<ReplyBody>,
    record: OpenRecord,
    ending: Ending,
) -> Response<ReplyBody> {
    let config = &on.current.config;
    let after = config.record_wait;
    let must_be_durable = config.on_record_failure == OnRecordFailure::Refuse;
    let refusal = must_be_durable.then(|| {
        let mut refusal = reply::error(record.call().api, &CallError::NotRecorded { after });
        record.mark(refusal.headers_mut());
        refusal
    });
    let is_durable = record.close(ending).durable_within(after).await;
    refusal.filter(|_| !is_durable).unwrap_or(response)
}
