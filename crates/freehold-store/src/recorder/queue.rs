//! The bounded way from the callers to the writing thread, and the counts that both share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};

use freehold_wire::Call;
use tokio::sync::oneshot;

use crate::gap::Pending;
use crate::recorder::{RecorderConfig, RecorderStats};

/// What the writing thread is told.
pub(super) enum Message {
    /// A call to write.
    Call(Box<Item>),
    /// A gap is waiting to be stored.
    Gap,
}

/// A call on its way to the writing thread.
pub(super) struct Item {
    pub(super) call: Call,
    pub(super) bytes: usize,
    pub(super) receipt: oneshot::Sender<()>,
}

/// The callers' end of the queue.
pub(super) struct Queue {
    sender: RwLock<Option<mpsc::Sender<Message>>>,
    shared: Arc<Shared>,
    calls_max: usize,
    bytes_max: usize,
}

/// What callers and the writing thread both count.
#[derive(Default)]
pub(super) struct Shared {
    calls: AtomicUsize,
    bytes: AtomicUsize,
    recorded: AtomicU64,
    dropped: AtomicU64,
    last_error: Mutex<Option<String>>,
    pending: Mutex<Pending>,
}

const FULL_REASON: &str = "the recorder's queue was full";
const CLOSED_REASON: &str = "the recorder was closed";
/// What a call takes beside its texts, roughly.
const CALL_BYTES: usize = 512;

impl Queue {
    pub(super) fn new(config: RecorderConfig) -> (Self, mpsc::Receiver<Message>) {
        let (sender, items) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let (calls_max, bytes_max) = (config.queue_calls_max, config.queue_bytes_max);
        (Self { sender: RwLock::new(Some(sender)), shared, calls_max, bytes_max }, items)
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Queues a call where there is room, and drops it where there is none.
    pub(super) fn offer(&self, call: Call) -> oneshot::Receiver<()> {
        let (receipt, outcome) = oneshot::channel();
        let bytes = size(&call);
        let item = Item { call, bytes, receipt };
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_ref() else {
            self.shared.drop_item(item, CLOSED_REASON);
            return outcome;
        };
        if !self.reserve(bytes) {
            if self.shared.drop_item(item, FULL_REASON) {
                // A writing thread that is gone stores no gap; `close` has said so.
                drop(sender.send(Message::Gap));
            }
        } else if let Err(mpsc::SendError(Message::Call(item))) = sender.send(Message::Call(Box::new(item))) {
            self.shared.release(&item);
            self.shared.drop_item(*item, CLOSED_REASON);
        }
        outcome
    }

    /// Ends the queue; the writing thread sees it after the last queued call.
    pub(super) fn close(&self) {
        self.sender.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn reserve(&self, bytes: usize) -> bool {
        let calls_before = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let bytes_before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = calls_before < self.calls_max && bytes_before.saturating_add(bytes) <= self.bytes_max;
        if !fits {
            self.shared.calls.fetch_sub(1, Ordering::Relaxed);
            self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Shared {
    pub(super) fn stats(&self) -> RecorderStats {
        RecorderStats {
            recorded: self.recorded.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            queued: self.calls.load(Ordering::Relaxed) as u64,
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps why the last write failed, or that it did not, and returns what was kept before.
    pub(super) fn set_last_error(&self, error: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.last_error.lock().unwrap_or_else(PoisonError::into_inner), error)
    }

    /// Gives the room of a queued call back.
    pub(super) fn release(&self, item: &Item) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(item.bytes, Ordering::Relaxed);
    }

    /// Tells the caller that its call is durable.
    pub(super) fn keep_item(&self, item: Item) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        // A caller that no longer listens needs no answer.
        item.receipt.send(()).ok();
    }

    /// Counts a call as dropped, keeps the reason for a gap, and tells the caller by dropping its receipt.
    ///
    /// Returns whether no gap was waiting before.
    pub(super) fn drop_item(&self, item: Item, reason: &str) -> bool {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let mut pending = self.pending();
        let is_first = pending.is_empty();
        pending.count(&item.call, reason);
        drop((pending, item));
        is_first
    }
}

fn size(call: &Call) -> usize {
    let texts = call.id.len() + call.step.len() + call.model.len() + call.run.as_ref().map_or(0, String::len);
    CALL_BYTES + texts + call.request.len() + call.response.len()
}
