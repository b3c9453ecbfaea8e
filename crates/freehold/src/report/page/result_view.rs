//! One result as its section of the page shows it.

use serde::Serialize;

use super::{judge_lines, words};
use crate::{
    assess::Look,
    assess::result::{AssessmentResult, Disagreement, Subset},
    report::{Verdict, figures, figures::counted, forms, forms::FormLine, plots, worddiff, worddiff::Piece},
};

/// Disagreements shown at most; the rest stay in the store.
const DISAGREEMENTS_MAX: usize = 8;
/// Letters of one text shown at most.
const LETTERS_MAX: usize = 8_000;

#[derive(Serialize)]
pub(super) struct ResultView<'a> {
    anchor: usize,
    candidate: &'a str,
    incumbent: &'a str,
    is_simulated: bool,
    class: &'static str,
    verdict: String,
    sentence: String,
    what_would_change: Option<String>,
    noise_floor: String,
    subsets: Vec<SubsetView<'a>>,
    failing: Option<String>,
    scores: Option<String>,
    latency: Option<String>,
    latency_words: String,
    facts: Vec<(&'static str, String)>,
    cost_basis: &'a str,
    forms: Vec<FormLine>,
    effect: Option<String>,
    notes: Vec<String>,
    disagreements: Vec<DisagreementView<'a>>,
    disagreements_left: usize,
    is_never_worse: bool,
    looks: Vec<LookView<'a>>,
    judge: Vec<(&'static str, String)>,
    lock: Vec<(String, String)>,
}

/// One look of the ledger, the newest of those at the same claim last.
#[derive(Serialize)]
struct LookView<'a> {
    when: String,
    candidate: &'a str,
    verdict: &'static str,
    class: &'static str,
    cases: String,
    shared: String,
    check: &'a str,
    margin: String,
    is_retry: bool,
    is_own: bool,
}

#[derive(Serialize)]
struct DisagreementView<'a> {
    case: &'a str,
    input: String,
    reason: Option<&'a str>,
    incumbent_score: String,
    candidate_score: String,
    reference: Vec<Piece>,
    candidate: Vec<Piece>,
    rerun: Option<String>,
}

#[derive(Serialize)]
struct SubsetView<'a> {
    by: &'a str,
    value: &'a str,
    class: &'static str,
    verdict: &'static str,
    more: String,
    difference: String,
    lower: String,
    upper: String,
    n: String,
}

impl<'a> SubsetView<'a> {
    fn new(subset: &'a Subset, margin: f64) -> Self {
        let verdict = Verdict::of(&subset.verdict);
        Self {
            by: &subset.by,
            value: &subset.value,
            class: verdict.class(),
            verdict: verdict.words(),
            more: subset.more_needed.map_or_else(|| "–".to_owned(), figures::count),
            difference: figures::points(subset.difference),
            lower: figures::limit(subset.lower, margin),
            upper: figures::limit(subset.upper, margin),
            n: figures::count(subset.n),
        }
    }
}

impl<'a> ResultView<'a> {
    pub(super) fn new(anchor: usize, result: &'a AssessmentResult) -> Self {
        let row = &result.row;
        let verdict = Verdict::of_result(result);
        let shown = &result.disagreements[..result.disagreements.len().min(DISAGREEMENTS_MAX)];
        Self {
            anchor,
            candidate: &row.candidate,
            incumbent: &row.incumbent,
            is_simulated: result.is_simulated_incumbent,
            class: verdict.class(),
            verdict: words::outcome(result),
            sentence: words::sentence(result),
            what_would_change: words::what_would_change(result),
            noise_floor: words::noise_floor(result),
            subsets: result.subsets.iter().map(|subset| SubsetView::new(subset, row.margin)).collect(),
            failing: words::failing_subsets(result),
            scores: plots::scores(&result.cases),
            latency: plots::latency(&result.cases),
            latency_words: latency_words(result),
            facts: facts(result),
            cost_basis: &result.cost.basis,
            notes: failures(result).into_iter().chain(result.notes.iter().cloned()).collect(),
            forms: forms::lines(result),
            effect: forms::effect(result),
            disagreements: shown.iter().map(DisagreementView::new).collect(),
            disagreements_left: result.disagreements.len() - shown.len(),
            is_never_worse: !result.cases.is_empty()
                && !result.cases.iter().any(|case| case.candidate < case.incumbent),
            looks: looks(result),
            judge: judge_lines::of(result),
            lock: lock_lines(result.lock.as_ref()),
        }
    }
}

impl<'a> DisagreementView<'a> {
    fn new(case: &'a Disagreement) -> Self {
        let (reference, candidate) = worddiff::lay_out(&shortened(&case.reference), &shortened(&case.candidate));
        let (reference, candidate) = worddiff::compare(&reference, &candidate);
        Self {
            case: &case.case,
            input: shortened(&case.input),
            reason: case.reason.as_deref(),
            incumbent_score: figures::score(case.incumbent_score),
            candidate_score: figures::score(case.candidate_score),
            reference,
            candidate,
            rerun: case.rerun.as_deref().map(|rerun| worddiff::lay_out(&case.reference, &shortened(rerun)).1),
        }
    }
}

/// Returns the looks at the step, where this result is not the only one.
fn looks(result: &AssessmentResult) -> Vec<LookView<'_>> {
    let is_alone = result.looks.len() < 2;
    let told = if is_alone { &[] } else { result.looks.as_slice() };
    told.iter().map(|look| LookView::new(look, &result.id)).collect()
}

impl<'a> LookView<'a> {
    fn new(look: &'a Look, own: &str) -> Self {
        let verdict = look.verdict.as_deref().map(Verdict::of);
        Self {
            when: figures::date(look.at_ms),
            candidate: &look.candidate,
            verdict: verdict.map_or("broken off", Verdict::words),
            class: verdict.map_or("quiet", Verdict::class),
            cases: figures::count(look.cases),
            shared: figures::count(look.shared),
            check: &look.check,
            margin: figures::setting(look.margin),
            is_retry: look.is_retry,
            is_own: look.assessment == own,
        }
    }
}

fn shortened(text: &str) -> String {
    let letters = text.chars().count();
    if letters <= LETTERS_MAX {
        return text.to_owned();
    }
    let left_out = counted((letters - LETTERS_MAX) as u64, "letter", "letters");
    text.chars().take(LETTERS_MAX).chain(format!("… [{left_out} left out]").chars()).collect()
}

fn latency_words(result: &AssessmentResult) -> String {
    let recorded = plots::sorted(result.cases.iter().filter_map(|case| case.recorded_ms));
    let candidate = plots::sorted(result.cases.iter().filter_map(|case| case.candidate_ms));
    let slow = |times: &[f64]| plots::quantile(times, 0.95).map_or("unknown".to_owned(), figures::duration_ms);
    format!(
        "95th percentile: recorded {}, candidate {}. \
         The candidate’s times are those of this replay, not of your traffic.",
        slow(&recorded),
        slow(&candidate)
    )
}

fn facts(result: &AssessmentResult) -> Vec<(&'static str, String)> {
    let cost = &result.cost;
    let tokens = |mean: Option<f64>| {
        mean.filter(|mean| mean.is_finite()).map_or("unknown".to_owned(), |mean| figures::count(mean.round() as u64))
    };
    let machine = match cost.candidate_engine_s_per_1k {
        Some(seconds) => figures::duration_ms(seconds * 1e3),
        None => "not run on this machine".to_owned(),
    };
    let replay = &result.replay;
    let mut replayed = format!(
        "{} in {}",
        counted(replay.generations, "generation", "generations"),
        figures::duration_ms(replay.wall_ms as f64)
    );
    if replay.resumed > 0 {
        replayed.push_str(&format!(", {} kept from an earlier session", figures::count(replay.resumed)));
    }
    vec![
        ("Incumbent per 1,000 calls", figures::usd(cost.incumbent_usd_per_1k)),
        ("Candidate per 1,000 calls", figures::usd(cost.candidate_usd_per_1k)),
        ("Machine time per 1,000 calls", machine),
        (
            "Mean tokens in and out",
            format!("{} and {}", tokens(cost.input_tokens_mean), tokens(cost.output_tokens_mean)),
        ),
        ("Replay", replayed),
        ("Finished", figures::date(result.at_ms)),
        ("Assessment", result.id.clone()),
    ]
}

fn failures(result: &AssessmentResult) -> Option<String> {
    let failures = &result.failures;
    if failures.candidate + failures.rerun == 0 {
        return None;
    }
    let example = failures.example.as_ref().map(|example| format!(" The commonest: {example}.")).unwrap_or_default();
    Some(format!(
        "{} of the candidate and {} of the incumbent’s rerun failed; \
         each counts as a score of 0 and none was dropped.{example}",
        counted(failures.candidate, "replay", "replays"),
        figures::count(failures.rerun)
    ))
}

/// Lays out the lock's fields, one a line.
fn lock_lines(lock: Option<&serde_json::Value>) -> Vec<(String, String)> {
    let print = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match lock {
        None => Vec::new(),
        Some(serde_json::Value::Object(fields)) => {
            fields.iter().map(|(name, value)| (name.replace('_', " "), print(value))).collect()
        }
        Some(other) => vec![("lock".to_owned(), print(other))],
    }
}
