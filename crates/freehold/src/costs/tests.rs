//! Tests of the sums: what is known is added, what is not is counted.

use std::sync::Arc;

use freehold_wire::Api;

use super::*;
use crate::facts::{Facts, Sellers, day_of};

pub(super) fn day(text: &str) -> i32 {
    day_of(text.parse().unwrap())
}

pub(super) fn book() -> PriceBook {
    PriceBook::new(Arc::new(Facts::embedded()), Sellers::default())
}

/// A day with calls that all say their tokens.
pub(super) fn traffic(on: &str, model: &str, calls: u64, usage: Usage) -> DayTraffic {
    DayTraffic {
        day: day(on),
        step: "triage".into(),
        api: Api::OpenAiChat,
        upstream: "vendor".into(),
        model: model.into(),
        key: None,
        calls,
        failures: 0,
        usage_calls: calls,
        estimated_calls: 0,
        input: usage.input,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write,
        output: usage.output,
        reasoning: usage.reasoning,
    }
}

fn tokens(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

fn microusd(line: &Line) -> Option<i128> {
    line.cost.map(|cost| crate::facts::microusd(cost.picousd()))
}

#[test]
fn price_change_splits_the_days_of_one_model() {
    let days = [
        traffic("2026-08-31", "claude-sonnet-5", 10, tokens(1_000_000, 0)),
        traffic("2026-09-01", "claude-sonnet-5", 10, tokens(1_000_000, 0)),
    ];
    let found = costs(&days, By::Model, &book());
    assert_eq!(found.lines.len(), 1);
    assert_eq!((found.lines[0].name.as_str(), microusd(&found.total)), ("vendor/claude-sonnet-5", Some(5_000_000)));
    let by_day = costs(&days, By::Day, &book());
    let named: Vec<_> = by_day.lines.iter().map(|line| (line.name.as_str(), microusd(line))).collect();
    assert_eq!(named, [("2026-08-31", Some(2_000_000)), ("2026-09-01", Some(3_000_000))]);
}

#[test]
fn unknown_costs_are_counted_and_never_zero() {
    let mut mute = traffic("2026-11-01", "gpt-4o", 7, Usage::default());
    (mute.usage_calls, mute.failures) = (0, 3);
    let mut own = traffic("2026-11-01", "desk", 5, tokens(99, 9));
    own.upstream = "engine".into();
    let days = [
        traffic("2026-11-01", "gpt-4o", 2, tokens(400_000, 100_000)),
        mute,
        traffic("2026-11-01", "my-model", 3, tokens(10, 10)),
        own,
    ];
    let found = costs(&days, By::Model, &book());
    let total = &found.total;
    assert_eq!((total.calls, total.calls_without_tokens, total.calls_without_price, total.own_calls), (17, 7, 3, 5));
    assert_eq!((microusd(total), total.is_whole()), (Some(2_000_000), false));
    assert_eq!(found.models_without_price, ["my-model"]);
    let unknown = found.lines.iter().find(|line| line.name.ends_with("my-model")).unwrap();
    assert_eq!(unknown.cost, None);
    let notes = terminal::notes(&found, "2026-11-22").join("\n");
    assert!(
        notes.contains(
            "at least $2.00; 10\u{a0}calls of unknown price: 7 without tokens (up to 3 of them failed), 3 to"
        ),
        "{notes}"
    );
    let table = terminal::table(&found, By::Model, terminal::Bars::Drawn);
    assert!(table.contains("≥ $2.00") && table.contains("own machine") && table.contains("unknown"), "{table}");
}

#[test]
fn sums_that_may_hold_long_prompts_are_a_least() {
    let found = costs(&[traffic("2026-11-01", "gemini-2.5-pro", 9, tokens(300_000, 0))], By::Step, &book());
    assert!(found.total.is_least && !found.total.is_whole());
    let found = costs(&[traffic("2026-11-01", "gemini-2.5-pro", 9, tokens(200_000, 0))], By::Step, &book());
    assert!(found.total.is_whole());
}

#[test]
fn dearest_part_comes_first_and_estimates_are_marked() {
    let mut estimated = traffic("2026-11-01", "gpt-4o", 1, tokens(2_000_000, 0));
    (estimated.step, estimated.estimated_calls) = ("reply".into(), 1);
    let days = [traffic("2026-11-01", "gpt-4o", 9, tokens(1_000_000, 0)), estimated];
    let found = costs(&days, By::Step, &book());
    assert_eq!(found.lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["reply", "triage"]);
    let table = terminal::table(&found, By::Step, terminal::Bars::Left);
    assert!(table.contains("~ $5.00") && table.contains("66.7 %") && !table.contains('█'), "{table}");
}

#[test]
fn tiny_amounts_are_not_rounded_away_before_they_are_added() {
    let days: Vec<_> = (0..1000).map(|_| traffic("2026-11-01", "gpt-4o-mini", 1, tokens(1, 0))).collect();
    assert_eq!(microusd(&costs(&days, By::Step, &book()).total), Some(150), "a thousand times 0.15 millionths");
}
