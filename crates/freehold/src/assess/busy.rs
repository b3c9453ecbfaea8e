//! How long somebody was busy: the time in which at least one call was in flight, waiting in between left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The clock of one arm.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<Figures>);

#[derive(Debug, Default)]
struct Figures {
    in_flight: u64,
    since: Option<Instant>,
    total: Duration,
    ended: u64,
}

/// A call in flight; dropping it ends it.
pub(super) struct AtWork<'a>(&'a Busy);

impl Busy {
    pub(super) fn begin(&self) -> AtWork<'_> {
        self.with(|figures| {
            figures.in_flight += 1;
            figures.since.get_or_insert_with(Instant::now);
        });
        AtWork(self)
    }

    /// Returns the busy time and the calls that ended in it; `None` without any.
    pub(super) fn figures(&self) -> Option<(Duration, u64)> {
        self.with(|figures| {
            let running = figures.since.map(|since| since.elapsed()).unwrap_or_default();
            (figures.ended > 0).then_some((figures.total + running, figures.ended))
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Figures) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.with(|figures| {
            figures.in_flight -= 1;
            figures.ended += 1;
            if figures.in_flight == 0 {
                figures.total += figures.since.take().map(|since| since.elapsed()).unwrap_or_default();
            }
        });
    }
}
