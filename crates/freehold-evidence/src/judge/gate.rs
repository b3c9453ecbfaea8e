//! Whether a judge is believed at all, and how far its word carries a verdict.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Figures, Repetition};
use crate::decision::{Decision, Verdict};

/// Holds what a judge must reach before its preferences count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    /// Fewest pairs with both verdicts.
    pub pairs_min: u64,
    /// Smallest share of pairs on which both orders name the same answer.
    pub consistency_min: f64,
    /// Largest distance from one half to the nearer limit of the first-slot rate.
    pub first_slot_distance_max: f64,
    /// Largest share of verdicts that could not be read.
    pub unreadable_max: f64,
    /// Fewest pairs that people rated as well.
    pub labels_min: u64,
    /// Smallest kappa with people.
    pub kappa_min: f64,
    /// Largest share of planted pairs on which the better answer was not preferred.
    pub canaries_missed_max: f64,
    /// Smallest share of pairs on which the judge says the same when asked all over again.
    pub repeat_min: f64,
}

impl Default for Gate {
    /// Returns the gate that is used where none is declared.
    ///
    /// Consistency 0.8; kappa 0.6, the lower end of "substantial" in Landis and Koch (1977, Biometrics 33:159), while people
    /// reach 0.85 to 0.88 among themselves on comparisons of answers (Wang et al. 2023, arXiv 2306.05087).
    fn default() -> Self {
        Self {
            pairs_min: 30,
            consistency_min: 0.8,
            first_slot_distance_max: 0.1,
            unreadable_max: 0.1,
            labels_min: 30,
            kappa_min: 0.6,
            canaries_missed_max: 0.1,
            repeat_min: 0.8,
        }
    }
}

/// Says why a judge's preferences do not count.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// Too few pairs have both verdicts.
    #[error("{pairs} pairs were judged in both orders, fewer than {least}")]
    FewPairs {
        /// Pairs with both verdicts.
        pairs: u64,
        /// Fewest that are asked for.
        least: u64,
    },
    /// It contradicts itself when the answers change places.
    #[error("it names the same answer in both orders in {:.0} % of pairs, below {:.0} %", share * 100.0, least * 100.0)]
    Inconsistent {
        /// Share of consistent pairs.
        share: f64,
        /// Smallest share that is asked for.
        least: f64,
    },
    /// It prefers a place to an answer.
    #[error("it prefers the answer shown first in {:.0} % of verdicts ({:.0} to {:.0} %)", share * 100.0, lower * 100.0, upper * 100.0)]
    FavoursAPlace {
        /// Share of verdicts for the first place.
        share: f64,
        /// Lower limit.
        lower: f64,
        /// Upper limit.
        upper: f64,
    },
    /// Too many of its verdicts cannot be read.
    #[error("{:.0} % of its verdicts could not be read, more than {:.0} %", share * 100.0, most * 100.0)]
    Unreadable {
        /// Share of unreadable verdicts.
        share: f64,
        /// Largest share that is accepted.
        most: f64,
    },
    /// Nobody checked it against people, or not often enough.
    #[error("people rated {labels} of its pairs, fewer than {least}")]
    FewLabels {
        /// Pairs rated by people too.
        labels: u64,
        /// Fewest that are asked for.
        least: u64,
    },
    /// It does not agree with people.
    #[error("its agreement with people beyond chance (kappa) is {kappa:.2}, below {least:.2}")]
    DisagreesWithPeople {
        /// Cohen's kappa, 0 where it is not defined.
        kappa: f64,
        /// Smallest kappa that is asked for.
        least: f64,
    },
    /// It prefers answers that are known to be worse.
    #[error("it did not prefer the better answer in {:.0} % of the planted pairs, more than {:.0} %", share * 100.0, most * 100.0)]
    MissesCanaries {
        /// Share of planted pairs it got wrong.
        share: f64,
        /// Largest share that is accepted.
        most: f64,
    },
    /// It does not say the same of the same pair twice.
    #[error("asked again it says the same in {:.0} % of pairs, below {:.0} %", share * 100.0, least * 100.0)]
    DisagreesWithItself {
        /// Share of pairs with the same preference.
        share: f64,
        /// Smallest share that is asked for.
        least: f64,
    },
    /// The candidate answers different questions alike.
    #[error("the candidate's answers repeat each other: {:.0} % are distinct, {:.0} % of the incumbent's", distinct * 100.0, incumbent * 100.0)]
    Repetitive {
        /// Distinct answers over answers of the candidate.
        distinct: f64,
        /// The same of the incumbent.
        incumbent: f64,
    },
}

impl Gate {
    /// Returns every reason why preferences of a judge with these figures do not count; none where they do.
    ///
    /// `repetition` is what [`super::repetition()`] found on the answers that were judged, where it found anything.
    #[must_use]
    pub fn refusals(&self, figures: &Figures, repetition: Option<&Repetition>) -> Vec<Reason> {
        let pairs = figures.consistency.map_or(0, |share| share.of);
        let few_pairs = (pairs < self.pairs_min).then_some(Reason::FewPairs { pairs, least: self.pairs_min });
        let repetitive = repetition.filter(|repetition| repetition.is_suspect).map(|repetition| Reason::Repetitive {
            distinct: repetition.distinct_ratio,
            incumbent: repetition.incumbent_distinct_ratio,
        });
        let reasons = [
            few_pairs,
            self.inconsistent(figures),
            self.favours_a_place(figures),
            self.unreadable(figures),
            self.disagrees_with_people(figures),
            self.misses_canaries(figures),
            self.disagrees_with_itself(figures),
            repetitive,
        ];
        reasons.into_iter().flatten().collect()
    }

    fn inconsistent(&self, figures: &Figures) -> Option<Reason> {
        let share = figures.consistency?.share;
        (share < self.consistency_min).then_some(Reason::Inconsistent { share, least: self.consistency_min })
    }

    fn favours_a_place(&self, figures: &Figures) -> Option<Reason> {
        let rate = figures.first_slot?;
        let distance = (rate.lower - 0.5).max(0.5 - rate.upper);
        let reason = Reason::FavoursAPlace { share: rate.share, lower: rate.lower, upper: rate.upper };
        (distance > self.first_slot_distance_max).then_some(reason)
    }

    fn unreadable(&self, figures: &Figures) -> Option<Reason> {
        let share = figures.unreadable as f64 / (figures.pairs as f64 * 2.0);
        (share > self.unreadable_max).then_some(Reason::Unreadable { share, most: self.unreadable_max })
    }

    fn disagrees_with_people(&self, figures: &Figures) -> Option<Reason> {
        let labels = figures.people.map_or(0, |people| people.share.of);
        if labels < self.labels_min {
            return Some(Reason::FewLabels { labels, least: self.labels_min });
        }
        let kappa = figures.people.and_then(|people| people.kappa).unwrap_or(0.0);
        (kappa < self.kappa_min).then_some(Reason::DisagreesWithPeople { kappa, least: self.kappa_min })
    }

    fn disagrees_with_itself(&self, figures: &Figures) -> Option<Reason> {
        let share = figures.repeat?.share.share;
        (share < self.repeat_min).then_some(Reason::DisagreesWithItself { share, least: self.repeat_min })
    }

    fn misses_canaries(&self, figures: &Figures) -> Option<Reason> {
        let share = figures.canaries_missed?.share;
        (share > self.canaries_missed_max).then_some(Reason::MissesCanaries { share, most: self.canaries_missed_max })
    }
}

/// Returns the decision on a judge's scores as far as it may be claimed.
///
/// `refusals` are the gate's. `beside` is what the best other evidence on the same candidate says: a check that asks no
/// model, or labels of people. A judge that was refused decides nothing; one that was not may say `not_adequate` by itself,
/// and `adequate` only where the other evidence says so too. What is taken back becomes `undecided`, with a note.
#[must_use]
pub fn admit(decision: Decision, refusals: &[Reason], beside: Option<Verdict>) -> Decision {
    let note = if !refusals.is_empty() {
        let reasons: Vec<String> = refusals.iter().map(Reason::to_string).collect();
        format!("the judge is not believed: {}", reasons.join("; "))
    } else if decision.verdict == Verdict::Adequate && beside != Some(Verdict::Adequate) {
        match beside {
            None => {
                "a judge alone does not make a candidate adequate: add a check that asks no model, or labels".into()
            }
            Some(other) => format!("the judge says adequate and the other evidence {other}; both are needed"),
        }
    } else {
        return decision;
    };
    let mut notes = decision.notes;
    notes.push(note);
    Decision { verdict: Verdict::Undecided, more_needed: None, notes, ..decision }
}
