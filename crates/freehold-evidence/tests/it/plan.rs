//! Planning: the published table of sample sizes, floors, power as the inverse, and renewal without unblinding.

use freehold_evidence::Rule;
use freehold_evidence::plan::{self, Error, Prospect};
use proptest::prelude::*;

fn rule(margin: f64) -> Rule {
    Rule::new(margin, 0.95).expect("the margin of the test is legal")
}

fn needed(margin: f64, discordance: f64, difference: f64) -> u64 {
    let prospect = Prospect::right_wrong(discordance, difference).expect("rates that can occur");
    plan::cases_needed(&rule(margin), &prospect, 0.8).expect("a plan")
}

/// True difference 0, level 0.05, power 0.8.
#[test]
fn cases_needed_match_the_table() {
    let table = [
        (0.02, [310, 52, 25]),
        (0.05, [773, 124, 31]),
        (0.10, [1_546, 248, 62]),
        (0.20, [3_092, 495, 124]),
        (0.30, [4_637, 742, 186]),
    ];
    for (discordance, expected) in table {
        let found = [0.02, 0.05, 0.10].map(|margin| needed(margin, discordance, 0.0));
        assert_eq!(found, expected, "discordance {discordance}");
    }
}

#[test]
fn small_true_loss_multiplies_the_cases() {
    let (equal, worse) = (needed(0.02, 0.1, 0.0), needed(0.02, 0.1, -0.01));
    let times = worse as f64 / equal as f64;
    assert!((times - 4.0).abs() < 0.01, "{times}");
    // Beyond the margin the plan is for the other verdict, without a floor: 6.1826 * (0.5 - 0.25) / 0.45^2 = 7.6.
    assert_eq!(needed(0.05, 0.5, -0.5), 8);
}

#[test]
fn floor_holds_without_any_disagreement() {
    assert_eq!([0.02, 0.05, 0.1].map(|margin| needed(margin, 0.0, 0.0)), [133, 52, 25]);
}

#[test]
fn graded_and_clustered_prospects_follow_their_variance() {
    // 6.182557 * 0.15^2 / 0.02^2 = 347.8; in groups with design effect 2.2: 765.1.
    let prospect = Prospect::graded(0.15, 0.0).expect("legal");
    assert_eq!(plan::cases_needed(&rule(0.02), &prospect, 0.8), Ok(348));
    let clustered = prospect.clustered(2.2).expect("legal");
    assert_eq!(plan::cases_needed(&rule(0.02), &clustered, 0.8), Ok(766));
}

#[test]
fn impossible_suppositions_are_refused() {
    assert!(matches!(Prospect::right_wrong(0.1, -0.2), Err(Error::Rates { .. })));
    assert!(Prospect::right_wrong(f64::NAN, 0.0).is_err() && Prospect::right_wrong(1.1, 0.0).is_err());
    assert!(Prospect::graded(1.1, 0.0).is_err() && Prospect::graded(0.9, 0.9).is_err());
    assert!(Prospect::graded(f64::NAN, 0.0).is_err() && Prospect::graded(-0.1, 0.0).is_err());
    let prospect = Prospect::right_wrong(0.2, -0.05).expect("legal");
    assert!(prospect.clustered(0.9).is_err() && prospect.clustered(f64::INFINITY).is_err());
    assert_eq!(plan::cases_needed(&rule(0.05), &prospect, 0.8), Err(Error::OnMargin { difference: -0.05 }));
    for power in [0.0, 1.0, f64::NAN] {
        assert!(matches!(plan::cases_needed(&rule(0.02), &prospect, power), Err(Error::Power { .. })));
    }
}

#[test]
fn renewal_looks_at_the_discordance_only() {
    let renewed = plan::renew(&rule(0.05), 0.0, (10, 100), 0.8).expect("a plan");
    assert_eq!((renewed.cases, renewed.discordance), (248, 0.1));
    assert!(renewed.cases_low < 248 && renewed.cases_high > 248, "{renewed:?}");
    // What was seen is never planned away, and a pilot without disagreement still names a range.
    assert_eq!(plan::renew(&rule(0.05), 0.0, (0, 100), 0.8).expect("a plan").cases, 100);
    assert!(plan::renew(&rule(0.05), 0.0, (0, 60), 0.8).expect("a plan").cases_high > 60);
    for seen in [(0, 0), (3, 2)] {
        assert!(matches!(plan::renew(&rule(0.05), 0.0, seen, 0.8), Err(Error::Count { .. })), "{seen:?}");
    }
}

proptest! {
    /// The planned number has the planned power, one case fewer has not, and the floor cannot be undercut.
    #[test]
    fn power_is_the_inverse_of_the_plan(
        margin in 0.01_f64..0.2,
        discordance in 0.01_f64..0.6,
        toward in -0.9_f64..1.0,
        power in 0.5_f64..0.95,
    ) {
        let rule = rule(margin);
        let difference = toward * discordance.min(margin);
        let prospect = Prospect::right_wrong(discordance, difference).expect("legal");
        let cases = plan::cases_needed(&rule, &prospect, power).expect("a plan");
        prop_assert!(plan::power(&rule, &prospect, cases) >= power - 1e-9);
        prop_assert!(plan::power(&rule, &prospect, cases - 1) < power + 1e-9);
        prop_assert!(cases >= rule.floor_cases() && plan::power(&rule, &prospect, rule.floor_cases() - 1) == 0.0);
        let more = Prospect::right_wrong((discordance * 1.2).min(1.0), difference).expect("legal");
        prop_assert!(plan::cases_needed(&rule, &more, power).expect("a plan") >= cases);
    }
}
