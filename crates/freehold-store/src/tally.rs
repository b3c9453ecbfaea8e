//! The sums of each step and each day, gathered over a batch and written once in its transaction.

use std::collections::{HashMap, HashSet};

use freehold_wire::Call;
use rusqlite::{Connection, Params, params};

use crate::calls::{integer, is_failure};

/// The numbers under which a call is summed; `model` is the model that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    pub(crate) step: i64,
    pub(crate) api: i64,
    pub(crate) upstream: i64,
    pub(crate) model: i64,
    pub(crate) key: Option<i64>,
}

/// The sums of one batch of new calls.
#[derive(Default)]
pub(crate) struct Tally {
    steps: HashMap<i64, StepSum>,
    traffic: HashMap<(i32, Keys), TrafficSum>,
    /// By day and step.
    runs: HashMap<(i32, i64), HashSet<String>>,
}

struct StepSum {
    calls: i64,
    failures: i64,
    first_at_ms: i64,
    last_at_ms: i64,
}

#[derive(Default, Clone, Copy)]
struct TrafficSum {
    calls: i64,
    failures: i64,
    usage_calls: i64,
    estimated_calls: i64,
    input: i64,
    cache_read: i64,
    cache_write: i64,
    output: i64,
    reasoning: i64,
}

/// The most tokens of one call that are summed, so that absurd claims cannot overflow a sum.
const TOKENS_MAX: i64 = 1 << 40;
const DAY_MS: i64 = 86_400_000;

const UPDATE_STEP: &str = "UPDATE step SET calls = calls + ?2, failures = failures + ?3, runs = runs + ?4, \
    first_at_ms = min(first_at_ms, ?5), last_at_ms = max(last_at_ms, ?6) WHERE id = ?1";
const INSERT_RUN: &str = "INSERT INTO run (day, step, run) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
const UPSERT_TRAFFIC: &str = "INSERT INTO traffic (day, step, api, upstream, model, key, calls, failures, usage_calls, \
    estimated_calls, input, cache_read, cache_write, output, reasoning) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO UPDATE SET \
    calls = calls + ?7, failures = failures + ?8, usage_calls = usage_calls + ?9, \
    estimated_calls = estimated_calls + ?10, input = input + ?11, cache_read = cache_read + ?12, \
    cache_write = cache_write + ?13, output = output + ?14, reasoning = reasoning + ?15";
const UPSERT_STEP_TRAFFIC: &str = "INSERT INTO step_traffic (step, api, upstream, model, calls, failures, usage_calls, \
    estimated_calls, input, cache_read, cache_write, output, reasoning) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO UPDATE SET calls = calls + ?5, \
    failures = failures + ?6, usage_calls = usage_calls + ?7, estimated_calls = estimated_calls + ?8, \
    input = input + ?9, cache_read = cache_read + ?10, cache_write = cache_write + ?11, output = output + ?12, \
    reasoning = reasoning + ?13";

impl Tally {
    /// Counts a call that was added.
    pub(crate) fn count(&mut self, call: &Call, keys: Keys) {
        let step = self.steps.entry(keys.step).or_insert(StepSum {
            calls: 0,
            failures: 0,
            first_at_ms: call.at_ms,
            last_at_ms: call.at_ms,
        });
        step.calls += 1;
        step.failures += i64::from(is_failure(call));
        step.first_at_ms = step.first_at_ms.min(call.at_ms);
        step.last_at_ms = step.last_at_ms.max(call.at_ms);
        let day = day(call.at_ms);
        self.traffic.entry((day, keys)).or_default().count(call);
        if let Some(run) = &call.run {
            let runs = self.runs.entry((day, keys.step)).or_default();
            if !runs.contains(run) {
                runs.insert(run.clone());
            }
        }
    }

    /// Writes the sums inside the caller's transaction.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut update_step = connection.prepare_cached(UPDATE_STEP)?;
        let runs = self.write_runs(connection)?;
        for (step, sum) in &self.steps {
            let runs = runs.get(step).copied().unwrap_or(0);
            update_step.execute(params![step, sum.calls, sum.failures, runs, sum.first_at_ms, sum.last_at_ms])?;
        }
        let mut totals: HashMap<Keys, TrafficSum> = HashMap::new();
        let mut upsert = connection.prepare_cached(UPSERT_TRAFFIC)?;
        for ((day, keys), sum) in &self.traffic {
            upsert.execute(sum.of_day(*day, keys))?;
            totals.entry(Keys { key: None, ..*keys }).or_default().add(sum);
        }
        let mut upsert = connection.prepare_cached(UPSERT_STEP_TRAFFIC)?;
        for (keys, sum) in &totals {
            upsert.execute(sum.of_step(keys))?;
        }
        Ok(())
    }

    /// Writes the runs and returns how many of each step are new.
    fn write_runs(&self, connection: &Connection) -> rusqlite::Result<HashMap<i64, i64>> {
        let mut insert = connection.prepare_cached(INSERT_RUN)?;
        let mut new = HashMap::new();
        for ((day, step), runs) in &self.runs {
            for run in runs {
                *new.entry(*step).or_default() += i64::from(insert.execute(params![day, step, run])? == 1);
            }
        }
        Ok(new)
    }
}

impl TrafficSum {
    fn count(&mut self, call: &Call) {
        self.calls += 1;
        self.failures += i64::from(is_failure(call));
        let Some(usage) = &call.usage else { return };
        let tokens = |count| integer(count).min(TOKENS_MAX);
        self.usage_calls += 1;
        self.estimated_calls += i64::from(call.is_estimated);
        self.input += tokens(usage.input);
        self.cache_read += tokens(usage.cache_read);
        self.cache_write += tokens(usage.cache_write);
        self.output += tokens(usage.output);
        self.reasoning += tokens(usage.reasoning);
    }

    fn add(&mut self, other: &TrafficSum) {
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

    /// A missing key is 0, which is no name's number, because a primary key takes no null.
    fn of_day(&self, day: i32, keys: &Keys) -> impl Params {
        let keys = [day.into(), keys.step, keys.api, keys.upstream, keys.model, keys.key.unwrap_or(0)];
        rusqlite::params_from_iter(keys.into_iter().chain(self.columns()))
    }

    fn of_step(&self, keys: &Keys) -> impl Params {
        let keys = [keys.step, keys.api, keys.upstream, keys.model];
        rusqlite::params_from_iter(keys.into_iter().chain(self.columns()))
    }

    fn columns(&self) -> [i64; 9] {
        let Self { calls, failures, usage_calls, estimated_calls, input, cache_read, cache_write, output, reasoning } =
            *self;
        [calls, failures, usage_calls, estimated_calls, input, cache_read, cache_write, output, reasoning]
    }
}

/// Returns the day of a moment, in days since the Unix epoch, UTC.
pub(crate) fn day(at_ms: i64) -> i32 {
    let day = at_ms.div_euclid(DAY_MS);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}
