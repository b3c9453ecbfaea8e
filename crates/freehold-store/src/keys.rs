//! Virtual keys: their terms, the digests of their secrets, and how the running gateway learns of a change.
//!
//! A secret is never stored. It has 256 random bits, so a plain digest is enough: there is no dictionary to try.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::Store;

/// A virtual key with everything that is known of it; its secret is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name in records, lists and messages.
    pub name: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it ends to be good, where that was said.
    pub expires_ms: Option<i64>,
    /// When it was revoked, where it was.
    pub revoked_ms: Option<i64>,
    /// What it may do.
    pub terms: KeyTerms,
    /// Its secrets, newest first.
    pub secrets: Vec<KeySecret>,
}

/// One secret of a key, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// The SHA-256 digest of the secret.
    pub digest: [u8; 32],
    /// The first characters, by which people recognise it.
    pub prefix: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it ends to be good, where it was rotated.
    pub until_ms: Option<i64>,
}

/// What a key may do; empty lists and absent limits allow everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyTerms {
    /// The steps it may call; a `*` at the end stands for anything.
    pub steps: Vec<String>,
    /// The models it may ask for; a `*` at the end stands for anything.
    pub models: Vec<String>,
    /// What it may spend.
    pub budgets: Vec<Budget>,
    /// How often it may call.
    pub rate: Option<Rate>,
    /// How many of its calls may be in flight.
    pub concurrent: Option<u32>,
    /// What a money budget does about a model whose price is not known.
    pub unknown_price: UnknownPrice,
}

/// How much may be spent in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The most, in `unit`.
    pub amount: u64,
    /// What is counted.
    pub unit: Unit,
    /// When counting begins anew.
    pub period: Period,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Millionths of a US dollar.
    Microusd,
    /// Prompt and generated tokens together.
    Tokens,
}

/// A stretch of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month.
    Month,
}

/// How many calls may begin in a span of time; as many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The calls.
    pub calls: u32,
    /// The span, in seconds.
    pub per_s: u32,
}

/// What a money budget does about a model whose price is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPrice {
    /// It refuses the call and names the model.
    #[default]
    Refuse,
    /// It lets the call pass uncounted.
    Allow,
}

/// What a holder has spent in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Who: `key:NAME` or `step:NAME`.
    pub holder: String,
    /// The kind of period.
    pub period: Period,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Money, in millionths of a US dollar.
    pub microusd: u64,
    /// Tokens.
    pub tokens: u64,
}

impl Period {
    /// Every period, shortest first.
    pub const ALL: [Period; 3] = [Period::Hour, Period::Day, Period::Month];

    /// Returns the stable name, such as `day`.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
        }
    }
}

const INSERT_SECRET: &str =
    "INSERT INTO virtual_key_secret (digest, name, prefix, created_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
const SELECT_SPENT: &str = "SELECT holder, period, start_ms, microusd, tokens FROM spend ORDER BY holder, period";
const UPSERT_SPENT: &str = "INSERT INTO spend (holder, period, start_ms, microusd, tokens) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET start_ms = ?3, microusd = ?4, tokens = ?5";

impl Store {
    /// Adds a key with its first secret.
    ///
    /// # Errors
    /// Fails when the name was ever used, and when the store cannot be written.
    pub fn add_key(&self, key: &Key) -> Result<(), Error> {
        let doing = "add a key";
        let terms = spell(&key.terms)?;
        self.write(doing, |transaction| {
            if stands(transaction, &key.name).map_err(Error::sql(doing))?.is_some() {
                return Err(Error::KeyTaken(key.name.clone()));
            }
            let insert = || -> rusqlite::Result<()> {
                transaction
                    .prepare_cached(
                        "INSERT INTO virtual_key (name, created_ms, expires_ms, terms) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![key.name, key.created_ms, key.expires_ms, terms])?;
                for secret in &key.secrets {
                    insert_secret(transaction, &key.name, secret)?;
                }
                changed(transaction)
            };
            insert().map_err(Error::sql(doing))
        })
    }

    /// Gives a key another secret; those it has end to be good at `old_until_ms`, or earlier where that was said before.
    ///
    /// # Errors
    /// Fails when there is no such key or it was revoked, and when the store cannot be written.
    pub fn rotate_key(&self, name: &str, secret: &KeySecret, old_until_ms: i64) -> Result<(), Error> {
        let doing = "rotate a key";
        self.write(doing, |transaction| {
            expect_good(transaction, name)?;
            let rotate = || -> rusqlite::Result<()> {
                transaction.execute(
                    "UPDATE virtual_key_secret SET until_ms = min(coalesce(until_ms, ?2), ?2) WHERE name = ?1",
                    params![name, old_until_ms],
                )?;
                transaction.execute(
                    "DELETE FROM virtual_key_secret WHERE name = ?1 AND until_ms < ?2",
                    params![name, secret.created_ms],
                )?;
                insert_secret(transaction, name, secret)?;
                changed(transaction)
            };
            rotate().map_err(Error::sql(doing))
        })
    }

    /// Gives a key other terms and another expiry; its secrets stay.
    ///
    /// # Errors
    /// Fails when there is no such key or it was revoked, and when the store cannot be written.
    pub fn change_key(&self, name: &str, terms: &KeyTerms, expires_ms: Option<i64>) -> Result<(), Error> {
        let doing = "change a key";
        let terms = spell(terms)?;
        self.write(doing, |transaction| {
            expect_good(transaction, name)?;
            let update = "UPDATE virtual_key SET terms = ?2, expires_ms = ?3 WHERE name = ?1";
            transaction
                .execute(update, params![name, terms, expires_ms])
                .and_then(|_| changed(transaction))
                .map_err(Error::sql(doing))
        })
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// Fails when there is no such key or it was revoked before, and when the store cannot be written.
    pub fn revoke_key(&self, name: &str, at_ms: i64) -> Result<(), Error> {
        let doing = "revoke a key";
        self.write(doing, |transaction| {
            expect_good(transaction, name)?;
            transaction
                .execute("UPDATE virtual_key SET revoked_ms = ?2 WHERE name = ?1", params![name, at_ms])
                .and_then(|_| changed(transaction))
                .map_err(Error::sql(doing))
        })
    }

    /// Returns every key, revoked ones included, in the order of their names.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        let doing = "read the keys";
        let (rows, mut secrets) = self.read(|connection| {
            let snapshot = connection.unchecked_transaction().map_err(Error::sql(doing))?;
            Ok((key_rows(&snapshot).map_err(Error::sql(doing))?, secrets(&snapshot).map_err(Error::sql(doing))?))
        })?;
        let parse = |(mut key, terms): (Key, String)| {
            key.terms = serde_json::from_str(&terms)
                .map_err(|error| Error::Unreadable { what: "the terms of a key", found: error.to_string() })?;
            key.secrets = secrets.remove(&key.name).unwrap_or_default();
            Ok(key)
        };
        rows.into_iter().map(parse).collect()
    }

    /// Returns a number that changes with every change of a key; cheap to ask for.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn keys_version(&self) -> Result<i64, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT number FROM virtual_key_change")
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .map_err(Error::sql("look for changed keys"))
        })
    }

    /// Returns what was spent in the periods that were current when it was last kept.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn spent(&self) -> Result<Vec<Spent>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(SELECT_SPENT)
                .and_then(|mut statement| statement.query_map([], spent)?.collect())
                .map_err(Error::sql("read what was spent"))
        })
    }

    /// Keeps what was spent, in the place of what was kept for the same holders and periods.
    ///
    /// # Errors
    /// Fails when the store cannot be written; then none of it is kept.
    pub fn keep_spent(&self, spent: &[Spent]) -> Result<(), Error> {
        let doing = "keep what was spent";
        self.write(doing, |transaction| {
            let keep = || -> rusqlite::Result<()> {
                let mut upsert = transaction.prepare_cached(UPSERT_SPENT)?;
                for one in spent {
                    let amount = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                    let (microusd, tokens) = (amount(one.microusd), amount(one.tokens));
                    upsert.execute(params![one.holder, one.period.as_str(), one.start_ms, microusd, tokens])?;
                }
                Ok(())
            };
            keep().map_err(Error::sql(doing))
        })
    }
}

fn spell(terms: &KeyTerms) -> Result<String, Error> {
    serde_json::to_string(terms).map_err(|source| Error::Json { what: "the terms of a key", source })
}

/// Returns when a key was revoked, inside whether there is one.
fn stands(connection: &Connection, name: &str) -> rusqlite::Result<Option<Option<i64>>> {
    connection
        .prepare_cached("SELECT revoked_ms FROM virtual_key WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn expect_good(connection: &Connection, name: &str) -> Result<(), Error> {
    match stands(connection, name).map_err(Error::sql("look for a key"))? {
        Some(None) => Ok(()),
        Some(Some(_)) => Err(Error::KeyRevoked(name.to_owned())),
        None => Err(Error::UnknownKey(name.to_owned())),
    }
}

fn insert_secret(connection: &Connection, name: &str, secret: &KeySecret) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT_SECRET)?.execute(params![
        secret.digest,
        name,
        secret.prefix,
        secret.created_ms,
        secret.until_ms
    ])?;
    Ok(())
}

fn changed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE virtual_key_change SET number = number + 1", [])?;
    Ok(())
}

fn key_rows(connection: &Connection) -> rusqlite::Result<Vec<(Key, String)>> {
    connection
        .prepare_cached("SELECT name, created_ms, expires_ms, revoked_ms, terms FROM virtual_key ORDER BY name")?
        .query_map([], |row| {
            let key = Key {
                name: row.get(0)?,
                created_ms: row.get(1)?,
                expires_ms: row.get(2)?,
                revoked_ms: row.get(3)?,
                terms: KeyTerms::default(),
                secrets: Vec::new(),
            };
            Ok((key, row.get(4)?))
        })?
        .collect()
}

fn secrets(connection: &Connection) -> rusqlite::Result<HashMap<String, Vec<KeySecret>>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, digest, prefix, created_ms, until_ms FROM virtual_key_secret ORDER BY created_ms DESC, prefix",
    )?;
    let mut found: HashMap<String, Vec<KeySecret>> = HashMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let secret =
            KeySecret { digest: row.get(1)?, prefix: row.get(2)?, created_ms: row.get(3)?, until_ms: row.get(4)? };
        found.entry(row.get(0)?).or_default().push(secret);
    }
    Ok(found)
}

fn spent(row: &Row<'_>) -> rusqlite::Result<Spent> {
    let period: String = row.get(1)?;
    let known = Period::ALL.into_iter().find(|known| known.as_str() == period);
    let period = known.ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, format!("period {period:?}").into())
    })?;
    let amount = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Spent {
        holder: row.get(0)?,
        period,
        start_ms: row.get(2)?,
        microusd: amount(row.get(3)?),
        tokens: amount(row.get(4)?),
    })
}
