//! Planned looks: bounds for a test that is looked at a few times, each look spending a part of the error level.
//! For assessments whose looks are fixed beforehand; who looks whenever he likes uses [`crate::sequential`].

use serde::Serialize;
use thiserror::Error;

use crate::quantile;

/// Most looks that are planned for.
pub const LOOKS_MAX: usize = 50;
/// Least part of the cases between two looks.
pub const STEP_MIN: f64 = 0.001;
/// The statistic's path is followed down to this many standard deviations below zero.
const DEPTH: f64 = 8.0;
/// Points of the grid on which the path's density is kept, at least.
const POINTS_MIN: usize = 400;
/// Points of the grid within one standard deviation of a step, at least.
const POINTS_PER_STEP: f64 = 5.0;
/// Halvings of the search for a bound.
const HALVINGS: u32 = 60;

/// Says how the error level is spent over the looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spending {
    /// Little at first, nearly all at the end: 2 - 2 Phi(z / sqrt(u)), z the quantile at 1 - alpha / 2.
    OBrienFleming,
    /// About the same at each look: alpha ln(1 + (e - 1) u).
    Pocock,
}

impl Spending {
    /// Returns the error level spent once the share `fraction` (0 to 1) of the cases is in.
    #[must_use]
    pub fn spent(self, alpha: f64, fraction: f64) -> f64 {
        if fraction <= 0.0 {
            return 0.0;
        }
        match self {
            Self::OBrienFleming => 2.0 * quantile::normal_tail(quantile::normal(1.0 - alpha / 2.0) / fraction.sqrt()),
            Self::Pocock => alpha * ((std::f64::consts::E - 1.0) * fraction).ln_1p(),
        }
    }
}

/// Says why no bounds can be given; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The level is out of range.
    #[error("the error level is {alpha}, not between 0 and 0.5")]
    Alpha {
        /// The level found.
        alpha: f64,
    },
    /// There are none, or too many.
    #[error("{looks} looks are planned, not 1 to {LOOKS_MAX}")]
    Looks {
        /// The number found.
        looks: usize,
    },
    /// The looks do not rise, or pass the end.
    #[error(
        "look {look} comes at the share {fraction} of the cases, not at least {STEP_MIN} after the one before and at most 1"
    )]
    Fraction {
        /// Number of the look, counted from 1.
        look: usize,
        /// The share found.
        fraction: f64,
    },
}

/// Says what a look allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The statistic lies above the bound: adequate.
    Adequate,
    /// The statistic lies below minus the bound: not adequate.
    NotAdequate,
    /// Neither, but the upper limit lies below half of minus the margin: going on is hardly worth it.
    Futile,
    /// Neither: look again when planned.
    Continue,
}

/// Returns the bound on a standard normal statistic at each look; `fractions` are the shares of all cases at the looks.
///
/// The chance that the statistic of equal true and margin-shifted means lies above its bound at any look is the level
/// spent, whatever is done about futility (which is not binding). The looks so far are enough: later ones do not change
/// earlier bounds. Source: Lan and DeMets (1983, Biometrika 70:659), solved by the recursive integration of Armitage,
/// McPherson and Rowe (1969, JRSS-A 132:235) with Simpson's rule.
///
/// # Errors
/// Refuses a level outside 0 to 0.5 and looks that are none, too many, too near or past the end.
pub fn bounds(spending: Spending, alpha: f64, fractions: &[f64]) -> Result<Vec<f64>, Error> {
    if !(alpha > 0.0 && alpha < 0.5) {
        return Err(Error::Alpha { alpha });
    }
    check(fractions)?;
    let mut bounds = Vec::with_capacity(fractions.len());
    let mut path = Path::start();
    let mut spent = 0.0;
    for (look, fraction) in fractions.iter().enumerate() {
        let due = spending.spent(alpha, *fraction);
        let bound = path.bound(*fraction, due - spent);
        spent = due;
        bounds.push(bound);
        if let Some(next) = fractions.get(look + 1) {
            path = path.advance(*fraction, bound, *next);
        }
    }
    Ok(bounds)
}

/// Returns what a look allows: `statistic` is the test's at minus the margin (as [`crate::tango::statistic`]), `upper`
/// the upper limit of the difference at the rule's level, `bound` the look's of [`bounds`].
///
/// Each of the two claims has the error level of the bounds for itself. Futility is a recommendation: who goes on all the
/// same keeps the level.
#[must_use]
pub fn outcome(statistic: f64, bound: f64, upper: f64, margin: f64) -> Outcome {
    if statistic > bound {
        Outcome::Adequate
    } else if statistic < -bound {
        Outcome::NotAdequate
    } else if upper < -margin / 2.0 {
        Outcome::Futile
    } else {
        Outcome::Continue
    }
}

fn check(fractions: &[f64]) -> Result<(), Error> {
    if fractions.is_empty() || fractions.len() > LOOKS_MAX {
        return Err(Error::Looks { looks: fractions.len() });
    }
    let mut before = 0.0;
    for (position, fraction) in fractions.iter().enumerate() {
        if !(*fraction - before >= STEP_MIN * (1.0 - 1e-9) && *fraction <= 1.0) {
            return Err(Error::Fraction { look: position + 1, fraction: *fraction });
        }
        before = *fraction;
    }
    Ok(())
}

/// The score process (statistic times root of the fraction, independent increments) where no bound was crossed yet.
struct Path {
    /// The fraction at which the density holds.
    fraction: f64,
    /// Values of the process with the density times the weight of Simpson's rule there.
    mass: Vec<(f64, f64)>,
}

impl Path {
    /// The process begins at zero with certainty.
    fn start() -> Self {
        Self { fraction: 0.0, mass: vec![(0.0, 1.0)] }
    }

    /// Returns the bound at `fraction` that is crossed there, and not before, with probability `level`.
    fn bound(&self, fraction: f64, level: f64) -> f64 {
        let (mut low, mut high) = (-DEPTH, 2.0 * DEPTH);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.crosses(fraction, middle) > level {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }

    fn crosses(&self, fraction: f64, bound: f64) -> f64 {
        let step = (fraction - self.fraction).sqrt();
        let height = bound * fraction.sqrt();
        self.mass.iter().map(|(value, mass)| mass * quantile::normal_tail((height - value) / step)).sum()
    }

    /// Returns the process at `fraction` below `bound`, on a grid fine enough for the step to `next`.
    fn advance(&self, fraction: f64, bound: f64, next: f64) -> Self {
        let root = fraction.sqrt();
        let (low, high) = (-DEPTH * root, bound.min(DEPTH) * root);
        let wanted = (high - low) / (next - fraction).sqrt() * POINTS_PER_STEP;
        let intervals = (wanted.ceil() as usize).max(POINTS_MIN).next_multiple_of(2);
        let width = (high - low) / intervals as f64;
        let step = (fraction - self.fraction).sqrt();
        let mass = (0..=intervals).map(|point| {
            let value = low + width * point as f64;
            let simpson = match point {
                _ if point == 0 || point == intervals => 1.0,
                _ if point % 2 == 1 => 4.0,
                _ => 2.0,
            };
            (value, simpson * width / 3.0 * self.density(value, step))
        });
        Self { fraction, mass: mass.collect() }
    }

    fn density(&self, value: f64, step: f64) -> f64 {
        let scale = (2.0 * std::f64::consts::PI).sqrt() * step;
        let kernel = |from: f64| (-0.5 * ((value - from) / step).powi(2)).exp();
        self.mass.iter().map(|(from, mass)| mass * kernel(*from)).sum::<f64>() / scale
    }
}
