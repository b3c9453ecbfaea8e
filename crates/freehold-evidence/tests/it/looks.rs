//! Bounds at planned looks against published ones, the level they keep in simulation, and what is refused.

use freehold_evidence::looks::{self, Outcome, Spending};
use freehold_evidence::quantile;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn even(looks: usize) -> Vec<f64> {
    (1..=looks).map(|look| look as f64 / looks as f64).collect()
}

/// Lan and DeMets's bounds for five even looks, as printed by the usual programs for two levels.
#[test]
fn bounds_match_published_ones() {
    for (spending, alpha, published) in [
        (Spending::OBrienFleming, 0.05, [4.23, 2.89, 2.30, 1.96, 1.74]),
        (Spending::OBrienFleming, 0.025, [4.877, 3.357, 2.680, 2.290, 2.031]),
        (Spending::Pocock, 0.025, [2.438, 2.427, 2.410, 2.397, 2.386]),
    ] {
        let bounds = looks::bounds(spending, alpha, &even(5)).expect("legal");
        println!("{spending:?} {alpha}: {bounds:?}");
        for (bound, published) in bounds.iter().zip(published) {
            assert!((bound - published).abs() < 0.005, "{spending:?} at {alpha}: {bound} instead of {published}");
        }
    }
}

#[test]
fn one_look_is_the_plain_test() {
    for alpha in [0.05, 0.01] {
        for spending in [Spending::OBrienFleming, Spending::Pocock] {
            let bounds = looks::bounds(spending, alpha, &[1.0]).expect("legal");
            assert!((bounds[0] - quantile::normal(1.0 - alpha)).abs() < 1e-9, "{bounds:?}");
        }
    }
}

/// Looking five times at a random walk without drift crosses its bounds as often as it should, and plain bounds do not.
#[test]
fn bounds_keep_the_level_where_plain_ones_do_not() {
    let mut random = ChaCha8Rng::seed_from_u64(51);
    let (draws, alpha, fractions) = (40_000, 0.05, even(5));
    let bounds = looks::bounds(Spending::Pocock, alpha, &fractions).expect("legal");
    let (mut crossed, mut crossed_plain) = (0_u32, 0_u32);
    for _ in 0..draws {
        let mut walk = 0.0;
        let statistics: Vec<f64> = (1..=5)
            .map(|look| {
                walk += quantile::normal(random.random_range(1e-12..1.0)) / f64::sqrt(5.0);
                walk / (f64::from(look) / 5.0).sqrt()
            })
            .collect();
        crossed += u32::from(statistics.iter().zip(&bounds).any(|(statistic, bound)| statistic > bound));
        crossed_plain += u32::from(statistics.iter().any(|statistic| *statistic > quantile::normal(1.0 - alpha)));
    }
    let (share, plain) = (f64::from(crossed) / f64::from(draws), f64::from(crossed_plain) / f64::from(draws));
    println!("five looks: {share:.4}, at plain bounds {plain:.4}");
    assert!((share - alpha).abs() < 3.0 * (alpha * (1.0 - alpha) / f64::from(draws)).sqrt(), "{share}");
    assert!(plain > 0.12, "{plain}");
}

#[test]
fn looks_that_make_no_plan_are_refused() {
    for fractions in [vec![], vec![0.5, 0.5], vec![0.5, 0.4], vec![1.1], vec![f64::NAN], vec![0.0], even(51)] {
        assert!(looks::bounds(Spending::Pocock, 0.05, &fractions).is_err(), "{fractions:?}");
    }
    for alpha in [0.0, 0.5, f64::NAN] {
        assert!(looks::bounds(Spending::Pocock, alpha, &[1.0]).is_err(), "{alpha}");
    }
}

#[test]
fn look_decides_by_its_bound_and_calls_hopeless_cases_futile() {
    for (statistic, upper, expected) in [
        (2.4, 0.03, Outcome::Adequate),
        (-2.4, -0.06, Outcome::NotAdequate),
        (-1.0, -0.03, Outcome::Futile),
        (1.0, 0.02, Outcome::Continue),
    ] {
        assert_eq!(looks::outcome(statistic, 2.3, upper, 0.05), expected, "{statistic} {upper}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Later looks change nothing about earlier bounds, no bound lies below the plain one, and a smaller level raises all.
    #[test]
    fn bounds_rest_on_the_looks_so_far(steps in prop::collection::vec(0.05_f64..1.0, 2..6), alpha in 0.01_f64..0.2) {
        let total: f64 = steps.iter().sum();
        let fractions: Vec<f64> = steps.iter().scan(0.0, |sum, step| {
            *sum += step / total;
            Some(f64::min(*sum, 1.0))
        }).collect();
        let bounds = looks::bounds(Spending::OBrienFleming, alpha, &fractions).expect("legal");
        let fewer = looks::bounds(Spending::OBrienFleming, alpha, &fractions[..fractions.len() - 1]).expect("legal");
        let stricter = looks::bounds(Spending::OBrienFleming, alpha / 2.0, &fractions).expect("legal");
        for (look, bound) in bounds.iter().enumerate() {
            prop_assert!(fewer.get(look).is_none_or(|same| (same - bound).abs() < 1e-3), "{fewer:?} {bounds:?}");
            prop_assert!(*bound >= quantile::normal(1.0 - alpha) - 1e-9 && stricter[look] > *bound, "{bounds:?}");
        }
    }
}
