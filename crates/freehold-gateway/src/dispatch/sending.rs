//! Holds an answer back to send it in one piece, as long as it comes quickly and fits.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::error::CallError;
use crate::record::OpenRecord;
use crate::tee::join;

use super::On;

/// An answer that was held back to be sent whole.
pub(crate) enum Held {
    /// It is here.
    Whole(Bytes),
    /// It is slow or large: what came, and the rest to be passed on as it comes.
    Slow(VecDeque<Frame<Bytes>>, Incoming),
}

/// Returns whether the end of a body shows by itself, as opposed to lasting until the connection closes.
pub(crate) fn is_framed(response: &Response<Incoming>) -> bool {
    let headers = response.headers();
    response.version() == Version::HTTP_2
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING)
}

/// Waits for a whole answer, but not for long, and not for a large one.
pub(crate) async fn hold(
    on: On<'_>,
    upstream: &str,
    mut body: Incoming,
    record: &mut OpenRecord,
) -> Result<Held, CallError> {
    let config = &on.current.config;
    let patience = tokio::time::sleep(config.hold_max);
    tokio::pin!(patience);
    let mut pieces: VecDeque<Bytes> = VecDeque::new();
    let mut held_bytes = 0;
    while held_bytes <= config.record_bytes_max {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut patience => break,
        };
        let Some(frame) = frame else { return Ok(Held::Whole(join(pieces, held_bytes))) };
        let frame = frame.map_err(|error| cut(upstream, &error))?;
        if let Ok(piece) = frame.into_data() {
            record.copy(&piece);
            held_bytes += piece.len();
            pieces.push_back(piece);
        }
    }
    Ok(Held::Slow(pieces.into_iter().map(Frame::data).collect(), body))
}

/// Waits for a whole answer that must be read here before anything can be sent.
pub(super) async fn gather(on: On<'_>, upstream: &str, mut body: Incoming) -> Result<Bytes, CallError> {
    let config = &on.current.config;
    let (mut pieces, mut bytes): (VecDeque<Bytes>, usize) = (VecDeque::new(), 0);
    loop {
        let next = tokio::time::timeout(config.idle_timeout, body.frame()).await;
        let idle = |_| CallError::Idle { upstream: upstream.to_owned(), after: config.idle_timeout };
        let Some(frame) = next.map_err(idle)? else { return Ok(join(pieces, bytes)) };
        if let Ok(piece) = frame.map_err(|error| cut(upstream, &error))?.into_data() {
            bytes += piece.len();
            if bytes > config.record_bytes_max {
                let limit = config.record_bytes_max;
                return Err(CallError::AnswerTooLarge { upstream: upstream.to_owned(), limit });
            }
            pieces.push_back(piece);
        }
    }
}

fn cut(upstream: &str, error: &hyper::Error) -> CallError {
    CallError::Cut { upstream: upstream.to_owned(), found: error.to_string() }
}
