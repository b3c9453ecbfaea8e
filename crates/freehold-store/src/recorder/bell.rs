//! Wakes a thread that waits for work, at next to no cost while it is awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A bell for one thread.
#[derive(Default)]
pub(super) struct Bell {
    is_asleep: AtomicBool,
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    /// Wakes the thread if it sleeps for want of work. To be called after the work can be seen.
    pub(super) fn nudge(&self) {
        if self.is_asleep.load(Ordering::SeqCst) && self.is_asleep.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Wakes the thread whatever it waits for; a ring that finds it awake ends its next wait.
    pub(super) fn ring(&self) {
        *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rung.notify_one();
    }

    /// Sleeps until there is work or the bell rings.
    pub(super) fn sleep_unless(&self, has_work: impl FnOnce() -> bool) {
        self.is_asleep.store(true, Ordering::SeqCst);
        if !has_work() {
            let is_rung = self.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
            let woken = self.rung.wait_while(is_rung, |is_rung| !*is_rung);
            *woken.unwrap_or_else(PoisonError::into_inner) = false;
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    /// Waits for that long, or until the bell rings; returns whether it did.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let is_rung = self.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self.rung.wait_timeout_while(is_rung, at_most, |is_rung| !*is_rung);
        let (mut is_rung, _) = woken.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *is_rung)
    }
}
