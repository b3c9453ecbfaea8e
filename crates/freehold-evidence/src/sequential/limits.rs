//! The limits that belong to the bets: every hypothesis on which the same bets would have won enough is excluded.

use super::Claim;
use super::bettor::log_factor;

/// Halvings of the search interval; 60 bring a width of 2 below the spacing of `f64` near 1.
const HALVINGS: u32 = 60;

/// The differences seen with the bets laid on each for one claim.
#[derive(Debug, Clone)]
pub(super) struct Bets {
    claim: Claim,
    laid: Vec<(f64, f64)>,
}

impl Bets {
    pub(super) fn new(claim: Claim) -> Self {
        Self { claim, laid: Vec::new() }
    }

    pub(super) fn lay(&mut self, bet: f64, difference: f64) {
        self.laid.push((bet, difference));
    }

    /// Returns the farthest hypothesis that the evidence excluded at some look, `level` being ln(1/alpha).
    ///
    /// The bets do not depend on the hypothesis, so the evidence falls as it moves towards the claim, and what is excluded
    /// is everything up to one point. Whether minus the margin is among it is settled first, and the answer agrees.
    pub(super) fn limit(&self, level: f64, margin: f64) -> f64 {
        let end = -self.claim.sign();
        let margin_excluded = self.excludes(-margin, level);
        if !self.excludes(end, level) {
            return end;
        }
        let (mut excluded, mut open) = if margin_excluded { (-margin, -end) } else { (end, -margin) };
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(excluded, open);
            if self.excludes(middle, level) {
                excluded = middle;
            } else {
                open = middle;
            }
        }
        // The point itself is excluded, so that the limit may lie a hair beyond it.
        match (margin_excluded && excluded == -margin, self.claim) {
            (false, _) => excluded,
            (true, Claim::Above) => excluded.next_up(),
            (true, Claim::Below) => excluded.next_down(),
        }
    }

    /// Returns whether the logarithm of the evidence against `hypothesis` reached `level` (above 0) at any look.
    fn excludes(&self, hypothesis: f64, level: f64) -> bool {
        let mut log = 0.0;
        self.laid.iter().any(|(bet, difference)| {
            log += log_factor(self.claim, *bet, *difference, hypothesis);
            log >= level
        })
    }
}
