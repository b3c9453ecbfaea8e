//! Sees to it that a worker that has work says something now and then.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// In so many looks the time runs out: a host that was stopped for a while itself does not take that for the worker's silence.
const LOOKS: u32 = 4;

/// What a look at a worker comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It speaks, or has nothing to do.
    Well,
    /// It was silent since the last look and is to be asked.
    Silent,
    /// It was silent for too long.
    Hangs,
}

/// Watches one worker.
pub(crate) struct Watch {
    looks: Interval,
    has_spoken: bool,
    silent: u32,
}

impl Watch {
    /// Watches a worker that may be silent for `timeout` while it has work.
    pub(crate) fn new(timeout: Duration) -> Watch {
        let period = (timeout / LOOKS).max(Duration::from_millis(1));
        let mut looks = interval_at(tokio::time::Instant::now() + period, period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Watch { looks, has_spoken: true, silent: 0 }
    }

    /// Waits for the time of the next look; cancel-safe.
    pub(crate) async fn due(&mut self) {
        self.looks.tick().await;
    }

    /// The worker has said something.
    pub(crate) fn spoke(&mut self) {
        self.has_spoken = true;
    }

    /// Looks at it; `calls` are what it has to do.
    pub(crate) fn look(&mut self, calls: usize) -> Seen {
        if std::mem::take(&mut self.has_spoken) || calls == 0 {
            self.silent = 0;
            // Work that comes after this look has not been waited for.
            self.has_spoken = calls == 0;
            return Seen::Well;
        }
        self.silent += 1;
        if self.silent < LOOKS { Seen::Silent } else { Seen::Hangs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_silence_with_work_runs_out() {
        let mut watch = Watch::new(Duration::from_secs(400));
        assert!((0..9).all(|_| watch.look(0) == Seen::Well), "nothing to do");
        // The first look after idleness forgives, whatever came just before it.
        assert_eq!(watch.look(1), Seen::Well);
        assert_eq!([watch.look(1), watch.look(1), watch.look(1)], [Seen::Silent, Seen::Silent, Seen::Silent]);
        watch.spoke();
        assert_eq!(watch.look(1), Seen::Well);
        for _ in 0..3 {
            assert_eq!(watch.look(1), Seen::Silent);
        }
        assert_eq!(watch.look(1), Seen::Hangs);
    }
}
