//! Tells when nothing has moved for too long, at no more cost than a look at the clock for what does move.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A limit on how long nothing may move.
#[derive(Debug)]
pub(crate) struct Pause {
    after: Duration,
    moved: Instant,
    /// Runs from some earlier move; only when it is over is the last one looked at.
    sleep: Pin<Box<Sleep>>,
}

impl Pause {
    /// Begins with something that moves now.
    pub(crate) fn new(after: Duration) -> Self {
        Pause { after, moved: Instant::now(), sleep: Box::pin(tokio::time::sleep(after)) }
    }

    /// Returns how long nothing may move.
    pub(crate) fn after(&self) -> Duration {
        self.after
    }

    /// Notes that something moved.
    pub(crate) fn moved(&mut self) {
        self.moved = Instant::now();
    }

    /// Ready once nothing has moved for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            let due = self.moved + self.after;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn pause_is_counted_from_the_last_move() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut pause = Pause::new(Duration::from_millis(1));
            pause.moved += Duration::from_millis(20);
            let due = pause.moved + pause.after;
            poll_fn(|cx| pause.poll(cx)).await;
            assert!(Instant::now() >= due);
        });
    }
}
