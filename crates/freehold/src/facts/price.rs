//! What a model costs by the token, and what a call therefore cost.

use freehold_wire::Usage;
use jiff::civil::Date;

use super::rule::Rule;

const TOKENS_PER_PRICE: i128 = 1_000_000;

/// Holds one list price of one vendor.
#[derive(Debug, Clone)]
pub struct Price {
    /// The vendor that asks the price.
    pub vendor: String,
    /// The name the source files the price under.
    pub model: String,
    /// The day from which the price applies; `None` for as long as the source knows.
    pub from: Option<Date>,
    /// The id of the source.
    pub source: String,
    /// What tokens cost.
    pub tariff: Tariff,
    pub(super) rule: Rule,
}

/// What the tokens of a call cost, whoever asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// The prompt length in tokens above which the whole call costs more; `None` where length does not matter.
    pub base_tier_tokens_max: Option<u64>,
    pub(super) rates: Rates,
    /// What a call costs above `base_tier_tokens_max`, where that is known.
    pub(super) long_rates: Option<Rates>,
}

/// Prices in millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) input: i64,
    pub(super) cache_read: Option<i64>,
    pub(super) cache_write: Option<i64>,
    pub(super) output: Option<i64>,
    pub(super) reasoning: Option<i64>,
}

/// What tokens cost together, by what they were, in millionths of a millionth of a US dollar: exact, to be rounded when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Tokens of the prompt that came from no cache.
    pub fresh: i128,
    /// Tokens read from a cache.
    pub cache_read: i128,
    /// Tokens written to a cache.
    pub cache_write: i128,
    /// Generated tokens, reasoning included.
    pub output: i128,
}

impl Parts {
    /// Returns all of it together.
    #[must_use]
    pub fn total(&self) -> i128 {
        self.fresh + self.cache_read + self.cache_write + self.output
    }
}

/// Rounds millionths of a millionth of a US dollar to the nearest millionth of a dollar.
#[must_use]
pub fn microusd(picousd: i128) -> i128 {
    (picousd + TOKENS_PER_PRICE / 2).div_euclid(TOKENS_PER_PRICE)
}

impl Price {
    pub(super) fn covers(&self, model: &str) -> bool {
        self.rule.covers(model)
    }

    pub(super) fn applies_on(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day)
    }

    pub(super) fn costs_the_same_as(&self, other: &Self) -> bool {
        self.tariff == other.tariff
    }
}

impl Tariff {
    /// Returns what one call costs in millionths of a US dollar, rounded to the nearest, or `None` where a price it needs is not known
    /// or its counts contradict each other.
    ///
    /// Tokens read from a cache, written to it, and spent on reasoning have a price of their own where the table lists one; otherwise
    /// they cost as much as other tokens of the prompt or the answer, of which they are a part.
    #[must_use]
    pub fn cost_microusd(&self, usage: &Usage) -> Option<u64> {
        let is_long = self.base_tier_tokens_max.is_some_and(|most| usage.input > most);
        let rates = if is_long { self.long_rates.as_ref()? } else { &self.rates };
        u64::try_from(microusd(rates.parts(usage)?.total())).ok()
    }

    /// Returns what many calls cost together at least, from the sums of their tokens, or `None` where a price they need is not known.
    #[must_use]
    pub fn sum(&self, sums: &Usage) -> Option<Parts> {
        self.rates.parts(sums)
    }

    /// Returns how many tokens these amounts stand for, rounded; kinds that cost nothing have none.
    #[must_use]
    pub fn tokens_for(&self, parts: &Parts) -> Usage {
        let tokens = |part: i128, rate: Option<i64>| match i128::from(rate.unwrap_or(self.rates.input)) {
            0 => 0,
            rate => u64::try_from((part + rate / 2) / rate).unwrap_or(0),
        };
        let cache_read = tokens(parts.cache_read, self.rates.cache_read);
        let cache_write = tokens(parts.cache_write, self.rates.cache_write);
        let input = tokens(parts.fresh, None) + cache_read + cache_write;
        Usage { input, cache_read, cache_write, output: tokens(parts.output, self.rates.output), reasoning: 0 }
    }

    /// Returns whether calls with these sums may have cost more than [`Tariff::sum`] says: where long prompts cost more, sums do not
    /// tell which calls were long.
    #[must_use]
    pub fn may_exceed(&self, sums: &Usage) -> bool {
        self.base_tier_tokens_max.is_some_and(|most| sums.input > most)
    }
}

impl Rates {
    fn parts(&self, usage: &Usage) -> Option<Parts> {
        let fresh = usage.input.checked_sub(usage.cache_read)?.checked_sub(usage.cache_write)?;
        let spoken = usage.output.checked_sub(usage.reasoning)?;
        let part = |tokens: u64, rate: i64| i128::from(tokens) * i128::from(rate);
        let priced = |tokens: u64, rate: Option<i64>| if tokens == 0 { Some(0) } else { Some(part(tokens, rate?)) };
        Some(Parts {
            fresh: part(fresh, self.input),
            cache_read: part(usage.cache_read, self.cache_read.unwrap_or(self.input)),
            cache_write: part(usage.cache_write, self.cache_write.unwrap_or(self.input)),
            output: priced(spoken, self.output)? + priced(usage.reasoning, self.reasoning.or(self.output))?,
        })
    }
}
