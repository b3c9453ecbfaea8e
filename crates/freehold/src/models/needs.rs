//! What recorded traffic asks of a server: how long its calls are, and how many run at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use freehold_store::Load;
use serde::Serialize;

/// What the calls ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Needs {
    /// The calls that were looked at.
    pub(crate) calls: u64,
    /// Prompt and answer together, in tokens, where both are known.
    pub(crate) tokens: Spread,
    /// Calls that run at the moment one begins, itself among them, where it is known how long they took.
    pub(crate) at_once: Spread,
}

/// How a figure is spread over the calls; all zero where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spread {
    /// How many calls it is known for.
    pub(crate) known: u64,
    /// Half of them lie at or below.
    pub(crate) p50: u64,
    /// 95 of a hundred lie at or below.
    pub(crate) p95: u64,
    /// The largest.
    pub(crate) max: u64,
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let Some(max) = values.last().copied() else { return Spread::default() };
        // The nearest rank: a value that was seen, never one between two.
        let rank = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
        Spread { known: values.len() as u64, p50: rank(50), p95: rank(95), max }
    }
}

impl Needs {
    /// Sums up calls, in any order.
    pub(crate) fn of(loads: &[Load]) -> Self {
        Needs {
            calls: loads.len() as u64,
            tokens: Spread::of(loads.iter().filter_map(|load| load.tokens).collect()),
            at_once: Spread::of(at_once(loads)),
        }
    }
}

/// Returns for each call with a duration how many were running when it began.
fn at_once(loads: &[Load]) -> Vec<u64> {
    let begin_us = |load: &Load| i128::from(load.at_ms) * 1_000;
    let mut spans: Vec<(i128, i128)> = loads
        .iter()
        .filter(|load| load.total_us > 0)
        .map(|load| (begin_us(load), begin_us(load) + i128::from(load.total_us)))
        .collect();
    spans.sort_unstable();
    let mut running = BinaryHeap::new();
    let mut counts = Vec::with_capacity(spans.len());
    for (begin, end) in spans {
        while running.peek().is_some_and(|Reverse(ended)| *ended <= begin) {
            running.pop();
        }
        running.push(Reverse(end));
        counts.push(running.len() as u64);
    }
    counts
}

#[cfg(test)]
mod tests {
    use freehold_store::Load;

    use super::{Needs, Spread};

    fn load(at_ms: i64, total_ms: u64, tokens: Option<u64>) -> Load {
        Load { at_ms, total_us: total_ms * 1_000, tokens }
    }

    #[test]
    fn calls_that_overlap_are_counted_together_and_those_that_follow_are_not() {
        let calls =
            [load(100, 50, None), load(0, 100, None), load(20, 10, None), load(20, 500, None), load(7, 0, None)];
        // At 0: one. At 20: two, then three. At 100 the first two are over: two.
        let needs = Needs::of(&calls);
        assert_eq!(needs.at_once, Spread { known: 4, p50: 2, p95: 3, max: 3 });
        assert_eq!((needs.calls, needs.tokens), (5, Spread::default()));
    }

    #[test]
    fn spread_is_made_of_values_that_were_seen() {
        let calls: Vec<Load> = (1..=100).map(|tokens| load(0, 0, Some(tokens))).collect();
        assert_eq!(Needs::of(&calls).tokens, Spread { known: 100, p50: 50, p95: 95, max: 100 });
        assert_eq!(Needs::of(&calls[..1]).tokens, Spread { known: 1, p50: 1, p95: 1, max: 1 });
        assert_eq!(Needs::of(&[]), Needs::default());
    }
}
