//! What the calls cost, from the sums of days and the prices valid then.
//! What is not known is counted and said; it is never taken for zero.

pub mod invoice;
pub mod money;
pub mod reconcile;
pub mod terminal;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use freehold_store::{DayTraffic, Gap};
use freehold_wire::Usage;
use serde::Serialize;

use crate::facts::{PriceBook, date_of};
use money::Money;

const DAY_MS: i64 = 86_400_000;

/// By what calls are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The step they belong to.
    Step,
    /// The upstream and the model that answered.
    Model,
    /// The virtual key they came with.
    Key,
    /// The day, in UTC.
    Day,
}

/// Calls put together, with what they cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Line {
    /// The step, model, key or day; empty for the total.
    pub name: String,
    /// All calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those whose tokens were counted here, because the provider did not say.
    pub estimated_calls: u64,
    /// Prompt tokens, cached ones included.
    pub input_tokens: u64,
    /// Prompt tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Prompt tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Generated tokens, reasoning included.
    pub output_tokens: u64,
    /// Generated tokens that were reasoning.
    pub reasoning_tokens: u64,
    /// What the calls of known price cost; `None` where no call has one.
    #[serde(rename = "cost_microusd")]
    pub cost: Option<Money>,
    /// Whether calls with long prompts may have cost more than is counted in.
    pub is_least: bool,
    /// Calls that say no tokens, so that their cost is not known; failures that cost nothing may be among them.
    pub calls_without_tokens: u64,
    /// Calls that say their tokens, of a model whose price is not known.
    pub calls_without_price: u64,
    /// Calls answered by machines of one's own, which have no price by the token.
    pub own_calls: u64,
}

impl Line {
    /// Returns whether the cost is all there is to know of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unknown_calls() == 0 && !self.is_least
    }

    /// Returns how many calls have an unknown cost.
    #[must_use]
    pub fn unknown_calls(&self) -> u64 {
        self.calls_without_tokens + self.calls_without_price
    }

    /// Adds a day's sums.
    fn add(&mut self, traffic: &DayTraffic, book: &PriceBook) {
        self.calls += traffic.calls;
        self.failures += traffic.failures;
        self.estimated_calls += traffic.estimated_calls;
        self.input_tokens += traffic.input;
        self.cache_read_tokens += traffic.cache_read;
        self.cache_write_tokens += traffic.cache_write;
        self.output_tokens += traffic.output;
        self.reasoning_tokens += traffic.reasoning;
        if book.is_own(&traffic.upstream) {
            self.own_calls += traffic.calls;
            return;
        }
        self.calls_without_tokens += traffic.calls.saturating_sub(traffic.usage_calls);
        if traffic.usage_calls == 0 {
            return;
        }
        match priced(traffic, book) {
            Some((cost, is_least)) => {
                *self.cost.get_or_insert_default() += cost;
                self.is_least |= is_least;
            }
            None => self.calls_without_price += traffic.usage_calls,
        }
    }
}

/// The costs of a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// The parts, the dearest first; days in their order.
    pub lines: Vec<Line>,
    /// Everything together.
    pub total: Line,
    /// The models that answered calls without a known price.
    pub models_without_price: Vec<String>,
}

/// Puts the sums of days together.
#[must_use]
pub fn costs(traffic: &[DayTraffic], by: By, book: &PriceBook) -> Costs {
    let mut parts: BTreeMap<String, Line> = BTreeMap::new();
    let mut total = Line::default();
    let mut models_without_price: Vec<String> = Vec::new();
    for day in traffic {
        let name = name(day, by);
        let line = match parts.get_mut(name.as_ref()) {
            Some(line) => line,
            None => parts.entry(name.into_owned()).or_default(),
        };
        line.add(day, book);
        let before = total.calls_without_price;
        total.add(day, book);
        if total.calls_without_price > before && !models_without_price.iter().any(|model| **model == *day.model) {
            models_without_price.push(day.model.to_string());
        }
    }
    let mut lines: Vec<Line> = parts.into_iter().map(|(name, line)| Line { name, ..line }).collect();
    if by != By::Day {
        lines.sort_by_key(|line| std::cmp::Reverse((line.cost, line.calls)));
    }
    Costs { lines, total, models_without_price }
}

fn name(traffic: &DayTraffic, by: By) -> std::borrow::Cow<'_, str> {
    match by {
        By::Step => traffic.step.as_ref().into(),
        By::Model => format!("{}/{}", traffic.upstream, traffic.model).into(),
        By::Key => traffic.key.as_deref().unwrap_or("(no key)").into(),
        By::Day => shown_day(traffic.day).into(),
    }
}

/// Returns a day since the Unix epoch as a date.
fn shown_day(day: i32) -> String {
    date_of(day).map_or_else(|| day.to_string(), |date| date.to_string())
}

/// Returns how many calls of these days could not be recorded, so that no figure has them.
#[must_use]
pub fn lost_calls(gaps: &[Gap], days: RangeInclusive<i32>) -> u64 {
    let day = |ms: i64| i32::try_from(ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX);
    let touches = |gap: &&Gap| day(gap.from_ms) <= *days.end() && day(gap.to_ms) >= *days.start();
    gaps.iter().filter(touches).map(|gap| gap.calls).sum()
}

/// Returns what a day's tokens cost, and whether they may have cost more; `None` where that is not known.
fn priced(traffic: &DayTraffic, book: &PriceBook) -> Option<(Money, bool)> {
    let sums = sums(traffic);
    let tariff = book.tariff(&traffic.upstream, &traffic.model, traffic.day)?;
    Some((Money::from_picousd(tariff.sum(&sums)?.total()), tariff.may_exceed(&sums)))
}

fn sums(traffic: &DayTraffic) -> Usage {
    Usage {
        input: traffic.input,
        cache_read: traffic.cache_read,
        cache_write: traffic.cache_write,
        output: traffic.output,
        reasoning: traffic.reasoning,
    }
}

#[cfg(test)]
mod tests;
