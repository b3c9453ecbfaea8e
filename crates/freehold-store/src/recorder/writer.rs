//! The writing thread: takes what is queued, commits it as one group, and answers the receipts.
//!
//! A failed group is dropped and counted, not kept: a full disk must not fill the memory too.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use crate::calls::{self, Added};
use crate::gap::Pending;
use crate::interned::Interned;
use crate::recorder::queue::{Item, Message, Shared};
use crate::seal::Seal;
use crate::tally::Tally;

/// The most calls in one commit.
const BATCH_CALLS_MAX: usize = 1024;
/// A commit takes no further call once its calls have this many bytes.
const BATCH_BYTES: usize = 8 << 20;
/// The first and the longest pause between attempts to store a gap while no calls come.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(10);
const TAKEN_REASON: &str = "another call with the same id was recorded before";

pub(super) struct Writer {
    connection: Connection,
    items: Receiver<Message>,
    shared: Arc<Shared>,
    commit_window: Duration,
    interned: Interned,
    retry: Duration,
}

/// What came out of the queue.
enum Taken {
    Batch(Vec<Item>),
    Nothing,
    Ended,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        items: Receiver<Message>,
        shared: Arc<Shared>,
        commit_window: Duration,
        seal: Option<Seal>,
    ) -> Self {
        Self { connection, items, shared, commit_window, interned: Interned::new(seal), retry: RETRY_FIRST }
    }

    /// Writes until the queue has ended and is empty.
    pub(super) fn run(mut self) {
        let mut last_commit: Option<Instant> = None;
        loop {
            match self.take(last_commit) {
                Taken::Batch(batch) => {
                    last_commit = Some(Instant::now());
                    self.write(batch);
                }
                Taken::Nothing => self.write(Vec::new()),
                Taken::Ended => break,
            }
        }
        if !self.shared.pending().is_empty() {
            self.write(Vec::new());
        }
        let lost = self.shared.pending().calls();
        if lost > 0 {
            tracing::error!(calls = lost, "the store could not take the gap of calls that were not recorded");
        }
    }

    /// Waits for a call, then for its companions until a commit window has passed since the last commit.
    fn take(&self, last_commit: Option<Instant>) -> Taken {
        let first = if self.shared.pending().is_empty() {
            self.items.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            self.items.recv_timeout(self.retry)
        };
        let first = match first {
            Ok(Message::Call(first)) => first,
            Ok(Message::Gap) | Err(RecvTimeoutError::Timeout) => return Taken::Nothing,
            Err(RecvTimeoutError::Disconnected) => return Taken::Ended,
        };
        let due = last_commit.map(|last| last + self.commit_window);
        let mut bytes = first.bytes;
        let mut batch = vec![*first];
        while batch.len() < BATCH_CALLS_MAX && bytes < BATCH_BYTES {
            let wait = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
            let next = if wait.is_zero() { self.items.try_recv().ok() } else { self.items.recv_timeout(wait).ok() };
            match next {
                Some(Message::Call(item)) => {
                    bytes += item.bytes;
                    batch.push(*item);
                }
                Some(Message::Gap) => {}
                None => break,
            }
        }
        Taken::Batch(batch)
    }

    /// Commits a batch, together with the gaps that are not stored yet, and answers the receipts.
    fn write(&mut self, batch: Vec<Item>) {
        let gaps = std::mem::take(&mut *self.shared.pending());
        match self.commit(&batch, &gaps) {
            Ok(added) => self.keep(batch, &added),
            Err(error) => self.give_up(batch, gaps, &error.to_string()),
        }
    }

    fn keep(&mut self, batch: Vec<Item>, added: &[Added]) {
        self.retry = RETRY_FIRST;
        // A gap that could be stored does not tell that a call could be.
        if !batch.is_empty() && self.shared.set_last_error(None).is_some() {
            tracing::info!("calls are recorded again");
        }
        for (item, added) in batch.into_iter().zip(added) {
            self.shared.release(&item);
            match added {
                Added::New(_) => self.shared.keep_item(item),
                Added::Present => {
                    self.shared.drop_item(item, TAKEN_REASON);
                }
            }
        }
    }

    fn give_up(&mut self, batch: Vec<Item>, gaps: Pending, error: &str) {
        self.interned.forget();
        if batch.is_empty() {
            self.retry = (self.retry * 2).min(RETRY_LONGEST);
        }
        if self.shared.set_last_error(Some(error.to_owned())).is_none() {
            tracing::error!(error, "calls cannot be recorded; they are served, counted and missing from the record");
        }
        self.shared.pending().restore(gaps);
        for item in batch {
            self.shared.release(&item);
            self.shared.drop_item(item, error);
        }
    }

    fn commit(&mut self, batch: &[Item], gaps: &Pending) -> rusqlite::Result<Vec<Added>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tally = Tally::default();
        let mut outcomes = Vec::with_capacity(batch.len());
        for item in batch {
            let added = calls::add(&transaction, &mut self.interned, &item.call)?;
            if let Added::New(keys) = added {
                tally.count(&item.call, keys);
            }
            outcomes.push(added);
        }
        tally.write(&transaction)?;
        gaps.write(&transaction)?;
        transaction.commit()?;
        Ok(outcomes)
    }
}
