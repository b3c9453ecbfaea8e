//! The steps with their sums, read from the tables that the writers keep up to date.

use std::collections::HashMap;

use freehold_wire::Api;

use crate::calls::count;
use crate::error::Error;
use crate::store::Store;

/// A step with the sums of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSummary {
    /// The name.
    pub step: String,
    /// How its first call was assigned to it: `header`, `field` or `head`.
    pub step_by: String,
    /// All calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Distinct runs; calls without a run count for none.
    pub runs: u64,
    /// When the first call began, in milliseconds since the Unix epoch.
    pub first_at_ms: i64,
    /// When the last call began, in milliseconds since the Unix epoch.
    pub last_at_ms: i64,
    /// Who served them, most calls first.
    pub traffic: Vec<Traffic>,
}

/// The calls of a step that one model of one upstream answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The caller's dialect.
    pub api: Api,
    /// The upstream.
    pub upstream: String,
    /// The model that answered: the one asked for, unless another is known to have served.
    pub model: String,
    /// All calls.
    pub calls: u64,
    /// Those whose tokens are known.
    pub usage_calls: u64,
    /// Their prompt tokens, cached ones included.
    pub input: u64,
    /// Their prompt tokens read from a cache.
    pub cache_read: u64,
    /// Their generated tokens.
    pub output: u64,
}

const SELECT_STEPS: &str = "SELECT id, name, found_by, calls, failures, runs, first_at_ms, last_at_ms FROM step \
    WHERE calls > 0 ORDER BY calls DESC, name";
const SELECT_TRAFFIC: &str = "SELECT t.step, api.text, upstream.text, model.text, t.calls, t.usage_calls, t.input, \
    t.cache_read, t.output FROM traffic t JOIN name api ON api.id = t.api JOIN name upstream ON upstream.id = t.upstream \
    JOIN name model ON model.id = t.model ORDER BY t.calls DESC, model.text, upstream.text";

impl Store {
    /// Returns every step that has calls, the one with the most calls first; the cost does not grow with the calls.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn steps(&self) -> Result<Vec<StepSummary>, Error> {
        let doing = "read the steps";
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction().map_err(Error::sql(doing))?;
            let mut traffic = read_traffic(&snapshot)?;
            let mut statement = snapshot.prepare_cached(SELECT_STEPS).map_err(Error::sql(doing))?;
            let rows = statement.query_map([], |row| {
                let summary = StepSummary {
                    step: row.get(1)?,
                    step_by: row.get(2)?,
                    calls: count(row, 3)?,
                    failures: count(row, 4)?,
                    runs: count(row, 5)?,
                    first_at_ms: row.get(6)?,
                    last_at_ms: row.get(7)?,
                    traffic: traffic.remove(&row.get(0)?).unwrap_or_default(),
                };
                Ok(summary)
            });
            rows.and_then(Iterator::collect).map_err(Error::sql(doing))
        })
    }
}

fn read_traffic(connection: &rusqlite::Connection) -> Result<HashMap<i64, Vec<Traffic>>, Error> {
    let sql = || Error::sql("read the traffic of the steps");
    let mut statement = connection.prepare_cached(SELECT_TRAFFIC).map_err(sql())?;
    let mut rows = statement.query([]).map_err(sql())?;
    let mut traffic: HashMap<i64, Vec<Traffic>> = HashMap::new();
    while let Some(row) = rows.next().map_err(sql())? {
        let api: String = row.get(1).map_err(sql())?;
        let api = api.parse().map_err(|_| Error::Unreadable { what: "an api", found: api })?;
        let read = || -> rusqlite::Result<Traffic> {
            Ok(Traffic {
                api,
                upstream: row.get(2)?,
                model: row.get(3)?,
                calls: count(row, 4)?,
                usage_calls: count(row, 5)?,
                input: count(row, 6)?,
                cache_read: count(row, 7)?,
                output: count(row, 8)?,
            })
        };
        traffic.entry(row.get(0).map_err(sql())?).or_default().push(read().map_err(sql())?);
    }
    Ok(traffic)
}
