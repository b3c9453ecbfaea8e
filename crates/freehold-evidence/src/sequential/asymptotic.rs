//! The asymptotic confidence sequence: for graded scores with a small spread, on which a bet sized for the range is slow.

use super::Error;

/// Fewest cases from which the sequence is used: its promise holds for large numbers only.
pub const ASYMPTOTIC_CASES_MIN: u64 = 100;

/// Fewest cases that weigh alike in the sum of squares from which the sequence is used: a spread that hangs on a few large
/// differences among many small ones is badly known.
const WEIGHTY_CASES_MIN: f64 = 40.0;

/// Keeps limits on the mean difference, each valid alone at level 1 - `alpha` at every look, in constant memory.
///
/// Valid in the limit of many cases, and used from [`ASYMPTOTIC_CASES_MIN`] on, as soon as the squared differences do not
/// hang on fewer than 40 cases ((sum D^2)^2 / sum D^4; our addition). One pseudo-observation of squared deviation
/// 1 goes into the variance, so that a run of ties is not taken for certainty. Source: Waudby-Smith, Arbour, Sinha,
/// Kennedy and Ramdas (2024, Annals of Statistics 52:2613), the one-sided form of their Gaussian-mixture boundary.
#[derive(Debug, Clone)]
pub struct Asymptotic {
    alpha: f64,
    /// Squared scale of the mixture: the larger, the earlier the limits are tight.
    scale_squared: f64,
    cases: u64,
    mean: f64,
    squares: f64,
    raw_squares: f64,
    raw_fourths: f64,
}

impl Asymptotic {
    /// Returns a sequence that has seen nothing and is tightest at `tightest_cases` cases, settled beforehand.
    ///
    /// # Errors
    /// Refuses a level outside 0 to 0.5, the ends excluded, and fewer than one case to be tightest at.
    pub fn new(alpha: f64, tightest_cases: f64) -> Result<Self, Error> {
        let alpha = super::check_alpha(alpha)?;
        if !(tightest_cases.is_finite() && tightest_cases >= 1.0) {
            return Err(Error::TightestCases { cases: tightest_cases });
        }
        Ok(Self::tightest_at(alpha, tightest_cases))
    }

    /// As [`Asymptotic::new`], for numbers that are known to be legal.
    pub(super) fn tightest_at(alpha: f64, cases: f64) -> Self {
        let log = -2.0 * (2.0 * alpha).ln();
        // The published tuning; it is meant for small levels, and at levels near a half any positive scale is valid.
        let scale_squared = (log + log.ln() + 1.0).max(1.0) / cases;
        Self { alpha, scale_squared, cases: 0, mean: 0.0, squares: 0.0, raw_squares: 0.0, raw_fourths: 0.0 }
    }

    /// Takes in the next difference (candidate minus incumbent) and returns the limits of this look alone.
    ///
    /// # Errors
    /// Refuses a difference outside -1 to 1, and is then as before.
    pub fn observe(&mut self, difference: f64) -> Result<(f64, f64), Error> {
        let difference = super::check(self.cases, difference)?;
        self.cases += 1;
        let deviation = difference - self.mean;
        self.mean += deviation / self.cases as f64;
        self.squares += deviation * (difference - self.mean);
        self.raw_squares += difference.powi(2);
        self.raw_fourths += difference.powi(4);
        Ok(self.limits())
    }

    /// Returns the limits of this look alone; -1 and 1 while there are too few cases.
    #[must_use]
    pub fn limits(&self) -> (f64, f64) {
        let is_spread_known = self.raw_squares.powi(2) >= WEIGHTY_CASES_MIN * self.raw_fourths;
        if self.cases < ASYMPTOTIC_CASES_MIN || !is_spread_known {
            return (-1.0, 1.0);
        }
        let cases = self.cases as f64;
        let spread = ((self.squares + 1.0) / (cases + 1.0)).sqrt();
        let growth = cases * self.scale_squared + 1.0;
        let log = (1.0 + growth.sqrt() / (2.0 * self.alpha)).ln();
        let half = spread * (2.0 * growth / (cases * cases * self.scale_squared) * log).sqrt();
        ((self.mean - half).max(-1.0), (self.mean + half).min(1.0))
    }
}
