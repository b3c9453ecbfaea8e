//! Adjusted p-values against reference vectors, their order, and what is refused.

use freehold_evidence::multiplicity::{self, Error};
use proptest::prelude::*;

const P_VALUES: [f64; 4] = [0.01, 0.04, 0.03, 0.005];

type Adjust = fn(&[f64]) -> Result<Vec<f64>, Error>;

#[test]
fn adjusted_p_values_match_the_reference() {
    let by = [0.05, 0.1, 0.1, 0.05].map(|value: f64| value * 25.0 / 30.0);
    for (name, adjust, expected) in [
        ("holm", multiplicity::holm as Adjust, [0.03, 0.06, 0.06, 0.02]),
        ("hochberg", multiplicity::hochberg, [0.03, 0.04, 0.04, 0.02]),
        ("bh", multiplicity::benjamini_hochberg, [0.02, 0.04, 0.04, 0.02]),
        ("by", multiplicity::benjamini_yekutieli, by),
    ] {
        let adjusted = adjust(&P_VALUES).expect("legal");
        for (value, expected) in adjusted.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-8, "{name}: {adjusted:?}");
        }
    }
}

/// With m = 4 and a level of 0.05, k claims hold where the k-th evidence reaches 80 / k.
#[test]
fn evidence_is_claimed_by_rank() {
    let claimed = |evidence: [f64; 4]| multiplicity::e_bh(&evidence.map(f64::ln), 0.05).expect("legal");
    assert_eq!(claimed([81.0, 1.0, 41.0, 0.0]), [true, false, true, false]);
    assert_eq!(claimed([79.0, 1.0, 39.0, 0.0]), [false; 4]);
    assert_eq!(claimed([21.0, 21.0, 21.0, 21.0]), [true; 4], "all at once, where none would hold alone");
    assert_eq!(claimed([f64::INFINITY, 0.0, 0.0, 0.0]), [true, false, false, false]);
    assert_eq!(multiplicity::e_bh(&[], 0.05).expect("legal"), Vec::<bool>::new());
}

#[test]
fn first_of_the_best_is_chosen() {
    assert_eq!(multiplicity::chosen(&[0.7, 0.9, 0.9, 0.1]), Some(1));
    assert_eq!(multiplicity::chosen(&[]), None);
}

#[test]
fn fixed_sequence_stops_at_the_first_failure() {
    assert_eq!(multiplicity::fixed_sequence(&[0.01, 0.05, 0.051, 0.001], 0.05), Ok(2));
    assert_eq!(multiplicity::fixed_sequence(&[], 0.05), Ok(0));
}

#[test]
fn levels_of_a_ledger_never_sum_to_more_than_the_whole() {
    let sum: f64 = (0..100_000).map(|number| multiplicity::ledger_level(0.05, number).expect("legal")).sum();
    assert!(sum < 0.05 && sum > 0.049_999, "{sum}");
    assert!((multiplicity::ledger_level(0.05, 1).expect("legal") - 0.030_396_355_092_7).abs() < 1e-12);
}

#[test]
fn numbers_that_are_no_p_values_or_levels_are_refused() {
    for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        for adjust in [
            multiplicity::holm as Adjust,
            multiplicity::hochberg,
            multiplicity::benjamini_hochberg,
            multiplicity::benjamini_yekutieli,
        ] {
            assert!(adjust(&[0.5, bad]).is_err(), "{bad}");
        }
        assert!(multiplicity::fixed_sequence(&[0.9, bad], 0.05).is_err(), "{bad} after the first failure");
        assert!(multiplicity::fixed_sequence(&[0.9], bad).is_err(), "{bad}");
        assert!(multiplicity::ledger_level(bad, 1).is_err() && multiplicity::e_bh(&[0.0], bad).is_err(), "{bad}");
    }
    assert!(multiplicity::e_bh(&[f64::NAN], 0.05).is_err());
}

proptest! {
    /// The four methods keep their order of strictness and the order of the p-values, and never lower a p-value.
    #[test]
    fn stricter_methods_adjust_more(p_values in prop::collection::vec(0.0_f64..=1.0, 0..20)) {
        let holm = multiplicity::holm(&p_values).expect("legal");
        let hochberg = multiplicity::hochberg(&p_values).expect("legal");
        let shares = multiplicity::benjamini_hochberg(&p_values).expect("legal");
        let any = multiplicity::benjamini_yekutieli(&p_values).expect("legal");
        for (place, p_value) in p_values.iter().enumerate() {
            prop_assert!(holm[place] >= hochberg[place] && hochberg[place] >= shares[place] - 1e-12);
            prop_assert!(any[place] >= shares[place] && shares[place] >= *p_value && holm[place] <= 1.0);
            for (other, greater) in p_values.iter().enumerate().filter(|(_, value)| *value >= p_value) {
                for adjusted in [&holm, &hochberg, &shares, &any] {
                    prop_assert!(adjusted[other] >= adjusted[place], "{p_value} and {greater}");
                }
            }
        }
    }

    /// What the p-value 1/E allows by e-BH is never more than Benjamini-Hochberg allows on it.
    #[test]
    fn evidence_claims_no_more_than_its_p_values(evidence in prop::collection::vec(-3.0_f64..12.0, 0..20)) {
        let p_values: Vec<f64> = evidence.iter().map(|log| (-log).exp().min(1.0)).collect();
        let adjusted = multiplicity::benjamini_hochberg(&p_values).expect("legal");
        for (claimed, adjusted) in multiplicity::e_bh(&evidence, 0.05).expect("legal").iter().zip(adjusted) {
            prop_assert!(!claimed || adjusted <= 0.05 + 1e-12);
        }
    }
}
