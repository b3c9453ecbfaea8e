//! The thread that moves calls from the log into the store's tables: soon when there is little to do, in few large
//! transactions when there is much, and never in the way of a caller.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::log::State;
use crate::log::mover::{Error, Mover};
use crate::recorder::shared::Shared;

/// The least time from one transaction to the next, so that a trickle of calls shares transactions.
const PAUSE: Duration = Duration::from_millis(100);
/// The same while calls come so fast that the processor is better left to those who serve them: a burst is moved when
/// it is over.
const BUSY_PAUSE: Duration = Duration::from_secs(30);
const BUSY_CALLS_PER_S: f64 = 1_000.0;
/// The share of the log's largest size from which on no pause is made.
const BACKLOG_SHARE: u64 = 2;
/// The first and the longest pause after a failure.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(10);
/// How much less of the processor this thread asks for than those who serve.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

pub(super) struct Indexer {
    connection: Connection,
    shared: Arc<Shared>,
    mover: Mover,
    retry: Duration,
    /// The log's last number when nothing was left to move.
    caught_up: Option<u64>,
    last_end: Option<Instant>,
    last_written: u64,
}

impl Indexer {
    pub(super) fn new(connection: Connection, shared: Arc<Shared>, mover: Mover) -> Self {
        let last_written = shared.log.written();
        Self { connection, shared, mover, retry: RETRY_FIRST, caught_up: None, last_end: None, last_written }
    }

    /// Moves calls until the recorder is closed and the others of its threads have ended; then the log is left clean if
    /// everything is in the tables, and others may take it.
    pub(super) fn run(mut self, others: Vec<JoinHandle<()>>) {
        step_back();
        while !self.shared.is_closing() {
            if !self.has_work() {
                let shared = Arc::clone(&self.shared);
                shared.indexer.sleep_unless(|| self.has_work() || shared.is_hurried());
                if self.shared.take_hurry() && !self.has_work() {
                    self.tell();
                }
                continue;
            }
            self.pause();
            if let Err(error) = self.drain() {
                self.fail(&error);
            }
        }
        for other in others {
            if other.join().is_err() {
                tracing::error!("a thread of the recorder had panicked");
            }
        }
        self.finish();
    }

    fn has_work(&self) -> bool {
        self.caught_up != Some(self.shared.log.written()) || !self.shared.pending().is_empty()
    }

    /// Waits until the next transaction is due.
    fn pause(&self) {
        let Some(last_end) = self.last_end else { return };
        loop {
            let since = last_end.elapsed();
            let new = self.shared.log.written().saturating_sub(self.last_written) as f64;
            let is_busy = new > BUSY_CALLS_PER_S * since.as_secs_f64().max(PAUSE.as_secs_f64());
            let (_, used) = self.shared.log.bytes();
            let is_large = used > self.shared.config.log_bytes_max / BACKLOG_SHARE;
            let pause = if is_busy && !is_large { BUSY_PAUSE } else { PAUSE };
            let left = pause.saturating_sub(since).min(PAUSE);
            if left.is_zero() || self.shared.is_hurried() {
                break;
            }
            self.shared.indexer.wait(left);
        }
    }

    /// Moves everything that is there.
    fn drain(&mut self) -> Result<(), Error> {
        self.shared.take_hurry();
        self.last_written = self.shared.log.written();
        loop {
            let written = self.shared.log.written();
            let mut gaps = std::mem::take(&mut *self.shared.pending());
            let outcome = self.mover.advance(&mut self.connection, &self.shared.log, &mut gaps);
            self.shared.pending().restore(gaps);
            self.last_end = Some(Instant::now());
            match outcome? {
                Some(moved) => {
                    self.retry = RETRY_FIRST;
                    self.shared.set_index_error(None);
                    self.shared.count_indexed(moved.calls);
                    if moved.refused > 0 {
                        self.shared.count_dropped(moved.refused, "the store did not take the call");
                    }
                    self.tell();
                }
                None => {
                    self.caught_up = Some(written);
                    self.tell();
                    return Ok(());
                }
            }
        }
    }

    /// Tells how far the tables are. Once nothing is left they are as far as the log is, whatever numbers it left out.
    fn tell(&self) {
        let position = self.caught_up.unwrap_or(0).max(self.mover.position());
        self.shared.moved(position);
    }

    fn fail(&mut self, error: &Error) {
        self.shared.set_index_error(Some(&error.to_string()));
        self.shared.progress(|progress| progress.failures += 1);
        let until = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(RETRY_LONGEST);
        while !self.shared.is_hurried() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.shared.indexer.wait(left);
        }
    }

    fn finish(mut self) {
        let drained = self.drain();
        if let Err(error) = &drained {
            self.fail(error);
        }
        let lost = self.shared.pending().calls();
        if lost > 0 {
            tracing::error!(calls = lost, "the store could not take the gap of calls that were not recorded");
        }
        let log = &self.shared.log;
        let left = match drained {
            Ok(()) => self
                .mover
                .settle()
                .and_then(|()| log.folder().set_state(&State::Clean(self.mover.position())))
                .and_then(|()| log.folder().sync_state()),
            // What the log still has is moved when the store is next opened.
            Err(_) => Ok(()),
        };
        if let Err(error) = left.and_then(|()| log.folder().release()) {
            tracing::warn!(%error, "the log could not be left clean; it is looked through when the store is next opened");
        }
        self.shared.progress(|progress| progress.is_ended = true);
    }
}

/// Leaves the processor to those who serve, where the system lets a thread do so.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the indexing thread keeps its priority");
    }
}
