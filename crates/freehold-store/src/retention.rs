//! Removes bodies whose time is over, in small batches, and the pieces that nobody refers to any more. Sums stay.
//!
//! Rows of calls stay too, with their tokens, times and step; only what was said goes.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::body::KEPT_NOT_ANY_MORE;
use crate::error::Error;
use crate::step_calls;
use crate::store::Store;

/// How many calls lose their bodies in one transaction: a few milliseconds of the write lock.
const BATCH_CALLS: i64 = 200;

const SELECT_DUE: &str = "SELECT at_ms, call FROM step_call WHERE step = ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT ?3";
const DELETE_DUE: &str = "DELETE FROM step_call WHERE step = ?1 AND at_ms = ?2 AND call = ?3";
const SELECT_STEPS: &str = "SELECT s.id, t.name FROM step s JOIN step t ON t.id = coalesce(s.belongs, s.id)";
const SELECT_WAYS: &str = "SELECT steady, grown FROM body WHERE call = ?1";
const SELECT_IS_CASE: &str =
    "SELECT EXISTS (SELECT 1 FROM replay WHERE \"case\" = (SELECT id FROM call WHERE row = ?1))";
const MARK: &str = "UPDATE call SET kept = ?2, answered = 0 WHERE row = ?1";
const DELETE_BODY: &str = "DELETE FROM body WHERE call = ?1";
const DELETE_WHOLE: &str = "DELETE FROM whole_body WHERE call = ?1";
const LOSE_USE: &str = "UPDATE segment_use SET uses = uses - 1 WHERE segment = ?1";
const DELETE_SINGLE_USE: &str = "DELETE FROM segment_use WHERE segment = ?1 AND uses = 1";
const DELETE_SEGMENT: &str = "DELETE FROM segment WHERE row = ?1 RETURNING parent";
const COUNT_REMOVAL: &str = "UPDATE removal SET times = times + 1";

/// How long bodies are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    /// Of steps that are not named; `None` keeps them for ever.
    pub days: Option<u32>,
    /// Of single steps.
    pub steps: Vec<(String, Option<u32>)>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Calls whose bodies are gone.
    pub calls: u64,
    /// Those of them that an assessment replayed: it can still be read, and no longer be repeated on them.
    pub cases: u64,
    /// Pieces that nobody referred to any more.
    pub segments: u64,
}

const DAY_MS: i64 = 86_400_000;

impl Retention {
    /// Returns whether anything is ever removed.
    pub fn is_limited(&self) -> bool {
        self.days.is_some() || self.steps.iter().any(|(_, days)| days.is_some())
    }

    /// Returns the days of a step.
    fn days_of(&self, step: &str) -> Option<u32> {
        self.steps.iter().find(|(name, _)| name == step).map_or(self.days, |(_, days)| *days)
    }
}

impl Store {
    /// Removes one batch of bodies that are too old at `now_ms`, and returns what went; nothing is left when no call went.
    ///
    /// The oldest go first, a step at a time. Call it again until nothing goes, and let others write in between.
    ///
    /// # Errors
    /// Fails when the store cannot be written; then nothing of the batch was removed.
    pub fn remove_expired(&self, retention: &Retention, now_ms: i64) -> Result<Removed, Error> {
        let doing = "remove bodies whose time is over";
        if !retention.is_limited() {
            return Ok(Removed::default());
        }
        self.write(doing, |transaction| step_calls::enter(transaction, 1).map_err(Error::sql(doing)))?;
        let Some((step, before_ms)) = self.read(|connection| due(connection, retention, now_ms))? else {
            return Ok(Removed::default());
        };
        self.write(doing, |transaction| remove_batch(transaction, step, before_ms).map_err(Error::sql(doing)))
    }

    /// Gives the room of what was removed back to the disk, and writes the file anew without gaps; nobody else can write
    /// meanwhile.
    ///
    /// # Errors
    /// Fails when the store cannot be written, or the disk has no room for a second file.
    pub fn compact(&self) -> Result<(), Error> {
        let doing = "compact the store";
        self.read(|connection| {
            connection.execute_batch("VACUUM").map_err(Error::sql(doing))?;
            let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
            connection.query_row(truncate, [], |_| Ok(())).map_err(Error::sql(doing))
        })
    }
}

/// Returns a step that has a body to remove, and the time before which it has.
fn due(connection: &Connection, retention: &Retention, now_ms: i64) -> Result<Option<(i64, i64)>, Error> {
    let sql = || Error::sql("look for bodies whose time is over");
    let mut statement = connection.prepare_cached(SELECT_STEPS).map_err(sql())?;
    let steps = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    for step in steps.map_err(sql())? {
        let (step, name) = step.map_err(sql())?;
        let Some(days) = retention.days_of(&name) else { continue };
        let before_ms = now_ms.saturating_sub(i64::from(days) * DAY_MS);
        let mut first = connection.prepare_cached(SELECT_DUE).map_err(sql())?;
        let found = first.query_row(params![step, before_ms, 1], |row| row.get::<_, i64>(0)).optional();
        if found.map_err(sql())?.is_some() {
            return Ok(Some((step, before_ms)));
        }
    }
    Ok(None)
}

fn remove_batch(transaction: &Transaction<'_>, step: i64, before_ms: i64) -> rusqlite::Result<Removed> {
    let mut select = transaction.prepare_cached(SELECT_DUE)?;
    let due = select.query_map(params![step, before_ms, BATCH_CALLS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let due = due.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let mut removed = Removed::default();
    for (at_ms, row) in due {
        transaction.prepare_cached(DELETE_DUE)?.execute([step, at_ms, row])?;
        let is_case: bool = transaction.prepare_cached(SELECT_IS_CASE)?.query_row([row], |row| row.get(0))?;
        removed.calls += 1;
        removed.cases += u64::from(is_case);
        removed.segments += remove_bodies(transaction, row)?;
    }
    transaction.prepare_cached(COUNT_REMOVAL)?.execute([])?;
    Ok(removed)
}

/// Removes the bodies of the call in that row, and returns how many segments went with them.
fn remove_bodies(transaction: &Transaction<'_>, row: i64) -> rusqlite::Result<u64> {
    let mut select = transaction.prepare_cached(SELECT_WAYS)?;
    let ways = select.query_row([row], |row| Ok([row.get::<_, Option<i64>>(0)?, row.get(1)?])).optional()?;
    transaction.prepare_cached(DELETE_BODY)?.execute([row])?;
    transaction.prepare_cached(DELETE_WHOLE)?.execute([row])?;
    transaction.prepare_cached(MARK)?.execute(params![row, KEPT_NOT_ANY_MORE])?;
    let mut segments = 0;
    for way in ways.into_iter().flatten() {
        let mut next = way;
        while let Some(segment) = next {
            if transaction.prepare_cached(LOSE_USE)?.execute([segment])? == 1 {
                transaction.prepare_cached(DELETE_SINGLE_USE)?.execute([segment])?;
                break;
            }
            let mut delete = transaction.prepare_cached(DELETE_SEGMENT)?;
            let Some(parent) = delete.query_row([segment], |row| row.get(0)).optional()? else { break };
            segments += 1;
            next = parent;
        }
    }
    Ok(segments)
}
