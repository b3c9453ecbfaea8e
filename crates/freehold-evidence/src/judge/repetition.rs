//! A guard against answers that do not depend on the question, which some judges prefer to honest ones.

use std::collections::HashMap;

use serde::Serialize;

/// Fewer answers than this repeat themselves by chance.
const ANSWERS_MIN: u64 = 10;
/// A candidate with less than this part of the incumbent's variety is suspect.
const VARIETY_KEPT_MIN: f64 = 0.5;

/// Holds how much a candidate's answers repeat each other, beside the incumbent's on the same cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Repetition {
    /// Number of the candidate's answers.
    pub answers: u64,
    /// Distinct answers of the candidate over its answers.
    pub distinct_ratio: f64,
    /// The same of the incumbent.
    pub incumbent_distinct_ratio: f64,
    /// Share of the candidate's answers that are its most frequent one.
    pub most_frequent_share: f64,
    /// Whether the candidate shows less than half of the incumbent's variety: no judge's preference counts then.
    pub is_suspect: bool,
}

/// Returns how much the candidate's answers repeat each other; `None` without answers of both.
///
/// Answers are compared without outer blanks. Few labels as answers make few distinct ones in both arms, so the
/// incumbent is the measure. A constant text can win most comparisons against honest answers: Zheng et al. (2024,
/// arXiv 2410.07137).
#[must_use]
pub fn repetition<S: AsRef<str>>(candidate: &[S], incumbent: &[S]) -> Option<Repetition> {
    let (distinct, most_frequent) = variety(candidate)?;
    let (incumbent_distinct, _) = variety(incumbent)?;
    let distinct_ratio = distinct / candidate.len() as f64;
    let incumbent_distinct_ratio = incumbent_distinct / incumbent.len() as f64;
    let answers = candidate.len() as u64;
    let is_less_varied = distinct_ratio < VARIETY_KEPT_MIN * incumbent_distinct_ratio;
    Some(Repetition {
        answers,
        distinct_ratio,
        incumbent_distinct_ratio,
        most_frequent_share: most_frequent / candidate.len() as f64,
        is_suspect: answers >= ANSWERS_MIN && is_less_varied,
    })
}

/// Returns the number of distinct texts and how often the most frequent one occurs.
fn variety<S: AsRef<str>>(texts: &[S]) -> Option<(f64, f64)> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for text in texts {
        *counts.entry(text.as_ref().trim()).or_default() += 1;
    }
    let most_frequent = *counts.values().max()?;
    Some((counts.len() as f64, most_frequent as f64))
}
