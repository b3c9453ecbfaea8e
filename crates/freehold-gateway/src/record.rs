//! The record of one call while it is open: filled as the call goes on, closed exactly once, also when the caller leaves.
//!
//! Nothing here waits for the store, except where an answer's end is told to wait for its record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use freehold_store::{Receipt, Recorder};
use freehold_wire::{Answer, Api, Attempt, Call, Failure, Usage, answers, estimate, requests, stream};

use crate::admit::Principal;
use crate::budget::{Exhausted, Spend};
use crate::digest::Passing;
use crate::error::CallError;
use crate::observe::Observer;
use crate::told::Told;
use crate::traces::Context;
use crate::{encoding, error, reply};

/// Copies from this size on, and compressed ones, are read off the async threads.
const OFF_THREAD_BYTES_MIN: usize = 256 << 10;

/// What every open record shares.
pub(crate) struct Keeper {
    pub recorder: Recorder,
    /// Who is told of a call once it has ended.
    pub observer: Observer,
    pub tracker: TaskTracker,
    pub record_bytes_max: usize,
    /// Whether calls that end now end because the gateway stops.
    pub is_stopping: AtomicBool,
}

/// When a call began, and its id; made at the edge so that nothing below asks a clock for them.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub id: String,
    pub at_ms: i64,
    pub begun: Instant,
}

/// The record of a call that has not ended. Dropping it closes it as a call whose caller has left.
pub(crate) struct OpenRecord {
    draft: Option<Box<Draft>>,
    keeper: Arc<Keeper>,
}

/// How a call ended, as far as those who served it know.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// What went wrong, when something did.
    pub failure: Option<Failure>,
    /// Tokens, where they are known without reading the answer.
    pub usage: Option<Usage>,
    /// The answer as the upstream gave it, where it was read already and told no tokens.
    pub answer: Option<Box<Answer>>,
}

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One body.
    Whole,
    /// Server-sent events.
    Streamed,
}

/// A record on its way to the store.
#[derive(Debug)]
pub(crate) enum Closing {
    Recorded(Receipt),
    Reading(JoinHandle<bool>),
}

#[derive(Debug)]
struct Draft {
    call: Call,
    /// The trace that the caller brought.
    trace: Option<Context>,
    request: Bytes,
    begun: Instant,
    answer: Vec<u8>,
    answer_bytes: u64,
    codings: Vec<String>,
    reader: Option<stream::Reader>,
    /// Whether the answer is an upstream's, so that usage and completeness must be read from it.
    is_foreign: bool,
    /// What the call has reserved of budgets.
    spend: Option<Spend>,
    principal: Principal,
    told: Told,
    passing: Option<Box<Passed>>,
}

/// What is kept of a call that only passes through.
#[derive(Debug)]
pub(crate) struct Passed {
    pub method: String,
    pub path: String,
    pub request: Arc<Passing>,
    pub response: Passing,
}

/// Returns a call of which nothing is known but when it began.
pub(crate) fn blank(api: Api, stamp: Stamp) -> Call {
    Call {
        step: crate::identify::UNREAD.to_owned(),
        step_by: "head".to_owned(),
        upstream: crate::config::NOBODY.to_owned(),
        ..Call::new(stamp.id, stamp.at_ms, api)
    }
}

impl OpenRecord {
    /// Opens the record of a call that has just begun.
    pub(crate) fn open(keeper: &Arc<Keeper>, api: Api, stamp: Stamp) -> Self {
        let draft = Draft {
            begun: stamp.begun,
            call: blank(api, stamp),
            trace: None,
            request: Bytes::new(),
            answer: Vec::new(),
            answer_bytes: 0,
            codings: Vec::new(),
            reader: None,
            is_foreign: false,
            spend: None,
            principal: Principal::default(),
            told: Told::default(),
            passing: None,
        };
        OpenRecord { draft: Some(Box::new(draft)), keeper: Arc::clone(keeper) }
    }

    /// Returns the call as far as it is known.
    pub(crate) fn call(&self) -> &Call {
        &self.draft.as_ref().expect("a record is read only while it is open").call
    }

    /// Returns the call, to be filled in.
    pub(crate) fn call_mut(&mut self) -> &mut Call {
        &mut self.draft_mut().call
    }

    /// Returns when the call began.
    pub(crate) fn begun(&self) -> Instant {
        self.draft.as_ref().expect("a record is read only while it is open").begun
    }

    /// Notes who makes the call.
    pub(crate) fn made_by(&mut self, principal: Principal) {
        let draft = self.draft_mut();
        draft.call.key = principal.name();
        draft.principal = principal;
    }

    /// Returns who makes the call.
    pub(crate) fn principal(&self) -> &Principal {
        &self.draft.as_ref().expect("a record is read only while it is open").principal
    }

    /// Gives back what the call has reserved of budgets, where it has.
    pub(crate) fn release(&mut self) {
        self.draft_mut().spend = None;
    }

    /// Keeps what the call has reserved of budgets, to be settled when the record is closed.
    pub(crate) fn spend(&mut self, spend: Spend) {
        self.draft_mut().spend = Some(spend);
    }

    /// Returns the budget that the answer has used up while it runs, where it has.
    pub(crate) fn exhausted(&self) -> Option<&Exhausted> {
        self.draft.as_ref()?.spend.as_ref()?.exhausted()
    }

    /// Joins the trace that the caller brings, where it brings one.
    pub(crate) fn join_trace(&mut self, headers: &HeaderMap) {
        self.draft_mut().trace = self.keeper.observer.context(headers);
    }

    /// Returns what an upstream is to be told as its parent in the trace, where that is not what the caller said.
    pub(crate) fn parent_for_upstream(&self) -> Option<HeaderValue> {
        let draft = self.draft.as_ref()?;
        self.keeper.observer.parent_for_upstream(&draft.call.id, draft.trace)
    }

    /// Returns what the caller is told beside the answer.
    pub(crate) fn told_mut(&mut self) -> &mut Told {
        &mut self.draft_mut().told
    }

    /// Notes that whoever was asked last did not give the answer.
    pub(crate) fn note_attempt(&mut self, error: &CallError) {
        let Draft { call, begun, .. } = self.draft_mut();
        let (upstream, model) = (call.upstream.clone(), call.served_model.clone());
        let after_us = micros(begun.elapsed());
        call.attempts.push(Attempt { upstream, model, failure: error.failure(), after_us });
    }

    /// Says in an answer's headers which call this is, who served it, and what was done to it on the way.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        let draft = self.draft.as_ref().expect("a record is read only while it is open");
        reply::mark(headers, &draft.call);
        draft.told.mark(headers);
    }

    /// Notes that the call only passes through, so that size and digest of its bodies are all that is kept.
    pub(crate) fn passes(&mut self, passed: Passed) {
        self.draft_mut().passing = Some(Box::new(passed));
    }

    /// Keeps the request body.
    pub(crate) fn keep_request(&mut self, body: Bytes) {
        self.draft_mut().request = body;
    }

    /// Notes that an upstream has begun to answer; its content will be read for usage and completeness.
    pub(crate) fn upstream_answers(&mut self, status: StatusCode, shape: Shape, codings: Vec<String>) {
        let draft = self.draft_mut();
        draft.call.status = status.as_u16();
        draft.call.streamed = shape == Shape::Streamed;
        draft.is_foreign = status.is_success();
        draft.call.failure = (!draft.is_foreign).then(|| error::upstream_status(&draft.call.upstream, status));
        draft.reader = (draft.call.streamed && draft.is_foreign && codings.is_empty())
            .then(|| stream::Reader::new(draft.call.api));
        draft.codings = codings;
    }

    /// Returns whether the answer is a stream of events that can be read as it is.
    pub(crate) fn is_plain_stream(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| draft.call.streamed && draft.codings.is_empty())
    }

    /// Notes that an upstream has begun to answer in a stream that does not reach the caller as it is.
    pub(crate) fn upstream_streams(&mut self, spoken: Api) {
        self.upstream_answers(StatusCode::OK, Shape::Streamed, Vec::new());
        self.draft_mut().reader = Some(stream::Reader::new(spoken));
    }

    /// Notes that we answer ourselves.
    pub(crate) fn we_answer(&mut self, status: StatusCode, shape: Shape) {
        let draft = self.draft_mut();
        draft.call.status = status.as_u16();
        draft.call.streamed = shape == Shape::Streamed;
        draft.is_foreign = false;
        draft.reader = None;
        draft.codings = Vec::new();
    }

    /// Forgets what was copied of an answer that the caller will not see.
    pub(crate) fn forget_answer(&mut self) {
        let draft = self.draft_mut();
        draft.answer = Vec::new();
        draft.answer_bytes = 0;
    }

    /// Copies a piece of the answer's body, as far as the limit allows.
    pub(crate) fn copy(&mut self, piece: &[u8]) {
        let kept = self.keep(piece);
        self.read(&piece[..kept]);
    }

    /// Reads a piece of a stream for usage and completeness, without keeping it.
    pub(crate) fn read(&mut self, piece: &[u8]) {
        let draft = self.draft_mut();
        let Some(reader) = &mut draft.reader else { return };
        reader.push(piece);
        if let Some(spend) = &mut draft.spend {
            spend.grow(reader.content_bytes() as u64);
        }
    }

    /// Keeps a piece of the answer's body as far as the limit allows, without reading it; returns how much was kept.
    pub(crate) fn keep(&mut self, piece: &[u8]) -> usize {
        if piece.is_empty() {
            return 0;
        }
        let bytes_max = self.keeper.record_bytes_max;
        let draft = self.draft_mut();
        if draft.call.timings.first_byte_us.is_none() {
            draft.call.timings.first_byte_us = Some(micros(draft.begun.elapsed()));
        }
        if let Some(passed) = &draft.passing {
            passed.response.take(piece);
            return 0;
        }
        let kept = &piece[..piece.len().min(bytes_max - draft.answer.len())];
        draft.answer.extend_from_slice(kept);
        draft.answer_bytes += piece.len() as u64;
        if let (Some(spend), None, true) = (&mut draft.spend, &draft.reader, draft.call.streamed) {
            // What nobody reads is counted as it comes.
            spend.grow(draft.answer_bytes);
        }
        kept.len()
    }

    /// Closes the record and hands it to the store, without waiting for it.
    pub(crate) fn close(mut self, ending: Ending) -> Closing {
        let mut draft = self.draft.take().expect("a record is closed once");
        draft.call.timings.total_us = micros(draft.begun.elapsed());
        settle(&self.keeper, draft, ending)
    }

    fn draft_mut(&mut self) -> &mut Draft {
        self.draft.as_mut().expect("a record is filled only while it is open")
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let Some(mut draft) = self.draft.take() else { return };
        draft.call.timings.total_us = micros(draft.begun.elapsed());
        let is_stopping = self.keeper.is_stopping.load(Ordering::Relaxed);
        let failure = if is_stopping { error::stopped() } else { error::client_left() };
        drop(settle(&self.keeper, draft, Ending { failure: Some(failure), ..Ending::default() }));
    }
}

impl Closing {
    /// Waits until the record is durable, at most `wait`; false where it is not.
    pub(crate) async fn durable_within(self, wait: Duration) -> bool {
        let committed = async {
            match self {
                Closing::Recorded(receipt) => receipt.committed().await,
                Closing::Reading(task) => task.await.unwrap_or(false),
            }
        };
        !wait.is_zero() && tokio::time::timeout(wait, committed).await.unwrap_or(false)
    }
}

fn settle(keeper: &Arc<Keeper>, draft: Box<Draft>, ending: Ending) -> Closing {
    let is_long = draft.is_foreign && (!draft.codings.is_empty() || draft.answer.len() >= OFF_THREAD_BYTES_MIN);
    let is_on_runtime = tokio::runtime::Handle::try_current().is_ok();
    if !is_long || !is_on_runtime {
        return Closing::Recorded(conclude(keeper, draft, ending));
    }
    let kept = Arc::clone(keeper);
    let reading = keeper.tracker.spawn_blocking(move || conclude(&kept, draft, ending));
    Closing::Reading(keeper.tracker.spawn(async move {
        match reading.await {
            Ok(receipt) => receipt.committed().await,
            Err(_) => false,
        }
    }))
}

/// Completes the record, tells of it, and offers it to the store.
fn conclude(keeper: &Keeper, draft: Box<Draft>, ending: Ending) -> Receipt {
    let trace = draft.trace;
    let call = finish(draft, ending, keeper.record_bytes_max);
    keeper.observer.ended(&call, trace);
    keeper.recorder.record(call)
}

/// What is read from the copy of an upstream's answer.
#[derive(Debug, Default)]
struct Reading {
    answer: Option<Answer>,
    failure: Option<Failure>,
    is_complete: bool,
}

fn finish(draft: Box<Draft>, mut ending: Ending, bytes_max: usize) -> Call {
    let Draft { mut call, request, mut answer, answer_bytes, codings, reader, is_foreign, passing, spend, .. } = *draft;
    call.request = Vec::from(request);
    if let Some(passed) = passing {
        return finish_passed(call, &passed, ending);
    }
    let mut is_kept_whole = answer.len() as u64 == answer_bytes;
    if !codings.is_empty() {
        // A copy that cannot be decoded is kept as it came.
        if let Some(decoded) = encoding::decode(&codings, &answer, bytes_max) {
            is_kept_whole &= decoded.is_whole || ending.failure.is_some();
            answer = decoded.bytes;
        }
    }
    let reading = match is_foreign && is_kept_whole {
        true => read(&call, &answer, reader),
        false => Reading { answer: ending.answer.take().map(|answer| *answer), ..Reading::default() },
    };
    let limit = || (!is_kept_whole).then(|| error::over_limit(answer_bytes, answer.len()));
    // A caller may leave as soon as the closing event is there; such a call is whole.
    let failure = ending.failure.filter(|failure| !(reading.is_complete && failure.kind == "client_left"));
    let failure = failure.or(call.failure).or_else(limit).or(reading.failure);
    call.failure = failure.map(|failure| explained(failure, &call.attempts));
    count(&mut call, ending.usage, reading.answer);
    if let Some(spend) = spend {
        spend.settle(&call);
    }
    call.response = answer;
    call
}

/// Adds to a failure what came of the attempts before it.
fn explained(failure: Failure, attempts: &[Attempt]) -> Failure {
    if attempts.is_empty() {
        return failure;
    }
    let before: Vec<&str> = attempts.iter().map(|attempt| attempt.failure.message.as_str()).collect();
    Failure { message: format!("{}; before that: {}", failure.message, before.join("; ")), ..failure }
}

/// Fills in tokens and model; what the upstream did not count is counted here, and marked as such.
fn count(call: &mut Call, usage: Option<Usage>, answer: Option<Answer>) {
    call.usage = usage;
    let Some(answer) = answer else { return };
    call.usage = call.usage.or(answer.usage);
    let says_something = answer.finish.is_some() || !answer.text.is_empty() || !answer.tool_calls.is_empty();
    if call.usage.is_none() && says_something && Api::DIALECTS.contains(&call.api) {
        call.usage = requests::read(call.api, &call.request).ok().map(|request| estimate::usage(&request, &answer));
        call.is_estimated = call.usage.is_some();
    }
    if call.served_model.is_none() && !answer.model.is_empty() && answer.model != call.model {
        call.served_model = Some(answer.model);
    }
}

/// Ends the record of a call that only passed through.
fn finish_passed(mut call: Call, passed: &Passed, ending: Ending) -> Call {
    let body = |seen: &Passing| {
        let (bytes, sha256) = seen.so_far();
        serde_json::json!({"method": passed.method, "path": passed.path, "bytes": bytes, "sha256": sha256})
    };
    call.request = body(&passed.request).to_string().into_bytes();
    call.response = body(&passed.response).to_string().into_bytes();
    call.failure = ending.failure.or(call.failure);
    call
}

fn read(call: &Call, answer: &[u8], reader: Option<stream::Reader>) -> Reading {
    let api = call.api;
    if !call.streamed {
        return match api {
            // A count is all there is in the answer to a question for one.
            Api::AnthropicCountTokens => Reading::default(),
            _ => match answers::outline(api, answer).map_or_else(|| answers::read(api, answer), Ok) {
                Ok(answer) => Reading { answer: Some(answer), ..Reading::default() },
                Err(_) => Reading { failure: Some(error::unreadable(api)), ..Reading::default() },
            },
        };
    }
    let reader = reader.unwrap_or_else(|| {
        let mut reader = stream::Reader::new(api);
        reader.push(answer);
        reader
    });
    let outcome = reader.finish();
    let is_complete = outcome.error.is_none() && (outcome.is_complete || outcome.answer.finish.is_some());
    let ended = || if outcome.error.is_some() { error::error_event() } else { error::ended_early() };
    Reading {
        failure: (!is_complete).then(ended),
        is_complete: is_complete && outcome.is_complete,
        answer: Some(outcome.answer),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
