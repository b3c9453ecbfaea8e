//! The noise floor: repeats that disagree, and scores against the incumbent's own recording.

use freehold_evidence::decision::{Error, Rule, Verdict};
use freehold_evidence::noise::{self, RecordedCase};

fn differ(first: &u8, second: &u8) -> f64 {
    f64::from(u8::from(first != second))
}

fn recorded(number: usize, candidate: f64, rerun: Option<f64>) -> RecordedCase {
    RecordedCase { case: number.to_string(), candidate, rerun, cluster: None }
}

#[test]
fn disagreement_counts_pairs_within_groups() {
    // Of 3 + 1 + 1 pairs, 2 + 0 + 1 disagree; the group of one has no pair.
    let groups = [vec![1, 1, 0], vec![0, 0], vec![0, 1], vec![1]];
    let repeats = noise::disagreement_between_repeats(&groups, 0.95, differ).expect("three groups with pairs");
    assert_eq!((repeats.groups, repeats.pairs), (3, 5));
    assert!((repeats.disagreement - 0.6).abs() < 1e-12);
    // Residuals 0.2, -0.6, 0.4: error sqrt(1.5 * 0.56) / 5 = 0.183303, t(2, 0.95) = 2.919986.
    assert!((repeats.lower - (0.6 - 2.919_985_6 * 0.183_303_03)).abs() < 1e-6, "{repeats:?}");
    assert_eq!(repeats.upper, 1.0);
}

#[test]
fn repeats_that_always_agree_leave_an_upper_limit() {
    let repeats = noise::disagreement_between_repeats(&vec![vec![1, 1]; 50], 0.95, differ).expect("fifty groups");
    assert_eq!((repeats.disagreement, repeats.lower), (0.0, 0.0));
    // z^2 / (n + z^2) with n = 50.
    assert!((repeats.upper - 0.051_333_185_79).abs() < 1e-9, "{repeats:?}");
    assert_eq!(noise::disagreement_between_repeats(&[vec![1], vec![]], 0.95, differ), None);
}

#[test]
fn rerun_of_the_incumbent_takes_the_place_of_the_recording() {
    let rule = Rule::new(0.05, 0.95).expect("legal");
    // Both agree with the recording on 80 of 100 cases, on nearly the same ones.
    let scored = |number: usize| f64::from(u8::from(number >= 20));
    let with_rerun: Vec<_> = (0..100).map(|n| recorded(n, scored(n), Some(scored(n)))).collect();
    let fair = noise::decide_against_recording(&with_rerun, &rule).expect("legal");
    assert_eq!((fair.verdict, fair.difference), (Verdict::Adequate, 0.0));

    let without: Vec<_> = (0..100).map(|n| recorded(n, scored(n), None)).collect();
    let unfair = noise::decide_against_recording(&without, &rule).expect("legal");
    assert_eq!(unfair.verdict, Verdict::NotAdequate);
    assert!((unfair.difference + 0.2).abs() < 1e-12);
    assert!(unfair.notes.iter().any(|note| note.contains("scores 1 by construction")), "{:?}", unfair.notes);
}

#[test]
fn cases_without_a_rerun_are_left_out_and_counted() {
    let rule = Rule::new(0.05, 0.95).expect("legal");
    let cases: Vec<_> = (0..100).map(|n| recorded(n, 1.0, (n < 70).then_some(1.0))).collect();
    let decision = noise::decide_against_recording(&cases, &rule).expect("legal");
    assert_eq!(decision.n, 70);
    assert!(
        decision.notes.iter().any(|note| note.starts_with("30 cases without a second answer")),
        "{:?}",
        decision.notes
    );
    assert_eq!(noise::decide_against_recording(&[], &rule), Err(Error::NoPairs));
}

#[test]
fn noise_of_the_incumbent_has_an_interval() {
    // Misses the recording on 10 of 100 cases: Wilson's shape does not apply to a mean of scores, Student's does.
    let cases: Vec<_> = (0..100).map(|n| recorded(n, 1.0, Some(f64::from(u8::from(n >= 10))))).collect();
    let noise = noise::incumbent_noise(&cases, 0.95).expect("an arm that was asked again");
    let half = 1.660_391_156 * (0.09_f64 / 99.0).sqrt();
    assert!((noise.share - 0.1).abs() < 1e-12 && noise.of == 100, "{noise:?}");
    assert!((noise.lower - (0.1 - half)).abs() < 1e-8 && (noise.upper - (0.1 + half)).abs() < 1e-8, "{noise:?}");
    assert_eq!(
        noise::sentence(Some(&noise)),
        "asked again on 100 cases, the incumbent misses its own recording by 10.0 points (5.0 to 15.0); \
         the candidate is measured against that, not against the recording"
    );
    // Cases of one run count as one.
    let in_runs =
        cases.iter().enumerate().map(|(n, case)| RecordedCase { cluster: Some((n / 10).to_string()), ..case.clone() });
    let clustered = noise::incumbent_noise(&in_runs.collect::<Vec<_>>(), 0.95).expect("an arm that was asked again");
    assert!(clustered.upper > noise.upper + 0.1 && clustered.share == noise.share, "{clustered:?}");
    // A second answer that never misses leaves an upper limit, and none leaves nothing.
    let steady: Vec<_> = (0..50).map(|n| recorded(n, 1.0, Some(1.0))).collect();
    let noise = noise::incumbent_noise(&steady, 0.95).expect("an arm that was asked again");
    assert!(noise.share == 0.0 && noise.upper > 0.05, "{noise:?}");
    assert_eq!(noise::incumbent_noise(&[recorded(0, 1.0, None)], 0.95), None);
}
