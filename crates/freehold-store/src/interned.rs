//! Names as numbers and back; the numbers of names and steps are remembered while they are known to be committed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use freehold_wire::Api;
use rusqlite::{Connection, OptionalExtension};

use crate::body::BodyWriter;
use crate::error::Error;
use crate::seal::Seal;

const SELECT_STEP: &str = "SELECT t.name FROM step s JOIN step t ON t.id = coalesce(s.belongs, s.id) WHERE s.id = ?1";

/// Remembers the numbers of names and steps and where pieces of bodies lie; forget it all when the transaction it was used
/// in failed.
pub(crate) struct Interned {
    names: HashMap<String, i64>,
    steps: HashMap<String, i64>,
    /// Writes bodies.
    pub(crate) bodies: BodyWriter,
}

/// The texts of names and steps, each read once.
pub(crate) struct Names<'c> {
    connection: &'c Connection,
    texts: HashMap<i64, Arc<str>>,
    steps: HashMap<i64, Arc<str>>,
}

/// The most entries of each kind that are remembered; beyond it all are looked up anew.
const ENTRIES_MAX: usize = 4096;

impl Interned {
    /// Starts with nothing remembered; bodies are sealed where a key is given.
    pub(crate) fn new(seal: Option<Seal>) -> Self {
        Self { names: HashMap::new(), steps: HashMap::new(), bodies: BodyWriter::new(seal) }
    }

    /// Forgets everything.
    pub(crate) fn forget(&mut self) {
        self.names.clear();
        self.steps.clear();
        self.bodies.forget();
    }

    /// Returns the number of a name, and gives it one if it has none.
    pub(crate) fn name(&mut self, connection: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        let found = connection
            .prepare_cached("SELECT id FROM name WHERE text = ?1")?
            .query_row([text], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO name (text) VALUES (?1)")?.insert([text])?,
        };
        remember(&mut self.names, text, id);
        Ok(id)
    }

    /// Returns the number of a step, and gives it one if it has none.
    pub(crate) fn step(&mut self, connection: &Connection, name: &str, found_by: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.steps.get(name) {
            return Ok(*id);
        }
        let found = connection
            .prepare_cached("SELECT id FROM step WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO step (name, found_by) VALUES (?1, ?2)")?
                .insert([name, found_by])?,
        };
        remember(&mut self.steps, name, id);
        Ok(id)
    }
}

impl<'c> Names<'c> {
    /// Starts with no name read.
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { connection, texts: HashMap::new(), steps: HashMap::new() }
    }

    /// Returns the text of a name.
    pub(crate) fn text(&mut self, id: i64) -> Result<&str, Error> {
        Ok(look_up(self.connection, &mut self.texts, ("SELECT text FROM name WHERE id = ?1", id))?)
    }

    /// Returns the text of a name, to be kept.
    pub(crate) fn shared(&mut self, id: i64) -> Result<Arc<str>, Error> {
        look_up(self.connection, &mut self.texts, ("SELECT text FROM name WHERE id = ?1", id)).cloned()
    }

    /// Returns the name of the step that another belongs to, its own where it is its own; to be kept.
    pub(crate) fn step(&mut self, id: i64) -> Result<Arc<str>, Error> {
        look_up(self.connection, &mut self.steps, (SELECT_STEP, id)).cloned()
    }

    /// Returns the dialect of that name.
    pub(crate) fn api(&mut self, id: i64) -> Result<Api, Error> {
        let text = self.text(id)?;
        text.parse().map_err(|_| Error::Unreadable { what: "an api", found: text.to_owned() })
    }
}

fn look_up<'t>(
    connection: &Connection,
    texts: &'t mut HashMap<i64, Arc<str>>,
    (select, id): (&str, i64),
) -> Result<&'t Arc<str>, Error> {
    match texts.entry(id) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(unknown) => {
            let read = connection.prepare_cached(select).and_then(|mut one| one.query_row([id], |row| row.get(0)));
            Ok(unknown.insert(read.map_err(Error::sql("read a name"))?))
        }
    }
}

fn remember(known: &mut HashMap<String, i64>, text: &str, id: i64) {
    if known.len() >= ENTRIES_MAX {
        known.clear();
    }
    known.insert(text.to_owned(), id);
}
