//! The empirical-Bernstein confidence sequence: limits in closed form after every case, for charts.

use super::Error;

/// Most that one case weighs in a limit.
const WEIGHT_MAX: f64 = 0.5;

/// Keeps limits on the mean difference that hold at all times together, in constant memory.
///
/// Wider than what the bets of [`super::Watch`] give, but a plain formula, good for a chart. Each limit alone holds at
/// level 1 - alpha. Source: Waudby-Smith and Ramdas (2024, JRSS-B 86:1), theorem 2 (predictable plug-in), on (D + 1)/2.
#[derive(Debug, Clone)]
pub struct Bernstein {
    log_level: f64,
    cases: u64,
    mean: f64,
    sum: f64,
    squares: f64,
    weights: f64,
    weighted: f64,
    penalty: f64,
    best: (f64, f64),
}

impl Bernstein {
    /// Returns a sequence that has seen nothing.
    ///
    /// # Errors
    /// Refuses a level outside 0 to 0.5, the ends excluded.
    pub fn new(alpha: f64) -> Result<Self, Error> {
        Ok(Self {
            log_level: -super::check_alpha(alpha)?.ln(),
            cases: 0,
            mean: 0.5,
            sum: 0.0,
            squares: 0.25,
            weights: 0.0,
            weighted: 0.0,
            penalty: 0.0,
            best: (-1.0, 1.0),
        })
    }

    /// Takes in the next difference and returns the limits of this look alone, which may be wider than earlier ones.
    ///
    /// # Errors
    /// Refuses a difference outside -1 to 1, and is then as before.
    pub fn observe(&mut self, difference: f64) -> Result<(f64, f64), Error> {
        let score = f64::midpoint(super::check(self.cases, difference)?, 1.0);
        self.cases += 1;
        let cases = self.cases as f64;
        let variance = self.squares / cases;
        let weight = (2.0 * self.log_level / (variance * cases * (cases + 1.0).ln())).sqrt().min(WEIGHT_MAX);
        self.weights += weight;
        self.weighted += weight * score;
        self.penalty += (score - self.mean).powi(2) * (-(-weight).ln_1p() - weight);
        self.sum += score;
        self.mean = (0.5 + self.sum) / (cases + 1.0);
        self.squares += (score - self.mean).powi(2);
        let centre = self.weighted / self.weights;
        let half = (self.log_level + self.penalty) / self.weights;
        let limits = ((2.0 * (centre - half) - 1.0).max(-1.0), (2.0 * (centre + half) - 1.0).min(1.0));
        self.best = (self.best.0.max(limits.0), self.best.1.min(limits.1));
        Ok(limits)
    }

    /// Returns the tightest limits so far, which hold together at every look; -1 and 1 before the first case.
    #[must_use]
    pub fn limits(&self) -> (f64, f64) {
        self.best
    }
}
