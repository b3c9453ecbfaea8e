//! The body of a request to an upstream: held whole, or passed on from the caller piece by piece.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::digest::Passing;
use crate::pause::Pause;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request to an upstream.
pub(crate) enum Outgoing {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// The caller's, as it comes.
    Passed(Passed),
}

/// A body that is on its way from the caller to an upstream; nothing of it is kept but size and digest.
pub(crate) struct Passed {
    body: Incoming,
    seen: Arc<Passing>,
    pause: Pause,
}

#[derive(Debug, thiserror::Error)]
#[error("the request body stood still for {} ms", after.as_millis())]
struct StoodStill {
    after: Duration,
}

impl Outgoing {
    /// Makes a body of bytes.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Outgoing::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Makes a body of the caller's; what passes is told to `seen`.
    pub(crate) fn passed(body: Incoming, seen: Arc<Passing>, idle_timeout: Duration) -> Self {
        if body.is_end_stream() {
            return Outgoing::Whole(None);
        }
        Outgoing::Passed(Passed { body, seen, pause: Pause::new(idle_timeout) })
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Outgoing::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Outgoing::Passed(passed) => passed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Whole(bytes) => bytes.is_none(),
            Outgoing::Passed(passed) => passed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Outgoing::Passed(passed) => passed.body.size_hint(),
        }
    }
}

impl Passed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.pause.poll(cx));
            return Poll::Ready(Some(Err(StoodStill { after: self.pause.after() }.into())));
        };
        self.pause.moved();
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            if let Some(piece) = frame.data_ref() {
                self.seen.take(piece);
            }
            Ok(frame)
        }))
    }
}
