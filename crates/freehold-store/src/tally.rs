//! The sums of each step, gathered over a batch and written once in its transaction.

use std::collections::{HashMap, HashSet};

use freehold_wire::Call;
use rusqlite::{Connection, params};

use crate::calls::{integer, is_failure};

/// The numbers under which a call is summed; `model` is the model that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    pub(crate) step: i64,
    pub(crate) api: i64,
    pub(crate) upstream: i64,
    pub(crate) model: i64,
}

/// The sums of one batch of new calls.
#[derive(Default)]
pub(crate) struct Tally {
    steps: HashMap<i64, StepSum>,
    traffic: HashMap<Keys, TrafficSum>,
    runs: HashMap<i64, HashSet<String>>,
}

struct StepSum {
    calls: i64,
    failures: i64,
    first_at_ms: i64,
    last_at_ms: i64,
}

#[derive(Default)]
struct TrafficSum {
    calls: i64,
    usage_calls: i64,
    input: i64,
    cache_read: i64,
    output: i64,
}

/// The most tokens of one call that are summed, so that absurd claims cannot overflow a sum.
const TOKENS_MAX: i64 = 1 << 40;

const UPDATE_STEP: &str = "UPDATE step SET calls = calls + ?2, failures = failures + ?3, runs = runs + ?4, \
    first_at_ms = min(first_at_ms, ?5), last_at_ms = max(last_at_ms, ?6) WHERE id = ?1";
const UPSERT_TRAFFIC: &str = "INSERT INTO traffic (step, api, upstream, model, calls, usage_calls, input, cache_read, \
    output) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET calls = calls + ?5, \
    usage_calls = usage_calls + ?6, input = input + ?7, cache_read = cache_read + ?8, output = output + ?9";

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
        let traffic = self.traffic.entry(keys).or_default();
        traffic.calls += 1;
        if let Some(usage) = &call.usage {
            traffic.usage_calls += 1;
            traffic.input += integer(usage.input).min(TOKENS_MAX);
            traffic.cache_read += integer(usage.cache_read).min(TOKENS_MAX);
            traffic.output += integer(usage.output).min(TOKENS_MAX);
        }
        if let Some(run) = &call.run {
            let runs = self.runs.entry(keys.step).or_default();
            if !runs.contains(run) {
                runs.insert(run.clone());
            }
        }
    }

    /// Writes the sums inside the caller's transaction.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut update_step = connection.prepare_cached(UPDATE_STEP)?;
        for (step, sum) in &self.steps {
            let runs = self.write_runs(connection, *step)?;
            update_step.execute(params![step, sum.calls, sum.failures, runs, sum.first_at_ms, sum.last_at_ms])?;
        }
        let mut upsert = connection.prepare_cached(UPSERT_TRAFFIC)?;
        for (keys, sum) in &self.traffic {
            upsert.execute(params![
                keys.step,
                keys.api,
                keys.upstream,
                keys.model,
                sum.calls,
                sum.usage_calls,
                sum.input,
                sum.cache_read,
                sum.output
            ])?;
        }
        Ok(())
    }

    /// Writes the runs of a step and returns how many of them are new.
    fn write_runs(&self, connection: &Connection, step: i64) -> rusqlite::Result<i64> {
        let mut insert =
            connection.prepare_cached("INSERT INTO run (step, run) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
        let mut new = 0;
        for run in self.runs.get(&step).into_iter().flatten() {
            new += i64::from(insert.execute(params![step, run])? == 1);
        }
        Ok(new)
    }
}
