//! Moves calls from the log into the store's tables, many in one transaction, each of them once.
//!
//! The position in the log is written in the transaction that adds the calls, so a crash at any moment repeats nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use freehold_wire::Call;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::calls::{Added, Adding, integer};
use crate::gap::Pending;
use crate::interned::Interned;
use crate::log::call::Unreadable;
use crate::log::cursor::Cursor;
use crate::log::{Log, State, this_boot};
use crate::seal::Seal;

/// The most calls of one transaction.
const BATCH_CALLS_MAX: usize = 4_000;
/// A transaction takes no further call once the frames of its calls have this many bytes.
const BATCH_BYTES: usize = 8 << 20;
const SELECT_POSITION: &str = "SELECT sequence FROM log_position";
const SELECT_LAST: &str = "SELECT max(last_at_ms) FROM step WHERE calls > 0";
const UPDATE_POSITION: &str = "UPDATE log_position SET sequence = ?1";
const TAKEN_REASON: &str = "another call with the same id was recorded before";
const UNREADABLE_REASON: &str = "the log held a call that this version cannot read";
const REFUSED_REASON: &str = "the store cannot hold the call";
const CUT_REASON: &str = "the machine stopped: calls of the last moment before may be missing";
const LOST_REASON: &str = "the log lost calls: the machine stopped, or its disk is damaged";

/// Why calls could not be moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store's file.
    #[error("could not write the store: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The log.
    #[error("could not read the log: {0}")]
    Log(#[from] io::Error),
    /// The calls are sealed, and the key to them was not given.
    #[error("the log is sealed with a key that was not given")]
    Sealed,
}

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Calls that are in the tables now.
    pub(crate) calls: u64,
    /// Calls that are not, because their id was taken or they cannot be read or held.
    pub(crate) refused: u64,
}

/// The way from a log to the tables.
pub(crate) struct Mover {
    position: u64,
    cursor: Option<Cursor>,
    /// The last segment that was read to its end.
    passed: u64,
    interned: Interned,
    batch: Batch,
    /// The file in which SQLite keeps what it has committed and not moved to its place.
    committed: PathBuf,
    last_at_ms: Option<i64>,
}

/// Calls that were read from the log and are not in the tables.
#[derive(Default)]
struct Batch {
    calls: Vec<Logged>,
    bytes: usize,
    /// Where the log is once these are in the tables.
    position: u64,
    lost: Pending,
}

struct Logged {
    call: Call,
    /// Whether an earlier process wrote it: then it may be in the tables already, by an older copy of these.
    is_left: bool,
}

/// Reads up to where the log is in the tables.
pub(crate) fn position(connection: &Connection) -> rusqlite::Result<u64> {
    let position: i64 = connection.query_row(SELECT_POSITION, [], |row| row.get(0))?;
    Ok(u64::try_from(position).unwrap_or(0))
}

/// Returns the gap that is to be stored where the machine stopped while calls were recorded.
///
/// How many calls are missing cannot be told where no later one was kept, so the row counts none.
pub(crate) fn cut(connection: &Connection, left: &State) -> rusqlite::Result<Pending> {
    let mut gaps = Pending::default();
    let here = this_boot();
    if matches!(left, State::Open(boot) if *boot != here && boot != "unknown" && here != "unknown") {
        let last: Option<i64> = connection.query_row(SELECT_LAST, [], |row| row.get(0))?;
        gaps.count(last.unwrap_or(0), 0, CUT_REASON);
    }
    Ok(gaps)
}

impl Mover {
    /// Begins at a position of the tables in the file at `database`.
    pub(crate) fn new(position: u64, database: &Path, seal: Option<Seal>) -> Self {
        let mut committed = database.as_os_str().to_owned();
        committed.push("-wal");
        Self {
            position,
            cursor: None,
            passed: 0,
            interned: Interned::new(seal),
            batch: Batch { position, ..Batch::default() },
            committed: committed.into(),
            last_at_ms: None,
        }
    }

    /// Returns the number up to which frames are in the tables.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Moves a batch of calls together with gaps that wait to be stored, which it takes; returns how many it moved,
    /// `None` once nothing is left. What could not be moved is kept and tried again by the next call.
    pub(crate) fn advance(
        &mut self,
        connection: &mut Connection,
        log: &Log,
        gaps: &mut Pending,
    ) -> Result<Option<Moved>, Error> {
        self.gather(log)?;
        if self.batch.position == self.position && gaps.is_empty() && self.batch.lost.is_empty() {
            return Ok(None);
        }
        match self.commit(connection, gaps) {
            Ok(moved) => {
                *gaps = Pending::default();
                self.position = self.batch.position;
                self.batch = Batch { position: self.position, ..Batch::default() };
                self.reuse(log)?;
                Ok(Some(moved))
            }
            Err(error) => {
                self.interned.forget();
                Err(error.into())
            }
        }
    }

    /// Makes sure that a power cut cannot take back what was moved.
    pub(crate) fn settle(&self) -> io::Result<()> {
        match File::options().write(true).open(&self.committed) {
            Ok(committed) => committed.sync_data(),
            // SQLite has moved all of it to its place, which it does durably, and removed the file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets the log use those files again whose calls are in the tables durably.
    fn reuse(&self, log: &Log) -> io::Result<()> {
        if log.shelf.has_done(self.position) {
            self.settle()?;
            log.shelf.retire(self.position);
        }
        Ok(())
    }

    /// Reads from the log until the batch is full or nothing is left.
    fn gather(&mut self, log: &Log) -> Result<(), Error> {
        while self.batch.calls.len() < BATCH_CALLS_MAX && self.batch.bytes < BATCH_BYTES {
            let begun = self.cursor.take().or_else(|| log.shelf.after(self.passed).map(Cursor::new));
            let Some(mut cursor) = begun else { break };
            // Asked before the frame is, so that a full segment without a next frame is at its end.
            let is_full = cursor.segment().is_full();
            if self.take(&mut cursor, log)? {
                self.cursor = Some(cursor);
            } else if is_full {
                cursor.segment().set_last(cursor.last());
                self.passed = cursor.segment().head.number;
            } else {
                self.cursor = Some(cursor);
                break;
            }
        }
        Ok(())
    }

    /// Takes the next frame into the batch; returns whether there was one.
    fn take(&mut self, cursor: &mut Cursor, log: &Log) -> Result<bool, Error> {
        let session = cursor.segment().head.session;
        let Some(frame) = cursor.next()? else { return Ok(false) };
        if frame.sequence <= self.batch.position {
            return Ok(true);
        }
        let read = log.options.read(frame.bytes);
        if matches!(read, Err(Unreadable::Sealed)) {
            cursor.rewind();
            return Err(Error::Sealed);
        }
        let at_ms = read.as_ref().ok().map(|call| call.at_ms).or(self.last_at_ms);
        let lost = frame.sequence.saturating_sub((self.batch.position + 1).max(session));
        if lost > 0 {
            self.batch.lost.count(self.last_at_ms.or(at_ms).unwrap_or(0), lost, LOST_REASON);
        }
        self.batch.bytes += frame.bytes.len();
        self.batch.position = frame.sequence;
        self.last_at_ms = at_ms;
        match read {
            Ok(call) => self.batch.calls.push(Logged { call, is_left: session != log.session() }),
            Err(error) => {
                tracing::error!(%error, "the log holds a call that cannot be read");
                self.batch.lost.count(at_ms.unwrap_or(0), 1, UNREADABLE_REASON);
            }
        }
        Ok(true)
    }

    fn commit(&mut self, connection: &mut Connection, gaps: &Pending) -> rusqlite::Result<Moved> {
        match self.write(connection, gaps, &Pending::default()) {
            Err(error) if is_of_one_call(&error) => {
                let refused = self.find_refused(connection)?;
                self.write(connection, gaps, &refused)
            }
            outcome => outcome,
        }
    }

    /// Takes the calls out of the batch that the store cannot hold, such as one beyond the size of a row.
    fn find_refused(&mut self, connection: &mut Connection) -> rusqlite::Result<Pending> {
        let mut refused = Pending::default();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut kept = Vec::with_capacity(self.batch.calls.len());
        let mut adding = Adding::begin(&transaction, &mut self.interned)?;
        for logged in std::mem::take(&mut self.batch.calls) {
            match adding.add(&logged.call) {
                Err(error) if is_of_one_call(&error) => {
                    tracing::error!(%error, "a call is missing from the record");
                    refused.count(logged.call.at_ms, 1, REFUSED_REASON);
                }
                // What else goes wrong comes up again where all are written.
                _ => kept.push(logged),
            }
        }
        drop(adding);
        self.batch.calls = kept;
        self.interned.forget();
        transaction.rollback()?;
        Ok(refused)
    }

    fn write(&mut self, connection: &mut Connection, gaps: &Pending, refused: &Pending) -> rusqlite::Result<Moved> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut adding = Adding::begin(&transaction, &mut self.interned)?;
        let mut taken = Pending::default();
        let mut moved = Moved { calls: 0, refused: refused.calls() };
        for logged in &self.batch.calls {
            match adding.add(&logged.call)? {
                Added::New => moved.calls += 1,
                Added::Present if logged.is_left => {}
                Added::Present => {
                    moved.refused += 1;
                    taken.count(logged.call.at_ms, 1, TAKEN_REASON);
                }
            }
        }
        adding.finish()?;
        for pending in [gaps, refused, &taken, &self.batch.lost] {
            pending.write(&transaction)?;
        }
        transaction.prepare_cached(UPDATE_POSITION)?.execute([integer(self.batch.position)])?;
        transaction.commit()?;
        Ok(moved)
    }
}

/// Returns whether the error is about the content of a row and not about the store.
fn is_of_one_call(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}
