//! The three-way decision: verdicts, cases still needed, and input that must not pass for certainty.

use freehold_evidence::decision::{Decision, Error, Pair, Rule, Tally, Verdict, decide, p_value};
use freehold_evidence::tango::{self, Table};
use proptest::prelude::*;

fn rule(margin: f64) -> Rule {
    Rule::new(margin, 0.95).expect("the margin of the test is legal")
}

fn pair(number: usize, incumbent: f64, candidate: f64) -> Pair {
    Pair { case: format!("case-{number}"), incumbent, candidate, cluster: None }
}

/// Pairs from counts of both right, candidate only, incumbent only, neither.
fn counted(counts: [usize; 4]) -> Vec<Pair> {
    let cells = [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)];
    let scores = cells.into_iter().zip(counts).flat_map(|(cell, count)| std::iter::repeat_n(cell, count));
    scores.enumerate().map(|(number, (incumbent, candidate))| pair(number, incumbent, candidate)).collect()
}

fn in_clusters(mut pairs: Vec<Pair>, size: usize) -> Vec<Pair> {
    for (number, pair) in pairs.iter_mut().enumerate() {
        pair.cluster = Some(format!("run-{}", number / size));
    }
    pairs
}

fn decided(pairs: &[Pair], margin: f64) -> Decision {
    decide(pairs, &rule(margin)).expect("the pairs of the test are legal")
}

fn has_note(decision: &Decision, part: &str) -> bool {
    decision.notes.iter().any(|note| note.contains(part))
}

#[test]
fn verdict_follows_the_limits() {
    let good = decided(&counted([180, 6, 4, 10]), 0.05);
    assert_eq!((good.verdict, good.more_needed, good.method.as_str()), (Verdict::Adequate, None, "tango_score"));
    assert!(good.lower > -0.05 && (good.difference - 0.01).abs() < 1e-12 && (good.discordance - 0.05).abs() < 1e-12);
    assert_eq!((good.n, good.clusters, good.floor_cases), (200, 200, 52));

    let bad = decided(&counted([130, 5, 55, 10]), 0.05);
    assert_eq!((bad.verdict, bad.more_needed), (Verdict::NotAdequate, None));
    assert!(bad.upper < -0.05);

    let open = decided(&counted([40, 3, 3, 4]), 0.05);
    assert_eq!(open.verdict, Verdict::Undecided);
    assert!(open.lower <= -0.05 && open.upper >= -0.05);
}

#[test]
fn cases_needed_follow_the_sample_size_formula() {
    // Discordance 0.1, no difference, margin 0.05: (1.6449 + 0.8416)^2 * 0.1 / 0.05^2 = 247.3 cases.
    assert_eq!(decided(&counted([40, 5, 5, 50]), 0.05).more_needed, Some(248 - 100));
    // Discordance 0.2, margin 0.1: 123.7 cases.
    assert_eq!(decided(&counted([20, 5, 5, 20]), 0.1).more_needed, Some(124 - 50));
    // No disagreement at all: the floor, 52 cases at 0.05 and 133 at 0.02.
    assert_eq!(decided(&counted([40, 0, 0, 0]), 0.05).more_needed, Some(52 - 40));
    assert_eq!(decided(&counted([100, 0, 0, 0]), 0.02).more_needed, Some(133 - 100));
    assert_eq!(decided(&counted([52, 0, 0, 0]), 0.05).verdict, Verdict::Adequate);
    assert_eq!(decided(&counted([51, 0, 0, 0]), 0.05).verdict, Verdict::Undecided);
    assert_eq!(decided(&counted([133, 0, 0, 0]), 0.02).verdict, Verdict::Adequate);
}

/// A few lucky cases do not shorten the plan below what the margin asks of any comparison.
#[test]
fn plan_never_falls_below_the_floor() {
    let decision = decided(&counted([6, 1, 0, 3]), 0.05);
    assert_eq!((decision.verdict, decision.more_needed), (Verdict::Undecided, Some(52 - 10)), "{decision:?}");
}

#[test]
fn difference_at_the_margin_has_no_number_of_cases() {
    let decision = decided(&counted([80, 5, 10, 5]), 0.05);
    assert_eq!((decision.verdict, decision.more_needed), (Verdict::Undecided, None));
    assert!(has_note(&decision, "too near"), "{:?}", decision.notes);
}

#[test]
fn loss_beyond_the_margin_is_planned_towards_not_adequate() {
    // Difference -0.1 at margin 0.05: (2.4865)^2 * (0.2 - 0.01) / 0.05^2 = 469.9 cases.
    let decision = decided(&counted([60, 5, 15, 20]), 0.05);
    assert_eq!((decision.verdict, decision.more_needed), (Verdict::Undecided, Some(470 - 100)));
}

#[test]
fn graded_scores_use_the_paired_t() {
    let pairs: Vec<Pair> = (0..400).map(|n| pair(n, 0.6, if n % 2 == 0 { 0.9 } else { 0.3 })).collect();
    let decision = decided(&pairs, 0.05);
    assert_eq!((decision.method.as_str(), decision.verdict), ("paired_t", Verdict::Adequate));
    // s = 0.3 * sqrt(400 / 399), t(399, 0.95) = 1.648682.
    let half = 1.648_682 * 0.3 / 399.0_f64.sqrt();
    assert!((decision.lower + half).abs() < 1e-6 && (decision.upper - half).abs() < 1e-6, "{decision:?}");
    assert!(decision.notes.is_empty(), "{:?}", decision.notes);
}

#[test]
fn graded_scores_without_variation_are_not_certain() {
    let equal: Vec<Pair> = (0..50).map(|n| pair(n, 0.5, 0.5)).collect();
    let decision = decided(&equal, 0.05);
    assert_eq!((decision.verdict, decision.more_needed), (Verdict::Undecided, Some(2)));
    assert!((decision.lower + 0.051_333_185_79).abs() < 1e-9 && has_note(&decision, "same on every case"));
    // One hair of variation does not buy what none could not.
    let mut nearly = equal;
    nearly[7].candidate = 0.500_1;
    let decision = decided(&nearly, 0.05);
    assert_eq!(decision.verdict, Verdict::Undecided);
    assert!(has_note(&decision, "rare losses"), "{:?}", decision.notes);
}

#[test]
fn clusters_widen_the_interval_by_their_design_effect() {
    // Clusters of four that all tell the same, half of the discordant clusters for either side.
    let mut pairs = counted([200, 40, 40, 120]);
    let alone = decided(&pairs, 0.05);
    pairs = in_clusters(pairs, 4);
    let together = decided(&pairs, 0.05);
    assert_eq!((together.method.as_str(), together.clusters), ("tango_score_clustered", 100));
    assert!((together.design_effect - 4.0).abs() < 0.05, "{}", together.design_effect);
    assert!(together.lower < alone.lower && together.upper > alone.upper);
    assert!((together.lower / alone.lower - 2.0).abs() < 0.1, "{} against {}", together.lower, alone.lower);
    assert!(together.notes.is_empty(), "{:?}", together.notes);
}

#[test]
fn clusters_without_disagreement_count_once_each() {
    let apart = decided(&counted([200, 0, 0, 0]), 0.05);
    assert_eq!(apart.verdict, Verdict::Adequate);
    let decision = decided(&in_clusters(counted([200, 0, 0, 0]), 10), 0.05);
    assert_eq!((decision.verdict, decision.clusters), (Verdict::Undecided, 20));
    assert!((decision.design_effect - 10.0).abs() < 1e-12);
    assert!(has_note(&decision, "few clusters (20)") && has_note(&decision, "counts as one case"));
    assert!(decision.more_needed.is_some_and(|more| more >= 520 - 200), "{:?}", decision.more_needed);
}

#[test]
fn one_cluster_decides_nothing() {
    for pairs in [counted([200, 0, 0, 0]), counted([100, 0, 100, 0])] {
        let decision = decided(&in_clusters(pairs, 200), 0.1);
        assert_eq!((decision.verdict, decision.clusters), (Verdict::Undecided, 1));
        assert_eq!((decision.lower, decision.upper), (-1.0, 1.0));
    }
    let graded: Vec<Pair> = (0..50).map(|n| pair(n, 0.5, n as f64 / 50.0)).collect();
    let decision = decided(&in_clusters(graded, 50), 0.1);
    assert_eq!((decision.verdict, decision.lower, decision.upper), (Verdict::Undecided, -1.0, 1.0));
}

#[test]
fn repeats_of_a_case_form_a_cluster() {
    let mut pairs = counted([90, 5, 5, 0]);
    pairs.extend(pairs.clone());
    let decision = decided(&pairs, 0.05);
    assert_eq!((decision.n, decision.clusters), (200, 100));
    assert!(decision.design_effect > 1.9 && has_note(&decision, "100 rows repeat"), "{decision:?}");

    pairs[150].cluster = Some("elsewhere".into());
    let error = decide(&pairs, &rule(0.05)).expect_err("one case in two clusters");
    assert_eq!(error.to_string(), "case `case-50` occurs in cluster none and again in cluster `elsewhere`");
}

#[test]
fn one_case_is_undecided_whatever_it_says() {
    for (incumbent, candidate) in [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.3, 0.3), (1.0, 0.9)] {
        let decision = decided(&[pair(0, incumbent, candidate)], 0.05);
        assert_eq!(decision.verdict, Verdict::Undecided, "{incumbent} {candidate}");
        assert!(has_note(&decision, "one case alone"));
        assert!(decision.lower >= -1.0 && decision.upper <= 1.0);
    }
}

#[test]
fn incumbent_that_scores_nothing_is_pointed_out() {
    let vacuous = decided(&counted([0, 0, 0, 200]), 0.05);
    assert!(has_note(&vacuous, "no candidate could fail"), "{:?}", vacuous.notes);
    assert!(!has_note(&decided(&counted([20, 0, 0, 180]), 0.05), "no candidate could fail"));
}

#[test]
fn bad_input_is_refused_with_its_place() {
    assert_eq!(decide(&[], &rule(0.05)), Err(Error::NoPairs));
    for bad in [f64::NAN, f64::INFINITY, -0.1, 1.000_1] {
        let error = decide(&[pair(0, 1.0, 1.0), pair(1, 1.0, bad)], &rule(0.05)).expect_err("a score out of range");
        assert!(error.to_string().starts_with("the candidate score of case `case-1` is"), "{error}");
        assert!(decide(&[pair(0, bad, 1.0)], &rule(0.05)).is_err());
    }
    for (margin, confidence) in [(0.0, 0.95), (1.0, 0.95), (f64::NAN, 0.95), (0.05, 0.5), (0.05, 1.0), (0.05, f64::NAN)]
    {
        assert!(Rule::new(margin, confidence).is_err(), "{margin} {confidence}");
    }
}

/// A tally that refused a row is as it was before, so that a reader may set the row aside and go on.
#[test]
fn refused_rows_leave_a_tally_untouched() {
    let mut tally = Tally::default();
    let pairs = in_clusters(counted([40, 3, 5, 12]), 4);
    pairs.iter().for_each(|pair| tally.add(pair).expect("legal"));
    let before = tally.decide(&rule(0.05)).expect("legal");
    let elsewhere = Pair { cluster: Some("elsewhere".into()), ..pairs[0].clone() };
    let error = tally.add(&elsewhere).expect_err("a case in two clusters");
    assert_eq!(error.to_string(), "case `case-0` occurs in cluster `run-0` and again in cluster `elsewhere`");
    let alone = Pair { cluster: None, ..pairs[0].clone() };
    let error = tally.add(&alone).expect_err("a case with and without a cluster");
    assert_eq!(error.to_string(), "case `case-0` occurs in cluster `run-0` and again in cluster none");
    assert!(tally.add(&Pair { case: "new".into(), candidate: f64::NAN, ..alone }).is_err());
    assert_eq!(tally.decide(&rule(0.05)).expect("legal"), before);
    assert_eq!((tally.cases(), before.clusters), (60, 15));
    assert_eq!(Tally::default().decide(&rule(0.05)), Err(Error::NoPairs));
}

/// The p-value is the level at which the decision turns, for right/wrong, graded and clustered scores alike.
#[test]
fn p_value_is_the_level_at_which_the_decision_turns() {
    let right_wrong = counted([180, 6, 8, 10]);
    let graded: Vec<Pair> =
        (0..120).map(|number| pair(number, 0.9, 0.88 + f64::from(number as u8 % 5) / 100.0)).collect();
    for pairs in [right_wrong.clone(), in_clusters(right_wrong.clone(), 4), graded] {
        let p_value = p_value(&pairs, 0.05).expect("legal");
        let verdict =
            |level: f64| decide(&pairs, &Rule::new(0.05, 1.0 - level).expect("legal")).expect("legal").verdict;
        assert!(p_value > 1e-6 && p_value < 0.4, "{p_value}");
        assert_eq!(verdict(p_value * 1.001), Verdict::Adequate, "{p_value}");
        assert_ne!(verdict(p_value * 0.999), Verdict::Adequate, "{p_value}");
    }
    let table = Table::new([180.0, 6.0, 8.0, 10.0]).expect("counts");
    let exact = tango::p_value(&table, -0.05);
    assert!((p_value(&right_wrong, 0.05).expect("legal") - exact).abs() < 1e-6, "Tango's own: {exact}");
    assert_eq!(p_value(&counted([100, 0, 40, 0]), 0.05), Ok(1.0), "far below the margin");
    assert_eq!(p_value(&[], 0.05), Err(Error::NoPairs));
    assert_eq!(p_value(&right_wrong, 0.0), Err(Error::Margin { margin: 0.0 }));
}

/// A cluster's name and a case's name may be the same and still mean two things.
#[test]
fn names_of_cases_and_clusters_do_not_mix() {
    let alone = Pair { case: "x".into(), incumbent: 1.0, candidate: 1.0, cluster: None };
    let member = Pair { case: "y".into(), cluster: Some("x".into()), ..alone.clone() };
    assert_eq!(decided(&[alone, member], 0.05).clusters, 2);
}

proptest! {
    /// Whatever the scores, the interval is ordered, holds the difference, and agrees with the verdict.
    #[test]
    fn decision_is_consistent(
        scores in prop::collection::vec((0_u8..=4, 0_u8..=4, prop::option::of(0_u8..6)), 1..80),
        margin in 0.005_f64..0.5,
        graded in any::<bool>(),
    ) {
        let score = |raw: u8| if graded { f64::from(raw) / 4.0 } else { f64::from(raw / 3) };
        let pairs: Vec<Pair> = scores.iter().enumerate().map(|(number, (incumbent, candidate, cluster))| Pair {
            cluster: cluster.map(|cluster| cluster.to_string()),
            ..pair(number, score(*incumbent), score(*candidate))
        }).collect();
        let decision = decided(&pairs, margin);
        prop_assert!(-1.0 <= decision.lower && decision.upper <= 1.0);
        prop_assert!(decision.lower <= decision.difference + 1e-9 && decision.difference <= decision.upper + 1e-9);
        prop_assert_eq!(decision.verdict == Verdict::Adequate, decision.lower > -margin);
        prop_assert_eq!(decision.verdict == Verdict::NotAdequate, decision.upper < -margin);
        prop_assert!(decision.verdict == Verdict::Undecided || decision.more_needed.is_none());
        // The order of the rows is no evidence.
        let mut turned = pairs.clone();
        turned.reverse();
        let turned = decided(&turned, margin);
        prop_assert!((turned.lower - decision.lower).abs() < 1e-9 && (turned.upper - decision.upper).abs() < 1e-9);
        prop_assert!(decision.more_needed != Some(0) && decision.design_effect >= 1.0);
        // No verdict of adequacy rests on fewer cases than could show it without any disagreement.
        let effective = decision.n as f64 / decision.design_effect;
        prop_assert!(decision.verdict != Verdict::Adequate || decision.difference > 0.0 || effective >= decision.floor_cases as f64 - 1.0);
    }
}
