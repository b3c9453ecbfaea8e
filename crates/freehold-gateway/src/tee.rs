//! Passes an answer on piece by piece while its copy is kept for the record.
//!
//! Every piece passes at once, together with others that are here; only the last one, and the end, wait for the record to be
//! durable.

mod gathered;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::Sleep;

use freehold_wire::{Api, Failure};

use crate::admit::Permit;
use crate::budget::Refusal;
use crate::config::OnRecordFailure;
use crate::dispatch::CallLimit;
use crate::error::CallError;
use crate::pause::Pause;
use crate::record::{Closing, Ending, OpenRecord};
use crate::reply;
use crate::shaping::Reshaped;

pub(crate) use gathered::join;

use gathered::Gathered;

/// Where the pieces of an answer come from.
pub(crate) enum Source {
    /// An upstream, whose bytes pass unaltered.
    Upstream(Incoming),
    /// An upstream whose stream lasts until the connection closes, so that only its closing event tells an end from a cut.
    Unframed(Incoming),
    /// An upstream whose bytes change on the way.
    Reshaped(Box<Reshaped>),
    /// Our own engine, spelt in the caller's dialect.
    Engine(Pin<Box<dyn Stream<Item = Piece> + Send>>),
}

/// A piece of an answer of our own engine.
#[derive(Debug)]
pub(crate) struct Piece {
    pub bytes: Bytes,
    /// How the call ended, with the last piece.
    pub ending: Option<Ending>,
}

/// What a tee needs to know beside its source.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Who is blamed for a pause or a cut.
    pub upstream: String,
    pub api: Api,
    pub idle_timeout: Duration,
    pub limit: Option<CallLimit>,
    pub record_wait: Duration,
    pub on_record_failure: OnRecordFailure,
}

/// The body of an answer that is passed on as it comes.
pub(crate) struct Tee {
    source: Source,
    record: Option<OpenRecord>,
    terms: Terms,
    state: State,
    /// Frames that may leave before anything else.
    ready: VecDeque<Frame<Bytes>>,
    /// Pieces that leave with what else is here.
    gathered: Gathered,
    may_hold: bool,
    /// Whether what seems to be the closing event has come.
    has_closed: bool,
    /// Whether what has left ends where an event ends.
    is_between_events: bool,
    pause: Pause,
    /// Until when the call as a whole may take.
    limit: Option<Pin<Box<Sleep>>>,
    _permit: Permit,
}

enum State {
    /// Pieces pass as they come.
    Passing,
    /// The last piece seems to be here; it waits for the end, but not for long.
    Holding(Pin<Box<Sleep>>),
    /// The answer is here as a whole; its end waits for the record.
    Committing(Pin<Box<dyn Future<Output = bool> + Send>>),
    /// What is left may leave.
    Draining,
    /// What came may leave, then the connection breaks. A pause before that lets the server send what it has taken: an error
    /// that follows a piece at once would take the piece with it.
    Breaking { error: Option<Box<CallError>>, has_paused: bool },
}

enum Step {
    Piece { frame: Frame<Bytes>, ending: Option<Ending> },
    End,
    Broken(CallError),
}

impl State {
    fn breaking(error: CallError) -> Self {
        State::Breaking { error: Some(Box::new(error)), has_paused: false }
    }
}

impl Source {
    /// Returns whether only the closing event tells an end from a cut.
    fn is_unframed(&self) -> bool {
        match self {
            Source::Unframed(_) => true,
            // A translation tells of a cut itself.
            Source::Reshaped(reshaped) => reshaped.is_unframed && !reshaped.shaper.tells_of_cuts(),
            Source::Upstream(_) | Source::Engine(_) => false,
        }
    }
}

impl Tee {
    /// Begins to pass an answer on; `ready` are pieces that have already been copied for the record.
    pub(crate) fn new(
        source: Source,
        ready: VecDeque<Frame<Bytes>>,
        terms: Terms,
        (record, permit): (OpenRecord, Permit),
    ) -> Self {
        let pause = Pause::new(terms.idle_timeout);
        let limit = terms.limit.map(|limit| Box::pin(tokio::time::sleep_until(limit.until)));
        let may_hold = !terms.record_wait.is_zero();
        Tee {
            source,
            record: Some(record),
            terms,
            state: State::Passing,
            is_between_events: ready.is_empty(),
            ready,
            gathered: Gathered::default(),
            may_hold,
            has_closed: false,
            pause,
            limit,
            _permit: permit,
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let (Some(sleep), Some(CallLimit { after, .. })) = (&mut self.limit, self.terms.limit)
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Step::Broken(CallError::CallTimeout { after }));
        }
        let polled = match &mut self.source {
            Source::Upstream(body) | Source::Unframed(body) => {
                Pin::new(&mut *body).poll_frame(cx).map(|frame| match frame {
                    None => Step::End,
                    Some(Ok(frame)) => Step::Piece { frame, ending: body.is_end_stream().then(Ending::default) },
                    Some(Err(error)) => {
                        Step::Broken(CallError::Cut { upstream: self.terms.upstream.clone(), found: error.to_string() })
                    }
                })
            }
            Source::Reshaped(reshaped) => {
                return reshaped_step(reshaped, cx, (&mut self.record, &mut self.pause), &self.terms);
            }
            Source::Engine(pieces) => pieces.as_mut().poll_next(cx).map(|piece| match piece {
                None => Step::End,
                Some(piece) => Step::Piece { frame: Frame::data(piece.bytes), ending: piece.ending },
            }),
        };
        match polled {
            Poll::Ready(step) => Poll::Ready(self.taken(step)),
            Poll::Pending => {
                ready!(self.pause.poll(cx));
                let after = self.pause.after();
                Poll::Ready(Step::Broken(CallError::Idle { upstream: self.terms.upstream.clone(), after }))
            }
        }
    }

    /// Copies a piece for the record, or what is left of it where the call's budget is used up.
    fn taken(&mut self, step: Step) -> Step {
        let Step::Piece { frame, ending } = step else { return step };
        self.pause.moved();
        if let (Some(record), Some(piece)) = (&mut self.record, frame.data_ref()) {
            if ending.is_none()
                && let Some((last, ending)) = cut_short(record, self.terms.api, piece)
            {
                record.copy(&last);
                return Step::Piece { frame: Frame::data(last), ending: Some(ending) };
            }
            record.copy(piece);
        }
        Step::Piece { frame, ending }
    }

    /// Takes a step while pieces pass; returns a frame that may leave at once.
    fn pass(&mut self, step: Step) -> Option<Frame<Bytes>> {
        match step {
            Step::Piece { frame, ending: Some(ending) } => {
                self.ready.push_back(frame);
                self.commit(ending);
                None
            }
            Step::Piece { frame, ending: None } => {
                let is_closing = frame.data_ref().is_some_and(|piece| closes(self.terms.api, piece));
                self.has_closed |= is_closing;
                if let Some(piece) = frame.data_ref().filter(|piece| !piece.is_empty()) {
                    self.is_between_events = ends_event(piece);
                }
                if matches!(self.state, State::Passing) && !(is_closing && self.may_hold) {
                    return Some(frame);
                }
                self.ready.push_back(frame);
                if matches!(self.state, State::Passing) {
                    self.may_hold = false;
                    self.state = State::Holding(Box::pin(tokio::time::sleep(self.terms.record_wait)));
                }
                None
            }
            Step::End if self.source.is_unframed() && !self.has_closed => {
                let found = "the connection closed before the closing event".to_owned();
                self.break_off(CallError::Cut { upstream: self.terms.upstream.clone(), found });
                None
            }
            Step::End => {
                self.commit(Ending::default());
                None
            }
            Step::Broken(error) => {
                self.break_off(error);
                None
            }
        }
    }

    /// Takes the next step while pieces pass; returns what leaves now. What was gathered leaves before anything that is no piece.
    fn poll_pass(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Poll::Ready(step) = self.poll_source(cx) else { return self.gathered.poll(cx).map(Some) };
        match self.pass(step).map(Frame::into_data) {
            Some(Ok(piece)) => return Poll::Ready(self.gathered.take(piece)),
            Some(Err(frame)) => self.ready.push_back(frame),
            None => {}
        }
        Poll::Ready(self.gathered.release())
    }

    /// Ends an answer that cannot go on: with an event that tells why, where the gateway's own limit ended a stream between two
    /// events, else by breaking the connection.
    fn break_off(&mut self, error: CallError) {
        let takes_events = |record: &OpenRecord| record.is_plain_stream() && self.terms.api != Api::Opaque;
        if error.is_own_limit()
            && self.is_between_events
            && !self.has_closed
            && let Some(record) = self.record.as_mut().filter(|record| takes_events(record))
        {
            let event = reply::error_event(self.terms.api, &error);
            record.keep(&event);
            self.ready.push_back(Frame::data(event.into()));
            return self.commit(Ending { failure: Some(error.failure()), ..Ending::default() });
        }
        drop(self.close(Ending { failure: Some(error.failure()), ..Ending::default() }));
        self.state = State::breaking(error);
    }

    fn close(&mut self, ending: Ending) -> Option<Closing> {
        self.record.take().map(|record| record.close(ending))
    }

    fn commit(&mut self, ending: Ending) {
        let wait = self.terms.record_wait;
        self.state = match self.close(ending) {
            Some(closing) if !wait.is_zero() => State::Committing(Box::pin(closing.durable_within(wait))),
            _ => State::Draining,
        };
    }

    /// Takes the last pieces back, because their record is not durable.
    fn refuse(&mut self) {
        self.ready.clear();
        self.state = State::breaking(CallError::NotRecorded { after: self.terms.record_wait });
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let tee = self.get_mut();
        loop {
            match &mut tee.state {
                State::Passing => {
                    if let Some(frame) = tee.ready.pop_front() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    if let Some(bytes) = ready!(tee.poll_pass(cx)) {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
                State::Holding(sleep) => {
                    if sleep.as_mut().poll(cx).is_ready() {
                        tee.state = State::Passing;
                        continue;
                    }
                    let step = ready!(tee.poll_source(cx));
                    tee.pass(step);
                }
                State::Committing(durable) => {
                    let is_durable = ready!(durable.as_mut().poll(cx));
                    match tee.terms.on_record_failure {
                        OnRecordFailure::Refuse if !is_durable => tee.refuse(),
                        OnRecordFailure::Refuse | OnRecordFailure::Serve => tee.state = State::Draining,
                    }
                }
                State::Draining => return Poll::Ready(tee.ready.pop_front().map(Ok)),
                State::Breaking { error, has_paused } => {
                    if let Some(frame) = tee.ready.pop_front() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    if !std::mem::replace(has_paused, true) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    return Poll::Ready(error.take().map(|error| Err((*error).into())));
                }
            }
        }
    }
}

/// Waits for the next piece of a stream that changes on the way; what came is read, what goes is kept.
fn reshaped_step(
    reshaped: &mut Reshaped,
    cx: &mut Context<'_>,
    (record, pause): (&mut Option<OpenRecord>, &mut Pause),
    terms: &Terms,
) -> Poll<Step> {
    loop {
        if reshaped.is_over {
            return Poll::Ready(Step::End);
        }
        let Poll::Ready(came) = Pin::new(&mut reshaped.body).poll_frame(cx) else {
            ready!(pause.poll(cx));
            let error = CallError::Idle { upstream: terms.upstream.clone(), after: pause.after() };
            return Poll::Ready(Step::Broken(error));
        };
        pause.moved();
        let (goes, failure) = match reshape(reshaped, came, record, terms) {
            Ok(Some(reshaped)) => reshaped,
            Ok(None) => continue,
            Err(error) => return Poll::Ready(Step::Broken(error)),
        };
        if goes.is_empty() && failure.is_none() {
            continue;
        }
        let ending = failure.map(|failure| Ending { failure: Some(failure), ..Ending::default() });
        let (frame, ending) = kept(record, terms.api, (goes, ending));
        reshaped.is_over |= ending.is_some();
        return Poll::Ready(Step::Piece { frame, ending });
    }
}

/// Keeps what goes to the caller for the record, and returns it, cut short where the call's budget is used up.
fn kept(
    record: &mut Option<OpenRecord>,
    api: Api,
    (goes, ending): (Vec<u8>, Option<Ending>),
) -> (Frame<Bytes>, Option<Ending>) {
    let Some(record) = record else { return (Frame::data(goes.into()), ending) };
    if ending.is_none()
        && let Some((last, ending)) = cut_short(record, api, &goes)
    {
        record.keep(&last);
        return (Frame::data(last), Some(ending));
    }
    record.keep(&goes);
    (Frame::data(goes.into()), ending)
}

/// Returns how a stream ends whose budget is used up: what is left of the event that has begun, and one that tells of the error.
///
/// A piece in which no event ends passes; so does the one that closes the stream.
fn cut_short(record: &OpenRecord, api: Api, piece: &[u8]) -> Option<(Bytes, Ending)> {
    let exhausted = record.exhausted().filter(|_| !closes(api, piece))?;
    let end = event_end(piece)?;
    let error = CallError::Budget(Refusal::Exhausted(Box::new(exhausted.clone())));
    let last = [&piece[..end], &reply::error_event(api, &error)].concat();
    Some((last.into(), Ending { failure: Some(error.failure()), ..Ending::default() }))
}

/// Returns whether a piece ends where an event ends.
fn ends_event(piece: &[u8]) -> bool {
    piece.ends_with(b"\n\n") || piece.ends_with(b"\r\n\r\n")
}

/// Returns where the first event that ends in a piece ends.
fn event_end(piece: &[u8]) -> Option<usize> {
    let after = |mark: &[u8]| piece.windows(mark.len()).position(|window| window == mark).map(|at| at + mark.len());
    after(b"\n\n").into_iter().chain(after(b"\r\n\r\n")).min()
}

/// What came of an upstream's stream.
type Came = Option<Result<Frame<Bytes>, hyper::Error>>;

/// What goes to the caller, and what is wrong where the stream tells of that itself.
type Going = (Vec<u8>, Option<Failure>);

/// Takes what came of a stream that changes on the way; returns what goes, unless that is no data.
fn reshape(
    reshaped: &mut Reshaped,
    came: Came,
    record: &mut Option<OpenRecord>,
    terms: &Terms,
) -> Result<Option<Going>, CallError> {
    match came {
        Some(Ok(frame)) => {
            let Ok(piece) = frame.into_data() else { return Ok(None) };
            record.iter_mut().for_each(|record| record.read(&piece));
            Ok(Some((reshaped.shaper.push(&piece), None)))
        }
        None => {
            reshaped.is_over = true;
            Ok(Some((reshaped.shaper.finish(), None)))
        }
        Some(Err(error)) => {
            let error = CallError::Cut { upstream: terms.upstream.clone(), found: error.to_string() };
            if !reshaped.shaper.tells_of_cuts() {
                return Err(error);
            }
            reshaped.is_over = true;
            Ok(Some((reshaped.shaper.finish(), Some(error.failure()))))
        }
    }
}

/// Returns whether a piece seems to carry the event that closes a stream. A wrong guess delays one piece by `record_wait`.
fn closes(api: Api, piece: &[u8]) -> bool {
    match api {
        Api::OpenAiChat => piece.trim_ascii_end().ends_with(b"[DONE]"),
        Api::OpenAiResponses => contains(piece, b"event: response.completed"),
        Api::AnthropicMessages => contains(piece, b"event: message_stop"),
        Api::OpenAiEmbeddings | Api::AnthropicCountTokens | Api::Opaque => false,
    }
}

fn contains(piece: &[u8], mark: &[u8]) -> bool {
    piece.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_events_are_known() {
        let table: [(Api, &[u8], bool); 6] = [
            (Api::OpenAiChat, b"data: {\"a\":1}\n\ndata: [DONE]\n\n", true),
            (Api::OpenAiChat, b"data: {\"text\":\"[DONE] or not\"}\n\n", false),
            (Api::AnthropicMessages, b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true),
            (Api::AnthropicMessages, b"event: message_delta\ndata: {}\n\n", false),
            (Api::OpenAiResponses, b"event: response.completed\ndata: {", true),
            (Api::OpenAiResponses, b"", false),
        ];
        for (api, piece, expected) in table {
            assert_eq!(closes(api, piece), expected, "{api} {}", String::from_utf8_lossy(piece));
        }
    }
}
