//! Both forms of a trial side by side, for the terminal and the page; each with its own statistics.

use serde::Serialize;

use super::terminal::{Align, table};
use super::{Verdict, figures, verdict_words};
use crate::assess::result::{AsIs, AssessmentResult, Failures, Row};

/// One form.
#[derive(Debug, Serialize)]
pub(super) struct FormLine {
    name: &'static str,
    class: &'static str,
    verdict: String,
    difference: String,
    interval: String,
    n: String,
    failed: String,
}

impl FormLine {
    fn new(name: &'static str, row: &Row, fault: Option<&String>, failures: &Failures) -> Self {
        let verdict = fault.map_or_else(|| Verdict::of(&row.verdict), |_| Verdict::ServingFault);
        let told = || verdict_words(&row.verdict, row.more_needed);
        Self {
            name,
            class: verdict.class(),
            verdict: fault.map_or_else(told, |broken| format!("{}: {broken}", verdict.words())),
            difference: figures::points(row.difference),
            interval: figures::limits((row.lower, row.upper), row.margin),
            n: figures::count(row.n),
            failed: figures::count(failures.candidate),
        }
    }
}

/// Returns both forms, or none where only one was asked.
pub(super) fn lines(result: &AssessmentResult) -> Vec<FormLine> {
    let Some(AsIs { row, failures, serving_fault, .. }) = &result.as_is else { return Vec::new() };
    vec![
        FormLine::new("as is", row, serving_fault.as_ref(), failures),
        FormLine::new("adapted", &result.row, result.serving_fault.as_ref(), &result.failures),
    ]
}

/// Says how much the adapting made, where both forms were asked.
pub(super) fn effect(result: &AssessmentResult) -> Option<String> {
    let effect = result.as_is.as_ref()?.effect.as_ref()?;
    let (difference, n) = (figures::points(effect.difference), figures::count(effect.n));
    let limits = match effect.interval {
        Some((lower, upper)) => {
            format!("{} interval {}", figures::interval_level(result.row.confidence), figures::interval(lower, upper))
        }
        None => "no interval: without --fixed it stops by what it sees, and few cases give none".to_owned(),
    };
    Some(format!("Adapting made {difference} points of the candidate's score ({limits}, n = {n})."))
}

/// Draws both forms of a result; `None` where only one was asked.
pub fn terminal(result: &AssessmentResult) -> Option<String> {
    use Align::{Left, Right};
    let lines = lines(result);
    if lines.is_empty() {
        return None;
    }
    let heads = [
        ("REQUESTS", Left),
        ("VERDICT", Left),
        ("DIFF", Right),
        ("INTERVAL", Right),
        ("N", Right),
        ("NO ANSWER", Right),
    ];
    let cells =
        |line: FormLine| vec![line.name.to_owned(), line.verdict, line.difference, line.interval, line.n, line.failed];
    let drawn = table(&heads, &lines.into_iter().map(cells).collect::<Vec<_>>());
    Some(drawn + &effect(result).map_or_else(String::new, |told| told + "\n"))
}
