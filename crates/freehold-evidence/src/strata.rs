//! A verdict for each declared subset of the cases, beside the pooled one, which can hide a subset that loses.
//! Subsets are kinds chosen on purpose (strata), not clusters: they do not widen the pooled interval.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use crate::decision::{self, Decision, Pair, Rule, Tally, Verdict};

/// A subset with fewer cases than this stays undecided, whatever they say.
pub const CASES_FEW: u64 = 10;

/// Says why subsets cannot be decided on.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The subsets do not belong to these pairs.
    #[error("{subsets} subset names for {pairs} pairs")]
    Length {
        /// Names found.
        subsets: usize,
        /// Pairs found.
        pairs: usize,
    },
    /// The scores cannot be decided on.
    #[error("the scores cannot be decided on")]
    Scores(#[from] decision::Error),
}

/// Holds the decision on one subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subset {
    /// Its name, as declared.
    pub name: String,
    /// The decision on its cases alone.
    pub decision: Decision,
}

/// Holds the pooled decision and those on the subsets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Strata {
    /// The decision on all cases together.
    pub pooled: Decision,
    /// The decisions on the subsets, by name.
    pub subsets: Vec<Subset>,
}

impl Strata {
    /// Returns the subsets that are not adequate although all cases together are; a report must not let them pass.
    pub fn hidden(&self) -> impl Iterator<Item = &Subset> {
        let is_pooled_adequate = self.pooled.verdict == Verdict::Adequate;
        let loses = move |subset: &&Subset| is_pooled_adequate && subset.decision.verdict == Verdict::NotAdequate;
        self.subsets.iter().filter(loses)
    }

    /// Returns the sentence that belongs beside the pooled verdict; `None` where no subset contradicts it.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let points = |share: f64| format!("{:+.1}", share * 100.0).replace('-', "\u{2212}");
        let told = |subset: &Subset| format!("{} ({} points)", subset.name, points(subset.decision.difference));
        let hidden: Vec<String> = self.hidden().map(told).collect();
        (!hidden.is_empty()).then(|| {
            let pooled = points(self.pooled.difference);
            format!("adequate over all cases ({pooled} points) but not adequate on {}", hidden.join(", "))
        })
    }
}

/// Returns the decision on all pairs and on each subset; `subset_of[i]` names the subset of pair i.
///
/// Each is [`decision::decide`] at the full level: a claim about one subset stands for itself, and the claim that all are
/// adequate needs every one of them, which costs no level (Berger 1982, Technometrics 24:295). Clusters may reach over
/// several subsets. A subset of fewer than [`CASES_FEW`] cases stays undecided and says so; one below the floor of the
/// margin says how many cases `adequate` takes. Subsets come in the order of their names.
///
/// # Errors
/// Refuses lists of different lengths, and what [`decision::decide`] refuses.
pub fn decide<S: AsRef<str>>(pairs: &[Pair], subset_of: &[S], rule: &Rule) -> Result<Strata, Error> {
    if pairs.len() != subset_of.len() {
        return Err(Error::Length { subsets: subset_of.len(), pairs: pairs.len() });
    }
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for (pair, subset) in pairs.iter().zip(subset_of) {
        tallies.entry(subset.as_ref()).or_default().add(pair)?;
    }
    let decided =
        |(name, tally): (&str, Tally)| Ok(Subset { name: name.to_owned(), decision: decide_subset(&tally, rule)? });
    Ok(Strata {
        pooled: decision::decide(pairs, rule)?,
        subsets: tallies.into_iter().map(decided).collect::<Result<_, Error>>()?,
    })
}

/// Returns the decision on one subset that was summed up apart, with what is said of subsets with few cases.
///
/// # Errors
/// Refuses an empty tally.
pub fn decide_subset(tally: &Tally, rule: &Rule) -> Result<Decision, decision::Error> {
    tally.decide(rule).map(held_back)
}

/// Returns the decision on one subset, by whatever method, with what is said of subsets with few cases: fewer than
/// [`CASES_FEW`] leave it undecided.
#[must_use]
pub fn held_back(mut decision: Decision) -> Decision {
    let n = decision.n;
    if n < CASES_FEW {
        decision.notes.push(format!("{n} cases are too few for a verdict on a subset"));
        decision.verdict = Verdict::Undecided;
    } else if n < decision.floor_cases {
        let floor = decision.floor_cases;
        decision.notes.push(format!("{n} cases cannot show that a subset is adequate; that takes at least {floor}"));
    }
    decision
}

/// Returns the values at one and at two thirds of the ranks: up to the first a length is short, up to the second middling.
///
/// Meant for lengths, as a subset that needs no declaration. Equal values fall into the same third; without values both are 0.
#[must_use]
pub fn third_bounds(lengths: &[u64]) -> [u64; 2] {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    [1, 2].map(|third| sorted.get((sorted.len() * third).div_ceil(3).saturating_sub(1)).copied().unwrap_or(0))
}
