//! A fixed grid of bets side by side: evidence that does not depend on the order of the cases.

use super::bettor::log_factor;
use super::{Claim, Error};

/// Number of bets in a grid.
const BETS: usize = 8;
/// Largest stake of the grid, and the share of it that each next one puts up.
const STAKE_FIRST: f64 = 0.8;
const STAKE_RATIO: f64 = 0.6;

/// Collects evidence for one claim as the average over eight constant bets, in constant memory.
///
/// Valid as a [`super::Bettor`] is. The average does not depend on the order of the cases and reacts at once to a large
/// loss, which suits an alarm; it costs up to ln 8 in evidence against the best of its bets. Source: Waudby-Smith and
/// Ramdas (2024, JRSS-B 86:1), bets diversified over a grid; stakes 0.8 * 0.6^k of what one case can cost.
#[derive(Debug, Clone)]
pub struct Grid {
    claim: Claim,
    margin: f64,
    log_evidence: [f64; BETS],
    cases: u64,
    peak: f64,
}

impl Grid {
    /// Returns a grid that has seen nothing.
    ///
    /// # Errors
    /// Refuses a margin outside 0 to 1, the ends excluded.
    pub fn new(claim: Claim, margin: f64) -> Result<Self, Error> {
        let margin = super::check_margin(margin)?;
        Ok(Self { claim, margin, log_evidence: [0.0; BETS], cases: 0, peak: 0.0 })
    }

    /// Takes in the next difference (candidate minus incumbent) and returns the logarithm of the evidence so far.
    ///
    /// # Errors
    /// Refuses a difference outside -1 to 1, and is then as before.
    pub fn observe(&mut self, difference: f64) -> Result<f64, Error> {
        let difference = super::check(self.cases, difference)?;
        let mut stake = STAKE_FIRST;
        for log_evidence in &mut self.log_evidence {
            let bet = stake / self.claim.room(-self.margin);
            *log_evidence += log_factor(self.claim, bet, difference, -self.margin);
            stake *= STAKE_RATIO;
        }
        self.cases += 1;
        let log_evidence = self.log_evidence();
        self.peak = self.peak.max(log_evidence);
        Ok(log_evidence)
    }

    /// Returns the natural logarithm of the evidence, 0 before the first case.
    #[must_use]
    pub fn log_evidence(&self) -> f64 {
        log_mean(&self.log_evidence)
    }

    /// Returns the largest logarithm of the evidence so far; the claim holds at level alpha once it reaches ln(1/alpha).
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// Returns the number of cases taken in.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.cases
    }
}

/// Returns the logarithm of the mean of numbers given as logarithms.
pub(crate) fn log_mean(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + (sum / logs.len() as f64).ln()
}
