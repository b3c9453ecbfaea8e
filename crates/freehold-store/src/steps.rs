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
    /// How its first call was assigned to it: `header`, `field`, `head` or `template`.
    pub step_by: String,
    /// All calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Runs; one that goes on after midnight (UTC) counts for both days, one with calls under several ids of the step for each of
    /// them, calls without a run for none.
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

/// A step's own row comes before those of the steps that belong to it.
const SELECT_STEPS: &str = "SELECT s.id, t.id, t.name, s.found_by, s.calls, s.failures, s.runs, s.first_at_ms, s.last_at_ms \
    FROM step s JOIN step t ON t.id = coalesce(s.belongs, s.id) WHERE s.calls > 0 ORDER BY t.id, s.id <> t.id, s.id";
const SELECT_TRAFFIC: &str = "SELECT step, api, upstream, model, calls, failures, usage_calls, estimated_calls, input, \
    cache_read, cache_write, output, reasoning FROM step_traffic";

impl Store {
    /// Returns every step that has calls, the one with the most calls first, with the calls of all that belong to it; the cost
    /// does not grow with the calls.
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
                let (own, belongs): (i64, i64) = (row.get(0)?, row.get(1)?);
                let summary = StepSummary {
                    step: row.get(2)?,
                    step_by: row.get(3)?,
                    calls: count(row, 4)?,
                    failures: count(row, 5)?,
                    runs: count(row, 6)?,
                    first_at_ms: row.get(7)?,
                    last_at_ms: row.get(8)?,
                    traffic: traffic.remove(&own).unwrap_or_default(),
                };
                Ok((belongs, summary))
            });
            let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(Error::sql(doing))?;
            Ok(together(rows))
        })
    }
}

/// Adds up the rows that belong to one step, which follow each other.
fn together(rows: Vec<(i64, StepSummary)>) -> Vec<StepSummary> {
    let mut steps: Vec<(i64, StepSummary)> = Vec::with_capacity(rows.len());
    for (belongs, row) in rows {
        match steps.last_mut() {
            Some((step, sum)) if *step == belongs => sum.add(row),
            _ => steps.push((belongs, row)),
        }
    }
    let mut steps: Vec<StepSummary> = steps.into_iter().map(|(_, step)| step).collect();
    steps.sort_by(|a, b| (b.calls, &a.step).cmp(&(a.calls, &b.step)));
    steps
}

impl StepSummary {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.runs += other.runs;
        self.first_at_ms = self.first_at_ms.min(other.first_at_ms);
        self.last_at_ms = self.last_at_ms.max(other.last_at_ms);
        for row in other.traffic {
            let is_same =
                |own: &&mut Traffic| (own.api, &own.upstream, &own.model) == (row.api, &row.upstream, &row.model);
            match self.traffic.iter_mut().find(is_same) {
                Some(own) => own.add(&row),
                None => self.traffic.push(row),
            }
        }
        self.traffic.sort_by(|a, b| (b.calls, &a.model, &a.upstream).cmp(&(a.calls, &b.model, &b.upstream)));
    }
}

impl Traffic {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.usage_calls += other.usage_calls;
        self.estimated_calls += other.estimated_calls;
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.output += other.output;
        self.reasoning += other.reasoning;
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
