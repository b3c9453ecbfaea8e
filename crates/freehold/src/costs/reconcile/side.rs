//! The two sides of a comparison: what the vendor says of a day and model, and what was recorded.

use freehold_store::DayTraffic;
use freehold_wire::Usage;

use crate::costs::invoice::{Entry, Kind};
use crate::costs::money::Money;
use crate::costs::{priced, sums};
use crate::facts::{Parts, PriceBook, Tariff};

/// What the vendor says.
#[derive(Debug, Default)]
pub(super) struct Theirs {
    pub(super) requests: Option<u64>,
    tokens: Option<Usage>,
    amount: Option<Money>,
    parts: Option<Parts>,
    /// What is asked for something else than tokens.
    pub(super) other: Money,
    pub(super) amounts: u32,
}

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Ours {
    pub(super) calls: u64,
    pub(super) calls_without_tokens: u64,
    pub(super) calls_without_price: u64,
    pub(super) usage: Usage,
    pub(super) cost: Money,
    pub(super) may_exceed: bool,
}

impl Theirs {
    pub(super) fn add(&mut self, entry: &Entry) {
        if let Some(requests) = entry.requests {
            *self.requests.get_or_insert(0) += requests;
        }
        if let Some(tokens) = &entry.tokens {
            add(self.tokens.get_or_insert_default(), tokens);
        }
        let Some((kind, amount)) = entry.amount else { return };
        self.amounts += 1;
        *self.amount.get_or_insert_default() += amount;
        let part = amount.picousd();
        match kind {
            Kind::Other => self.other += amount,
            Kind::Tokens => {}
            Kind::Fresh => self.parts.get_or_insert_default().fresh += part,
            Kind::CacheRead => self.parts.get_or_insert_default().cache_read += part,
            Kind::CacheWrite => self.parts.get_or_insert_default().cache_write += part,
            Kind::Output => self.parts.get_or_insert_default().output += part,
        }
    }

    /// Returns whether the vendor says nothing.
    pub(super) fn is_absent(&self) -> bool {
        self.amount.is_none() && self.tokens.is_none()
    }

    /// Returns what is asked for: the amount, or where only tokens are said what they cost at list prices.
    pub(super) fn amount(&self, tariff: Option<Tariff>) -> Money {
        self.amount.unwrap_or_else(|| self.tokens_at(tariff).unwrap_or_default())
    }

    /// Returns whether an amount is said, as opposed to tokens alone.
    pub(super) fn says_amount(&self) -> bool {
        self.amount.is_some()
    }

    /// Returns the tokens: those that are said, or those that the amounts stand for at list prices.
    pub(super) fn tokens(&self, tariff: Tariff) -> Option<Usage> {
        self.tokens.or_else(|| self.parts.map(|parts| tariff.tokens_for(&parts)))
    }

    fn tokens_at(&self, tariff: Option<Tariff>) -> Option<Money> {
        let parts = tariff?.sum(self.tokens.as_ref()?)?;
        Some(Money::from_picousd(parts.total()))
    }
}

impl Ours {
    pub(super) fn add(&mut self, traffic: &DayTraffic, book: &PriceBook) {
        self.calls += traffic.calls;
        self.calls_without_tokens += traffic.calls.saturating_sub(traffic.usage_calls);
        match priced(traffic, book) {
            Some((cost, may_exceed)) => {
                self.cost += cost;
                self.may_exceed |= may_exceed;
            }
            None => self.calls_without_price += traffic.usage_calls,
        }
        add(&mut self.usage, &sums(traffic));
    }
}

fn add(sum: &mut Usage, usage: &Usage) {
    sum.input += usage.input;
    sum.cache_read += usage.cache_read;
    sum.cache_write += usage.cache_write;
    sum.output += usage.output;
    sum.reasoning += usage.reasoning;
}
