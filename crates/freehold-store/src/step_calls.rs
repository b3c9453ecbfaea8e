//! Which calls belong to a step, for those who look at one step: entered in large batches, because with many steps each
//! entry lies on a page of its own.

use rusqlite::{Connection, params};

/// How many calls wait to be entered: so many rows are looked through by whoever reads the calls of a step.
pub(crate) const WAITING_MAX: i64 = 32_768;

const SELECT_WAITING: &str = "SELECT call, (SELECT coalesce(max(row), 0) FROM call) FROM step_call_entered";
const ENTER: &str = "INSERT INTO step_call SELECT step, at_ms, row FROM call \
    WHERE row > ?1 AND row <= ?2 AND kept = 0 ORDER BY step, at_ms, row";
const UPDATE_ENTERED: &str = "UPDATE step_call_entered SET call = ?1";

/// Enters the calls that wait, inside the caller's transaction, once they are so many.
pub(crate) fn enter(connection: &Connection, least: i64) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(SELECT_WAITING)?;
    let (entered, last): (i64, i64) = select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if last - entered >= least {
        connection.prepare_cached(ENTER)?.execute(params![entered, last])?;
        connection.prepare_cached(UPDATE_ENTERED)?.execute([last])?;
    }
    Ok(())
}
