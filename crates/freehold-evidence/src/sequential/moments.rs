//! Running mean and variance of the differences seen, a prior's pseudo-cases among them.

use super::Prior;

/// Mean and variance of what was seen before the next case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    cases: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn new(prior: &Prior) -> Self {
        let variance = (prior.discordance - prior.difference * prior.difference).max(0.0);
        Self { cases: prior.cases, sum: prior.cases * prior.difference, squares: prior.cases * variance }
    }

    /// Takes the next difference in. Its square is taken around the mean that includes it, as in the source of the bets
    /// (Waudby-Smith and Ramdas 2024), so that a first surprise does not inflate the variance for long.
    pub(super) fn observe(&mut self, difference: f64) {
        self.cases += 1.0;
        self.sum += difference;
        self.squares += (difference - self.mean()).powi(2);
    }

    pub(super) fn cases(&self) -> f64 {
        self.cases
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / self.cases
    }

    pub(super) fn variance(&self) -> f64 {
        self.squares / self.cases
    }
}
