//! Counts the calls that have ended, for Prometheus to fetch.
//!
//! Counting a call costs well under a microsecond and allocates only for a name never seen before; names are limited in number, and
//! what comes beyond goes under `other`, so that callers who invent steps or models cannot make it grow.

mod histogram;
mod text;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use freehold_wire::Call;

use histogram::Histogram;
pub(crate) use text::{Exposition, Kind};

/// The most steps that are told apart.
const STEPS_MAX: usize = 1000;
/// The most models that are told apart.
const MODELS_MAX: usize = 200;
/// The most combinations of step, upstream and model that are told apart.
const SERIES_MAX: usize = 4000;
/// The longest name that is shown; longer ones are cut.
const NAME_BYTES_MAX: usize = 128;
/// The name under which everything beyond the limits goes.
const OTHER: &str = "other";

/// How calls end.
const OUTCOMES: [&str; 13] = [
    "ok",
    "upstream_429",
    "upstream_4xx",
    "upstream_5xx",
    "connect",
    "timeout",
    "cut",
    "client_left",
    "engine",
    "refused",
    "unreadable",
    "over_limit",
    OTHER,
];

/// The kinds of tokens. The first two together are all of a prompt that was not cached; reasoning is a part of the output.
const TOKENS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

/// What a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Millionths of a US dollar.
    Known(u64),
    /// Nobody knows, because the tokens or the price are not known.
    Unknown,
}

/// The counts of all calls since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    series: HashMap<Box<str>, Arc<Series>>,
    paces: HashMap<Box<str>, Arc<Pace>>,
    steps: HashSet<Box<str>>,
    models: HashSet<Box<str>>,
}

/// The calls of one step that one model of one upstream answered.
#[derive(Debug)]
struct Series {
    step: Box<str>,
    upstream: Box<str>,
    model: Box<str>,
    outcomes: [AtomicU64; OUTCOMES.len()],
    tokens: [AtomicU64; TOKENS.len()],
    cost_microusd: AtomicU64,
    unpriced: AtomicU64,
    estimated: AtomicU64,
    pace: Arc<Pace>,
}

/// How long the answers of one model of one upstream took.
#[derive(Debug)]
struct Pace {
    upstream: Box<str>,
    model: Box<str>,
    total: Histogram,
    first_byte: Histogram,
}

impl Metrics {
    /// Counts a call that has ended.
    pub(crate) fn count(&self, call: &Call, cost: Cost) {
        let names =
            [shown(&call.step), shown(&call.upstream), shown(call.served_model.as_deref().unwrap_or(&call.model))];
        if self.with_known(names, |series| series.count(call, cost)) {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.add(names).count(call, cost);
    }

    /// Does something with a series that is known, without allocating; false where it is not.
    fn with_known(&self, names: [&str; 3], then: impl FnOnce(&Series)) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = with_key(names, |key| known.series.get(key)).or_else(|| {
            let limited = known.limited(names);
            (limited != names).then(|| with_key(limited, |key| known.series.get(key))).flatten()
        });
        found.map(|series| then(series)).is_some()
    }

    /// Writes everything in the text format of Prometheus.
    pub(crate) fn expose(&self, out: &mut Exposition) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut series: Vec<&Series> = known.series.values().map(AsRef::as_ref).collect();
        series.sort_unstable_by(|a, b| (&a.step, &a.upstream, &a.model).cmp(&(&b.step, &b.upstream, &b.model)));
        let mut paces: Vec<&Pace> = known.paces.values().map(AsRef::as_ref).collect();
        paces.sort_unstable_by(|a, b| (&a.upstream, &a.model).cmp(&(&b.upstream, &b.model)));
        expose_counts(out, &series);
        out.family(
            "freehold_call_duration_seconds",
            Kind::Histogram,
            "Time from the head of a request to the last byte of its answer.",
        );
        for pace in &paces {
            pace.total.expose(out, "freehold_call_duration_seconds", &pace.labels());
        }
        let first = "freehold_time_to_first_byte_seconds";
        out.family(first, Kind::Histogram, "Time from the head of a request to the first byte of its answer's body.");
        for pace in &paces {
            pace.first_byte.expose(out, first, &pace.labels());
        }
    }
}

/// Returns a count that is worth a line.
fn counted(count: &AtomicU64) -> Option<u64> {
    Some(count.load(Ordering::Relaxed)).filter(|count| *count > 0)
}

fn expose_counts(out: &mut Exposition, series: &[&Series]) {
    out.family("freehold_calls_total", Kind::Counter, "Calls that have ended, by how they ended.");
    for one in series {
        for (outcome, count) in OUTCOMES.iter().zip(&one.outcomes) {
            if let Some(count) = counted(count) {
                out.sample("freehold_calls_total", &one.labels(&[("outcome", outcome)]), count);
            }
        }
    }
    let help = "Tokens, by what they were: cache_read and cache_write are part of input, reasoning of output.";
    out.family("freehold_tokens_total", Kind::Counter, help);
    for one in series {
        for (kind, count) in TOKENS.iter().zip(&one.tokens) {
            if let Some(count) = counted(count) {
                out.sample("freehold_tokens_total", &one.labels(&[("kind", kind)]), count);
            }
        }
    }
    for (name, help, of) in SUMS {
        out.family(name, Kind::Counter, help);
        for one in series {
            if let Some(count) = counted(of(one)) {
                out.sample(name, &one.labels(&[]), count);
            }
        }
    }
}

/// A sum of each series: name, help, and where it is kept.
type Sum = (&'static str, &'static str, fn(&Series) -> &AtomicU64);

/// What is summed for each series.
const SUMS: [Sum; 3] = [
    ("freehold_cost_microusd_total", "Cost of the calls whose price is known, in millionths of a US dollar.", |one| {
        &one.cost_microusd
    }),
    (
        "freehold_calls_of_unknown_cost_total",
        "Calls whose cost is not known, because their tokens or their price are not.",
        |one| &one.unpriced,
    ),
    (
        "freehold_calls_with_estimated_tokens_total",
        "Calls whose tokens were counted here, because the provider did not say.",
        |one| &one.estimated,
    ),
];

impl Known {
    /// Returns the names with those beyond the limits replaced; the upstream is one of the configuration and stays.
    fn limited<'n>(&self, [step, upstream, model]: [&'n str; 3]) -> [&'n str; 3] {
        let is_full = self.series.len() >= SERIES_MAX;
        let fits = |names: &HashSet<Box<str>>, name, most| names.contains(name) || names.len() < most;
        let step = if !is_full && fits(&self.steps, step, STEPS_MAX) { step } else { OTHER };
        let model = if !is_full && fits(&self.models, model, MODELS_MAX) { model } else { OTHER };
        [step, upstream, model]
    }

    /// Returns the series of these names, made where it is not there.
    fn add(&mut self, names: [&str; 3]) -> &Series {
        let names = self.limited(names);
        let [step, upstream, model] = names;
        self.steps.insert(step.into());
        self.models.insert(model.into());
        let pace_key = format!("{upstream}\0{model}").into_boxed_str();
        let pace = self.paces.entry(pace_key).or_insert_with(|| Arc::new(Pace::new(upstream, model)));
        let pace = Arc::clone(pace);
        let key: Box<str> = with_key(names, |key| key.into());
        self.series.entry(key).or_insert_with(|| Arc::new(Series::new(names, pace)))
    }
}

impl Series {
    fn new([step, upstream, model]: [&str; 3], pace: Arc<Pace>) -> Self {
        Series {
            step: step.into(),
            upstream: upstream.into(),
            model: model.into(),
            outcomes: Default::default(),
            tokens: Default::default(),
            cost_microusd: AtomicU64::new(0),
            unpriced: AtomicU64::new(0),
            estimated: AtomicU64::new(0),
            pace,
        }
    }

    fn count(&self, call: &Call, cost: Cost) {
        let add = |count: &AtomicU64, amount| {
            count.fetch_add(amount, Ordering::Relaxed);
        };
        add(&self.outcomes[outcome(call)], 1);
        if let Some(usage) = &call.usage {
            let kinds = [usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning];
            for (count, tokens) in self.tokens.iter().zip(kinds).filter(|(_, tokens)| *tokens > 0) {
                add(count, tokens);
            }
        }
        match cost {
            Cost::Known(microusd) => add(&self.cost_microusd, microusd),
            Cost::Unknown => add(&self.unpriced, 1),
        }
        if call.is_estimated {
            add(&self.estimated, 1);
        }
        self.pace.total.count_us(call.timings.total_us);
        if let Some(first_byte_us) = call.timings.first_byte_us {
            self.pace.first_byte.count_us(first_byte_us);
        }
    }

    fn labels<'s>(&'s self, more: &[(&'s str, &'s str)]) -> Vec<(&'s str, &'s str)> {
        let mut labels = vec![("step", &*self.step), ("upstream", &*self.upstream), ("model", &*self.model)];
        labels.extend_from_slice(more);
        labels
    }
}

impl Pace {
    fn new(upstream: &str, model: &str) -> Self {
        let (total, first_byte) = (Histogram::default(), Histogram::default());
        Pace { upstream: upstream.into(), model: model.into(), total, first_byte }
    }

    fn labels(&self) -> [(&str, &str); 2] {
        [("upstream", &self.upstream), ("model", &self.model)]
    }
}

/// Returns the place of a call's outcome in `OUTCOMES`.
fn outcome(call: &Call) -> usize {
    let at = |word: &str| OUTCOMES.iter().position(|known| *known == word).unwrap_or(OUTCOMES.len() - 1);
    match call.failure.as_ref().map(|failure| failure.kind.as_str()) {
        None => 0,
        Some("upstream_status") => match call.status {
            429 => at("upstream_429"),
            400..500 => at("upstream_4xx"),
            500.. => at("upstream_5xx"),
            _ => at(OTHER),
        },
        Some(kind) => at(kind),
    }
}

/// Returns the word for how a call ended, one of a fixed set.
pub(crate) fn outcome_word(call: &Call) -> &'static str {
    OUTCOMES[outcome(call)]
}

/// Cuts a name to what is shown.
fn shown(name: &str) -> &str {
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// Joins names into a key in a buffer of the thread's own, so that looking up allocates nothing.
fn with_key<T>(names: [&str; 3], then: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static KEY: RefCell<String> = const { RefCell::new(String::new()) };
    }
    KEY.with_borrow_mut(|key| {
        key.clear();
        for name in names {
            key.push_str(name);
            key.push('\0');
        }
        then(key)
    })
}

#[cfg(test)]
mod tests;
