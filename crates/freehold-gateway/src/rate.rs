//! How often a key may call, and how many of its calls may be in flight.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use freehold_store::Rate;

/// Lets calls of one key begin at a bounded rate, and a bounded number of them at once.
#[derive(Debug)]
pub(crate) struct Throttle {
    bucket: Option<Bucket>,
    concurrent_max: Option<u32>,
    in_flight: AtomicU32,
}

/// A place among the calls in flight of a key; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    throttle: Arc<Throttle>,
}

/// Why a call may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Too many began of late; the next may in this time.
    Rate { rate: Rate, after: Duration },
    /// Too many are in flight.
    Concurrent { limit: u32 },
}

/// A bucket of calls that may begin; it fills steadily.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    calls: f64,
    at: Instant,
}

impl Throttle {
    /// Makes a throttle with a full bucket.
    pub(crate) fn new(rate: Option<Rate>, concurrent_max: Option<u32>, now: Instant) -> Self {
        let full = |rate: Rate| Bucket { rate, level: Mutex::new(Level { calls: f64::from(rate.calls), at: now }) };
        Throttle { bucket: rate.map(full), concurrent_max, in_flight: AtomicU32::new(0) }
    }

    /// Returns whether it holds to these terms.
    pub(crate) fn keeps(&self, rate: Option<Rate>, concurrent_max: Option<u32>) -> bool {
        self.bucket.as_ref().map(|bucket| bucket.rate) == rate && self.concurrent_max == concurrent_max
    }

    /// Lets a call begin, or says what holds it.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Result<Option<Place>, Held> {
        let place = self.place()?;
        if let Some(bucket) = &self.bucket {
            bucket.take(now)?;
        }
        Ok(place)
    }

    fn place(self: &Arc<Self>) -> Result<Option<Place>, Held> {
        let Some(limit) = self.concurrent_max else { return Ok(None) };
        let taken = self
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < limit).then_some(count + 1));
        taken.map_err(|_| Held::Concurrent { limit })?;
        Ok(Some(Place { throttle: Arc::clone(self) }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.throttle.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Bucket {
    fn take(&self, now: Instant) -> Result<(), Held> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (most, span) = (f64::from(self.rate.calls), f64::from(self.rate.per_s));
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        level.calls = (level.calls + passed * most / span).min(most);
        level.at = level.at.max(now);
        if level.calls < 1.0 {
            let after = Duration::try_from_secs_f64((1.0 - level.calls) * span / most).unwrap_or(Duration::MAX);
            return Err(Held::Rate { rate: self.rate, after });
        }
        level.calls -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_lets_its_fill_through_at_once_and_then_one_at_a_time() {
        let begun = Instant::now();
        let rate = Rate { calls: 2, per_s: 10 };
        let throttle = Arc::new(Throttle::new(Some(rate), None, begun));
        let at = |ms: u64| throttle.enter(begun + Duration::from_millis(ms)).map(|_| ());
        assert_eq!((at(0), at(0)), (Ok(()), Ok(())));
        assert_eq!(at(0), Err(Held::Rate { rate, after: Duration::from_secs(5) }));
        assert!(at(4_900).is_err());
        assert_eq!((at(5_000), at(5_001).is_err()), (Ok(()), true));
        // However long nobody calls, no more than the fill comes together.
        assert_eq!((at(1_000_000), at(1_000_000), at(1_000_000).is_err()), (Ok(()), Ok(()), true));
    }

    #[test]
    fn clock_that_goes_back_gives_nothing_away() {
        let begun = Instant::now() + Duration::from_secs(60);
        let throttle = Arc::new(Throttle::new(Some(Rate { calls: 1, per_s: 1 }), None, begun));
        assert!(throttle.enter(begun).is_ok());
        assert!(throttle.enter(begun - Duration::from_secs(30)).is_err());
        assert!(throttle.enter(begun + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn place_is_free_again_when_the_call_has_ended() {
        let now = Instant::now();
        let throttle = Arc::new(Throttle::new(None, Some(1), now));
        let first = throttle.enter(now).unwrap();
        assert_eq!(throttle.enter(now).unwrap_err(), Held::Concurrent { limit: 1 });
        drop(first);
        assert!(throttle.enter(now).is_ok());
    }
}
