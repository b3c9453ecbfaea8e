//! Quantiles of the two reference distributions the intervals use.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Returns the standard normal quantile at `probability` (0 < probability < 1).
#[must_use]
pub fn normal(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// Returns the chance that a standard normal variable lies above `z`.
#[must_use]
pub fn normal_tail(z: f64) -> f64 {
    Normal::standard().sf(z)
}

/// Returns the quantile of Student's t with `freedom` degrees of freedom, or infinity where there are none.
#[must_use]
pub fn student(probability: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(distribution) => distribution.inverse_cdf(probability),
        Err(_) => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_published_tables() {
        assert!((normal(0.95) - 1.644_853_626_951_472_7).abs() < 1e-12);
        assert!((normal_tail(1.644_853_626_951_472_7) - 0.05).abs() < 1e-10);
        assert_eq!((normal_tail(f64::NEG_INFINITY), normal_tail(f64::INFINITY)), (1.0, 0.0));
        // Two-sided 90 % points of the usual t table.
        for (freedom, expected) in [(1.0, 6.313_751_5), (9.0, 1.833_112_9), (29.0, 1.699_127_0), (120.0, 1.657_650_9)] {
            assert!((student(0.95, freedom) - expected).abs() < 1e-6, "t with {freedom} degrees of freedom");
        }
        assert!(student(0.95, 0.0).is_infinite());
    }
}
