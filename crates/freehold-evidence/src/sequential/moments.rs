//! Running mean and variance of the differences seen, a prior's pseudo-cases among them.

use super::Prior;

/// Mean and variance of what was seen before the next case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    cases: f64,
    sum: f64,
    squares: f64,
    squares_cases: f64,
}

impl Moments {
    pub(super) fn new(prior: &Prior) -> Self {
        Self::weighed(prior, prior.cases, prior.cases)
    }

    /// As if no difference had been seen on some more cases, until there are `mean_cases`, and with a variance that is
    /// believed only as if it were of `variance_cases`.
    pub(super) fn weighed(prior: &Prior, mean_cases: f64, variance_cases: f64) -> Self {
        Self {
            cases: prior.cases.max(mean_cases),
            sum: prior.cases * prior.difference,
            squares: variance_cases * prior.variance(),
            squares_cases: variance_cases,
        }
    }

    /// Takes the next difference in. Its square is taken around the mean that includes it, as in the source of the bets
    /// (Waudby-Smith and Ramdas 2024), so that a first surprise does not inflate the variance for long.
    pub(super) fn observe(&mut self, difference: f64) {
        self.cases += 1.0;
        self.squares_cases += 1.0;
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
        self.squares / self.squares_cases
    }
}
