//! How long calls were and when they ran: what a server of a model must hold.

use rusqlite::{Connection, params};

use crate::error::Error;
use crate::store::Store;

/// The size and the time of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How long it took, in microseconds; 0 where that is not known.
    pub total_us: u64,
    /// Tokens of its prompt and its answer together, where both are known.
    pub tokens: Option<u64>,
}

const SELECT: &str = "SELECT at_ms, total_us, input + output FROM call ORDER BY row DESC LIMIT ?1";
const SELECT_STEP: &str = "SELECT at_ms, total_us, input + output FROM call \
    WHERE step IN (SELECT id FROM step WHERE name = ?2 UNION ALL SELECT s.id FROM step t JOIN step s ON s.belongs = t.id \
    WHERE t.name = ?2) ORDER BY row DESC LIMIT ?1";

impl Store {
    /// Returns the newest calls, of one step or of all, at most so many, in no order.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn loads(&self, step: Option<&str>, calls_max: u32) -> Result<Vec<Load>, Error> {
        self.read(|connection| match step {
            Some(step) => read(connection, SELECT_STEP, params![calls_max, step]),
            None => read(connection, SELECT, params![calls_max]),
        })
    }
}

fn read(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Load>, Error> {
    let doing = "read how long calls were";
    let mut statement = connection.prepare_cached(sql).map_err(Error::sql(doing))?;
    let rows = statement.query_map(values, |row| {
        let known = |number: i64| u64::try_from(number).ok();
        Ok(Load {
            at_ms: row.get(0)?,
            total_us: known(row.get(1)?).unwrap_or(0),
            tokens: row.get::<_, Option<i64>>(2)?.and_then(known),
        })
    });
    rows.and_then(Iterator::collect).map_err(Error::sql(doing))
}
