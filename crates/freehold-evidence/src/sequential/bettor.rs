//! One bet per case, as large as the cases before it suggest: an e-process in constant memory.

use super::moments::Moments;
use super::{Claim, Error, Prior, STAKE_MAX};

/// Collects evidence for one claim, case by case, in constant memory.
///
/// While the claim is false (the mean of each difference, given those before it, lies on the other side of minus the
/// margin), the evidence ever reaches 1/alpha with probability of at most alpha (Ville 1939), however often one looks.
/// Source: Waudby-Smith and Ramdas (2024, JRSS-B 86:1), the aGRAPA bets, on (D + 1)/2, with a prior's
/// pseudo-cases among the cases seen and the stake capped at half of what one case can cost.
#[derive(Debug, Clone)]
pub struct Bettor {
    claim: Claim,
    margin: f64,
    moments: Moments,
    cases: u64,
    log_evidence: f64,
    peak: f64,
}

impl Bettor {
    /// Returns a bettor that has seen nothing.
    ///
    /// # Errors
    /// Refuses a margin outside 0 to 1, the ends excluded.
    pub fn new(claim: Claim, margin: f64, prior: &Prior) -> Result<Self, Error> {
        let margin = super::check_margin(margin)?;
        Ok(Self { claim, margin, moments: Moments::new(prior), cases: 0, log_evidence: 0.0, peak: 0.0 })
    }

    /// Takes in the next difference (candidate minus incumbent) and returns the logarithm of the evidence so far.
    ///
    /// # Errors
    /// Refuses a difference outside -1 to 1, and is then as before.
    pub fn observe(&mut self, difference: f64) -> Result<f64, Error> {
        let difference = super::check(self.cases, difference)?;
        let bet = bet(self.claim, self.margin, &self.moments);
        self.log_evidence += log_factor(self.claim, bet, difference, -self.margin);
        self.peak = self.peak.max(self.log_evidence);
        self.moments.observe(difference);
        self.cases += 1;
        Ok(self.log_evidence)
    }

    /// Returns the natural logarithm of the evidence, 0 before the first case.
    #[must_use]
    pub fn log_evidence(&self) -> f64 {
        self.log_evidence
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

/// Returns the aGRAPA bet on a difference, for differences themselves: half the bet of the source, which is on (D + 1)/2.
pub(super) fn bet(claim: Claim, margin: f64, seen: &Moments) -> f64 {
    let gap = claim.sign() * (seen.mean() + margin);
    if gap <= 0.0 {
        return 0.0;
    }
    (gap / (seen.variance() + gap * gap)).min(bet_max(claim, margin))
}

/// Returns the bet that stakes [`STAKE_MAX`] of what one case can cost.
pub(super) fn bet_max(claim: Claim, margin: f64) -> f64 {
    STAKE_MAX / claim.room(-margin)
}

/// Returns the logarithm of what a bet on `claim` against the hypothesis brings when `difference` is seen.
///
/// It is cut where the worst difference would cost more than everything, which a hypothesis far from the one that the bet
/// was made for can bring about; so it falls as the hypothesis moves towards the claim, for any bet and difference.
pub(super) fn log_factor(claim: Claim, bet: f64, difference: f64, hypothesis: f64) -> f64 {
    let bet = bet.min(claim.room(hypothesis).recip());
    (claim.sign() * bet * (difference - hypothesis)).ln_1p()
}
