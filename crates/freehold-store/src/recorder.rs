//! Records calls: into the log at once, into the store's tables a little later, with a receipt for each.
//!
//! Offering a call takes some microseconds and never waits for the disk's queue. What cannot be taken is counted and
//! becomes a gap.

mod bell;
mod indexer;
mod lately;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use freehold_wire::{Api, Call};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::keeping::Keeping;
use crate::log::mover::{self, Mover};
use crate::log::{Folder, Log, Making, Options, Refusal, State, this_boot};
use crate::recorder::indexer::Indexer;
use crate::recorder::lately::Place;
use crate::recorder::shared::{Item, Shared};
use crate::seal::Seal;
use crate::store::Store;

/// When a call counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// When the kernel has it: it outlives this process, however that ends, and a power cut once the window is over.
    #[default]
    Kernel,
    /// When it is on the disk.
    Disk,
}

/// How much a recorder may hold, and when a call counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderConfig {
    /// The most calls that wait for the log.
    pub queue_calls_max: usize,
    /// The most bytes that these calls may take.
    pub queue_bytes_max: usize,
    /// When a call counts as recorded.
    pub acknowledge: Acknowledge,
    /// How long the log may hold what is not on the disk, where nobody waits for that.
    pub sync_window: Duration,
    /// The most bytes of the log: what it holds while the store takes no calls.
    pub log_bytes_max: u64,
    /// The size of a file of the log, once it has grown.
    pub segment_bytes: u64,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            queue_calls_max: 10_000,
            queue_bytes_max: 64 << 20,
            acknowledge: Acknowledge::Kernel,
            sync_window: Duration::from_millis(20),
            log_bytes_max: 4 << 30,
            segment_bytes: 16 << 20,
        }
    }
}

/// What a recorder did so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecorderStats {
    /// Calls that are recorded.
    pub recorded: u64,
    /// Calls that were dropped.
    pub dropped: u64,
    /// The same by reason.
    pub dropped_because: BTreeMap<String, u64>,
    /// Calls that wait for the log.
    pub queued: u64,
    /// Calls that were moved from the log into the store's tables.
    pub indexed: u64,
    /// Calls that were not yet.
    pub index_lag_calls: u64,
    /// The bytes of the log's files.
    pub log_bytes: u64,
    /// The bytes of those of them with calls that are not known to be in the tables.
    pub log_bytes_in_use: u64,
    /// How long it last took to bring the log to the disk, in microseconds.
    pub last_sync_us: u64,
    /// How often that failed.
    pub sync_failures: u64,
    /// Why the store's tables take no calls from the log; `None` once they do.
    pub index_error: Option<String>,
    /// Why the last write to the log or the tables failed; `None` once both work again.
    pub last_error: Option<String>,
}

/// Records calls; clones share it.
///
/// When the last clone is dropped everything that was taken is written, and the threads end; `close` waits for that.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    shared: Arc<Shared>,
    options: Options,
    keeping: ArcSwap<Keeping>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The promise of an outcome for one recorded call.
#[derive(Debug)]
#[must_use = "the outcome of recording a call is only known through its receipt"]
pub struct Receipt {
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Known(bool),
    Awaited(oneshot::Receiver<()>),
}

/// How long a process that is ending may still hold the log.
const TAKE_WAIT: Duration = Duration::from_secs(3);
const TAKE_RETRY: Duration = Duration::from_millis(20);
/// A frame's buffer that has grown beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 1 << 20;
const TOO_LARGE_REASON: &str = "the call is too large to be recorded, or could not be sealed";
/// The threads need little: their buffers are on the heap.
const STACK_BYTES: usize = 512 << 10;

thread_local! {
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Recorder {
    /// Takes the log of the home folder and starts the threads.
    pub(crate) fn start(
        store: Store,
        connection: Connection,
        config: RecorderConfig,
        (seal, keeping): (Option<Seal>, Keeping),
    ) -> Result<Self, Error> {
        let database = store.path();
        let home = database.parent().unwrap_or(Path::new("."));
        let fail = |source| Error::Log { path: home.to_owned(), source };
        let folder = take(home)?;
        let position = mover::position(&connection).map_err(Error::sql("read the position of the log"))?;
        let gaps = mover::cut(&connection, &folder.state()).map_err(Error::sql("read the last call"))?;
        let options = Options {
            bytes_max: config.log_bytes_max,
            segment_bytes: config.segment_bytes,
            making: match config.acknowledge {
                Acknowledge::Kernel => Making::Reserved,
                Acknowledge::Disk => Making::Filled,
            },
            seal: seal.clone(),
        };
        let log = Log::open(folder, options.clone(), position).map_err(fail)?;
        match log.folder().set_state(&State::Open(this_boot())) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                tracing::warn!("the disk is full: a power cut may go unnoticed, and calls cannot be recorded");
            }
            outcome => outcome.map_err(fail)?,
        }
        let shared = Arc::new(Shared::new(log, config, gaps));
        let indexer = Indexer::new(connection, Arc::clone(&shared), Mover::new(position, database, seal));
        let thread = start_threads(&shared, indexer).inspect_err(|_| shared.close()).map_err(Error::Thread)?;
        let (keeping, thread) = (ArcSwap::from_pointee(keeping), Mutex::new(Some(thread)));
        Ok(Self { inner: Arc::new(Inner { store, shared, options, keeping, thread }) })
    }

    /// Records a call; takes some microseconds, never waits for another caller, and may be called from async code.
    ///
    /// A call that finds another being written is queued. One that finds the queue full is dropped and counted, and its
    /// receipt says so.
    pub fn record(&self, mut call: Call) -> Receipt {
        self.inner.keeping.load().apply(&mut call);
        FRAME.with_borrow_mut(|frame| {
            let shared = &self.inner.shared;
            let at_ms = call.at_ms;
            if !self.inner.options.write(&call, frame) {
                shared.drop_call(at_ms, TOO_LARGE_REASON);
                return Receipt { outcome: Outcome::Known(false) };
            }
            let id = (call.api == Api::OpenAiResponses).then_some(call.id);
            let appended = shared.log.try_append(frame);
            if appended == Err(Refusal::Busy) {
                let (receipt, outcome) = oneshot::channel();
                shared.queue(Item { frame: std::mem::take(frame), at_ms, id, receipt });
                return Receipt { outcome: Outcome::Awaited(outcome) };
            }
            shared.keep_lately(id, &appended);
            let receipt = match appended {
                Ok(_) if shared.config.acknowledge == Acknowledge::Disk => {
                    let (receipt, outcome) = oneshot::channel();
                    writer::settle(shared, at_ms, Ok(Some(receipt)));
                    Receipt { outcome: Outcome::Awaited(outcome) }
                }
                outcome => {
                    let known = Outcome::Known(outcome.is_ok());
                    writer::settle(shared, at_ms, outcome.map(|_| None));
                    Receipt { outcome: known }
                }
            };
            if frame.capacity() > BUFFER_BYTES_KEPT {
                *frame = Vec::new();
            }
            receipt
        })
    }

    /// Puts other rules of what is kept in force, for the calls that are recorded from now on.
    pub fn keep(&self, keeping: Keeping) {
        self.inner.keeping.store(Arc::new(keeping));
    }

    /// Returns what was done so far.
    pub fn stats(&self) -> RecorderStats {
        self.inner.shared.stats()
    }

    /// Waits until every call that was recorded can be read from the store; blocks. False where the store takes none.
    pub fn flush(&self) -> bool {
        self.inner.shared.flush()
    }

    /// Returns a recorded call of the Responses dialect, also one that is still on its way to the tables; blocks.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Call>, Error> {
        let Inner { store, shared, .. } = &*self.inner;
        // Asked before the tables are, so that a call that is moved meanwhile is found in one of both.
        let place = shared.place(id);
        if let Some(found) = store.call(id)? {
            return Ok(Some(found));
        }
        match place {
            Place::Nowhere => return Ok(None),
            Place::Log(number) => match shared.log.call(number) {
                Ok(Some(found)) if found.id == id => return Ok(Some(found)),
                // Its file may have been used again, for which the tables must have the call.
                outcome => tracing::debug!(?outcome, "a call was moved while it was looked for"),
            },
            Place::Unknown => {
                self.flush();
            }
        }
        store.call(id)
    }

    /// Takes no more calls, writes what is queued, and waits for the threads to end; blocks.
    pub fn close(&self) {
        self.inner.shared.close();
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the recorder's thread had panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Receipt {
    /// Returns true once the call is recorded, false when it was dropped.
    ///
    /// Dropping the future loses the answer and changes nothing about the call.
    pub async fn committed(self) -> bool {
        match self.outcome {
            Outcome::Known(is_recorded) => is_recorded,
            Outcome::Awaited(outcome) => outcome.await.is_ok(),
        }
    }

    /// Waits for the outcome like `committed`, blocking the thread; not for async code.
    pub fn wait(self) -> bool {
        match self.outcome {
            Outcome::Known(is_recorded) => is_recorded,
            Outcome::Awaited(outcome) => outcome.blocking_recv().is_ok(),
        }
    }
}

/// Takes the log's folder, and waits a little for one who is about to leave it.
fn take(home: &Path) -> Result<Folder, Error> {
    let begun = Instant::now();
    loop {
        match Folder::take(home).map_err(|source| Error::Log { path: home.to_owned(), source })? {
            Some(folder) => return Ok(folder),
            None if begun.elapsed() > TAKE_WAIT => return Err(Error::Recording { path: home.to_owned() }),
            None => std::thread::park_timeout(TAKE_RETRY),
        }
    }
}

/// Starts the threads; the one that is returned ends last.
fn start_threads(shared: &Arc<Shared>, indexer: Indexer) -> std::io::Result<JoinHandle<()>> {
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    let of = || Arc::clone(shared);
    let (makes, writes, syncs) = (of(), of(), of());
    let maker = thread("freehold-files").spawn(move || writer::make(&makes))?;
    let writer = thread("freehold-log").spawn(move || writer::write(&writes))?;
    let syncer = thread("freehold-sync").spawn(move || writer::sync(&syncs, writer))?;
    std::thread::Builder::new().name("freehold-index".to_owned()).spawn(move || indexer.run(vec![maker, syncer]))
}
