//! Few labels of people and many verdicts of a judge in one estimate, right whatever the judge's bias (PPI++).
//! For differences: what people say of candidate minus incumbent, against what the judge says of it.

use serde::Serialize;
use thiserror::Error;

use crate::decision::{Rule, Verdict};
use crate::{paired, quantile};

/// Below this many labels the limits take Student's quantiles, and no candidate is called adequate.
pub const LABELS_FEW: usize = 50;

/// Holds the difference of one labelled case, candidate minus incumbent, -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Labelled {
    /// By the label of a person.
    pub person: f64,
    /// By the judge.
    pub judge: f64,
}

/// Says why there is no estimate; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There are too few labels for an error.
    #[error("{labels} labels, where an estimate needs 2")]
    FewLabels {
        /// Labels found.
        labels: usize,
    },
    /// A difference is not a number from -1 to 1.
    #[error("the difference by the {rater} is {difference}, not a number from -1 to 1")]
    Difference {
        /// `person` or `judge`.
        rater: &'static str,
        /// The difference found.
        difference: f64,
    },
}

/// Holds the difference that labels and judge show together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Mean of candidate minus incumbent, as people would score it.
    pub difference: f64,
    /// Standard error of the difference.
    pub error: f64,
    /// Lower limit, at the rule's one-sided level.
    pub lower: f64,
    /// Upper limit, at the rule's one-sided level.
    pub upper: f64,
    /// How far the judge is made use of, 0 (not at all) to 1.
    pub weight: f64,
    /// Cases with a label.
    pub labels: u64,
    /// Cases with the judge's word only.
    pub judged: u64,
    /// How many times as many labels alone would give the same error; 1 where the judge adds nothing.
    pub labels_worth: f64,
    /// What the limits allow to claim.
    pub verdict: Verdict,
    /// What a reader must know to read the numbers rightly, one sentence each.
    pub notes: Vec<String>,
}

/// Returns the difference that people would find, from labelled cases and the judge's differences on further ones.
///
/// difference = mean(Y) + w (mean(F) - mean(f)), with w = cov(Y, f) / ((1 + n/N) var(f and F)) cut to 0..1, and squared
/// error var(Y - w f)/n + w^2 var(F)/N. Both kinds of case must come from the same traffic, the labelled ones drawn at
/// random, and the judge be fixed before it saw a label; cases that belong together must not be split over rows. Source:
/// Angelopoulos, Duchi and Zrnic (2023, arXiv 2311.01453), for a mean. The limits are never narrower than labels that
/// differ nowhere would allow ([`paired::unseen_limits`]).
///
/// # Errors
/// Refuses fewer than 2 labels and differences outside -1 to 1.
pub fn estimate(labelled: &[Labelled], judged: &[f64], rule: &Rule) -> Result<Estimate, Error> {
    check(labelled, judged)?;
    let labels = labelled.len() as f64;
    let by_people = paired::summarise(&labelled.iter().map(|case| case.person).collect::<Vec<_>>());
    let by_judge = paired::summarise(&labelled.iter().map(|case| case.judge).collect::<Vec<_>>());
    let further = paired::summarise(judged);
    let weight = weight(labelled, judged);
    let rest: Vec<f64> = labelled.iter().map(|case| case.person - weight * case.judge).collect();
    let error_squared = paired::summarise(&rest).error_squared() + weight * weight * further.error_squared();
    let difference = by_people.mean + weight * (further.mean - by_judge.mean);
    let error = error_squared.sqrt();
    let limits = limits((difference, error), labels, rule.confidence());
    Ok(Estimate {
        // With a handful of labels the correction can leave the range that differences have.
        difference: difference.clamp(-1.0, 1.0),
        error,
        lower: limits.lower,
        upper: limits.upper,
        weight,
        labels: labelled.len() as u64,
        judged: judged.len() as u64,
        labels_worth: if error_squared > 0.0 { by_people.error_squared() / error_squared } else { 1.0 },
        verdict: verdict(&limits, labelled.len(), rule),
        notes: notes(&limits, labelled.len(), weight),
    })
}

fn check(labelled: &[Labelled], judged: &[f64]) -> Result<(), Error> {
    if labelled.len() < 2 {
        return Err(Error::FewLabels { labels: labelled.len() });
    }
    let people = labelled.iter().map(|case| ("person", case.person));
    let judge = labelled.iter().map(|case| case.judge).chain(judged.iter().copied()).map(|value| ("judge", value));
    match people.chain(judge).find(|(_, difference)| !(-1.0..=1.0).contains(difference)) {
        Some((rater, difference)) => Err(Error::Difference { rater, difference }),
        None => Ok(()),
    }
}

/// The weight of least error, equation 6 of the source; 0 where the judge says the same of every case or has no others.
fn weight(labelled: &[Labelled], judged: &[f64]) -> f64 {
    let labels = labelled.len() as f64;
    let all: Vec<f64> = labelled.iter().map(|case| case.judge).chain(judged.iter().copied()).collect();
    let variance = paired::summarise(&all).variance;
    if judged.is_empty() || variance <= 0.0 {
        return 0.0;
    }
    let mean = |value: fn(&Labelled) -> f64| labelled.iter().map(value).sum::<f64>() / labels;
    let (person, judge) = (mean(|case| case.person), mean(|case| case.judge));
    let products: f64 = labelled.iter().map(|case| (case.person - person) * (case.judge - judge)).sum();
    let covariance = products / (labels - 1.0);
    (covariance / ((1.0 + labels / judged.len() as f64) * variance)).clamp(0.0, 1.0)
}

struct Limits {
    lower: f64,
    upper: f64,
    is_floored: bool,
}

fn limits((difference, error): (f64, f64), labels: f64, confidence: f64) -> Limits {
    let is_few = labels < LABELS_FEW as f64;
    let quantile = if is_few { quantile::student(confidence, labels - 1.0) } else { quantile::normal(confidence) };
    let (lower, upper) = (difference - quantile * error, difference + quantile * error);
    // The estimate itself may leave -1..1 by a little; what was not seen may not.
    let unseen = paired::unseen_limits(difference.clamp(-1.0, 1.0), labels, confidence);
    Limits {
        lower: lower.min(unseen.0).clamp(-1.0, 1.0),
        upper: upper.max(unseen.1).clamp(-1.0, 1.0),
        is_floored: unseen.0 < lower,
    }
}

fn verdict(limits: &Limits, labels: usize, rule: &Rule) -> Verdict {
    match Verdict::of((limits.lower, limits.upper), rule.margin()) {
        Verdict::Adequate if labels < LABELS_FEW => Verdict::Undecided,
        verdict => verdict,
    }
}

fn notes(limits: &Limits, labels: usize, weight: f64) -> Vec<String> {
    let mut notes = Vec::new();
    if labels < LABELS_FEW {
        notes.push(format!("few labels ({labels}): adequate takes at least {LABELS_FEW}"));
    }
    if weight <= 0.0 {
        notes.push("the judge tells nothing about what people say; only the labels count".into());
    }
    if limits.is_floored {
        notes.push("the labels vary little; the limits allow for rare losses that nobody labelled".into());
    }
    notes
}
