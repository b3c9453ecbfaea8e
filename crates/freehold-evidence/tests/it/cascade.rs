//! Cascades: p-values against published figures, the promise by simulation, and what it refuses.

use freehold_evidence::cascade::{self, Cascade, Case, Error, Promise, hoeffding_bentkus};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::simulation::draws;

fn promise(risk: f64) -> Promise {
    Promise::new(risk, 0.95).expect("legal")
}

fn calibrated(cases: &[Case], thresholds: &[f64], risk: f64) -> Cascade {
    cascade::calibrate(cases, thresholds, &promise(risk)).expect("legal")
}

#[test]
fn graded_p_values_match_the_reference_vectors() {
    for (observed, cases, risk, expected) in [
        (0.01, 500, 0.05, 2.495_874_257e-6),
        (0.03, 500, 0.05, 0.053_980_665_78),
        (0.0, 59, 0.05, 0.048_494_525_25),
        (0.02, 1_000, 0.03, 0.090_466_550_75),
    ] {
        let found = hoeffding_bentkus(observed, cases, risk);
        assert!((found - expected).abs() < 1e-8 * expected.max(1e-3), "{found} for {expected}");
    }
    for (observed, risk) in [(0.3, 0.1), (0.0, 0.0), (0.1, 1.0), (f64::NAN, 0.1), (0.1, f64::NAN)] {
        assert_eq!(hoeffding_bentkus(observed, 100, risk), 1.0, "{observed} {risk}");
    }
}

/// Cases in steps of confidence: at each, so many cases of which so many are lost.
fn stepped(steps: &[(f64, usize, usize)]) -> Vec<Case> {
    let of = |(confidence, cases, lost): (f64, usize, usize)| {
        (0..cases).map(move |n| Case { confidence, incumbent: 1.0, candidate: f64::from(u8::from(n >= lost)) })
    };
    steps.iter().copied().flat_map(of).collect()
}

/// P(Bin(5991, 0.02) <= 84) and P(Bin(6000, 0.03) <= 150) by scipy 1.17 (`binom.cdf`).
#[test]
fn right_or_wrong_p_values_are_exact() {
    let found = calibrated(&stepped(&[(1.0, 5_991, 84)]), &[1.0], 0.02);
    assert!((found.tested[0].p_value - 0.000_308_636_184_607_386_5).abs() < 1e-12, "{found:?}");
    let found = calibrated(&stepped(&[(1.0, 6_000, 150)]), &[1.0], 0.03);
    assert!((found.tested[0].p_value - 0.011_189_343_992_009_186).abs() < 1e-12, "{found:?}");
}

#[test]
fn thresholds_are_tested_from_the_strictest_to_the_first_that_fails() {
    let cases = stepped(&[(0.9, 400, 1), (0.7, 300, 5), (0.5, 300, 60), (0.3, 200, 0)]);
    let found = calibrated(&cases, &[0.3, 0.9, 0.5, 0.7, 0.9], 0.02);
    let chosen = found.chosen.expect("a threshold");
    assert_eq!((chosen.threshold, found.tested.len(), found.cases), (0.7, 3, 1_200));
    assert!((chosen.kept - 700.0 / 1_200.0).abs() < 1e-12 && (chosen.risk - 6.0 / 1_200.0).abs() < 1e-12);
    assert!((chosen.score - 1_194.0 / 1_200.0).abs() < 1e-12 && found.incumbent_score == 1.0);
    assert!(found.tested[2].p_value > 0.05);
    // 66 of 1,200 are lost with all kept.
    assert!((found.risk_alone - 0.055).abs() < 1e-12 && (found.escalate_min - 0.035).abs() < 1e-12, "{found:?}");
    assert!((found.escalate_min_among_kept - 0.035 / 0.98).abs() < 1e-12);
}

#[test]
fn too_few_cases_promise_nothing() {
    // ln 0.05 / ln 0.98 = 148.3 cases without any loss.
    assert_eq!(promise(0.02).floor_cases(), 149);
    assert!(calibrated(&stepped(&[(1.0, 148, 0)]), &[1.0], 0.02).chosen.is_none());
    assert!(calibrated(&stepped(&[(1.0, 149, 0)]), &[1.0], 0.02).chosen.is_some());
    // A candidate within the promised risk need not hand on anything.
    assert_eq!(calibrated(&stepped(&[(1.0, 300, 3)]), &[1.0], 0.02).escalate_min, 0.0);
}

#[test]
fn gains_are_not_credited_against_losses() {
    let mut cases = stepped(&[(1.0, 300, 30)]);
    let before = calibrated(&cases, &[1.0], 0.05);
    cases.iter_mut().skip(100).for_each(|case| case.incumbent = 0.0);
    let after = calibrated(&cases, &[1.0], 0.05);
    assert_eq!((before.risk_alone, before.chosen), (after.risk_alone, after.chosen));
    assert!(after.tested[0].score > after.incumbent_score);
}

#[test]
fn graded_losses_take_the_bound() {
    let cases: Vec<Case> = (0..1_000).map(|_| Case { confidence: 0.8, incumbent: 0.5, candidate: 0.48 }).collect();
    let found = calibrated(&cases, &[0.8], 0.03);
    assert!((found.tested[0].p_value - 0.090_466_550_75).abs() < 1e-8, "{found:?}");
}

#[test]
fn bad_input_is_refused() {
    let good = Case { confidence: 0.5, incumbent: 1.0, candidate: 1.0 };
    let refused = |cases: &[Case], thresholds: &[f64]| cascade::calibrate(cases, thresholds, &promise(0.1));
    assert_eq!(refused(&[], &[0.5]), Err(Error::NoCases));
    assert_eq!(refused(&[good], &[]), Err(Error::NoThresholds));
    assert_eq!(refused(&[good], &[0.5, f64::NAN]), Err(Error::Threshold));
    let bad = Case { confidence: f64::NAN, ..good };
    assert_eq!(refused(&[good, bad], &[0.5]), Err(Error::CaseConfidence { case: 2 }));
    for score in [f64::NAN, -0.1, 1.1] {
        assert!(matches!(refused(&[Case { candidate: score, ..good }], &[0.5]), Err(Error::Score { case: 1, .. })));
    }
    for (risk, confidence) in [(0.0, 0.95), (1.0, 0.95), (f64::NAN, 0.95), (0.1, 0.5), (0.1, 1.0), (0.1, f64::NAN)] {
        assert!(Promise::new(risk, confidence).is_err(), "{risk} {confidence}");
    }
    // Logarithms of impossible tokens are numbers all the same.
    assert!(refused(&[Case { confidence: f64::NEG_INFINITY, ..good }], &[f64::NEG_INFINITY]).is_ok());
}

#[test]
fn thresholds_cut_into_equal_shares() {
    let confidences: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(cascade::thresholds(&confidences, 4), [76.0, 51.0, 26.0, 1.0]);
    assert_eq!(cascade::thresholds(&[1.0, 1.0, f64::NAN], 10), [1.0]);
    assert!(cascade::thresholds(&[], 5).is_empty() && cascade::thresholds(&[1.0], 0).is_empty());
}

#[test]
fn break_even_counts_both_models() {
    // Keeping a quarter saves a quarter of the incumbent's cost, which is what candidate and checker cost on all cases.
    assert_eq!(cascade::break_even_share(0.2, 0.05, 1.0), Some(0.25));
    assert_eq!(cascade::break_even_share(0.2, 0.0, 0.0), None);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    RightWrong,
    Graded,
}

/// A case whose confidence says a little about its loss.
fn draw(random: &mut ChaCha8Rng, loss: Loss) -> Case {
    let confidence: f64 = random.random();
    let is_lost = random.random::<f64>() < 0.3 * (1.0 - confidence).powi(2);
    let share = if loss == Loss::Graded { random.random::<f64>() } else { 1.0 };
    Case { confidence, incumbent: 1.0, candidate: if is_lost { 1.0 - share } else { 1.0 } }
}

/// True risk of keeping from `threshold` up: the integral of 0.3 (1 - c)^2, halved where losses are graded.
fn true_risk(threshold: f64, loss: Loss) -> f64 {
    0.1 * (1.0 - threshold).powi(3) * if loss == Loss::Graded { 0.5 } else { 1.0 }
}

#[test]
fn promise_is_broken_no_more_often_than_said() {
    let draws = draws(1_000);
    let thresholds: Vec<f64> = (0..50).map(|step| 1.0 - f64::from(step) / 50.0).collect();
    let mut random = ChaCha8Rng::seed_from_u64(81);
    for (loss, cases, risk) in [
        (Loss::RightWrong, 500, 0.02),
        (Loss::RightWrong, 2_000, 0.02),
        (Loss::RightWrong, 500, 0.05),
        (Loss::Graded, 500, 0.02),
    ] {
        let (mut broken, mut kept) = (0_u32, 0.0);
        for _ in 0..draws {
            let sample: Vec<Case> = (0..cases).map(|_| draw(&mut random, loss)).collect();
            let Some(chosen) = calibrated(&sample, &thresholds, risk).chosen else { continue };
            broken += u32::from(true_risk(chosen.threshold, loss) > risk);
            kept += chosen.kept / f64::from(draws);
        }
        let broken = f64::from(broken) / f64::from(draws);
        println!("cascade {loss:?} n={cases} risk={risk}: broken {broken:.4}, kept {kept:.3}");
        assert!(broken <= 0.05 + 3.0 * (0.05_f64 * 0.95 / f64::from(draws)).sqrt(), "{broken}");
        assert!(kept > 0.15, "a threshold that keeps next to nothing promises nothing: {kept}");
    }
}

proptest! {
    #[test]
    fn steps_keep_more_as_thresholds_fall(
        cases in prop::collection::vec((0_u8..10, 0_u8..=2, 0_u8..=2), 1..120),
        thresholds in prop::collection::vec(0_u8..11, 1..12),
        risk in 0.01_f64..0.5,
    ) {
        let cases: Vec<Case> = cases.iter().map(|(confidence, incumbent, candidate)| Case {
            confidence: f64::from(*confidence),
            incumbent: f64::from(*incumbent) / 2.0,
            candidate: f64::from(*candidate) / 2.0,
        }).collect();
        let thresholds: Vec<f64> = thresholds.iter().map(|threshold| f64::from(*threshold)).collect();
        let found = calibrated(&cases, &thresholds, risk);
        for pair in found.tested.windows(2) {
            prop_assert!(pair[0].threshold > pair[1].threshold && pair[0].kept <= pair[1].kept);
            prop_assert!(pair[0].risk <= pair[1].risk + 1e-12);
        }
        for step in &found.tested {
            let kept = cases.iter().filter(|case| case.confidence >= step.threshold);
            let loss: f64 = kept.clone().map(|case| (case.incumbent - case.candidate).max(0.0)).sum();
            prop_assert!((step.risk - loss / cases.len() as f64).abs() < 1e-12);
            prop_assert!((step.kept - kept.count() as f64 / cases.len() as f64).abs() < 1e-12);
        }
        let passed = found.tested.iter().filter(|step| step.p_value <= 1.0 - 0.95).count();
        prop_assert!(passed + 1 >= found.tested.len());
        prop_assert_eq!(found.chosen, found.tested.iter().rfind(|step| step.p_value <= 1.0 - 0.95).copied());
        // Whoever keeps the promise on these cases hands on at least so many.
        prop_assert!(found.tested.iter().all(|step| step.risk > risk || 1.0 - step.kept >= found.escalate_min - 1e-12));
        prop_assert!(found.escalate_min <= found.escalate_min_among_kept);
    }

    #[test]
    fn graded_bound_is_a_chance_and_grows_with_the_loss(cases in 1_u64..3_000, risk in 0.005_f64..0.5, share in 0.0_f64..1.0) {
        let (low, high) = (hoeffding_bentkus(share * risk * 0.9, cases, risk), hoeffding_bentkus(share * risk, cases, risk));
        prop_assert!((0.0..=1.0).contains(&low) && low <= high + 1e-12);
    }
}
