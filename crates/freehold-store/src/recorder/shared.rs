//! What the callers and the recorder's threads share: the log, the queue before it, and what is counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::gap::Pending;
use crate::log::{Log, Refusal};
use crate::recorder::bell::Bell;
use crate::recorder::lately::{Lately, Place};
use crate::recorder::{Acknowledge, RecorderConfig, RecorderStats};

/// A call on its way to the writing thread.
pub(super) struct Item {
    pub(super) frame: Vec<u8>,
    pub(super) at_ms: i64,
    /// Its id, where a later call may go on from it.
    pub(super) id: Option<String>,
    pub(super) receipt: oneshot::Sender<()>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Those that are queued and those that are being written.
    calls: usize,
    bytes: usize,
    is_closed: bool,
}

/// How far the calls are in the store's tables.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Progress {
    pub(super) position: u64,
    /// How many attempts failed.
    pub(super) failures: u64,
    pub(super) is_ended: bool,
}

/// Everything that is shared.
pub(super) struct Shared {
    pub(super) log: Log,
    pub(super) config: RecorderConfig,
    pub(super) writer: Bell,
    pub(super) syncer: Bell,
    pub(super) indexer: Bell,
    pub(super) maker: Bell,
    queue: Mutex<Queue>,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    pending: Mutex<Pending>,
    lately: Mutex<Lately>,
    progress: Mutex<Progress>,
    progressed: Condvar,
    is_closing: AtomicBool,
    is_hurried: AtomicBool,
    has_write_error: AtomicBool,
    recorded: AtomicU64,
    indexed: AtomicU64,
    last_sync_us: AtomicU64,
    sync_failures: AtomicU64,
    dropped: Mutex<BTreeMap<String, u64>>,
    write_error: Mutex<Option<String>>,
    index_error: Mutex<Option<String>>,
}

pub(super) const FULL_REASON: &str = "the recorder's queue was full";
pub(super) const CLOSED_REASON: &str = "the recorder was closed";
/// The most reasons that are told apart in what was dropped.
const REASONS_MAX: usize = 16;
/// What the writing thread takes at once.
const BATCH_CALLS_MAX: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

impl Shared {
    pub(super) fn new(log: Log, config: RecorderConfig, gaps: Pending) -> Self {
        Self {
            lately: Mutex::new(Lately::new(log.session() - 1)),
            log,
            config,
            writer: Bell::default(),
            syncer: Bell::default(),
            indexer: Bell::default(),
            maker: Bell::default(),
            queue: Mutex::default(),
            waiting: Mutex::default(),
            pending: Mutex::new(gaps),
            progress: Mutex::default(),
            progressed: Condvar::new(),
            is_closing: false.into(),
            is_hurried: false.into(),
            has_write_error: false.into(),
            recorded: 0.into(),
            indexed: 0.into(),
            last_sync_us: 0.into(),
            sync_failures: 0.into(),
            dropped: Mutex::default(),
            write_error: Mutex::default(),
            index_error: Mutex::default(),
        }
    }

    /// Queues a call where there is room, and drops it where there is none; dropping it drops its receipt.
    pub(super) fn queue(&self, item: Item) {
        let mut queue = lock(&self.queue);
        let bytes = item.frame.len();
        let fits = queue.calls < self.config.queue_calls_max
            && queue.bytes.saturating_add(bytes) <= self.config.queue_bytes_max;
        if fits && !queue.is_closed {
            queue.calls += 1;
            queue.bytes += bytes;
            queue.items.push_back(item);
            drop(queue);
            self.writer.nudge();
        } else {
            let reason = if queue.is_closed { CLOSED_REASON } else { FULL_REASON };
            drop(queue);
            self.drop_call(item.at_ms, reason);
        }
    }

    /// Takes what is queued, up to a batch.
    pub(super) fn take(&self) -> Vec<Item> {
        let mut queue = lock(&self.queue);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while batch.len() < BATCH_CALLS_MAX && bytes < BATCH_BYTES {
            let Some(item) = queue.items.pop_front() else { break };
            bytes += item.frame.len();
            batch.push(item);
        }
        batch
    }

    /// Gives the room of written calls back.
    pub(super) fn release(&self, calls: usize, bytes: usize) {
        let mut queue = lock(&self.queue);
        queue.calls -= calls;
        queue.bytes -= bytes;
    }

    /// Returns whether nothing is queued, and whether nothing will be.
    pub(super) fn queue_state(&self) -> (bool, bool) {
        let queue = lock(&self.queue);
        (queue.items.is_empty(), queue.is_closed)
    }

    /// Answers a call whose frame is with the kernel: at once, or after the next sync.
    pub(super) fn appended(&self, receipt: Option<oneshot::Sender<()>>) {
        match self.config.acknowledge {
            Acknowledge::Kernel => self.answer(receipt),
            Acknowledge::Disk => lock(&self.waiting).extend(receipt),
        }
        self.after_append();
    }

    /// Wakes who has work after frames were appended.
    pub(super) fn after_append(&self) {
        self.syncer.nudge();
        self.indexer.nudge();
        if self.log.wants_file() {
            self.maker.ring();
        }
    }

    /// Tells a caller that its call is recorded.
    pub(super) fn answer(&self, receipt: Option<oneshot::Sender<()>>) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        if let Some(receipt) = receipt {
            // A caller that no longer listens needs no answer.
            receipt.send(()).ok();
        }
    }

    /// Takes the callers that wait for a sync.
    pub(super) fn take_waiting(&self) -> Vec<oneshot::Sender<()>> {
        std::mem::take(&mut lock(&self.waiting))
    }

    /// Returns whether callers wait for a sync.
    pub(super) fn is_awaited(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// Counts a call as dropped and keeps the reason for a gap.
    pub(super) fn drop_call(&self, at_ms: i64, reason: &str) {
        self.count_dropped(1, reason);
        lock(&self.pending).count(at_ms, 1, reason);
        self.indexer.nudge();
    }

    /// Counts calls as dropped whose gap is stored already.
    pub(super) fn count_dropped(&self, calls: u64, reason: &str) {
        let mut dropped = lock(&self.dropped);
        let is_known = dropped.contains_key(reason) || dropped.len() < REASONS_MAX;
        let reason = if is_known { reason } else { "other reasons" };
        *dropped.entry(reason.to_owned()).or_default() += calls;
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        lock(&self.pending)
    }

    /// Returns whether the log took no call the last time; quick to ask.
    pub(super) fn has_write_error(&self) -> bool {
        self.has_write_error.load(Ordering::Relaxed)
    }

    /// Keeps why the log takes no calls, or that it does.
    pub(super) fn set_write_error(&self, error: Option<&str>) {
        self.has_write_error.store(error.is_some(), Ordering::Relaxed);
        let before = std::mem::replace(&mut *lock(&self.write_error), error.map(str::to_owned));
        match (before, error) {
            (None, Some(error)) => {
                tracing::error!(
                    error,
                    "calls cannot be recorded; they are served, counted and missing from the record"
                );
            }
            (Some(_), None) => tracing::info!("calls are recorded again"),
            _ => {}
        }
    }

    /// Keeps why the store takes no calls from the log, or that it does.
    pub(super) fn set_index_error(&self, error: Option<&str>) {
        let before = std::mem::replace(&mut *lock(&self.index_error), error.map(str::to_owned));
        match (before, error) {
            (None, Some(error)) => tracing::error!(error, "the store takes no calls; they are kept in the log"),
            (Some(_), None) => tracing::info!("the store takes calls from the log again"),
            _ => {}
        }
    }

    /// Counts a sync.
    pub(super) fn synced(&self, took: Duration) {
        self.last_sync_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a sync that failed.
    pub(super) fn sync_failed(&self) {
        self.sync_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts calls that are in the tables.
    pub(super) fn count_indexed(&self, calls: u64) {
        self.indexed.fetch_add(calls, Ordering::Relaxed);
    }

    /// Changes how far the tables are, and tells those who wait for that.
    pub(super) fn progress(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.progress));
        self.progressed.notify_all();
    }

    /// Remembers a call in the log that a later one may go on from.
    pub(super) fn keep_lately(&self, id: Option<String>, appended: &Result<u64, Refusal>) {
        if let (Some(id), Ok(number)) = (id, appended) {
            lock(&self.lately).keep(id, *number);
        }
    }

    /// Notes how far the tables are, and tells those who wait for that.
    pub(super) fn moved(&self, position: u64) {
        self.progress(|progress| progress.position = position);
        lock(&self.lately).forget(position);
    }

    /// Returns where a call is that the tables did not have a moment later.
    pub(super) fn place(&self, id: &str) -> Place {
        let is_queued = lock(&self.queue).calls > 0;
        let moved_upto = lock(&self.progress).position;
        match lock(&self.lately).place(id, moved_upto) {
            Place::Nowhere if is_queued => Place::Unknown,
            place => place,
        }
    }

    /// Waits until the tables hold everything that is in the log now; false where they cannot take it.
    pub(super) fn flush(&self) -> bool {
        let wanted = self.log.written();
        let progress = lock(&self.progress);
        let failures = progress.failures;
        self.is_hurried.store(true, Ordering::SeqCst);
        self.indexer.ring();
        let waits =
            |progress: &mut Progress| progress.position < wanted && progress.failures == failures && !progress.is_ended;
        let progress = self.progressed.wait_while(progress, waits).unwrap_or_else(PoisonError::into_inner);
        progress.position >= wanted
    }

    /// Returns whether somebody waits for the tables, and takes note that they are served.
    pub(super) fn take_hurry(&self) -> bool {
        self.is_hurried.swap(false, Ordering::SeqCst)
    }

    /// Returns whether somebody waits for the tables, or for the end.
    pub(super) fn is_hurried(&self) -> bool {
        self.is_hurried.load(Ordering::SeqCst) || self.is_closing()
    }

    /// Takes no more calls; the threads write what is queued and end.
    pub(super) fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.is_closing.store(true, Ordering::SeqCst);
        for bell in [&self.writer, &self.syncer, &self.indexer, &self.maker] {
            bell.ring();
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    pub(super) fn stats(&self) -> RecorderStats {
        let dropped_because = lock(&self.dropped).clone();
        let (log_bytes, log_bytes_in_use) = self.log.bytes();
        let position = lock(&self.progress).position;
        let (write_error, index_error) = (lock(&self.write_error).clone(), lock(&self.index_error).clone());
        RecorderStats {
            recorded: self.recorded.load(Ordering::Relaxed),
            dropped: dropped_because.values().sum(),
            dropped_because,
            queued: lock(&self.queue).calls as u64,
            indexed: self.indexed.load(Ordering::Relaxed),
            index_lag_calls: self.log.written().saturating_sub(position.max(self.log.session() - 1)),
            log_bytes,
            log_bytes_in_use,
            last_sync_us: self.last_sync_us.load(Ordering::Relaxed),
            sync_failures: self.sync_failures.load(Ordering::Relaxed),
            last_error: write_error.or_else(|| index_error.clone()),
            index_error,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
