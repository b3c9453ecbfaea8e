//! Verdicts on subsets: a pooled verdict that hides one, subsets with too few cases, and thirds by length.

use freehold_evidence::decision::{self, Pair, Rule, Verdict, decide};
use freehold_evidence::strata::{self, Error};
use proptest::prelude::*;

fn rule() -> Rule {
    Rule::new(0.05, 0.95).expect("legal")
}

/// Pairs of one subset, from the counts of both right, candidate only, incumbent only and neither.
fn subset(name: &'static str, counts: [usize; 4]) -> impl Iterator<Item = (Pair, &'static str)> {
    let cells = [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)];
    let scores = cells.into_iter().zip(counts).flat_map(|(cell, count)| std::iter::repeat_n(cell, count));
    scores.enumerate().map(move |(number, (incumbent, candidate))| {
        (Pair { case: format!("{name} {number}"), incumbent, candidate, cluster: None }, name)
    })
}

#[test]
fn pooled_adequate_over_a_losing_subset_is_said_loudly() {
    let (pairs, names): (Vec<Pair>, Vec<&str>) =
        subset("law", [700, 60, 20, 220]).chain(subset("physics", [60, 2, 30, 8])).unzip();
    let strata = strata::decide(&pairs, &names, &rule()).expect("legal");
    assert_eq!(strata.pooled, decide(&pairs, &rule()).expect("legal"));
    assert_eq!(strata.pooled.verdict, Verdict::Adequate);
    let verdicts: Vec<_> = strata.subsets.iter().map(|subset| (&*subset.name, subset.decision.verdict)).collect();
    assert_eq!(verdicts, [("law", Verdict::Adequate), ("physics", Verdict::NotAdequate)]);
    assert_eq!(strata.hidden().map(|subset| &*subset.name).collect::<Vec<_>>(), ["physics"]);
    assert_eq!(
        strata.warning().as_deref(),
        Some("adequate over all cases (+1.1 points) but not adequate on physics (−28.0 points)")
    );
}

#[test]
fn nothing_is_hidden_where_the_pooled_verdict_says_so_too() {
    let (pairs, names): (Vec<Pair>, Vec<&str>) =
        subset("a", [100, 2, 60, 10]).chain(subset("b", [150, 3, 3, 4])).unzip();
    let strata = strata::decide(&pairs, &names, &rule()).expect("legal");
    assert_eq!(strata.pooled.verdict, Verdict::NotAdequate);
    assert_eq!((strata.hidden().count(), strata.warning()), (0, None));
}

/// Strata are not clusters: kinds that differ do not widen the pooled interval.
#[test]
fn subsets_do_not_act_as_clusters() {
    let (pairs, names): (Vec<Pair>, Vec<&str>) =
        subset("easy", [180, 20, 0, 0]).chain(subset("hard", [100, 0, 20, 80])).unzip();
    let strata = strata::decide(&pairs, &names, &rule()).expect("legal");
    assert_eq!((strata.pooled.clusters, strata.pooled.design_effect), (400, 1.0));
    let clustered: Vec<Pair> = pairs
        .iter()
        .zip(&names)
        .map(|(pair, name)| Pair { cluster: Some((*name).to_owned()), ..pair.clone() })
        .collect();
    assert!(decide(&clustered, &rule()).expect("legal").lower < strata.pooled.lower - 0.1);
}

#[test]
fn few_cases_stay_undecided_and_say_so() {
    let (pairs, names): (Vec<Pair>, Vec<&str>) =
        subset("nine", [0, 0, 9, 0]).chain(subset("thirty", [30, 0, 0, 0])).chain(subset("ten", [0, 0, 10, 0])).unzip();
    let strata = strata::decide(&pairs, &names, &rule()).expect("legal");
    let told: Vec<_> = strata
        .subsets
        .iter()
        .map(|subset| (&*subset.name, subset.decision.verdict, subset.decision.notes.last().expect("a note").as_str()))
        .collect();
    assert_eq!(told[0], ("nine", Verdict::Undecided, "9 cases are too few for a verdict on a subset"));
    assert_eq!((told[1].0, told[1].1), ("ten", Verdict::NotAdequate));
    let floor = "30 cases cannot show that a subset is adequate; that takes at least 52";
    assert_eq!(told[2], ("thirty", Verdict::Undecided, floor));
}

#[test]
fn bad_input_is_refused() {
    let (pairs, _): (Vec<Pair>, Vec<&str>) = subset("a", [2, 0, 0, 0]).unzip();
    assert_eq!(strata::decide(&pairs, &["a"], &rule()), Err(Error::Length { subsets: 1, pairs: 2 }));
    assert_eq!(strata::decide::<&str>(&[], &[], &rule()), Err(Error::Scores(decision::Error::NoPairs)));
    let bad = [Pair { candidate: f64::NAN, ..pairs[0].clone() }];
    assert!(matches!(strata::decide(&bad, &["a"], &rule()), Err(Error::Scores(decision::Error::Score { .. }))));
}

#[test]
fn thirds_keep_equal_lengths_together() {
    assert_eq!(strata::third_bounds(&[5, 1, 3, 9, 7, 2]), [2, 5]);
    assert_eq!(strata::third_bounds(&[4, 4, 4]), [4, 4]);
    assert_eq!(strata::third_bounds(&[1, 2]), [1, 2]);
    assert_eq!(strata::third_bounds(&[]), [0, 0]);
}

proptest! {
    /// A subset's decision is the one its pairs alone would get, and the subsets hold every pair once.
    #[test]
    fn subsets_decide_as_their_pairs_alone(
        scores in prop::collection::vec((0_u8..=2, 0_u8..=2, 0_usize..3, prop::option::of(0_u8..4)), 1..80),
    ) {
        let name = |subset: usize| ["a", "b", "c"][subset];
        let pairs: Vec<Pair> = scores.iter().enumerate().map(|(number, (incumbent, candidate, _, cluster))| Pair {
            case: number.to_string(),
            incumbent: f64::from(*incumbent) / 2.0,
            candidate: f64::from(*candidate) / 2.0,
            cluster: cluster.map(|cluster| cluster.to_string()),
        }).collect();
        let names: Vec<&str> = scores.iter().map(|(_, _, subset, _)| name(*subset)).collect();
        let strata = strata::decide(&pairs, &names, &rule()).expect("legal");
        prop_assert_eq!(strata.subsets.iter().map(|subset| subset.decision.n).sum::<u64>(), pairs.len() as u64);
        for subset in &strata.subsets {
            let own: Vec<Pair> =
                pairs.iter().zip(&names).filter(|(_, name)| **name == subset.name).map(|(pair, _)| pair.clone()).collect();
            let alone = decide(&own, &rule()).expect("legal");
            prop_assert_eq!((alone.lower, alone.upper, alone.n), (subset.decision.lower, subset.decision.upper, subset.decision.n));
            prop_assert!(alone.verdict == subset.decision.verdict || alone.n < strata::CASES_FEW);
        }
    }
}
