//! What was not recorded: counted while the store cannot be written, stored as soon as it can.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::calls::{count, integer};
use crate::error::Error;
use crate::store::Store;

/// Calls that were served and not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// When the first of them began, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// When the last of them began, in milliseconds since the Unix epoch.
    pub to_ms: i64,
    /// How many they are.
    pub calls: u64,
    /// Why they were not recorded.
    pub reason: String,
}

/// Gaps of the same reason that follow each other this closely are one row.
const JOINED_MS: i64 = 1_000;
/// The most reasons that are told apart while the store cannot be written.
const REASONS_MAX: usize = 16;
const OTHER_REASON: &str = "other reasons";

const EXTEND: &str = "UPDATE gap SET from_ms = min(from_ms, ?1), to_ms = max(to_ms, ?2), calls = calls + ?3 \
    WHERE id = (SELECT max(id) FROM gap WHERE reason = ?4) AND ?1 <= to_ms + ?5 AND ?2 >= from_ms - ?5";
const INSERT: &str = "INSERT INTO gap (from_ms, to_ms, calls, reason) VALUES (?1, ?2, ?3, ?4)";

/// Gaps that are not stored yet, by reason.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    gaps: BTreeMap<String, Gap>,
}

impl Pending {
    /// Counts calls that began at that time and are not recorded.
    pub(crate) fn count(&mut self, at_ms: i64, calls: u64, reason: &str) {
        self.join(Gap { from_ms: at_ms, to_ms: at_ms, calls, reason: reason.to_owned() });
    }

    /// Takes back gaps that could not be written.
    pub(crate) fn restore(&mut self, other: Pending) {
        other.gaps.into_values().for_each(|gap| self.join(gap));
    }

    /// Returns whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Returns how many calls are counted.
    pub(crate) fn calls(&self) -> u64 {
        self.gaps.values().map(|gap| gap.calls).sum()
    }

    /// Writes the gaps inside the caller's transaction.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        for gap in self.gaps.values() {
            let calls = integer(gap.calls);
            let values = params![gap.from_ms, gap.to_ms, calls, gap.reason, JOINED_MS];
            if connection.prepare_cached(EXTEND)?.execute(values)? == 0 {
                connection.prepare_cached(INSERT)?.execute(params![gap.from_ms, gap.to_ms, calls, gap.reason])?;
            }
        }
        Ok(())
    }

    fn join(&mut self, mut gap: Gap) {
        if !self.gaps.contains_key(&gap.reason) && self.gaps.len() >= REASONS_MAX {
            OTHER_REASON.clone_into(&mut gap.reason);
        }
        match self.gaps.get_mut(&gap.reason) {
            Some(known) => {
                known.from_ms = known.from_ms.min(gap.from_ms);
                known.to_ms = known.to_ms.max(gap.to_ms);
                known.calls += gap.calls;
            }
            None => {
                self.gaps.insert(gap.reason.clone(), gap);
            }
        }
    }
}

impl Store {
    /// Returns the gaps in the record, in the order in which they were stored.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn gaps(&self) -> Result<Vec<Gap>, Error> {
        self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<Gap>> {
                connection
                    .prepare_cached("SELECT from_ms, to_ms, calls, reason FROM gap ORDER BY id")?
                    .query_map([], |row| {
                        Ok(Gap { from_ms: row.get(0)?, to_ms: row.get(1)?, calls: count(row, 2)?, reason: row.get(3)? })
                    })?
                    .collect()
            };
            read().map_err(Error::sql("read the gaps"))
        })
    }
}
