//! A judge's preference with the part taken out that answers earn by their length.

use serde::Serialize;

use crate::{paired, quantile};

const ROUNDS_MAX: usize = 50;
const STEP_MIN: f64 = 1e-12;
/// A coefficient beyond this has no finite estimate: length, or nothing, decides every comparison.
const COEFFICIENT_MAX: f64 = 25.0;

/// Holds a candidate's rate of wins as it would be at equal lengths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LengthAdjusted {
    /// Mean score over the comparisons, as they came.
    pub raw: f64,
    /// Rate at equal lengths.
    pub rate: f64,
    /// Lower limit of the rate, at the one-sided level asked for.
    pub lower: f64,
    /// Upper limit of the rate, at the one-sided level asked for.
    pub upper: f64,
    /// Log odds that one standard deviation of extra length buys, to first order.
    pub length_effect: f64,
    /// Mean of the candidate's length minus the incumbent's, in the unit given.
    pub length_difference: f64,
    /// Whether the lengths differ so much on average that the rate lies outside of what was compared.
    pub is_extrapolated: bool,
}

/// Returns the rate of wins at equal lengths, from scores (1, 0.5 or 0) and differences of length, case by case.
///
/// Fits logit P(win) = a + g tanh(d / sd(d)) by maximum likelihood and reports sigmoid(a), with limits from the sandwich
/// error of a (halves for ties make the scores no Bernoulli variable). The simple form, without the difficulty of the
/// instruction, of Dubois et al. (2024, arXiv 2404.04475), equation 2. Extrapolated where |mean d| exceeds sd(d).
/// `None` where it cannot be fitted: lengths that do not vary, outcomes that are all the same or that length decides.
#[must_use]
pub fn length_adjusted(scores: &[f64], length_differences: &[f64], confidence: f64) -> Option<LengthAdjusted> {
    let lengths = paired::summarise(length_differences);
    let deviation = lengths.variance.sqrt();
    if scores.len() != length_differences.len() || deviation.is_nan() || deviation <= 0.0 {
        return None;
    }
    let points: Vec<(f64, f64)> = scores
        .iter()
        .zip(length_differences)
        .map(|(score, difference)| ((difference / deviation).tanh(), *score))
        .collect();
    let fit = fit(&points)?;
    let half = quantile::normal(confidence) * fit.intercept_error;
    Some(LengthAdjusted {
        raw: scores.iter().sum::<f64>() / scores.len() as f64,
        rate: sigmoid(fit.intercept),
        lower: sigmoid(fit.intercept - half),
        upper: sigmoid(fit.intercept + half),
        length_effect: fit.slope,
        length_difference: lengths.mean,
        is_extrapolated: lengths.mean.abs() > deviation,
    })
}

struct Fit {
    intercept: f64,
    slope: f64,
    intercept_error: f64,
}

/// Newton's method on the two-parameter logistic likelihood.
fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    let (mut intercept, mut slope) = (0.0, 0.0);
    for _ in 0..ROUNDS_MAX {
        let sums = Sums::at(points, intercept, slope);
        let (step_intercept, step_slope) = sums.information.solve(sums.gradient)?;
        intercept += step_intercept;
        slope += step_slope;
        if !(f64::abs(intercept) < COEFFICIENT_MAX && f64::abs(slope) < COEFFICIENT_MAX) {
            return None;
        }
        if step_intercept.abs() + step_slope.abs() < STEP_MIN {
            let sums = Sums::at(points, intercept, slope);
            // The first row of the inverse information, r: the sandwich variance of the intercept is r B r'.
            let row = sums.information.solve((1.0, 0.0))?;
            let Symmetric { first, cross, second } = sums.squares;
            let variance = row.0 * row.0 * first + 2.0 * row.0 * row.1 * cross + row.1 * row.1 * second;
            return Some(Fit { intercept, slope, intercept_error: variance.max(0.0).sqrt() });
        }
    }
    None
}

/// A symmetric 2 x 2 matrix.
#[derive(Default)]
struct Symmetric {
    first: f64,
    cross: f64,
    second: f64,
}

impl Symmetric {
    fn add(&mut self, x: f64, weight: f64) {
        self.first += weight;
        self.cross += weight * x;
        self.second += weight * x * x;
    }

    fn solve(&self, (top, bottom): (f64, f64)) -> Option<(f64, f64)> {
        let determinant = self.first * self.second - self.cross * self.cross;
        let is_singular = determinant.is_nan() || determinant <= 1e-12 * self.first * self.second;
        (!is_singular).then(|| {
            let x = (top * self.second - bottom * self.cross) / determinant;
            let y = (bottom * self.first - top * self.cross) / determinant;
            (x, y)
        })
    }
}

#[derive(Default)]
struct Sums {
    gradient: (f64, f64),
    information: Symmetric,
    squares: Symmetric,
}

impl Sums {
    fn at(points: &[(f64, f64)], intercept: f64, slope: f64) -> Self {
        let mut sums = Self::default();
        for (x, score) in points {
            let chance = sigmoid(intercept + slope * x);
            let residual = score - chance;
            sums.gradient.0 += residual;
            sums.gradient.1 += residual * x;
            sums.information.add(*x, chance * (1.0 - chance));
            sums.squares.add(*x, residual * residual);
        }
        sums
    }
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
