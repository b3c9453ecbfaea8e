//! The sums of each day, by step, model and key: what costs and limits are computed from.

use std::sync::Arc;

use freehold_wire::Api;
use rusqlite::Connection;

use crate::calls::count;
use crate::error::Error;
use crate::interned::Names;
use crate::store::Store;

/// The calls of one step on one day that came with one key and that one model of one upstream answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTraffic {
    /// The day on which the calls began, in days since the Unix epoch, UTC.
    pub day: i32,
    /// The step.
    pub step: Arc<str>,
    /// The caller's dialect.
    pub api: Api,
    /// The upstream.
    pub upstream: Arc<str>,
    /// The model that answered: the one asked for, unless another is known to have served.
    pub model: Arc<str>,
    /// The name of the virtual key, where the calls came with one.
    pub key: Option<Arc<str>>,
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

const SELECT: &str = "SELECT day, step, api, upstream, model, key, calls, failures, usage_calls, estimated_calls, input, \
    cache_read, cache_write, output, reasoning FROM traffic WHERE day BETWEEN ?1 AND ?2 ORDER BY day, step";

impl Store {
    /// Returns the sums of the days from the first to the last, both included, day by day; days are counted from the
    /// Unix epoch, in UTC. The cost grows with the days and not with their calls.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn traffic(&self, from_day: i32, to_day: i32) -> Result<Vec<DayTraffic>, Error> {
        self.read(|connection| read(connection, from_day, to_day))
    }
}

fn read(connection: &Connection, from_day: i32, to_day: i32) -> Result<Vec<DayTraffic>, Error> {
    let sql = || Error::sql("read the traffic of days");
    let snapshot = connection.unchecked_transaction().map_err(sql())?;
    let mut names = Names::new(&snapshot);
    let mut statement = snapshot.prepare_cached(SELECT).map_err(sql())?;
    let mut rows = statement.query([from_day, to_day]).map_err(sql())?;
    let mut traffic = Vec::new();
    while let Some(row) = rows.next().map_err(sql())? {
        let sum = |column| count(row, column).map_err(sql());
        let number = |column| row.get::<_, i64>(column).map_err(sql());
        let key = number(5)?;
        traffic.push(DayTraffic {
            day: row.get(0).map_err(sql())?,
            step: names.step(number(1)?)?,
            api: names.api(number(2)?)?,
            upstream: names.shared(number(3)?)?,
            model: names.shared(number(4)?)?,
            key: if key == 0 { None } else { Some(names.shared(key)?) },
            calls: sum(6)?,
            failures: sum(7)?,
            usage_calls: sum(8)?,
            estimated_calls: sum(9)?,
            input: sum(10)?,
            cache_read: sum(11)?,
            cache_write: sum(12)?,
            output: sum(13)?,
            reasoning: sum(14)?,
        });
    }
    Ok(traffic)
}
