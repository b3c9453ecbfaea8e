//! Reads every call that is chosen, in the order in which they were kept, a page at a time.

use freehold_wire::Call;
use rusqlite::{OptionalExtension, params};

use crate::error::Error;
use crate::store::Store;

/// The calls that are chosen; by default all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Only those of this step.
    pub step: Option<String>,
    /// Only those that began then or later, in milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// Only those that began before.
    pub until_ms: i64,
}

/// How many rows are looked up at once.
const PAGE_CALLS: usize = 256;

const SELECT_PAGE: &str = "SELECT row FROM call WHERE row > ?1 AND (?2 IS NULL OR step = ?2 \
    OR step IN (SELECT id FROM step WHERE belongs = ?2)) AND at_ms >= ?3 AND at_ms < ?4 \
    ORDER BY row LIMIT ?5";

impl Default for Selection {
    fn default() -> Self {
        Self { step: None, since_ms: i64::MIN, until_ms: i64::MAX }
    }
}

impl Store {
    /// Hands every chosen call to `each` and returns how many there were; calls that come meanwhile may be among them.
    ///
    /// Memory holds one call at a time, and others may write between two of them.
    ///
    /// # Errors
    /// Fails when the store cannot be read, and with what `each` fails with.
    pub fn export<E: From<Error>>(
        &self,
        selection: &Selection,
        mut each: impl FnMut(Call) -> Result<(), E>,
    ) -> Result<u64, E> {
        let Some(step) = self.step_number(selection)? else { return Ok(0) };
        let (mut exported, mut after) = (0, i64::MIN);
        loop {
            let rows = self.page(selection, step, after)?;
            for row in &rows {
                if let Some(call) = self.call_in_row(*row)? {
                    each(call)?;
                    exported += 1;
                }
            }
            match rows.last() {
                Some(last) => after = *last,
                None => return Ok(exported),
            }
        }
    }

    /// Returns the number of the chosen step: `Some(None)` where all are chosen, `None` where there is no such step.
    fn step_number(&self, selection: &Selection) -> Result<Option<Option<i64>>, Error> {
        let Some(name) = &selection.step else { return Ok(Some(None)) };
        let select = "SELECT id FROM step WHERE name = ?1";
        let found = self.read(|connection| {
            connection.query_row(select, [name], |row| row.get(0)).optional().map_err(Error::sql("look for a step"))
        })?;
        Ok(found.map(Some))
    }

    fn page(&self, selection: &Selection, step: Option<i64>, after: i64) -> Result<Vec<i64>, Error> {
        let values = params![after, step, selection.since_ms, selection.until_ms, PAGE_CALLS as i64];
        self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<i64>> {
                connection.prepare_cached(SELECT_PAGE)?.query_map(values, |row| row.get(0))?.collect()
            };
            read().map_err(Error::sql("choose the calls to export"))
        })
    }
}
