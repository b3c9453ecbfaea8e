//! Lets calls in: who may call, how many at once, and how large and slow a body may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, ORIGIN};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::CallError;

/// Lets calls in up to a limit, and counts those it turns away.
#[derive(Debug)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    limit: usize,
    turned_away: AtomicU64,
}

/// How large a request body may be, and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub bytes_max: usize,
    pub timeout: Duration,
}

impl Gate {
    /// Makes a gate for `limit` calls at once.
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Gate { permits: Arc::new(Semaphore::new(limit)), limit, turned_away: AtomicU64::new(0) }
    }

    /// Lets a call in; the permit is held until its answer has ended.
    ///
    /// Whoever runs on this machine may call. Pages that a browser shows from elsewhere may not: they would use the configured keys.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<OwnedSemaphorePermit, CallError> {
        let foreign = headers.get(ORIGIN).filter(|origin| !is_of_this_machine(origin.as_bytes()));
        let admitted = match foreign {
            Some(origin) => {
                let origin = String::from_utf8_lossy(origin.as_bytes()).chars().take(200).collect();
                Err(CallError::ForeignOrigin { origin })
            }
            None => {
                let permit = Arc::clone(&self.permits).try_acquire_owned();
                permit.map_err(|_| CallError::TooManyCalls { limit: self.limit })
            }
        };
        if admitted.is_err() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// Returns how many calls are being served.
    pub(crate) fn in_flight(&self) -> usize {
        self.limit - self.permits.available_permits()
    }

    /// Returns how many calls were turned away since the start.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

/// Reads a request body whole, within its limits.
pub(crate) async fn body(headers: &HeaderMap, body: Incoming, limits: BodyLimits) -> Result<Bytes, CallError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.bytes_max as u64) {
        return Err(CallError::BodyTooLarge { limit: limits.bytes_max });
    }
    let reading = tokio::time::timeout(limits.timeout, collect(body, announced, limits.bytes_max));
    reading.await.unwrap_or(Err(CallError::BodyTimeout { after: limits.timeout }))
}

async fn collect(mut body: Incoming, announced: Option<u64>, bytes_max: usize) -> Result<Bytes, CallError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| CallError::BodyBroken)?.into_data() else { continue };
        if first.len().max(rest.len()) + piece.len() > bytes_max {
            return Err(CallError::BodyTooLarge { limit: bytes_max });
        }
        if first.is_empty() && rest.is_empty() {
            first = piece;
            continue;
        }
        if rest.is_empty() {
            // The announced length is only believed up to a size that a liar may cost us.
            let announced = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0).min(1 << 20);
            rest.reserve(announced.max(first.len() + piece.len()));
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&piece);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn is_of_this_machine(origin: &[u8]) -> bool {
    let Ok(origin) = http::Uri::try_from(origin) else { return false };
    let Some(host) = origin.host() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_origin(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())])
    }

    #[test]
    fn calls_beyond_the_limit_are_turned_away_until_one_ends() {
        let gate = Gate::new(1);
        let first = gate.admit(&HeaderMap::new()).unwrap();
        assert!(matches!(gate.admit(&HeaderMap::new()), Err(CallError::TooManyCalls { limit: 1 })));
        assert_eq!((gate.in_flight(), gate.turned_away()), (1, 1));
        drop(first);
        assert!(gate.admit(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn only_pages_of_this_machine_may_call() {
        let gate = Gate::new(9);
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:80", "https://app.localhost"] {
            assert!(gate.admit(&with_origin(origin)).is_ok(), "{origin}");
        }
        for origin in ["https://evil.example", "http://localhost.evil.example", "null", "file://"] {
            assert!(matches!(gate.admit(&with_origin(origin)), Err(CallError::ForeignOrigin { .. })), "{origin}");
        }
    }
}
