//! Which step the calls recorded under an id belong to: what was learned, what people said, and what they are called.
//!
//! Rows of calls keep the id under which they came; what belongs together is put together when it is read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::Store;

/// Something that a person said of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepChange {
    /// It is called so; the id stays.
    Rename {
        /// Its id.
        step: String,
        /// What it is called.
        name: String,
    },
    /// Its calls belong to another one.
    Merge {
        /// Its id.
        step: String,
        /// The other's id.
        into: String,
    },
    /// It is a step of its own, whatever else was said or learned.
    Split {
        /// Its id.
        step: String,
    },
}

/// A change with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedChange {
    /// Its number.
    pub number: i64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who made it.
    pub who: String,
    /// The change.
    pub change: StepChange,
}

/// What the changes in force come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepRules {
    /// What steps are called, by id.
    pub names: BTreeMap<String, String>,
    /// The steps that people merged, with the one that each belongs to.
    pub merged: HashMap<String, String>,
    /// The steps of which people said that they are steps of their own, and those that others were merged into.
    pub own: BTreeSet<String>,
}

const INSERT_STEP: &str = "INSERT INTO step (name, found_by) VALUES (?1, 'head') ON CONFLICT DO NOTHING";
const INSERT_ALIAS: &str = "INSERT INTO step_alias (step, now, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
const UPDATE_BELONGS: &str = "UPDATE step SET belongs = ?2 WHERE id = ?1 OR belongs = ?1";
const SELECT_CHANGES: &str = "SELECT number, at_ms, who, what FROM step_change WHERE undone_ms IS NULL ORDER BY number";
const SELECT_OTHERS: &str = "SELECT name FROM step WHERE belongs = (SELECT id FROM step WHERE name = ?1) AND calls > 0 ORDER BY calls DESC, name";
const SELECT_NOW: &str = "SELECT t.name FROM step s JOIN step t ON t.id = coalesce(s.belongs, s.id) WHERE s.name = ?1";

impl Store {
    /// Keeps which ids were found to be other names of steps: pairs of the alias and the step. What people said of an id
    /// goes before it, and the first that was found of an id stays.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn add_aliases(&self, aliases: &[(&str, &str)], at_ms: i64) -> Result<(), Error> {
        let doing = "keep the aliases of steps";
        self.write(doing, |transaction| {
            let decided = decided(&changes(transaction)?);
            let add = || -> rusqlite::Result<()> {
                for (alias, step) in aliases {
                    let (alias_id, step_id) = (number_of(transaction, alias)?, number_of(transaction, step)?);
                    let now = belongs(transaction, step_id)?;
                    let is_new =
                        transaction.prepare_cached(INSERT_ALIAS)?.execute(params![alias_id, step_id, at_ms])? > 0;
                    if is_new && now != alias_id && !decided.contains_key(*alias) {
                        transaction.prepare_cached(UPDATE_BELONGS)?.execute([alias_id, now])?;
                    }
                }
                Ok(())
            };
            add().map_err(Error::sql(doing))
        })
    }

    /// Stores what a person said of a step, and returns its number.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn change_step(&self, change: &StepChange, who: &str, at_ms: i64) -> Result<i64, Error> {
        let doing = "change a step";
        let what =
            serde_json::to_string(change).map_err(|source| Error::Json { what: "a change of a step", source })?;
        let insert = "INSERT INTO step_change (at_ms, who, what) VALUES (?1, ?2, ?3)";
        self.write(doing, |transaction| {
            transaction.execute(insert, params![at_ms, who, what]).map_err(Error::sql(doing))?;
            let number = transaction.last_insert_rowid();
            settle(transaction)?;
            Ok(number)
        })
    }

    /// Takes the newest change of a step back that is in force, and returns it; it stays in the file.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn undo_step_change(&self, at_ms: i64) -> Result<Option<NumberedChange>, Error> {
        let doing = "take a change of a step back";
        self.write(doing, |transaction| {
            let Some(newest) = changes(transaction)?.pop() else { return Ok(None) };
            let update = "UPDATE step_change SET undone_ms = ?2 WHERE number = ?1";
            transaction.execute(update, params![newest.number, at_ms]).map_err(Error::sql(doing))?;
            settle(transaction)?;
            Ok(Some(newest))
        })
    }

    /// Returns the changes in force, oldest first.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn step_changes(&self) -> Result<Vec<NumberedChange>, Error> {
        self.read(changes)
    }

    /// Returns what the changes in force come to.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn step_rules(&self) -> Result<StepRules, Error> {
        let changes = self.step_changes()?;
        let decided = decided(&changes);
        let mut rules = StepRules::default();
        for (step, into) in &decided {
            match into {
                Some(into) => {
                    rules.merged.insert(step.clone(), last(into, |step| decided.get(step).cloned().flatten()));
                    rules.own.insert(into.clone());
                }
                None => drop(rules.own.insert(step.clone())),
            }
        }
        rules.names.extend(changes.into_iter().filter_map(|numbered| match numbered.change {
            StepChange::Rename { step, name } => Some((step, name)),
            _ => None,
        }));
        Ok(rules)
    }

    /// Returns the step that calls recorded under an id belong to; `None` for an id that nothing came under.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn step_now(&self, id: &str) -> Result<Option<String>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(SELECT_NOW).map_err(Error::sql("look for a step"))?;
            statement.query_row([id], |row| row.get(0)).optional().map_err(Error::sql("look for a step"))
        })
    }

    /// Returns the other ids under which calls of a step came, those with the most calls first.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn other_ids(&self, step: &str) -> Result<Vec<String>, Error> {
        self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<String>> {
                connection.prepare_cached(SELECT_OTHERS)?.query_map([step], |row| row.get(0))?.collect()
            };
            read().map_err(Error::sql("read the ids of a step"))
        })
    }

    /// Returns what was learned of steps, as it was kept last.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn learned(&self) -> Result<Option<Vec<u8>>, Error> {
        self.read(|connection| {
            let found = connection.query_row("SELECT state FROM step_learned", [], |row| row.get(0)).optional();
            found.map_err(Error::sql("read what was learned of steps"))
        })
    }

    /// Keeps what was learned of steps in the place of what was kept before.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn keep_learned(&self, state: &[u8]) -> Result<(), Error> {
        let doing = "keep what was learned of steps";
        let upsert = "INSERT INTO step_learned (only, state) VALUES (1, ?1) ON CONFLICT DO UPDATE SET state = ?1";
        self.write(doing, |transaction| transaction.execute(upsert, [state]).map(drop).map_err(Error::sql(doing)))
    }
}

fn number_of(connection: &Connection, step: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(INSERT_STEP)?.execute([step])?;
    connection.prepare_cached("SELECT id FROM step WHERE name = ?1")?.query_row([step], |row| row.get(0))
}

fn belongs(connection: &Connection, step: i64) -> rusqlite::Result<i64> {
    let select = "SELECT coalesce(belongs, id) FROM step WHERE id = ?1";
    connection.prepare_cached(select)?.query_row([step], |row| row.get(0))
}

fn changes(connection: &Connection) -> Result<Vec<NumberedChange>, Error> {
    let sql = || Error::sql("read the changes of steps");
    let columns = |row: &Row<'_>| -> rusqlite::Result<(i64, i64, String, String)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    };
    let mut statement = connection.prepare_cached(SELECT_CHANGES).map_err(sql())?;
    let rows = statement.query_map([], columns).and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
    let read = |(number, at_ms, who, what): (i64, i64, String, String)| {
        let change = serde_json::from_str(&what)
            .map_err(|error| Error::Unreadable { what: "a change of a step", found: error.to_string() })?;
        Ok(NumberedChange { number, at_ms, who, change })
    };
    rows.map_err(sql())?.into_iter().map(read).collect()
}

/// Returns what was said last of where each step belongs: to another, or to none.
fn decided(changes: &[NumberedChange]) -> BTreeMap<String, Option<String>> {
    let said = changes.iter().filter_map(|numbered| match &numbered.change {
        StepChange::Merge { step, into } => Some((step.clone(), Some(into.clone()))),
        StepChange::Split { step } => Some((step.clone(), None)),
        StepChange::Rename { .. } => None,
    });
    said.collect()
}

/// Follows a way to its end; one that leads back to where it was ends there.
fn last<T: Clone + Eq + std::hash::Hash>(from: &T, next: impl Fn(&T) -> Option<T>) -> T {
    let (mut at, mut seen) = (from.clone(), HashSet::new());
    while seen.insert(at.clone()) {
        let Some(next) = next(&at) else { break };
        at = next;
    }
    at
}

/// Writes anew which step each belongs to.
fn settle(connection: &Connection) -> Result<(), Error> {
    let said = decided(&changes(connection)?);
    let write = || -> rusqlite::Result<()> {
        let mut select = connection.prepare_cached("SELECT step, now FROM step_alias")?;
        let mut now: HashMap<i64, i64> =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        for (step, into) in &said {
            let step = number_of(connection, step)?;
            match into {
                Some(into) => now.insert(step, number_of(connection, into)?),
                None => now.remove(&step),
            };
        }
        connection.execute("UPDATE step SET belongs = NULL WHERE belongs IS NOT NULL", [])?;
        let mut update = connection.prepare_cached("UPDATE step SET belongs = ?2 WHERE id = ?1")?;
        for step in now.keys() {
            let end = last(step, |step| now.get(step).copied());
            if end != *step {
                update.execute([*step, end])?;
            }
        }
        Ok(())
    };
    write().map_err(Error::sql("settle which steps belong together"))
}
