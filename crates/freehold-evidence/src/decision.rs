//! The three-way decision on paired scores: adequate, not adequate, or undecided and how many cases more.
//! Right/wrong scores go to Tango's interval, graded ones to the paired t; clusters widen both.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::quantile;

mod evidence;
mod planning;
mod tally;

use evidence::Evidence;
use planning::Plan;
pub use tally::Tally;

/// Below this many clusters the error between them is itself badly known, and the decision says so.
pub const CLUSTERS_FEW: usize = 30;

/// Holds both models' scores on one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Name of the case; a name that occurs again marks a repeat of the same case.
    pub case: String,
    /// The incumbent's score, 0 to 1.
    pub incumbent: f64,
    /// The candidate's score, 0 to 1; a failed answer scores 0 and is never left out.
    pub candidate: f64,
    /// What the case shares with others (a run, a user, a document); `None` where it stands alone.
    pub cluster: Option<String>,
}

/// Holds what was declared before the scores were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rule {
    margin: f64,
    confidence: f64,
}

impl Rule {
    /// Returns a rule with the largest accepted loss and the level of each one-sided claim.
    ///
    /// # Errors
    /// Refuses a margin outside 0 to 1 and a confidence outside 0.5 to 1, the ends excluded.
    pub fn new(margin: f64, confidence: f64) -> Result<Self, Error> {
        if !(margin > 0.0 && margin < 1.0) {
            return Err(Error::Margin { margin });
        }
        if !(confidence > 0.5 && confidence < 1.0) {
            return Err(Error::Confidence { confidence });
        }
        Ok(Self { margin, confidence })
    }

    /// Returns the largest accepted loss of mean score.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// Returns the level of each one-sided claim.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// Returns the cases needed for `adequate` even if the two never disagree: z^2 (1 - margin) / margin, rounded up.
    ///
    /// It is where the limit -z^2 / (n + z^2) of [`crate::tango::interval`] without any disagreement meets the margin.
    #[must_use]
    pub fn floor_cases(&self) -> u64 {
        let z = quantile::normal(self.confidence);
        (z * z * (1.0 - self.margin) / self.margin).ceil() as u64
    }
}

/// Says what the interval allows to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The lower limit of the difference lies above minus the margin.
    Adequate,
    /// The upper limit of the difference lies below minus the margin.
    NotAdequate,
    /// The interval holds minus the margin: the cases do not decide.
    Undecided,
}

impl Verdict {
    /// Returns the verdict's name as it is stored and printed.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Adequate => "adequate",
            Self::NotAdequate => "not_adequate",
            Self::Undecided => "undecided",
        }
    }

    pub(crate) fn of(limits: (f64, f64), margin: f64) -> Self {
        if limits.0 > -margin {
            Self::Adequate
        } else if limits.1 < -margin {
            Self::NotAdequate
        } else {
            Self::Undecided
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Holds a verdict with everything it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Number of paired scores.
    pub n: u64,
    /// Number of independent groups; equal to `n` where no cases belong together.
    pub clusters: u64,
    /// Mean of candidate minus incumbent.
    pub difference: f64,
    /// Lower limit of the difference, at the one-sided level `confidence`.
    pub lower: f64,
    /// Upper limit of the difference, at the one-sided level `confidence`.
    pub upper: f64,
    /// One-sided level: at 0.95, lower and upper together are a 90 % interval.
    pub confidence: f64,
    /// Largest accepted loss.
    pub margin: f64,
    /// What the interval allows to claim.
    pub verdict: Verdict,
    /// Cases still needed for a decision with power 0.8 if the rates stay as observed; `None` when decided or out of reach.
    pub more_needed: Option<u64>,
    /// `tango_score` or `paired_t`, with `_clustered` where cases belong together.
    pub method: String,
    /// How many times the clusters inflate the squared error; 1 without clusters.
    pub design_effect: f64,
    /// Share of cases on which the two scores differ.
    pub discordance: f64,
    /// Cases needed for `adequate` even without any disagreement.
    pub floor_cases: u64,
    /// What a reader must know to read the numbers rightly, one sentence each.
    pub notes: Vec<String>,
}

/// Says why scores or a rule cannot be decided on; every one is for the user to put right.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no scores.
    #[error("no paired scores to decide on")]
    NoPairs,
    /// A score is not a number from 0 to 1.
    #[error("the {arm} score of case `{case}` is {score}, not a number from 0 to 1")]
    Score {
        /// Name of the case.
        case: String,
        /// `incumbent` or `candidate`.
        arm: &'static str,
        /// The score found.
        score: f64,
    },
    /// One case name occurs under two clusters.
    #[error("case `{case}` occurs in cluster {first} and again in cluster {second}")]
    CaseInTwoClusters {
        /// Name of the case.
        case: String,
        /// The cluster of its first row, quoted, or `none`.
        first: String,
        /// The cluster of a later row, quoted, or `none`.
        second: String,
    },
    /// The margin is out of range.
    #[error("the margin is {margin}, not between 0 and 1")]
    Margin {
        /// The margin found.
        margin: f64,
    },
    /// The confidence is out of range.
    #[error("the confidence is {confidence}, not between 0.5 and 1")]
    Confidence {
        /// The confidence found.
        confidence: f64,
    },
}

/// Returns the decision that the rule allows on these scores.
///
/// Right/wrong scores (all 0 or 1): Tango (1998), the table divided by the design effect where cases are clustered.
/// Graded scores: paired t, with clustered error and G - 1 degrees of freedom where cases are clustered, and never
/// narrower than cases that differ nowhere would allow, so that small variation is not taken for certainty. Cases that
/// share a name are repeats and form a cluster.
///
/// # Errors
/// Refuses empty input, scores outside 0 to 1, and a case found in two clusters.
pub fn decide(pairs: &[Pair], rule: &Rule) -> Result<Decision, Error> {
    let mut tally = Tally::with_capacity(pairs.len());
    pairs.iter().try_for_each(|pair| tally.add(pair))?;
    tally.decide(rule)
}

/// Smallest p-value that is told; limits at a stricter level are beyond what approximations are good for.
const P_VALUE_MIN: f64 = 1e-9;
/// Halvings of the span of levels, in logarithms: to a relative 1e-12.
const HALVINGS: u32 = 45;

/// Returns the smallest error level at which these scores would be `adequate` at the margin, from 1e-9 to 1.
///
/// It is the p-value of "the candidate loses the margin or more", found by inverting the limits of [`decide`], and 1 where
/// not even a level of one half would do. It is a p-value only where the number of cases was fixed beforehand.
///
/// # Errors
/// Refuses what [`decide`] refuses, and a margin outside 0 to 1, the ends excluded.
pub fn p_value(pairs: &[Pair], margin: f64) -> Result<f64, Error> {
    let mut tally = Tally::with_capacity(pairs.len());
    pairs.iter().try_for_each(|pair| tally.add(pair))?;
    if tally.cases() == 0 {
        return Err(Error::NoPairs);
    }
    if !(margin > 0.0 && margin < 1.0) {
        return Err(Error::Margin { margin });
    }
    let evidence = Evidence::weigh(&tally);
    Ok(smallest_level(|level| evidence.limits(1.0 - level, 1.0).0 > -margin))
}

/// Returns the smallest one-sided level at which a claim holds, not below `P_VALUE_MIN`; 1 where it does not hold at one half.
///
/// That is its p-value, found by inverting the test: a claim that holds at a level must hold at every larger one.
pub fn smallest_level(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut least, mut most) = (P_VALUE_MIN.ln(), 0.5_f64.ln());
    if holds(P_VALUE_MIN) {
        return P_VALUE_MIN;
    }
    if !holds(most.exp()) {
        return 1.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(least, most);
        if holds(middle.exp()) { most = middle } else { least = middle }
    }
    most.exp()
}

fn decide_on(tally: &Tally, rule: &Rule) -> Result<Decision, Error> {
    if tally.cases() == 0 {
        return Err(Error::NoPairs);
    }
    let evidence = Evidence::weigh(tally);
    let (lower, upper) = evidence.limits(rule.confidence, 1.0);
    let verdict = Verdict::of((lower, upper), rule.margin);
    let mut notes = tally.notes(rule.margin);
    notes.extend(evidence.notes(rule.confidence));
    let more_needed = match verdict {
        Verdict::Adequate | Verdict::NotAdequate => None,
        Verdict::Undecided => match planning::plan(&evidence, rule) {
            Plan::More(cases) => Some(cases),
            Plan::TooNear => {
                notes.push(
                    "the observed difference lies too near minus the margin to say how many more cases would decide"
                        .into(),
                );
                None
            }
        },
    };
    Ok(Decision {
        n: tally.cases(),
        clusters: tally.totals.len() as u64,
        difference: evidence.difference(),
        lower,
        upper,
        confidence: rule.confidence,
        margin: rule.margin,
        verdict,
        more_needed,
        method: evidence.method().to_owned(),
        design_effect: evidence.design_effect(),
        discordance: tally.discordance(),
        floor_cases: rule.floor_cases(),
        notes,
    })
}
