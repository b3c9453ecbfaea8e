//! Draws assessments: terminal tables and one self-contained HTML page.
//! It only draws: every number in it was decided elsewhere, and what is not known is printed as not known.

pub mod figures;
mod forms;
mod page;
mod plots;
mod terminal;
mod worddiff;

use crate::assess::result::AssessmentResult;

pub use forms::terminal as forms;
pub use page::html;
pub(crate) use terminal::clean_line;
pub use terminal::{Align, ColorChoice, Style, results, subsets, table, terminal};

/// What one HTML page tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The page's title.
    pub title: String,
    /// When the page was made, in milliseconds since the Unix epoch.
    pub generated_at_ms: i64,
    /// Whether any vendor on the page is simulated; each result says it of its own incumbent as well.
    pub simulated_vendor: bool,
    /// The assessments, in the order in which they are shown.
    pub results: Vec<AssessmentResult>,
    /// What happened while the business depended on the vendor and after; empty leaves the section out.
    pub dependence: Vec<Event>,
    /// The steps found; empty leaves the section out.
    pub steps: Vec<StepLine>,
}

impl Report {
    /// Returns whether any vendor that the page speaks of is simulated.
    fn is_simulated(&self) -> bool {
        self.simulated_vendor || self.results.iter().any(|result| result.is_simulated_incumbent)
    }
}

/// One moment of a timeline: a move, an outage, a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What happened, in one sentence.
    pub text: String,
}

/// One step as the table of steps shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLine {
    /// The step.
    pub step: String,
    /// Calls recorded.
    pub calls: u64,
    /// Tokens in and out; `None` is unknown.
    pub tokens: Option<u64>,
    /// What the calls cost in US dollars; `None` is unknown, never zero.
    pub usd: Option<f64>,
    /// When its model retires, in words; `None` is unknown.
    pub retirement: Option<String>,
    /// Who serves it: `leased`, `owned`, ...
    pub stage: String,
    /// The latest verdict, as in the row; `None` where it was never assessed.
    pub verdict: Option<String>,
    /// The fault of the serving that stands in the way of a verdict on the model, where one does.
    pub serving_fault: Option<String>,
}

/// The three outcomes, read from the row's word, and that a fault of the serving stands in their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Adequate,
    NotAdequate,
    Undecided,
    ServingFault,
}

impl Verdict {
    /// Reads a result: what a fault of the serving stands in the way of is not held against the model.
    fn of_result(result: &AssessmentResult) -> Self {
        match result.serving_fault {
            Some(_) => Self::ServingFault,
            None => Self::of(&result.row.verdict),
        }
    }

    /// Reads the row's word; one it does not know is never taken as leave to move a step.
    fn of(word: &str) -> Self {
        match word {
            "adequate" => Self::Adequate,
            "not_adequate" => Self::NotAdequate,
            _ => Self::Undecided,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Adequate => "adequate",
            Self::NotAdequate => "not adequate",
            Self::Undecided => "undecided",
            Self::ServingFault => "serving fault",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Adequate => "v-adequate",
            Self::NotAdequate => "v-not",
            Self::Undecided | Self::ServingFault => "v-undecided",
        }
    }
}

/// Says a verdict in words, with the cases still needed where it is undecided and they are known.
fn verdict_words(verdict: &str, more_needed: Option<u64>) -> String {
    match (Verdict::of(verdict), more_needed) {
        (Verdict::Undecided, Some(more)) => format!("undecided ({} more)", figures::count(more)),
        (verdict, _) => verdict.words().to_owned(),
    }
}

/// Says what a result came to in words, with the cases still needed where they are known and would help.
fn outcome_words(result: &AssessmentResult) -> String {
    match result.serving_fault {
        Some(_) => result.outcome(),
        None => verdict_words(&result.row.verdict, result.row.more_needed),
    }
}

/// Says what goes with a verdict that does not hold for every declared subset; nothing where it does.
fn reservation(result: &AssessmentResult) -> &'static str {
    if result.failing_subsets().next().is_some() { ", not for all" } else { "" }
}

/// Groups the results by step, both in the order of first appearance.
fn by_step(results: &[AssessmentResult]) -> Vec<(&str, Vec<usize>)> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, result) in results.iter().enumerate() {
        match groups.iter_mut().find(|(step, _)| *step == result.row.step) {
            Some((_, members)) => members.push(index),
            None => groups.push((&result.row.step, vec![index])),
        }
    }
    groups
}
