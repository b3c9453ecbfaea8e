//! Costs and reconciliations as tables for the terminal; readable without colour.

use std::fmt::Write as _;

use super::reconcile::{Cause, Reconciliation, Why};
use super::{By, Costs, Line};
use crate::report::{self, Align, figures};

/// Columns of a full share bar.
const BAR_COLUMNS: f64 = 20.0;
/// Rows of a reconciliation that are shown; the JSON has all.
const ROWS_MAX: usize = 12;

/// Whether shares are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bars {
    /// On a terminal.
    Drawn,
    /// In a file or a pipe.
    Left,
}

/// Draws the costs as a table with a total below.
#[must_use]
pub fn table(costs: &Costs, by: By, bars: Bars) -> String {
    let mut heads = vec![
        (head(by), Align::Left),
        ("CALLS", Align::Right),
        ("TOKENS IN", Align::Right),
        ("CACHED", Align::Right),
        ("TOKENS OUT", Align::Right),
        ("COST", Align::Right),
        ("SHARE", Align::Right),
    ];
    if bars == Bars::Drawn {
        heads.push(("", Align::Left));
    }
    let whole = costs.total.cost.unwrap_or_default().usd();
    let row = |name: &str, line: &Line| {
        let share = line.cost.filter(|_| whole > 0.0).map(|cost| cost.usd() / whole);
        let mut cells = vec![
            name.to_owned(),
            figures::count(line.calls),
            figures::count(line.input_tokens),
            cached(line),
            figures::count(line.output_tokens),
            cost(line),
            share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0)),
        ];
        if bars == Bars::Drawn {
            cells.push(if name == "total" { String::new() } else { bar(share.unwrap_or(0.0)) });
        }
        cells
    };
    let mut rows: Vec<Vec<String>> = costs.lines.iter().map(|line| row(&line.name, line)).collect();
    rows.push(row("total", &costs.total));
    report::table(&heads, &rows)
}

fn head(by: By) -> &'static str {
    match by {
        By::Step => "STEP",
        By::Model => "UPSTREAM/MODEL",
        By::Key => "KEY",
        By::Day => "DAY (UTC)",
    }
}

fn cached(line: &Line) -> String {
    match line.input_tokens {
        0 => String::new(),
        input => format!("{:.0} %", 100.0 * line.cache_read_tokens as f64 / input as f64),
    }
}

/// Formats a cost; `≥` says that more may have been spent than is known, `~` that tokens were counted here.
fn cost(line: &Line) -> String {
    let Some(cost) = line.cost else {
        let is_own = line.own_calls == line.calls;
        return if is_own { "own machine".to_owned() } else { "unknown".to_owned() };
    };
    let least = if line.is_whole() { "" } else { "≥ " };
    let estimated = if line.estimated_calls > 0 { "~ " } else { "" };
    format!("{least}{estimated}{}", cost.shown())
}

fn bar(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * BAR_COLUMNS * 8.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// Says in words what the table cannot: what is not known, what was estimated, and whose prices were taken.
#[must_use]
pub fn notes(costs: &Costs, prices_as_of: &str) -> Vec<String> {
    let total = &costs.total;
    let mut notes = Vec::new();
    let calls = |count| figures::counted(count, "call", "calls");
    if total.unknown_calls() > 0 {
        let known = total.cost.map_or_else(String::new, |cost| format!("at least {}; ", cost.shown()));
        let mut why = Vec::new();
        if total.calls_without_tokens > 0 {
            let failed = total.failures.min(total.calls_without_tokens);
            let failed =
                if failed > 0 { format!(" (up to {} of them failed)", figures::count(failed)) } else { String::new() };
            why.push(format!("{} without tokens{failed}", figures::count(total.calls_without_tokens)));
        }
        if total.calls_without_price > 0 {
            let models = shown(&costs.models_without_price);
            why.push(format!(
                "{} to models without a listed price: {models}",
                figures::count(total.calls_without_price)
            ));
        }
        notes.push(format!("{known}{} of unknown price: {}", calls(total.unknown_calls()), why.join(", ")));
    }
    if total.is_least {
        notes.push(
            "≥ long prompts cost more with some of these models; their calls are counted at the base price".to_owned(),
        );
    }
    if total.estimated_calls > 0 {
        notes.push(format!(
            "~ the tokens of {} were counted here, because the provider did not say",
            calls(total.estimated_calls)
        ));
    }
    if total.own_calls > 0 {
        notes.push(format!("{} on machines of your own, whose time has no price here", calls(total.own_calls)));
    }
    if total.cost.is_some() {
        notes.push(format!("list prices as known on {prices_as_of}, each call at the price of its day; taxes and discounts are not in them"));
    }
    notes
}

fn shown(models: &[String]) -> String {
    let more = models.len().saturating_sub(5);
    let named = models.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// Draws a reconciliation.
#[must_use]
pub fn reconciliation(found: &Reconciliation, tolerance_percent: f64) -> String {
    let mut out = String::new();
    let source = if found.has_amounts { "invoiced" } else { "invoiced (tokens at list prices)" };
    let percent = found.gap_share().map_or("no share of nothing".to_owned(), |share| format!("{:.2} %", share * 100.0));
    writeln!(out, "{} to {}, UTC days", found.days.0, found.days.1).expect(WRITES);
    writeln!(out, "  {source:<34}{:>14}", found.invoiced.shown()).expect(WRITES);
    writeln!(out, "  {:<34}{:>14}", "recorded (at list prices)", found.recorded.shown()).expect(WRITES);
    let gap = found.gap().shown_with_sign();
    writeln!(out, "  {:<34}{gap:>14}   {percent}, tolerated are {tolerance_percent} %", "gap").expect(WRITES);
    if !found.causes.is_empty() {
        out.push_str("\nwhere the gap comes from\n");
        for cause in &found.causes {
            writeln!(out, "  {:<34}{:>14}   {}", word(cause.why), cause.amount.shown_with_sign(), cause.text)
                .expect(WRITES);
        }
    }
    out.push_str(&rows(found));
    out.push_str(&keys(found));
    out
}

const WRITES: &str = "a string takes every write";

fn rows(found: &Reconciliation) -> String {
    let open: Vec<_> = found.rows.iter().filter(|row| !row.causes.is_empty()).collect();
    if open.is_empty() {
        return String::new();
    }
    let heads = [
        ("DAY", Align::Left),
        ("MODEL", Align::Left),
        ("INVOICED", Align::Right),
        ("RECORDED", Align::Right),
        ("GAP", Align::Right),
        ("MOSTLY", Align::Left),
    ];
    let lines: Vec<Vec<String>> = open
        .iter()
        .take(ROWS_MAX)
        .map(|row| {
            vec![
                row.day.clone(),
                row.model.clone().unwrap_or_else(|| "(all)".to_owned()),
                row.invoiced.shown(),
                row.recorded.shown(),
                (row.invoiced - row.recorded).shown_with_sign(),
                row.causes.first().map_or_else(String::new, said),
            ]
        })
        .collect();
    let more = open.len().saturating_sub(ROWS_MAX);
    let more = if more > 0 { format!("and {more} more; --json shows all\n") } else { String::new() };
    format!("\n{}{more}", report::table(&heads, &lines))
}

fn said(cause: &Cause) -> String {
    format!("{}: {}", word(cause.why), cause.text)
}

fn keys(found: &Reconciliation) -> String {
    let mut out = String::new();
    if found.vendor_keys.len() > 1 {
        out.push_str("\nkeys in the invoice\n");
        for key in &found.vendor_keys {
            let left = if key.is_left_out { "   left out" } else { "" };
            writeln!(out, "  {:<34}{:>14}{left}", key.key, key.invoiced.shown()).expect(WRITES);
        }
    }
    if found.has_more {
        out.push_str("\nthe export says that it goes on in a further page: join the pages into one file\n");
    }
    out
}

/// Returns the words for a cause.
fn word(why: Why) -> &'static str {
    match why {
        Why::NotRecorded => "not recorded",
        Why::NotInvoiced => "not invoiced",
        Why::NoTokens => "calls that say no tokens",
        Why::UnknownPrice => "unknown price",
        Why::Cache => "cached tokens counted differently",
        Why::Price => "another price than the listed one",
        Why::NotTokens => "not for tokens",
        Why::Unexplained => "not explained by the export",
        Why::Rounding => "rounding",
    }
}
