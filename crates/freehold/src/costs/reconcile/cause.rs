//! Where the gap of a day and model comes from. The amounts of the causes add up to the gap, so nothing is hidden in a remainder.

use std::collections::BTreeMap;

use freehold_wire::Usage;
use serde::Serialize;

use super::side::{Ours, Theirs};
use crate::costs::money::Money;
use crate::facts::Tariff;
use crate::report::figures;

/// Less than half a cent is rounding, whatever the export says of itself.
const ROUNDING: i128 = 5_000_000_000;

/// The kind of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The vendor asks for tokens that were not recorded: other keys or applications, ways around the gateway, gaps.
    NotRecorded,
    /// What was recorded is not, or not in full, in the invoice.
    NotInvoiced,
    /// Calls were recorded that do not say their tokens.
    NoTokens,
    /// The price of the model is not known here.
    UnknownPrice,
    /// The two sides disagree about how much of the prompts came from a cache or went into one.
    Cache,
    /// The vendor asks another price than the listed one: discounts, batches, longer caches, long prompts.
    Price,
    /// The vendor asks for something else than tokens.
    NotTokens,
    /// The export does not say enough to tell.
    Unexplained,
    /// Amounts are rounded.
    Rounding,
}

/// One cause of a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Its kind.
    pub why: Why,
    /// How much of the gap it is; positive where the invoice is higher.
    #[serde(rename = "microusd")]
    pub amount: Money,
    /// What was seen, in words.
    pub text: String,
}

/// Both sides of a day and model.
pub(super) struct Both<'s> {
    pub(super) theirs: &'s Theirs,
    pub(super) ours: &'s Ours,
    pub(super) tariff: Option<Tariff>,
    pub(super) rounding: Money,
    pub(super) lost_calls: u64,
}

/// Explains a gap.
pub(super) fn explain(both: &Both<'_>) -> Vec<Cause> {
    let (theirs, ours) = (both.theirs, both.ours);
    let invoiced = theirs.amount(both.tariff);
    let gap = invoiced - ours.cost;
    if gap == Money::default() && ours.calls_without_price == 0 && (both.tariff.is_some() || theirs.says_amount()) {
        return Vec::new();
    }
    let mut causes = Vec::new();
    if theirs.other != Money::default() {
        causes.push(cause(Why::NotTokens, theirs.other, "searches, storage or other things than tokens"));
    }
    let rest = gap - theirs.other;
    let rounded = both.rounding.picousd() * i128::from(theirs.amounts);
    if theirs.says_amount()
        && ours.calls > 0
        && rest.abs().picousd() <= rounded.max(ROUNDING.min(ours.cost.picousd() / 100))
    {
        causes.push(cause(Why::Rounding, rest, "amounts are rounded"));
    } else {
        causes.extend(main_causes(both, rest));
    }
    causes.retain(|cause| cause.amount != Money::default() || cause.why == Why::UnknownPrice);
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.amount.abs()));
    causes
}

fn main_causes(both: &Both<'_>, rest: Money) -> Vec<Cause> {
    let (theirs, ours) = (both.theirs, both.ours);
    if theirs.is_absent() {
        let text = "recorded, but not in the invoice: billed later, under another name, or not part of this export";
        return vec![cause(Why::NotInvoiced, rest, text)];
    }
    let unknown = "no price of this model is known here; a file of vendor facts can name one";
    if both.tariff.is_none() && !theirs.says_amount() {
        return vec![cause(Why::UnknownPrice, rest, unknown)];
    }
    if ours.calls == 0 {
        return vec![missing(both, rest)];
    }
    let Some(tariff) = both.tariff.filter(|_| ours.calls_without_price == 0) else {
        return match ours.calls_without_price {
            0 => vec![cause(Why::Unexplained, rest, "the export names no models; group it by line item to see more")],
            _ => vec![cause(Why::UnknownPrice, rest, unknown)],
        };
    };
    let Some(tokens) = theirs.tokens(tariff) else {
        let text = match ours.calls_without_tokens {
            0 => "the export says no tokens; its usage export tells more".to_owned(),
            calls => format!("the export says no tokens, and {calls} recorded calls do not either"),
        };
        return vec![cause(Why::Unexplained, rest, text)];
    };
    by_tokens(both, rest, (tariff, tokens))
}

/// Splits what is left by what the tokens tell: as if our share of cached tokens held for theirs, then the rest.
fn by_tokens(both: &Both<'_>, rest: Money, (tariff, tokens): (Tariff, Usage)) -> Vec<Cause> {
    let ours = both.ours;
    let cost = |usage: &Usage| tariff.sum(usage).map(|parts| Money::from_picousd(parts.total()));
    let shared = with_shares_of(&tokens, &ours.usage);
    let (Some(listed), Some(alike)) = (cost(&tokens), cost(&shared)) else {
        return vec![cause(Why::UnknownPrice, rest, "a price that these tokens need is not listed")];
    };
    let (cache, volume) = (listed - alike, alike - ours.cost);
    let price = rest - cache - volume;
    let cached = |usage: &Usage| match usage.input {
        0 => "none".to_owned(),
        input => format!("{:.1} %", 100.0 * (usage.cache_read as f64) / input as f64),
    };
    let text = format!("cached prompt tokens: {} there, {} here", cached(&tokens), cached(&ours.usage));
    let long = if ours.may_exceed { ", or long prompts, which cost more than is counted here" } else { "" };
    let priced = format!("asked at another price than the listed one: a discount, a batch, another tier{long}");
    let mut causes = vec![cause(Why::Cache, cache, text), cause(Why::Price, price, priced)];
    if volume < Money::default() {
        let text = format!("tokens were recorded that the invoice does not have: {}", counts(both));
        causes.push(cause(Why::NotInvoiced, volume, text));
    } else {
        causes.push(missing(both, volume));
    }
    causes
}

/// Explains what the vendor asks for and nobody recorded.
fn missing(both: &Both<'_>, amount: Money) -> Cause {
    let ours = both.ours;
    if ours.calls_without_tokens > 0 {
        let calls = figures::counted(ours.calls_without_tokens, "recorded call says", "recorded calls say");
        return cause(Why::NoTokens, amount, format!("{calls} no tokens; {}", counts(both)));
    }
    let lost = match both.lost_calls {
        0 => String::new(),
        lost => format!("{} that day could not be recorded; ", figures::counted(lost, "call", "calls")),
    };
    let text = format!("{lost}another key or application, or a way around the gateway; {}", counts(both));
    cause(Why::NotRecorded, amount, text)
}

fn counts(both: &Both<'_>) -> String {
    let here = figures::counted(both.ours.calls, "call", "calls");
    match both.theirs.requests {
        Some(requests) => format!("{} there, {here} here", figures::counted(requests, "request", "requests")),
        None => format!("{here} here"),
    }
}

/// Returns one side's tokens with the other's shares of cached ones.
fn with_shares_of(tokens: &Usage, other: &Usage) -> Usage {
    if other.input == 0 {
        return *tokens;
    }
    let scaled = |part: u64| u64::try_from(u128::from(tokens.input) * u128::from(part) / u128::from(other.input));
    Usage {
        cache_read: scaled(other.cache_read).unwrap_or(tokens.cache_read),
        cache_write: scaled(other.cache_write).unwrap_or(tokens.cache_write),
        ..*tokens
    }
}

/// Adds causes of one kind up.
pub(super) fn together<'c>(causes: impl Iterator<Item = &'c Cause>) -> Vec<Cause> {
    let mut sums: BTreeMap<Why, (Money, u64)> = BTreeMap::new();
    for cause in causes {
        let (sum, rows) = sums.entry(cause.why).or_default();
        *sum += cause.amount;
        *rows += 1;
    }
    let words = |rows| figures::counted(rows, "day and model", "days and models");
    let mut all: Vec<Cause> = sums.into_iter().map(|(why, (sum, rows))| cause(why, sum, words(rows))).collect();
    all.sort_by_key(|cause| std::cmp::Reverse(cause.amount.abs()));
    all
}

fn cause(why: Why, amount: Money, text: impl Into<String>) -> Cause {
    Cause { why, amount, text: text.into() }
}
