//! A cascade on real answers: an open model is kept where other open models agree with it, else the vendor answers.

use std::collections::HashMap;

use freehold_evidence::cascade::{self, Case, Promise};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{pairs, real};

const INCUMBENT: &str = "gpt-4o-2024-08-06";
const CANDIDATE: &str = "Qwen2.5-72B-Instruct";
/// The vendors' models of the file, which have no say in the confidence.
const RENTED: [&str; 3] = [INCUMBENT, "claude-3-5-sonnet-20241022", "gpt-4o-mini-2024-07-18"];

/// Confidence of each case: how many of eight other open models gave the candidate's answer.
fn cases() -> Option<Vec<Case>> {
    let (answers, scores) = (real("zeroeval/crux_answers.jsonl")?, real("zeroeval/crux_correct.csv")?);
    let mut agreement = HashMap::new();
    for line in std::fs::read_to_string(answers).expect("the file opens").lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let said = row["answers"].as_object().expect("answers by model");
        let mine = said[CANDIDATE].as_str();
        let agrees = |(model, answer): &(&String, &serde_json::Value)| {
            let has_a_say = *model != CANDIDATE && !RENTED.contains(&model.as_str());
            has_a_say && answer.is_string() && answer.as_str() == mine
        };
        agreement.insert(row["id"].as_str().expect("an id").to_owned(), said.iter().filter(agrees).count() as f64);
    }
    let scored = pairs(&scores, INCUMBENT, CANDIDATE);
    let case = |pair: &freehold_evidence::Pair| Case {
        confidence: agreement[&pair.case],
        incumbent: pair.incumbent,
        candidate: pair.candidate,
    };
    Some(scored.iter().map(case).collect())
}

/// Levels of agreement are known beforehand, so that no case is spent on finding thresholds.
fn levels() -> Vec<f64> {
    (0..=8).rev().map(f64::from).collect()
}

#[test]
fn agreement_of_open_models_keeps_a_share_within_the_promise() {
    let Some(cases) = cases() else { return };
    let found = cascade::calibrate(&cases, &levels(), &Promise::new(0.02, 0.95).expect("legal")).expect("legal");
    // Counted apart: 390 kept at 4 of 8, of which 8 lost; 473 at 3 of 8, of which 17.
    let chosen = found.chosen.expect("a threshold");
    assert_eq!((found.cases, chosen.threshold, chosen.kept), (800, 4.0, 0.4875), "{found:?}");
    assert!((chosen.risk - 8.0 / 800.0).abs() < 1e-12 && (found.risk_alone - 132.0 / 800.0).abs() < 1e-12);
    assert!(found.escalate_min > 0.14 && found.escalate_min < 1.0 - chosen.kept, "{found:?}");
    println!("kept {:.3}, score {:.4} against {:.4}", chosen.kept, chosen.score, found.incumbent_score);
}

/// Two hundred calibrations on half of the cases: the other half breaks the promise no more often than both halves'
/// chance allows, and drawn from all cases with replacement, where the true risk is known, in at most 5 of 100.
#[test]
fn promise_holds_over_random_splits() {
    let Some(cases) = cases() else { return };
    let mut random = ChaCha8Rng::seed_from_u64(91);
    for risk in [0.02, 0.05] {
        let promise = Promise::new(risk, 0.95).expect("legal");
        let risk_of = |cases: &[Case], threshold: f64| {
            let kept = cases.iter().filter(|case| case.confidence >= threshold);
            kept.map(|case| (case.incumbent - case.candidate).max(0.0)).sum::<f64>() / cases.len() as f64
        };
        let (mut above, mut broken, mut kept) = (0, 0, 0.0);
        for _ in 0..200 {
            let mut shuffled = cases.clone();
            for place in (1..shuffled.len()).rev() {
                shuffled.swap(place, random.random_range(0..=place));
            }
            let (calibration, test) = shuffled.split_at(400);
            if let Some(chosen) = cascade::calibrate(calibration, &levels(), &promise).expect("legal").chosen {
                above += u32::from(risk_of(test, chosen.threshold) > risk);
                kept += chosen.kept / 200.0;
            }
            let drawn: Vec<Case> = (0..400).map(|_| cases[random.random_range(0..cases.len())]).collect();
            if let Some(chosen) = cascade::calibrate(&drawn, &levels(), &promise).expect("legal").chosen {
                broken += u32::from(risk_of(&cases, chosen.threshold) > risk);
            }
        }
        println!("risk {risk}: kept {kept:.3}, other half above in {above} of 200, true risk above in {broken} of 200");
        // 0.05 of 200 and three simulation errors; the other half has noise of its own.
        assert!(broken <= 19, "{broken}");
        assert!(above <= 40, "{above}");
        assert!(kept > 0.3, "{kept}");
    }
}
