//! Records calls off the hot path: a bounded queue, one writing thread, a group commit, a receipt for each call.
//!
//! Offering a call never blocks. What cannot be queued or written is counted and becomes a gap.

mod queue;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use freehold_wire::Call;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::recorder::queue::Queue;
use crate::recorder::writer::Writer;
use crate::seal::Seal;

/// How much a recorder may hold, and how often it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderConfig {
    /// The most calls that wait for or are in a commit.
    pub queue_calls_max: usize,
    /// The most bytes that these calls may take.
    pub queue_bytes_max: usize,
    /// The least time from one commit to the next. A call that comes after a pause is committed at once; calls that
    /// come closer together share a commit.
    pub commit_window: Duration,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self { queue_calls_max: 10_000, queue_bytes_max: 64 << 20, commit_window: Duration::from_millis(2) }
    }
}

/// What a recorder did so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecorderStats {
    /// Calls that are durably stored.
    pub recorded: u64,
    /// Calls that were dropped.
    pub dropped: u64,
    /// Calls that wait for or are in a commit.
    pub queued: u64,
    /// Why the last write failed; `None` once calls have been recorded again.
    pub last_error: Option<String>,
}

/// Records calls on a thread of its own; clones share it.
///
/// When the last clone is dropped the thread writes what is queued and ends; `close` waits for that.
#[derive(Clone)]
pub struct Recorder {
    queue: Arc<Queue>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// The promise of an outcome for one recorded call.
#[derive(Debug)]
#[must_use = "the outcome of recording a call is only known through its receipt"]
pub struct Receipt {
    outcome: oneshot::Receiver<()>,
}

impl Recorder {
    /// Starts the writing thread on its own connection.
    pub(crate) fn start(connection: Connection, config: RecorderConfig, seal: Option<Seal>) -> Result<Self, Error> {
        let (queue, items) = Queue::new(config);
        let writer = Writer::new(connection, items, queue.shared(), config.commit_window, seal);
        let thread = std::thread::Builder::new().name("freehold-recorder".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(Error::Thread)?;
        Ok(Self { queue: Arc::new(queue), thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Offers a call for recording; never blocks, and may be called from async code.
    ///
    /// A call that finds the queue full is dropped and counted, and its receipt says so.
    pub fn record(&self, call: Call) -> Receipt {
        Receipt { outcome: self.queue.offer(call) }
    }

    /// Returns what was done so far.
    pub fn stats(&self) -> RecorderStats {
        self.queue.shared().stats()
    }

    /// Takes no more calls, writes what is queued, and waits for the writing thread to end; blocks.
    pub fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the recorder's thread had panicked");
        }
    }
}

impl Receipt {
    /// Returns true once the call is durably stored, false when it was dropped.
    ///
    /// Dropping the future loses the answer and changes nothing about the call.
    pub async fn committed(self) -> bool {
        self.outcome.await.is_ok()
    }

    /// Waits for the outcome like `committed`, blocking the thread; not for async code.
    pub fn wait(self) -> bool {
        self.outcome.blocking_recv().is_ok()
    }
}
