//! A judge's figures: consistency over orders, liking for the first place, agreement with people and with itself.

use serde::Serialize;
use thiserror::Error;

use super::length::{LengthAdjusted, length_adjusted};
use super::{Choice, Comparison, Preference};
use crate::proportion::{self, Share};

/// Holds what a judge is examined on. Only the comparisons are needed; every other list is empty or has one entry for each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trial<'a> {
    /// What the judge said.
    pub comparisons: &'a [Comparison],
    /// What people said of the same pairs; `None` where nobody looked.
    pub people: &'a [Option<Preference>],
    /// What the same judge said when asked all over again; both choices `None` where it was not.
    pub repeat: &'a [Comparison],
    /// Lengths of the candidate's and the incumbent's answer, in any one unit.
    pub lengths: &'a [(f64, f64)],
    /// What the judge said of planted pairs, in which the candidate's answer is known to be worse; any number of them.
    pub canaries: &'a [Comparison],
}

/// Says why a trial cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{found} {what} for {comparisons} comparisons")]
pub struct Error {
    what: &'static str,
    found: usize,
    comparisons: usize,
}

/// Holds how far two raters of the same pairs agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Share of pairs on which both say the same, with its limits.
    pub share: Share,
    /// Cohen's kappa: agreement beyond chance; `None` where chance alone would make them agree always.
    pub kappa: Option<f64>,
    /// Standard error of kappa, where there is one.
    pub kappa_error: Option<f64>,
}

/// Holds what a trial shows of a judge; limits at the one-sided level asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Pairs put before the judge.
    pub pairs: u64,
    /// Verdicts that could not be read, of two for each pair. A pair with one of them has no score.
    pub unreadable: u64,
    /// Mean score of the candidate over the pairs with both verdicts, from 0 to 1; the limits treat pairs as independent.
    pub score: Option<Share>,
    /// Share of pairs on which both orders name the same answer, or both a tie.
    pub consistency: Option<Share>,
    /// Share of verdicts for the answer shown first, ties left out; the two verdicts of a pair are not independent.
    pub first_slot: Option<Share>,
    /// Agreement with people, where there are labels.
    pub people: Option<Agreement>,
    /// Agreement with the same judge asked again, where it was.
    pub repeat: Option<Agreement>,
    /// The score as it would be at equal lengths, where lengths were given and allow it.
    pub length_adjusted: Option<LengthAdjusted>,
    /// Share of the planted pairs in which the judge did not prefer the better answer.
    pub canaries_missed: Option<Share>,
}

impl Figures {
    /// Returns the figures of a trial, `confidence` being the level of each limit alone.
    ///
    /// # Errors
    /// Refuses lists that are neither empty nor as long as the comparisons.
    pub fn of(trial: &Trial<'_>, confidence: f64) -> Result<Self, Error> {
        let comparisons = trial.comparisons;
        for (what, found) in
            [("labels", trial.people.len()), ("repeats", trial.repeat.len()), ("lengths", trial.lengths.len())]
        {
            if found != 0 && found != comparisons.len() {
                return Err(Error { what, found, comparisons: comparisons.len() });
            }
        }
        let preferences: Vec<Option<Preference>> = comparisons.iter().map(Comparison::preference).collect();
        let again: Vec<Option<Preference>> = trial.repeat.iter().map(Comparison::preference).collect();
        let scores: Vec<(f64, f64)> =
            comparisons.iter().filter_map(Comparison::score).map(|score| (score, 1.0)).collect();
        Ok(Self {
            pairs: comparisons.len() as u64,
            unreadable: comparisons.iter().flat_map(Comparison::choices).filter(Option::is_none).count() as u64,
            score: proportion::of_groups(&scores, confidence),
            consistency: consistency(comparisons, confidence),
            first_slot: first_slot(comparisons, confidence),
            people: agreement(&preferences, trial.people, confidence),
            repeat: agreement(&preferences, &again, confidence),
            length_adjusted: at_equal_lengths(trial, confidence),
            canaries_missed: canaries_missed(trial.canaries, confidence),
        })
    }
}

fn consistency(comparisons: &[Comparison], confidence: f64) -> Option<Share> {
    let judged: Vec<bool> = comparisons.iter().filter_map(Comparison::is_consistent).collect();
    let consistent = judged.iter().filter(|consistent| **consistent).count();
    proportion::of_cases(consistent as u64, judged.len() as u64, confidence)
}

fn first_slot(comparisons: &[Comparison], confidence: f64) -> Option<Share> {
    let of_pair = |comparison: &Comparison| {
        let count = |place: Choice| comparison.choices().flatten().filter(|choice| *choice == place).count() as f64;
        let first = count(Choice::First);
        (first, first + count(Choice::Second))
    };
    proportion::of_groups(&comparisons.iter().map(of_pair).collect::<Vec<_>>(), confidence)
}

fn at_equal_lengths(trial: &Trial<'_>, confidence: f64) -> Option<LengthAdjusted> {
    let judged = trial.comparisons.iter().zip(trial.lengths);
    let (scores, differences): (Vec<f64>, Vec<f64>) = judged
        .filter_map(|(comparison, (candidate, incumbent))| Some((comparison.score()?, candidate - incumbent)))
        .unzip();
    length_adjusted(&scores, &differences, confidence)
}

/// A planted pair without a readable verdict is missed as well.
fn canaries_missed(canaries: &[Comparison], confidence: f64) -> Option<Share> {
    let missed = canaries.iter().filter(|canary| canary.preference() != Some(Preference::Incumbent)).count();
    proportion::of_cases(missed as u64, canaries.len() as u64, confidence)
}

/// Returns how far two raters agree on the pairs that both rated; `None` where there is no such pair.
///
/// Kappa: Cohen (1960, Educational and Psychological Measurement 20:37). Its error: Fleiss, Cohen and Everitt (1969,
/// Psychological Bulletin 72:323), equation 13. The limits of the share are Wilson's.
#[must_use]
pub fn agreement(one: &[Option<Preference>], other: &[Option<Preference>], confidence: f64) -> Option<Agreement> {
    let mut table = [[0.0_f64; 3]; 3];
    let rated = one.iter().zip(other).filter_map(|(one, other)| Some(((*one)?, (*other)?)));
    rated.for_each(|(one, other)| table[one as usize][other as usize] += 1.0);
    let cases: f64 = table.iter().flatten().sum();
    let same: f64 = (0..3).map(|kind| table[kind][kind]).sum();
    let share = proportion::of_cases(same as u64, cases as u64, confidence)?;
    let (kappa, kappa_error) = kappa(&table.map(|row| row.map(|count| count / cases)), cases).unzip();
    Some(Agreement { share, kappa, kappa_error })
}

/// Returns kappa and its standard error for a table of shares; `None` where chance alone makes all agree.
fn kappa(table: &[[f64; 3]; 3], cases: f64) -> Option<(f64, f64)> {
    let row: [f64; 3] = [0, 1, 2].map(|kind| table[kind].iter().sum());
    let column: [f64; 3] = [0, 1, 2].map(|kind| table.iter().map(|row| row[kind]).sum());
    let observed: f64 = (0..3).map(|kind| table[kind][kind]).sum();
    let chance: f64 = (0..3).map(|kind| row[kind] * column[kind]).sum();
    let beyond = 1.0 - chance;
    if beyond < 1e-12 {
        return None;
    }
    let mut sum = -(observed * chance - 2.0 * chance + observed).powi(2);
    for (one, shares) in table.iter().enumerate() {
        for (other, share) in shares.iter().enumerate() {
            let factor = if one == other {
                beyond - (row[one] + column[one]) * (1.0 - observed)
            } else {
                (1.0 - observed) * (column[one] + row[other])
            };
            sum += share * factor * factor;
        }
    }
    Some(((observed - chance) / beyond, sum.max(0.0).sqrt() / (beyond * beyond * cases.sqrt())))
}
