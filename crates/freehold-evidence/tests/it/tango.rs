//! Tango's interval against published tables and its own symmetries.

use freehold_evidence::quantile;
use freehold_evidence::tango::{self, Table};
use proptest::prelude::*;

struct Published {
    source: &'static str,
    counts: [f64; 4],
    level_two_sided: f64,
    limits: (f64, f64),
    /// The limits as printed in the source, and half a unit of their last digit.
    printed: (f64, f64, f64),
}

fn published() -> [Published; 9] {
    let without_disagreement = |n: f64, limit: f64| Published {
        source: "no disagreement: limits are -+ z^2 / (n + z^2)",
        counts: [n, 0.0, 0.0, 0.0],
        level_two_sided: 0.9,
        limits: (-limit, limit),
        printed: (-limit, limit, 5e-10),
    };
    [
        Published {
            source: "Tango 1998, table VII",
            counts: [4.0, 9.0, 3.0, 16.0],
            level_two_sided: 0.95,
            limits: (-0.027_090_464_5, 0.389_697_487_1),
            printed: (-0.027, 0.39, 5e-4),
        },
        Published {
            source: "Tango 1998, table V",
            counts: [43.0, 0.0, 1.0, 0.0],
            level_two_sided: 0.9,
            limits: (-0.095_662_426_4, 0.036_516_938_42),
            printed: (-0.096, 0.037, 5e-4),
        },
        Published {
            source: "Agresti and Min 2005",
            counts: [53.0, 16.0, 8.0, 9.0],
            level_two_sided: 0.95,
            limits: (-0.019_658_922_72, 0.206_910_770_6),
            printed: (-0.02, 0.207, 5e-4),
        },
        Published {
            source: "Fagerland, Lydersen and Laake 2014",
            counts: [1.0, 1.0, 7.0, 12.0],
            level_two_sided: 0.95,
            limits: (-0.517_232_276_4, -0.026_003_032_48),
            printed: (-0.517, -0.026, 5e-4),
        },
        Published {
            source: "Tang et al. 2010",
            counts: [8.0, 3.0, 1.0, 2.0],
            level_two_sided: 0.95,
            limits: (-0.166_974_512_3, 0.432_663_851_7),
            printed: (-0.167, 0.4327, 5e-4),
        },
        without_disagreement(50.0, 0.051_333_185_79),
        without_disagreement(100.0, 0.026_342_720_78),
        without_disagreement(133.0, 0.019_936_867_61),
        without_disagreement(500.0, 0.005_381_964_63),
    ]
}

fn table(counts: [f64; 4]) -> Table {
    Table::new(counts).expect("counts of the test are finite and not negative")
}

#[test]
fn limits_match_published_tables() {
    for vector in published() {
        let z = quantile::normal(0.5 + vector.level_two_sided / 2.0);
        let (lower, upper) = tango::interval(&table(vector.counts), z);
        assert!((lower - vector.limits.0).abs() < 1e-8, "{}: lower {lower}", vector.source);
        assert!((upper - vector.limits.1).abs() < 1e-8, "{}: upper {upper}", vector.source);
        let (printed_lower, printed_upper, half_unit) = vector.printed;
        assert!((lower - printed_lower).abs() <= half_unit, "{}: lower {lower} as printed", vector.source);
        assert!((upper - printed_upper).abs() <= half_unit, "{}: upper {upper} as printed", vector.source);
    }
}

#[test]
fn impossible_counts_are_refused_and_an_empty_table_says_nothing() {
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(Table::new([1.0, bad, 0.0, 0.0]).is_err(), "{bad} was taken as a count");
    }
    assert_eq!(tango::interval(&table([0.0; 4]), 1.6), (-1.0, 1.0));
    assert_eq!(tango::interval(&table([5.0, 0.0, 0.0, 0.0]), f64::INFINITY), (-1.0, 1.0));
}

fn counts() -> impl Strategy<Value = [f64; 4]> {
    prop::array::uniform4(0_u32..200)
        .prop_filter_map("at least one case", |counts| (counts.iter().sum::<u32>() > 0).then(|| counts.map(f64::from)))
}

proptest! {
    /// Exchanging the two models mirrors the interval.
    #[test]
    fn swapping_the_models_mirrors_the_limits([both, gain, loss, neither] in counts(), z in 0.5_f64..3.0) {
        let (lower, upper) = tango::interval(&table([both, gain, loss, neither]), z);
        let (mirrored_lower, mirrored_upper) = tango::interval(&table([both, loss, gain, neither]), z);
        prop_assert!((lower + mirrored_upper).abs() < 1e-7, "{lower} against {mirrored_upper}");
        prop_assert!((upper + mirrored_lower).abs() < 1e-7, "{upper} against {mirrored_lower}");
    }

    /// Bisection needs a statistic that falls as the hypothesis rises.
    #[test]
    fn statistic_falls_as_the_hypothesis_rises(counts in counts(), first in -0.999_f64..0.999, second in -0.999_f64..0.999) {
        prop_assume!((first - second).abs() > 1e-6);
        let table = table(counts);
        let (low, high) = (first.min(second), first.max(second));
        prop_assert!(tango::statistic(&table, low) > tango::statistic(&table, high));
    }

    /// The p-value at a limit is the level of that limit, and exchanging the models turns it round.
    #[test]
    fn p_value_at_a_limit_is_its_level([both, gain, loss, neither] in counts(), confidence in 0.6_f64..0.999) {
        let given = table([both, gain, loss, neither]);
        let (lower, upper) = tango::interval(&given, quantile::normal(confidence));
        if lower > -1.0 + 1e-9 {
            prop_assert!((tango::p_value(&given, lower) - (1.0 - confidence)).abs() < 1e-6);
        }
        if upper < 1.0 - 1e-9 {
            prop_assert!((tango::p_value(&given, upper) - confidence).abs() < 1e-6);
        }
        let mirrored = table([both, loss, gain, neither]);
        let sum = tango::p_value(&given, -0.05) + tango::p_value(&mirrored, 0.05);
        prop_assert!((sum - 1.0).abs() < 1e-7, "{sum}");
    }

    /// More cases at the same rates narrow the interval, which always holds the observed difference.
    #[test]
    fn more_cases_narrow_the_interval(counts in counts(), factor in 1.1_f64..20.0) {
        let few = table(counts);
        let (lower, upper) = tango::interval(&few, 1.645);
        let (closer_lower, closer_upper) = tango::interval(&few.scaled(factor), 1.645);
        prop_assert!(lower - 1e-9 <= few.difference() && few.difference() <= upper + 1e-9);
        prop_assert!(closer_lower > lower - 1e-9 && closer_upper < upper + 1e-9);
    }
}
