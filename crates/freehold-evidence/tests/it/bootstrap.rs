//! The index stream against its reference, bootstrap limits against a plain computation, and what is refused.

use freehold_evidence::bootstrap::{self, Resampling};
use proptest::prelude::*;

const RESAMPLING: Resampling = Resampling { seed: 20_240_607, resamples: 500 };

#[test]
fn indices_match_the_reference() {
    let indices: Vec<u64> = (0..8).map(|counter| bootstrap::index(20_240_607, counter, 1_000)).collect();
    assert_eq!(indices, [392, 35, 992, 170, 301, 660, 858, 272]);
    assert_eq!(bootstrap::index(1, 1, 0), 0);
    assert!((0..1_000).all(|counter| bootstrap::index(u64::MAX, u64::MAX - counter, 3) < 3));
}

/// The definition word for word: draw all, take the means, sort, and pick the order statistics ceil(B p).
#[test]
fn percentile_limits_are_order_statistics_of_the_resampled_means() {
    let values: Vec<f64> = (0..37).map(|number| f64::from(number % 7) / 7.0 - 0.4).collect();
    let mut means: Vec<f64> = (0..500_u64)
        .map(|resample| {
            let draws = (0..37_u64).map(|draw| values[bootstrap::index(20_240_607, resample * 37 + draw, 37) as usize]);
            draws.sum::<f64>() / 37.0
        })
        .collect();
    means.sort_by(f64::total_cmp);
    assert_eq!(bootstrap::percentile(&values, &RESAMPLING, 0.95), Ok((means[25], means[474])));
}

/// For a symmetric sample without acceleration the two kinds of limits nearly agree; a long tail moves the better ones.
#[test]
fn corrected_limits_follow_the_skew() {
    let resampling = Resampling { resamples: 4_000, ..RESAMPLING };
    let symmetric: Vec<f64> = (0..101).map(|number| f64::from(number) / 50.0 - 1.0).collect();
    let plain = bootstrap::percentile(&symmetric, &resampling, 0.95).expect("legal");
    let corrected = bootstrap::bca(&symmetric, &resampling, 0.95).expect("legal");
    assert!((plain.0 - corrected.0).abs() < 0.01 && (plain.1 - corrected.1).abs() < 0.01, "{plain:?} {corrected:?}");
    let skewed: Vec<f64> = (0..60).map(|number| if number % 10 == 0 { 1.0 } else { 0.0 }).collect();
    let plain = bootstrap::percentile(&skewed, &resampling, 0.95).expect("legal");
    let corrected = bootstrap::bca(&skewed, &resampling, 0.95).expect("legal");
    assert!(corrected.0 >= plain.0 && corrected.1 > plain.1, "{plain:?} {corrected:?}");
}

#[test]
fn values_that_are_all_the_same_give_their_mean_twice() {
    assert_eq!(bootstrap::bca(&[0.25; 20], &RESAMPLING, 0.95), Ok((0.25, 0.25)));
    assert_eq!(bootstrap::percentile(&[0.25; 20], &RESAMPLING, 0.95), Ok((0.25, 0.25)));
    assert_eq!(bootstrap::bca(&[1.0], &RESAMPLING, 0.95), Ok((1.0, 1.0)));
}

#[test]
fn numbers_that_cannot_be_resampled_are_refused() {
    for draw in [bootstrap::percentile, bootstrap::bca] {
        assert!(draw(&[], &RESAMPLING, 0.95).is_err());
        assert!(draw(&[0.0, f64::NAN], &RESAMPLING, 0.95).is_err());
        assert!(draw(&[f64::INFINITY], &RESAMPLING, 0.95).is_err());
        for confidence in [0.5, 1.0, f64::NAN] {
            assert!(draw(&[0.0], &RESAMPLING, confidence).is_err(), "{confidence}");
        }
        for resamples in [0, bootstrap::RESAMPLES_MAX + 1] {
            assert!(draw(&[0.0], &Resampling { resamples, ..RESAMPLING }, 0.95).is_err(), "{resamples}");
        }
    }
}

proptest! {
    /// Limits lie in order within the values.
    #[test]
    fn limits_lie_within_the_values(values in prop::collection::vec(-1.0_f64..=1.0, 1..40), seed: u64) {
        let resampling = Resampling { seed, resamples: 200 };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for draw in [bootstrap::percentile, bootstrap::bca] {
            let (lower, upper) = draw(&values, &resampling, 0.9).expect("legal");
            prop_assert!(least - 1e-9 <= lower && lower <= upper && upper <= largest + 1e-9, "{lower} {upper}");
        }
    }
}
