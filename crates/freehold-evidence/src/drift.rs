//! Drift: an alarm when a stream of scores falls (or rises) past what was agreed, with a bound on false alarms.
//! For one stream each; watch subsets apart, since a loss in one can hide behind a gain in another.

use serde::Serialize;
use thiserror::Error;

/// Number of bets side by side.
const BETS: usize = 8;
/// Largest stake, and the share of it that each next one puts up.
const STAKE_FIRST: f64 = 0.8;
const STAKE_RATIO: f64 = 0.6;
/// The evidence of one bet is not counted beyond this, far above any alarm level.
const EVIDENCE_MAX: f64 = 1e200;

/// Says which way of adding up evidence over unknown starting times is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Shiryaev and Roberts: evidence summed over all starting times, M = (M + 1) L.
    ShiryaevRoberts,
    /// CUSUM: evidence since the best starting time, M = max(M, 1) L.
    Cusum,
}

/// Says which change raises the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The mean falls below the baseline by more than the tolerance.
    Fall,
    /// The mean rises above the baseline by more than the tolerance; often a check that broke.
    Rise,
}

/// Says why a stream cannot be watched; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Baseline and tolerance leave no room for a change.
    #[error("a baseline of {baseline} with a tolerance of {tolerance} leaves no score for a {change:?} to reach")]
    Baseline {
        /// The baseline found.
        baseline: f64,
        /// The tolerance found.
        tolerance: f64,
        /// The change to be watched for.
        change: Change,
    },
    /// The run length is out of range.
    #[error("the run length between false alarms is {run_length}, not a finite number above 1")]
    RunLength {
        /// The run length found.
        run_length: f64,
    },
    /// A score is out of range.
    #[error("score {position} is {score}, not a number from 0 to 1")]
    Score {
        /// Its place in the order of arrival, counted from 0.
        position: u64,
        /// The score found.
        score: f64,
    },
}

/// Holds what a stream is watched for, settled beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Watched {
    /// How evidence is added up.
    pub method: Method,
    /// Which change raises the alarm.
    pub change: Change,
    /// Mean score that was agreed on, 0 to 1; where it was estimated, its limit on the side of the change.
    pub baseline: f64,
    /// Change of the mean that is accepted, 0 to 1.
    pub tolerance: f64,
    /// Scores that pass on average before a false alarm, at least.
    pub run_length: f64,
}

/// Watches one stream of scores in constant memory.
///
/// While the mean of each score, given those before it, stays within the tolerance, the expected number of scores before
/// the first alarm is at least the run length, however the scores are distributed. Source: Shin, Ramdas and Rinaldo
/// (2023, New England Journal of Statistics in Data Science 2:229), e-detectors, here the average over eight bets.
#[derive(Debug, Clone)]
pub struct Detector {
    watched: Watched,
    /// The mean from which a score counts as a change, on the scale on which a change is a fall.
    threshold: f64,
    evidence: [f64; BETS],
    cases: u64,
}

impl Detector {
    /// Returns a detector that has seen nothing.
    ///
    /// # Errors
    /// Refuses a baseline or tolerance that is no share or leaves no room for the change, and a run length of 1 or less.
    pub fn new(watched: Watched) -> Result<Self, Error> {
        let Watched { baseline, tolerance, change, run_length, .. } = watched;
        let baseline_fallen = match change {
            Change::Fall => baseline,
            Change::Rise => 1.0 - baseline,
        };
        let threshold = baseline_fallen - tolerance;
        let legal = (0.0..=1.0).contains(&baseline) && (0.0..=1.0).contains(&tolerance);
        if !(legal && threshold > 0.0) {
            return Err(Error::Baseline { baseline, tolerance, change });
        }
        if !(run_length.is_finite() && run_length > 1.0) {
            return Err(Error::RunLength { run_length });
        }
        Ok(Self { watched, threshold, evidence: [0.0; BETS], cases: 0 })
    }

    /// Takes in the next score and returns whether the alarm sounds; it goes on sounding while the evidence is that high.
    ///
    /// # Errors
    /// Refuses a score outside 0 to 1, and is then as before.
    pub fn observe(&mut self, score: f64) -> Result<bool, Error> {
        if !(0.0..=1.0).contains(&score) {
            return Err(Error::Score { position: self.cases, score });
        }
        self.cases += 1;
        let fallen = match self.watched.change {
            Change::Fall => score,
            Change::Rise => 1.0 - score,
        };
        // A threshold of 1 is passed by every score below it; any bet may then be laid, and 1 stands for the room.
        let room = if self.threshold < 1.0 { 1.0 - self.threshold } else { 1.0 };
        let mut bet = STAKE_FIRST / room;
        for evidence in &mut self.evidence {
            let factor = 1.0 - bet * (fallen - self.threshold);
            let carried = match self.watched.method {
                Method::ShiryaevRoberts => *evidence + 1.0,
                Method::Cusum => evidence.max(1.0),
            };
            *evidence = (carried * factor).min(EVIDENCE_MAX);
            bet *= STAKE_RATIO;
        }
        Ok(self.is_alarm())
    }

    /// Returns whether the evidence stands at the alarm level, which is the run length.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        self.evidence() >= self.watched.run_length
    }

    /// Returns the evidence for a change at some time so far.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        self.evidence.iter().sum::<f64>() / BETS as f64
    }

    /// Returns the number of scores taken in.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.cases
    }

    /// Forgets what was seen, for a new beginning once an alarm was dealt with.
    pub fn restart(&mut self) {
        self.evidence = [0.0; BETS];
        self.cases = 0;
    }
}
