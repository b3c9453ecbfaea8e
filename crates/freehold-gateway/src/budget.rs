//! Budgets that stop: what a call may take is reserved before it goes out, and what it took replaces that when it has ended.
//!
//! Nothing here touches the store; the ledger is filled from it at start and tells it what changed.

mod ledger;
mod spend;
#[cfg(test)]
mod tests;

use std::fmt;

use freehold_store::{Budget, Unit};

use crate::calendar;

pub(crate) use ledger::{Ledger, Purse};
pub(crate) use spend::{Begun, Estimate, Priced, Prices, Spend};

/// Money and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub microusd: u64,
    pub tokens: u64,
}

/// A budget does not suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exhausted {
    /// Whose: `key "NAME"` or `step "NAME"`.
    pub holder: String,
    pub budget: Budget,
    /// What is spent or reserved, in the budget's unit.
    pub taken: u64,
    /// What the call may take on top.
    pub wanted: u64,
    /// When counting begins anew, in milliseconds since the Unix epoch.
    pub resets_ms: i64,
    /// How long that is from now, in seconds.
    pub resets_in_s: u64,
}

/// Why a call may not be paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Exhausted(Box<Exhausted>),
    /// A money budget stands before a model whose price is not known.
    UnknownPrice {
        holder: String,
        upstream: String,
        model: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exhausted = match self {
            Refusal::Exhausted(exhausted) => exhausted,
            Refusal::UnknownPrice { holder, upstream, model } => {
                return write!(
                    f,
                    "{holder} has a budget, and what the model {model:?} of {upstream} costs is not known: state its price, or let the budget pass over it (unknown price: allow)"
                );
            }
        };
        let Exhausted { holder, budget, taken, wanted, resets_ms, .. } = &**exhausted;
        let shown = |amount| shown(amount, budget.unit);
        write!(
            f,
            "the budget of {holder} does not suffice: {} of {} a {} are spent or reserved, and this call may take {} more; counting begins anew at {}",
            shown(*taken),
            shown(budget.amount),
            budget.period.as_str(),
            shown(*wanted),
            calendar::text(*resets_ms)
        )
    }
}

fn shown(amount: u64, unit: Unit) -> String {
    match unit {
        Unit::Microusd => format!("{}.{:06} USD", amount / 1_000_000, amount % 1_000_000),
        Unit::Tokens => format!("{amount} tokens"),
    }
}

impl Amount {
    fn of(self, unit: Unit) -> u64 {
        match unit {
            Unit::Microusd => self.microusd,
            Unit::Tokens => self.tokens,
        }
    }

    fn plus(self, other: Amount) -> Amount {
        Amount {
            microusd: self.microusd.saturating_add(other.microusd),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    fn less(self, other: Amount) -> Amount {
        Amount {
            microusd: self.microusd.saturating_sub(other.microusd),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}
