//! Decides whether an upstream that failed is asked once more, and when. Pure: what happened comes in, with a seed.

use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, RETRY_AFTER};

use crate::error::CallError;

/// How often a connection that did not come about is tried again, whatever the configuration says.
///
/// Nothing was sent, so nothing can happen twice; and a refused connection is often a server that is just being restarted.
const UNSENT_RETRIES_MAX: u32 = 2;

/// The longest that a call waits because an upstream asks it to; beyond it the caller learns of the wait instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

const UNSENT_WAIT: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(5);

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The upstream answered with a status that is not a success.
    Status(StatusCode, Option<Duration>),
    /// No connection came about, so nothing was sent.
    Unsent,
    /// The exchange broke off before the answer began.
    BrokenOff,
    /// Time was up.
    TooLate,
    /// Something that no other attempt would change.
    Final,
}

impl Found {
    /// Returns what an answer's head means for further attempts.
    pub(crate) fn head(status: StatusCode, headers: &HeaderMap) -> Found {
        Found::Status(status, retry_after(headers))
    }

    /// Returns what an error means for further attempts.
    pub(crate) fn error(error: &CallError) -> Found {
        match error {
            CallError::Status { status, .. } => Found::Status(*status, None),
            CallError::Connect { .. } => Found::Unsent,
            CallError::Cut { .. } => Found::BrokenOff,
            CallError::ConnectTimeout { .. } | CallError::FirstByte { .. } | CallError::Resting { .. } => {
                Found::TooLate
            }
            CallError::Silent { .. } => Found::BrokenOff,
            CallError::Engine { .. } if error.status().is_server_error() => Found::BrokenOff,
            CallError::Engine { .. } => Found::Status(error.status(), None),
            _ => Found::Final,
        }
    }

    /// Returns whether somebody else might do better.
    pub(crate) fn is_upstreams_fault(self) -> bool {
        match self {
            Found::Status(StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED, _) => false,
            Found::Status(status, _) => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Found::Unsent | Found::BrokenOff | Found::TooLate => true,
            Found::Final => false,
        }
    }

    /// Returns how long to wait before the same upstream is asked once more; `None` for not at all.
    ///
    /// `retries` have been made; `seed` spreads the callers of one moment.
    pub(crate) fn wait(self, retries: u32, retries_max: u32, seed: u64) -> Option<Duration> {
        let (limit, first) = match self {
            Found::Unsent => (retries_max.max(UNSENT_RETRIES_MAX), UNSENT_WAIT),
            Found::Status(status, _) if is_passing(status) => (retries_max, WAIT),
            Found::BrokenOff => (retries_max, WAIT),
            Found::Status(..) | Found::TooLate | Found::Final => return None,
        };
        if retries >= limit {
            return None;
        }
        let full = first.saturating_mul(1 << retries.min(10)).min(WAIT_MAX);
        let drawn = spread(full, seed.wrapping_add(u64::from(retries)));
        match self {
            Found::Status(_, Some(asked)) if asked > RETRY_AFTER_MAX => None,
            // Never before the upstream said, and not all at the same moment after it.
            Found::Status(_, Some(asked)) => Some(asked + drawn / 4),
            _ => Some(drawn),
        }
    }
}

/// Returns whether a status tells of a state that may pass.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504 | 529)
}

/// Returns how long an upstream asks to wait; dates are not read, as they would need a clock that both sides share.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number(&RETRY_AFTER_MS).map(|ms| ms / 1000.0).or_else(|| number(&RETRY_AFTER))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Returns between half of a time and all of it.
fn spread(full: Duration, seed: u64) -> Duration {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let share = (mixed >> 40) as f64 / (1u64 << 24) as f64;
    full.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Found {
        Found::Status(StatusCode::from_u16(code).unwrap(), None)
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_only_as_often_as_set() {
        for (found, retries_max, expected) in [
            (Found::Unsent, 0, 2),
            (Found::Unsent, 5, 5),
            (Found::BrokenOff, 0, 0),
            (Found::BrokenOff, 1, 1),
            (status(503), 0, 0),
            (status(429), 3, 3),
            (status(529), 1, 1),
            (status(500), 3, 0),
            (status(400), 3, 0),
            (Found::TooLate, 3, 0),
            (Found::Final, 3, 0),
        ] {
            let made = (0..10).take_while(|&retries| found.wait(retries, retries_max, 7).is_some()).count();
            assert_eq!(made, expected, "{found:?} {retries_max}");
        }
    }

    #[test]
    fn waits_double_and_are_spread() {
        let wait = |retries, seed| Found::BrokenOff.wait(retries, 9, seed).unwrap();
        for (retries, full) in [(0, 250), (1, 500), (2, 1000), (8, 5000)] {
            let drawn: Vec<Duration> = (0..200).map(|seed| wait(retries, seed)).collect();
            let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
            let full = Duration::from_millis(full);
            assert!(*least >= full / 2 && *least < full * 6 / 10 && *most <= full && *most > full * 9 / 10);
        }
    }

    #[test]
    fn the_wait_that_an_upstream_asks_for_is_kept_unless_it_is_long() {
        let asked = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            Found::head(StatusCode::TOO_MANY_REQUESTS, &headers).wait(0, 1, 3)
        };
        let second = asked("retry-after", "1").unwrap();
        assert!(second >= Duration::from_secs(1) && second < Duration::from_millis(1100), "{second:?}");
        assert!(asked("retry-after-ms", "20").unwrap() < Duration::from_millis(100));
        assert_eq!(asked("retry-after", "17"), None);
        assert!(asked("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT").is_some());
        assert!(asked("retry-after", "-3").is_some());
    }

    #[test]
    fn somebody_else_is_asked_where_the_upstream_is_at_fault() {
        for (found, expected) in
            [(status(429), true), (status(500), true), (status(529), true), (status(501), false), (status(400), false)]
        {
            assert_eq!(found.is_upstreams_fault(), expected, "{found:?}");
        }
        assert!(Found::TooLate.is_upstreams_fault() && !Found::Final.is_upstreams_fault());
    }
}
