//! The steps with their sums, read from the tables that the writers keep up to date.

use std::collections::HashMap;

use freehold_wire::Api;
use rusqlite::Connection;

use crate::calls::count;
use crate::error::Error;
use crate::interned::Names;
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
    /// Runs; one that goes on after midnight (UTC) counts for both days, calls without a run for none.
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
    /// Those that failed.
    pub failures: u64,
    /// Those whose tokens are known.
    pub usage_calls: u64,
    /// Those of them whose tokens were counted here, because the provider did not say.
    pub estimated_calls: u64,
    /// Their prompt tokens, cached ones included.
    pub input: u64,
    /// Their prompt tokens read from a cache.
    pub cache_read: u64,
    /// Their prompt tokens written to a cache.
    pub cache_write: u64,
    /// Their generated tokens, reasoning included.
    pub output: u64,
    /// Their generated tokens that were reasoning.
    pub reasoning: u64,
}

const SELECT_STEPS: &str = "SELECT id, name, found_by, calls, failures, runs, first_at_ms, last_at_ms FROM step \
    WHERE calls > 0 ORDER BY calls DESC, name";
const SELECT_TRAFFIC: &str = "SELECT step, api, upstream, model, calls, failures, usage_calls, estimated_calls, input, \
    cache_read, cache_write, output, reasoning FROM step_traffic";

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

/// Names are looked up here and rows are sorted here: with hundreds of thousands of rows that is several times as quick
/// as joins.
fn read_traffic(connection: &Connection) -> Result<HashMap<i64, Vec<Traffic>>, Error> {
    let sql = || Error::sql("read the traffic of the steps");
    let mut names = Names::new(connection);
    let mut statement = connection.prepare_cached(SELECT_TRAFFIC).map_err(sql())?;
    let mut rows = statement.query([]).map_err(sql())?;
    let mut traffic: HashMap<i64, Vec<Traffic>> = HashMap::new();
    while let Some(row) = rows.next().map_err(sql())? {
        let sum = |column| count(row, column).map_err(sql());
        let number = |column| row.get::<_, i64>(column).map_err(sql());
        traffic.entry(number(0)?).or_default().push(Traffic {
            api: names.api(number(1)?)?,
            upstream: names.text(number(2)?)?.to_owned(),
            model: names.text(number(3)?)?.to_owned(),
            calls: sum(4)?,
            failures: sum(5)?,
            usage_calls: sum(6)?,
            estimated_calls: sum(7)?,
            input: sum(8)?,
            cache_read: sum(9)?,
            cache_write: sum(10)?,
            output: sum(11)?,
            reasoning: sum(12)?,
        });
    }
    for rows in traffic.values_mut() {
        rows.sort_by(|a, b| (b.calls, &a.model, &a.upstream).cmp(&(a.calls, &b.model, &b.upstream)));
    }
    Ok(traffic)
}
