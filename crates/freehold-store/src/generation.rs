//! Generations: immutable, numbered snapshots of all routes.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::calls::{count, integer};
use crate::error::Error;
use crate::store::Store;

/// An immutable snapshot of all routes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Generation {
    /// Its number; 0 is the time before the first move.
    pub number: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who made it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// The generation whose routes a rollback took up again.
    pub restores: Option<u64>,
    /// Who serves each step that was moved.
    pub routes: BTreeMap<String, Route>,
}

/// A generation that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGeneration {
    /// When it is made, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who makes it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// The generation whose routes it takes up again, where it is a rollback.
    pub restores: Option<u64>,
    /// Who serves each step that was moved.
    pub routes: BTreeMap<String, Route>,
}

/// Who serves a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The upstream; `engine` is our own.
    pub upstream: String,
    /// The model there.
    pub model: String,
    /// The stage, such as `owned`.
    pub stage: String,
    /// The assessment that spoke for it, where there is one.
    pub assessment: Option<String>,
    /// The SHA-256 of the certificate that it ended in, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The reason that was given for moving without an adequate verdict.
    pub despite: Option<String>,
}

type Stored = (Generation, String);

const INSERT: &str =
    "INSERT INTO generation (number, at_ms, who, reason, routes, restores) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

impl Store {
    /// Returns the current generation: the one with the highest number, or number 0 without routes.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn generation(&self) -> Result<Generation, Error> {
        let stored = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT number, at_ms, who, reason, routes, restores FROM generation ORDER BY number DESC LIMIT 1",
                )
                .and_then(|mut statement| statement.query_row([], columns).optional())
                .map_err(Error::sql("read the current generation"))
        })?;
        stored.map_or_else(|| Ok(Generation::default()), parse)
    }

    /// Returns every generation, oldest first.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn generations(&self) -> Result<Vec<Generation>, Error> {
        let stored = self.read(|connection| all(connection).map_err(Error::sql("read the generations")))?;
        stored.into_iter().map(parse).collect()
    }

    /// Adds a generation and makes it the current one; its number is one above the highest so far.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn add_generation(&self, new: NewGeneration) -> Result<Generation, Error> {
        let doing = "add a generation";
        let text = serde_json::to_string(&new.routes).map_err(|source| Error::Json { what: "routes", source })?;
        let number = self.write(doing, |transaction| {
            let insert = || -> rusqlite::Result<u64> {
                let highest: i64 = transaction
                    .prepare_cached("SELECT coalesce(max(number), 0) FROM generation")?
                    .query_row([], |row| row.get(0))?;
                let number = u64::try_from(highest).unwrap_or(0) + 1;
                let restores = new.restores.map(integer);
                transaction.prepare_cached(INSERT)?.execute(params![
                    integer(number),
                    new.at_ms,
                    new.who,
                    new.reason,
                    text,
                    restores
                ])?;
                Ok(number)
            };
            insert().map_err(Error::sql(doing))
        })?;
        let NewGeneration { at_ms, who, reason, restores, routes } = new;
        Ok(Generation { number, at_ms, who, reason, restores, routes })
    }
}

fn all(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    connection
        .prepare_cached("SELECT number, at_ms, who, reason, routes, restores FROM generation ORDER BY number")?
        .query_map([], columns)?
        .collect()
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let restores = row.get::<_, Option<i64>>(5)?.and_then(|number| u64::try_from(number).ok());
    let (at_ms, who, reason, routes) = (row.get(1)?, row.get(2)?, row.get(3)?, BTreeMap::new());
    let generation = Generation { number: count(row, 0)?, at_ms, who, reason, restores, routes };
    Ok((generation, row.get(4)?))
}

fn parse((generation, routes): Stored) -> Result<Generation, Error> {
    let routes = serde_json::from_str(&routes)
        .map_err(|error| Error::Unreadable { what: "routes", found: error.to_string() })?;
    Ok(Generation { routes, ..generation })
}
