//! Tests that may be looked at after every case: evidence on paired differences that holds whenever one stops.
//! For assessments that spend cases until they know, and for watching live traffic. They know the past only.

use serde::Serialize;
use thiserror::Error;

mod asymptotic;
mod bernstein;
mod bettor;
mod grid;
mod limits;
mod moments;
mod watch;

pub use asymptotic::{ASYMPTOTIC_CASES_MIN, Asymptotic};
pub use bernstein::Bernstein;
pub use bettor::Bettor;
pub use grid::Grid;
pub use watch::{Sequence, State, Watch, watch};

/// Largest share of what one case may cost that a bet puts at stake.
pub const STAKE_MAX: f64 = 0.5;

/// Says on which side of minus the margin the true mean difference is claimed to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// It lies above: the candidate is adequate. Tested against a mean of at most minus the margin.
    Above,
    /// It lies below: the candidate does harm. Tested against a mean of at least minus the margin.
    Below,
}

impl Claim {
    fn sign(self) -> f64 {
        match self {
            Self::Above => 1.0,
            Self::Below => -1.0,
        }
    }

    /// Returns how far a difference may lie on the wrong side of `hypothesis`: a bet below its inverse is never ruined.
    fn room(self, hypothesis: f64) -> f64 {
        1.0 + self.sign() * hypothesis
    }
}

/// Holds what is supposed of the differences before the first is seen, as so many pseudo-cases.
///
/// It makes the first bets sensible and never makes a claim invalid, as long as it is settled without a look at the cases
/// that are then tested.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prior {
    cases: f64,
    difference: f64,
    discordance: f64,
}

impl Prior {
    /// Returns the prior worth `cases` cases with this mean difference and this mean squared difference.
    ///
    /// For right/wrong scores the mean squared difference is the discordance: the share of cases on which the two differ.
    ///
    /// # Errors
    /// Refuses fewer than one case, and rates that no differences within -1 to 1 can have.
    pub fn new(cases: f64, difference: f64, discordance: f64) -> Result<Self, Error> {
        if !(cases.is_finite() && cases >= 1.0) {
            return Err(Error::PriorCases { cases });
        }
        if !(difference * difference <= discordance && discordance <= 1.0) {
            return Err(Error::PriorRates { difference, discordance });
        }
        Ok(Self { cases, difference, discordance })
    }

    /// Returns the prior that a pilot gives: its cases, mean difference and mean squared difference.
    ///
    /// The cases of the pilot must not be tested again.
    ///
    /// # Errors
    /// Refuses an empty pilot and differences outside -1 to 1.
    pub fn from_pilot(differences: &[f64]) -> Result<Self, Error> {
        for (position, difference) in differences.iter().enumerate() {
            check(position as u64, *difference)?;
        }
        let cases = differences.len() as f64;
        let difference = differences.iter().sum::<f64>() / cases;
        let discordance = differences.iter().map(|difference| difference * difference).sum::<f64>() / cases;
        Self::new(cases, difference, discordance.max(difference * difference).min(1.0))
    }

    fn variance(&self) -> f64 {
        (self.discordance - self.difference * self.difference).max(0.0)
    }
}

impl Default for Prior {
    /// Returns 50 cases without a mean difference, of which the two differ on a fifth.
    fn default() -> Self {
        Self { cases: 50.0, difference: 0.0, discordance: 0.2 }
    }
}

/// Says why differences cannot be watched; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A difference is out of range.
    #[error("difference {position} is {difference}, not a number from -1 to 1")]
    Difference {
        /// Its place in the order of arrival, counted from 0.
        position: u64,
        /// The difference found.
        difference: f64,
    },
    /// The margin is out of range.
    #[error("the margin is {margin}, not between 0 and 1")]
    Margin {
        /// The margin found.
        margin: f64,
    },
    /// The level is out of range.
    #[error("the error level is {alpha}, not between 0 and 0.5")]
    Alpha {
        /// The level found.
        alpha: f64,
    },
    /// The number of cases to be tightest at is none.
    #[error("limits cannot be tightest at {cases} cases")]
    TightestCases {
        /// The number found.
        cases: f64,
    },
    /// The prior weighs nothing, or no number.
    #[error("the prior is worth {cases} cases, not a finite number of at least 1")]
    PriorCases {
        /// The weight found.
        cases: f64,
    },
    /// The prior's rates exclude each other.
    #[error("a prior difference of {difference} with a discordance of {discordance} cannot occur")]
    PriorRates {
        /// The mean difference found.
        difference: f64,
        /// The mean squared difference found.
        discordance: f64,
    },
}

fn check(position: u64, difference: f64) -> Result<f64, Error> {
    if (-1.0..=1.0).contains(&difference) { Ok(difference) } else { Err(Error::Difference { position, difference }) }
}

fn check_margin(margin: f64) -> Result<f64, Error> {
    if margin > 0.0 && margin < 1.0 { Ok(margin) } else { Err(Error::Margin { margin }) }
}

fn check_alpha(alpha: f64) -> Result<f64, Error> {
    if alpha > 0.0 && alpha < 0.5 { Ok(alpha) } else { Err(Error::Alpha { alpha }) }
}
