//! What a model costs by the token, and what a call therefore cost.

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
    /// The prompt length in tokens up to which the price holds; a longer prompt costs more than stated here.
    pub base_tier_tokens_max: Option<u64>,
    /// The id of the source.
    pub source: String,
    pub(super) rule: Rule,
    pub(super) rates: Rates,
}

/// Prices in millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) input: i64,
    pub(super) cache_read: Option<i64>,
    pub(super) cache_write: Option<i64>,
    pub(super) output: Option<i64>,
}

impl Price {
    /// Returns what a call costs in millionths of a US dollar, rounded to the nearest, or `None` where a price it needs is not known.
    ///
    /// `input` counts all prompt tokens, those read from the vendor's cache (`cache_read`) among them. Where no price for cached
    /// tokens is listed, they cost as much as others. Writing to a cache is not priced: call logs seldom count it.
    #[must_use]
    pub fn cost_microusd(&self, input: u64, cache_read: u64, output: u64) -> Option<i64> {
        let fresh = input.checked_sub(cache_read)?;
        let part = |tokens: u64, rate: i64| i128::from(tokens) * i128::from(rate);
        let answered = match (output, self.rates.output) {
            (0, _) => 0,
            (tokens, rate) => part(tokens, rate?),
        };
        let cached = part(cache_read, self.rates.cache_read.unwrap_or(self.rates.input));
        let total = part(fresh, self.rates.input) + cached + answered;
        i64::try_from((total + TOKENS_PER_PRICE / 2) / TOKENS_PER_PRICE).ok()
    }

    /// Returns the price of a million prompt tokens in US dollars.
    #[must_use]
    pub fn input_usd_per_mtok(&self) -> f64 {
        usd(self.rates.input)
    }

    /// Returns the price of a million generated tokens in US dollars, or `None` for a model that generates none.
    #[must_use]
    pub fn output_usd_per_mtok(&self) -> Option<f64> {
        self.rates.output.map(usd)
    }

    /// Returns the price of writing a million tokens to the vendor's cache in US dollars, where one is listed.
    #[must_use]
    pub fn cache_write_usd_per_mtok(&self) -> Option<f64> {
        self.rates.cache_write.map(usd)
    }

    pub(super) fn covers(&self, model: &str) -> bool {
        self.rule.covers(model)
    }

    pub(super) fn applies_on(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day)
    }

    pub(super) fn costs_the_same_as(&self, other: &Self) -> bool {
        self.rates == other.rates
    }
}

fn usd(microusd: i64) -> f64 {
    // Rates are below 10^12 (checked when they are read), so the conversion is exact.
    microusd as f64 / 1e6
}
