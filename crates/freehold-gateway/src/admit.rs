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

use freehold_wire::Api;

use crate::budget::{Begun, Estimate, Priced, Prices, Spend};
use crate::config::{GatewayConfig, Upstream};
use crate::error::CallError;
use crate::keys::{self, KeysHandle, VirtualKey};
use crate::rate::{self, Place};
use crate::record::{OpenRecord, Stamp};
use crate::{calendar, headers};

/// Lets calls in up to a limit, and counts those it turns away.
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    limit: usize,
    turned_away: AtomicU64,
    keys: KeysHandle,
    need: Need,
}

/// Who needs a virtual key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nobody; whoever shows one is held to it.
    NoKey,
    /// Everybody.
    Key,
}

/// Leave to make a call, held until its answer has ended.
#[derive(Debug)]
pub(crate) struct Permit {
    _call: OwnedSemaphorePermit,
    _place: Option<Place>,
}

/// Who makes a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Principal {
    /// The virtual key, where one was shown.
    pub key: Option<Arc<VirtualKey>>,
}

/// How large a request body may be, and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub bytes_max: usize,
    pub timeout: Duration,
}

impl Gate {
    /// Makes a gate as it is configured, without keys.
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        let limit = config.calls_max.min(Semaphore::MAX_PERMITS);
        Gate {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            turned_away: AtomicU64::new(0),
            keys: KeysHandle::new(&config.budgets),
            need: if config.require_keys { Need::Key } else { Need::NoKey },
        }
    }

    /// Returns the keys in force.
    pub(crate) fn keys(&self) -> &KeysHandle {
        &self.keys
    }

    /// Lets a call in, and takes the virtual key out of its headers.
    ///
    /// Where no key is needed, whoever runs on this machine may call. Pages that a browser shows from elsewhere may not: they would
    /// use the configured keys.
    pub(crate) fn admit(&self, headers: &mut HeaderMap, stamp: &Stamp) -> Result<(Permit, Principal), CallError> {
        let admitted = self.try_admit(headers, stamp);
        if admitted.is_err() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn try_admit(&self, headers: &mut HeaderMap, stamp: &Stamp) -> Result<(Permit, Principal), CallError> {
        if let Some(origin) = headers.get(ORIGIN).filter(|origin| !is_of_this_machine(origin.as_bytes())) {
            let origin = String::from_utf8_lossy(origin.as_bytes()).chars().take(200).collect();
            return Err(CallError::ForeignOrigin { origin });
        }
        let principal = self.principal(headers, stamp.at_ms)?;
        let place = principal.enter(stamp)?;
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let call = permit.map_err(|_| CallError::TooManyCalls { limit: self.limit })?;
        Ok((Permit { _call: call, _place: place }, principal))
    }

    /// Tells who calls. A virtual key is taken out of the headers, with all other credentials beside it.
    pub(crate) fn principal(&self, headers: &mut HeaderMap, at_ms: i64) -> Result<Principal, keys::Error> {
        let Some(secret) = headers::virtual_secret(headers) else {
            return match self.need {
                Need::NoKey => Ok(Principal::default()),
                Need::Key => Err(keys::Error::Missing),
            };
        };
        let held = self.keys.find(secret);
        headers::drop_credentials(headers);
        let held = held.ok_or(keys::Error::Unknown)?;
        if held.key.is_revoked {
            return Err(keys::Error::Revoked { name: held.key.name.clone() });
        }
        let until_ms = held.key.expires_ms.into_iter().chain(held.until_ms).min();
        if let Some(until_ms) = until_ms.filter(|until_ms| at_ms >= *until_ms) {
            return Err(keys::Error::Expired { name: held.key.name.clone(), at: calendar::text(until_ms) });
        }
        Ok(Principal { key: Some(held.key) })
    }

    /// Reserves what a call may take from the budgets of its key and of its step, at these prices; `None` where it has none.
    ///
    /// The call must say who is to answer it.
    pub(crate) fn reserve(
        &self,
        record: &OpenRecord,
        prices: &Prices,
        estimate: impl FnOnce() -> Estimate,
    ) -> Result<Option<Spend>, CallError> {
        let call = record.call();
        if call.api == Api::AnthropicCountTokens {
            // Vendors count for nothing.
            return Ok(None);
        }
        let of_key = record.principal().key.as_ref().and_then(|key| key.purse.clone());
        let of_step = self.keys.step_purse(&call.step);
        if of_key.is_none() && of_step.is_none() {
            return Ok(None);
        }
        let purses = of_key.into_iter().chain(of_step).collect();
        let model = call.served_model.as_deref().unwrap_or(&call.model);
        let priced = Priced { prices, upstream: &call.upstream, model };
        let begun = Begun { at_ms: call.at_ms, at: record.begun() };
        Spend::open(purses, estimate(), &priced, begun).map(Some).map_err(CallError::Budget)
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

impl Principal {
    /// Returns the name of the key, where there is one.
    pub(crate) fn name(&self) -> Option<String> {
        self.key.as_ref().map(|key| key.name.clone())
    }

    /// Checks that the key may make this call.
    pub(crate) fn check_scope(&self, step: &str, model: &str) -> Result<(), keys::Error> {
        let Some(key) = &self.key else { return Ok(()) };
        if !key.covers_step(step) {
            return Err(keys::Error::Step { name: key.name.clone(), step: step.to_owned() });
        }
        if !key.covers_model(model) {
            return Err(keys::Error::Model { name: key.name.clone(), model: model.to_owned() });
        }
        Ok(())
    }

    /// Checks that an upstream has a key of its own, which a call with a virtual key must use.
    ///
    /// Machines of one's own may go without.
    pub(crate) fn check_upstream(&self, upstream: &Upstream, unbilled: &[String]) -> Result<(), keys::Error> {
        match &self.key {
            Some(key) if upstream.key.is_none() && !unbilled.contains(&upstream.name) => {
                Err(keys::Error::Upstream { name: key.name.clone(), upstream: upstream.name.clone() })
            }
            _ => Ok(()),
        }
    }

    fn enter(&self, stamp: &Stamp) -> Result<Option<Place>, keys::Error> {
        let Some(key) = &self.key else { return Ok(None) };
        let name = || key.name.clone();
        key.throttle.enter(stamp.begun).map_err(|held| match held {
            rate::Held::Rate { rate, after } => keys::Error::Rate { name: name(), rate, after },
            rate::Held::Concurrent { limit } => keys::Error::Concurrent { name: name(), limit },
        })
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
    use std::time::Instant;

    use super::*;

    fn gate(limit: usize) -> Gate {
        Gate::new(&GatewayConfig { calls_max: limit, ..GatewayConfig::default() })
    }

    fn stamp() -> Stamp {
        Stamp { id: String::new(), at_ms: 0, begun: Instant::now() }
    }

    fn with_origin(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())])
    }

    #[test]
    fn calls_beyond_the_limit_are_turned_away_until_one_ends() {
        let gate = gate(1);
        let first = gate.admit(&mut HeaderMap::new(), &stamp()).unwrap();
        let second = gate.admit(&mut HeaderMap::new(), &stamp());
        assert!(matches!(second, Err(CallError::TooManyCalls { limit: 1 })));
        assert_eq!((gate.in_flight(), gate.turned_away()), (1, 1));
        drop(first);
        assert!(gate.admit(&mut HeaderMap::new(), &stamp()).is_ok());
    }

    #[test]
    fn only_pages_of_this_machine_may_call() {
        let gate = gate(9);
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:80", "https://app.localhost"] {
            assert!(gate.admit(&mut with_origin(origin), &stamp()).is_ok(), "{origin}");
        }
        for origin in ["https://evil.example", "http://localhost.evil.example", "null", "file://"] {
            let admitted = gate.admit(&mut with_origin(origin), &stamp());
            assert!(matches!(admitted, Err(CallError::ForeignOrigin { .. })), "{origin}");
        }
    }
}
