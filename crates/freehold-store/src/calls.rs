//! Calls as rows: written once, read back whole.

use freehold_wire::{Attempt, Call, Failure, Kept, Reference, ReferenceKind, Timings, Usage};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use crate::body::{self, BodyReader, Inserts};
use crate::error::Error;
use crate::interned::Interned;
use crate::step_calls;
use crate::store::Store;
use crate::tally::{Keys, Tally};

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Calls that are new.
    pub added: u64,
    /// Calls whose id was already there, or twice in the batch.
    pub present: u64,
}

/// Whether a call was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It was.
    New,
    /// A call of that id is there.
    Present,
}

const INSERT_CALL: &str = "INSERT INTO call (id, at_ms, step, found_by, api, upstream, model, served_model, run, \
    answered, streamed, status, generation, failure_kind, failure_message, input, cache_read, output, first_byte_us, \
    total_us, reference_kind, reference_value, cache_write, reasoning, is_estimated, key, masked, kept, \
    attempts) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
    ?24, ?25, ?26, ?27, ?28, ?29) \
    ON CONFLICT (id) DO NOTHING";
/// Names are looked up by subqueries: a cached statement with an outer join would be prepared anew each time.
const SELECT_CALL: &str = "SELECT c.id, c.at_ms, (SELECT text FROM name WHERE id = c.api), \
    (SELECT t.name FROM step s JOIN step t ON t.id = coalesce(s.belongs, s.id) WHERE s.id = c.step), \
    (SELECT text FROM name WHERE id = c.found_by), c.run, \
    (SELECT text FROM name WHERE id = c.model), (SELECT text FROM name WHERE id = c.upstream), \
    (SELECT text FROM name WHERE id = c.served_model), c.row, c.streamed, c.status, c.failure_kind, \
    c.failure_message, c.input, c.cache_read, c.cache_write, c.output, c.reasoning, c.is_estimated, c.first_byte_us, \
    c.total_us, c.reference_kind, c.reference_value, c.generation, (SELECT text FROM name WHERE id = c.key), c.masked, \
    c.kept, c.attempts FROM call c WHERE c.row = ?1";
const SELECT_ROW: &str = "SELECT row FROM call WHERE id = ?1";

impl Store {
    /// Returns a call with its bodies.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn call(&self, id: &str) -> Result<Option<Call>, Error> {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(SELECT_ROW).map_err(Error::sql("look for a call"))?;
            statement.query_row([id], |row| row.get(0)).optional().map_err(Error::sql("look for a call"))
        })?;
        found.map_or(Ok(None), |row| self.call_in_row(row))
    }

    /// Returns the call in a row.
    pub(crate) fn call_in_row(&self, row: i64) -> Result<Option<Call>, Error> {
        let doing = "read a call";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(SELECT_CALL).map_err(Error::sql(doing))?;
            let found = statement.query_row([row], |row| Ok(read(connection, self.bodies(), row))).optional();
            found.map_err(Error::sql(doing))?.transpose()
        })
    }
}

/// Adds calls, and their sums at the end, inside the caller's transaction.
pub(crate) struct Adding<'c, 'i> {
    connection: &'c Connection,
    interned: &'i mut Interned,
    insert: CachedStatement<'c>,
    bodies: Inserts<'c>,
    tally: Tally,
}

impl<'c, 'i> Adding<'c, 'i> {
    /// Begins, with everything looked up that is the same for all.
    pub(crate) fn begin(connection: &'c Connection, interned: &'i mut Interned) -> rusqlite::Result<Self> {
        interned.bodies.begin(connection)?;
        let (insert, bodies) = (connection.prepare_cached(INSERT_CALL)?, Inserts::new(connection)?);
        Ok(Self { connection, interned, insert, bodies, tally: Tally::default() })
    }

    /// Adds a call unless its id is there.
    pub(crate) fn add(&mut self, call: &Call) -> rusqlite::Result<Added> {
        let keys = keys(self.connection, self.interned, call)?;
        if insert(&mut self.insert, self.connection, self.interned, (call, keys))? == 0 {
            return Ok(Added::Present);
        }
        let row = self.connection.last_insert_rowid();
        self.interned.bodies.write(self.connection, &mut self.bodies, row, call)?;
        self.tally.count(call, keys);
        Ok(Added::New)
    }

    /// Writes what is kept for all calls together.
    pub(crate) fn finish(self) -> rusqlite::Result<()> {
        self.tally.write(self.connection)?;
        self.interned.bodies.finish(self.connection)?;
        step_calls::enter(self.connection, step_calls::WAITING_MAX)
    }
}

fn insert(
    statement: &mut CachedStatement<'_>,
    connection: &Connection,
    interned: &mut Interned,
    (call, keys): (&Call, Keys),
) -> rusqlite::Result<usize> {
    let found_by = interned.name(connection, &call.step_by)?;
    let model = interned.name(connection, &call.model)?;
    let served_model = call.served_model.as_ref().map(|_| keys.model);
    let usage = call.usage.as_ref();
    let failure = call.failure.as_ref();
    let (masked, kept) = body::kept_columns(&call.kept);
    statement.execute(params![
        call.id,
        call.at_ms,
        keys.step,
        found_by,
        keys.api,
        keys.upstream,
        model,
        served_model,
        call.run,
        is_answered(call),
        call.streamed,
        call.status,
        integer(call.generation),
        failure.map(|failure| &failure.kind),
        failure.map(|failure| &failure.message),
        usage.map(|usage| integer(usage.input)),
        usage.map(|usage| integer(usage.cache_read)),
        usage.map(|usage| integer(usage.output)),
        call.timings.first_byte_us.map(integer),
        integer(call.timings.total_us),
        call.reference.as_ref().map(|reference| reference_number(reference.kind)),
        call.reference.as_ref().map(|reference| reference.value.to_string()),
        usage.map(|usage| integer(usage.cache_write)),
        usage.map(|usage| integer(usage.reasoning)),
        call.is_estimated,
        keys.key,
        masked,
        kept,
        attempts(call),
    ])
}

fn attempts(call: &Call) -> Option<String> {
    let written = || serde_json::to_string(&call.attempts).expect("names, texts and numbers are always JSON");
    (!call.attempts.is_empty()).then(written)
}

/// Returns the numbers under which a call is summed.
fn keys(connection: &Connection, interned: &mut Interned, call: &Call) -> rusqlite::Result<Keys> {
    Ok(Keys {
        step: interned.step(connection, &call.step, &call.step_by)?,
        api: interned.name(connection, call.api.as_str())?,
        upstream: interned.name(connection, &call.upstream)?,
        model: interned.name(connection, call.served_model.as_deref().unwrap_or(&call.model))?,
        key: call.key.as_deref().map(|key| interned.name(connection, key)).transpose()?,
    })
}

/// Returns whether the call has a whole, successful answer. An imported call without a status counts by its failure.
pub(crate) fn is_answered(call: &Call) -> bool {
    !is_failure(call) && !call.response.is_empty()
}

/// Returns whether the call failed.
pub(crate) fn is_failure(call: &Call) -> bool {
    call.failure.is_some() || !(call.status == 0 || (200..300).contains(&call.status))
}

/// Returns the column's value; numbers beyond its range are cut to the largest.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns a column as a count; the store writes none below zero.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn optional_count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|number| u64::try_from(number).unwrap_or(0)))
}

fn reference_number(kind: ReferenceKind) -> i64 {
    match kind {
        ReferenceKind::Incumbent => 0,
        ReferenceKind::Label => 1,
        ReferenceKind::Outcome => 2,
    }
}

/// Returns the kind of reference of a stored number.
pub(crate) fn reference_kind(number: i64) -> Result<ReferenceKind, Error> {
    match number {
        0 => Ok(ReferenceKind::Incumbent),
        1 => Ok(ReferenceKind::Label),
        2 => Ok(ReferenceKind::Outcome),
        _ => Err(Error::Unreadable { what: "a kind of reference", found: number.to_string() }),
    }
}

fn read(connection: &Connection, bodies: &BodyReader, row: &Row<'_>) -> Result<Call, Error> {
    let sql = || Error::sql("read a call");
    let api: String = row.get(2).map_err(sql())?;
    let api = api.parse().map_err(|_| Error::Unreadable { what: "an api", found: api })?;
    let reference = match row.get::<_, Option<i64>>(22).map_err(sql())? {
        Some(number) => Some(read_reference(number, &row.get::<_, String>(23).map_err(sql())?)?),
        None => None,
    };
    let number = row.get(9).map_err(sql())?;
    let instead = body::read_instead(connection, number, row.get(27).map_err(sql())?)?;
    let (request, response) = bodies.read_or(connection, number, instead.as_ref())?;
    let kept = Kept { masked: row.get(26).map_err(sql())?, instead };
    let attempts = read_attempts(row.get(28).map_err(sql())?)?;
    let rest = || -> rusqlite::Result<Call> {
        Ok(Call {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            api,
            step: row.get(3)?,
            step_by: row.get(4)?,
            run: row.get(5)?,
            model: row.get(6)?,
            upstream: row.get(7)?,
            served_model: row.get(8)?,
            request,
            response,
            streamed: row.get(10)?,
            status: row.get(11)?,
            failure: read_failure(row)?,
            usage: read_usage(row)?,
            is_estimated: row.get(19)?,
            timings: Timings { first_byte_us: optional_count(row, 20)?, total_us: count(row, 21)? },
            reference,
            generation: count(row, 24)?,
            key: row.get(25)?,
            attempts,
            kept,
        })
    };
    rest().map_err(sql())
}

fn read_attempts(written: Option<String>) -> Result<Vec<Attempt>, Error> {
    let read = |written: String| serde_json::from_str(&written);
    let unreadable = |error: serde_json::Error| Error::Unreadable { what: "attempts", found: error.to_string() };
    written.map_or(Ok(Vec::new()), read).map_err(unreadable)
}

fn read_failure(row: &Row<'_>) -> rusqlite::Result<Option<Failure>> {
    let Some(kind) = row.get(12)? else { return Ok(None) };
    Ok(Some(Failure { kind, message: row.get(13)? }))
}

/// Calls of before the cache's writes and the reasoning were told apart have none of them.
fn read_usage(row: &Row<'_>) -> rusqlite::Result<Option<Usage>> {
    let Some(input) = optional_count(row, 14)? else { return Ok(None) };
    Ok(Some(Usage {
        input,
        cache_read: count(row, 15)?,
        cache_write: optional_count(row, 16)?.unwrap_or(0),
        output: count(row, 17)?,
        reasoning: optional_count(row, 18)?.unwrap_or(0),
    }))
}

fn read_reference(number: i64, value: &str) -> Result<Reference, Error> {
    let value = serde_json::from_str(value)
        .map_err(|error| Error::Unreadable { what: "a reference", found: error.to_string() })?;
    Ok(Reference { kind: reference_kind(number)?, value })
}
