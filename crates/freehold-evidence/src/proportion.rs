//! Limits of a share: of independent cases, and of cases that come in groups.

use serde::Serialize;

use crate::{paired, quantile};

/// Squares below this are rounding, not variation.
const SQUARES_MIN: f64 = 1e-18;

/// Holds a share with its limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The share, 0 to 1.
    pub share: f64,
    /// Lower limit, at the one-sided level asked for.
    pub lower: f64,
    /// Upper limit, at the one-sided level asked for.
    pub upper: f64,
    /// What it is a share of: cases, verdicts or pairs.
    pub of: u64,
}

/// Returns the score limits of a share of independent cases, `confidence` being the level of each limit alone.
///
/// `cases` may be a fraction, where a design effect divided them. Source: Wilson (1927, JASA 22:209).
#[must_use]
pub fn wilson(share: f64, cases: f64, confidence: f64) -> (f64, f64) {
    let z = quantile::normal(confidence);
    let centre = (share * cases + z * z / 2.0) / (cases + z * z);
    let half = z * (cases * share * (1.0 - share) + z * z / 4.0).sqrt() / (cases + z * z);
    (centre - half, centre + half)
}

/// Returns the share `hits` of `cases` with its score limits; `None` without cases.
#[must_use]
pub fn of_cases(hits: u64, cases: u64, confidence: f64) -> Option<Share> {
    if cases == 0 {
        return None;
    }
    let share = hits as f64 / cases as f64;
    let (lower, upper) = wilson(share, cases as f64, confidence);
    Some(Share { share, lower: lower.max(0.0), upper: upper.min(1.0), of: cases })
}

/// Returns the share of the sum of hits in the sum of cases, for groups given as (hits, cases); `None` without cases.
///
/// The error is that of a ratio of group totals (Cochran 1977, Sampling Techniques, equation 6.13) with G - 1 degrees of
/// freedom; where the groups do not vary, the limits are the score limits of G cases (Wilson 1927). `confidence` is the
/// level of each limit alone.
#[must_use]
pub fn of_groups(groups: &[(f64, f64)], confidence: f64) -> Option<Share> {
    let cases: f64 = groups.iter().map(|(_, cases)| cases).sum();
    if cases <= 0.0 {
        return None;
    }
    let count = groups.iter().filter(|(_, cases)| *cases > 0.0).count() as f64;
    let share = groups.iter().map(|(hits, _)| hits).sum::<f64>() / cases;
    let squares: f64 = groups.iter().map(|(hits, cases)| (hits - share * cases).powi(2)).sum();
    let (lower, upper) = if count > 1.0 && squares > SQUARES_MIN {
        let error = (count / (count - 1.0) * squares).sqrt() / cases;
        paired::t_interval(share, error, count - 1.0, confidence)
    } else {
        wilson(share, count, confidence)
    };
    Some(Share { share, lower: lower.max(0.0), upper: upper.min(1.0), of: cases as u64 })
}
