//! Seeded synthetic assessments: four steps on three candidates, with the awkward ones among them.

use freehold::{
    assess::Look,
    assess::result::{Arms, AssessmentResult, CaseResult, Cost, Disagreement, Failures, ReplayFigures, Row, Subset},
    report::{Event, Report, StepLine},
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const START_MS: i64 = 1_795_361_101_000;

/// What is true of one synthetic step and candidate.
struct Truth {
    step: &'static str,
    candidate: &'static str,
    cases: u64,
    incumbent: f64,
    candidate_right: f64,
    is_graded: bool,
    candidate_ms: f64,
}

fn truth(step: &'static str, candidate: &'static str, candidate_right: f64) -> Truth {
    Truth { step, candidate, cases: 240, incumbent: 0.96, candidate_right, is_graded: false, candidate_ms: 90.0 }
}

fn truths() -> Vec<Truth> {
    vec![
        Truth { candidate_ms: 24.0, ..truth("triage", "desk-s", 0.79) },
        Truth { candidate_ms: 61.0, cases: 160, ..truth("triage", "desk-m", 0.945) },
        Truth { candidate_ms: 142.0, ..truth("triage", "desk-l", 0.962) },
        truth("extract", "desk-s", 0.62),
        truth("extract", "desk-m", 0.93),
        truth("extract", "desk-l", 0.955),
        truth("decide", "desk-s", 0.41),
        truth("decide", "desk-m", 0.88),
        Truth { cases: 1, ..truth("decide", "desk-l", 1.0) },
        Truth { is_graded: true, incumbent: 0.82, ..truth("reply", "desk-s", 0.21) },
        Truth { is_graded: true, incumbent: 0.82, ..truth("reply", "desk-m", 0.38) },
        Truth { cases: 0, ..truth("reply", "<script>alert(1)</script>/a-model-with-quite-a-long-name", 0.0) },
    ]
}

/// Makes a page of twelve assessments from a seed.
pub(super) fn report() -> Report {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let results: Vec<AssessmentResult> =
        truths().iter().enumerate().map(|(index, truth)| result(index, truth, &mut random)).collect();
    let happened = [
        (0, "Vendor, gateway and engine are up; 240 tickets begin."),
        (41_200, "triage moves from sim/frontier to desk-l (generation 1)."),
        (41_900, "extract moves from sim/frontier to desk-l (generation 2)."),
        (64_000, "The vendor is stopped. triage and extract go on; decide and reply answer 502."),
        (80_500, "The vendor is back."),
        (97_000, "extract is rolled back to sim/frontier (generation 3) & no call was lost."),
    ];
    let steps =
        [("triage", Some("adequate"), "owned"), ("extract", Some("adequate"), "leased"), ("reply", None, "leased")];
    Report {
        title: "A support desk & its four steps".to_owned(),
        generated_at_ms: START_MS + 200_000,
        simulated_vendor: true,
        results,
        dependence: happened
            .iter()
            .map(|(after, text)| Event { at_ms: START_MS + after, text: (*text).to_owned() })
            .collect(),
        steps: steps
            .iter()
            .enumerate()
            .map(|(index, (step, verdict, stage))| StepLine {
                step: (*step).to_owned(),
                calls: 2_400,
                tokens: (index < 2).then_some(812_345),
                usd: (index == 0).then_some(4.061_7),
                retirement: (index == 1).then(|| "in 112 days (14 Mar 2027)".to_owned()),
                stage: (*stage).to_owned(),
                verdict: verdict.map(ToOwned::to_owned),
                serving_fault: None,
            })
            .collect(),
    }
}

fn lock() -> serde_json::Value {
    serde_json::json!({
            "weights_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "architecture": "llama", "quantisation": "Q8_0", "file_bytes": 6_291_456
    })
}

fn result(index: usize, truth: &Truth, random: &mut ChaCha8Rng) -> AssessmentResult {
    let cases: Vec<CaseResult> = (0..truth.cases).map(|case| one_case(case, truth, random)).collect();
    let mean = |of: fn(&CaseResult) -> f64| cases.iter().map(of).sum::<f64>() / cases.len().max(1) as f64;
    AssessmentResult {
        row: row(truth, &cases),
        id: format!("0198-{index:04}"),
        at_ms: START_MS + 1_000 * index as i64,
        arms: Arms {
            recorded: 1.0,
            rerun: (index != 3).then_some(mean(|case| case.incumbent)),
            candidate: mean(|case| case.candidate),
        },
        failures: Failures {
            candidate: u64::from(index == 6) * 3,
            rerun: 0,
            example: Some("answer cut at 256 tokens".to_owned()),
        },
        notes: notes(index),
        disagreements: disagreements(truth, &cases),
        looks: looks(index),
        half: None,
        across: None,
        judge: None,
        certificate: None,
        cost: cost(index, truth),
        subsets: subsets(index),
        lock: Some(lock()),
        serving_fault: None,
        serving: freehold::assess::Serving::default(),
        adapted: Vec::new(),
        adapted_with: freehold::assess::Values::default(),
        as_is: None,
        is_simulated_incumbent: true,
        replay: ReplayFigures { wall_ms: 42_000, generations: 2 * truth.cases, resumed: 12 * u64::from(index == 1) },
        saved: None,
        cases,
    }
}

fn cost(index: usize, truth: &Truth) -> Cost {
    Cost {
        incumbent_usd_per_1k: index.is_multiple_of(2).then_some(1.692),
        candidate_usd_per_1k: None,
        candidate_engine_s_per_1k: Some(truth.candidate_ms),
        basis: "list price of the simulated vendor; what this machine costs was not given".to_owned(),
        input_tokens_mean: Some(212.4),
        output_tokens_mean: (index != 2).then_some(38.0),
    }
}

/// The third result was tried before, once to no end, and another candidate was looked at in between.
fn looks(index: usize) -> Vec<Look> {
    let look = |nth: u64, candidate: &str, verdict: Option<&str>, shared: u64| Look {
        assessment: format!("0198-{:04}", if nth == 3 { 2 } else { 90 + nth }),
        at_ms: START_MS - 3_600_000 * (3 - nth as i64),
        candidate: candidate.to_owned(),
        step_versions: vec!["5f2a".to_owned()],
        cases_sha256: "77ab".to_owned(),
        cases: 240,
        asked: 240,
        shared,
        check: "fields_exact".to_owned(),
        margin: 0.05,
        confidence: 0.95,
        seed: nth,
        verdict: verdict.map(ToOwned::to_owned),
        half: None,
        across: None,
        is_retry: candidate == "desk-l" && nth < 3,
    };
    match index {
        2 => vec![
            look(0, "desk-l", None, 18),
            look(1, "desk-m", Some("adequate"), 160),
            look(2, "desk-l", Some("undecided"), 240),
            look(3, "desk-l", Some("adequate"), 240),
        ],
        _ => Vec::new(),
    }
}

/// The second result is adequate on the whole and not for one language.
fn subsets(index: usize) -> Vec<Subset> {
    let subset = |by: &str, value: &str, n: u64, limits: (f64, f64, f64), verdict: &str| Subset {
        by: by.to_owned(),
        value: value.to_owned(),
        n,
        difference: limits.0,
        lower: limits.1,
        upper: limits.2,
        verdict: verdict.to_owned(),
        more_needed: (verdict == "undecided").then_some(310),
    };
    match index {
        1 => vec![
            subset("metadata:language", "en", 104, (0.012, -0.021, 0.048), "adequate"),
            subset("metadata:language", "de", 31, (-0.004, -0.082, 0.071), "undecided"),
            subset("metadata:language", "pt & <br>", 25, (-0.123, -0.261, -0.054), "not_adequate"),
        ],
        _ => Vec::new(),
    }
}

fn notes(index: usize) -> Vec<String> {
    match index {
        3 => vec!["The incumbent could not be asked again: connection refused.".to_owned()],
        8 => vec!["Only one case had a whole answer; no interval can be given.".to_owned()],
        _ => Vec::new(),
    }
}

fn one_case(case: u64, truth: &Truth, random: &mut ChaCha8Rng) -> CaseResult {
    let mut score = |right: f64| match truth.is_graded {
        true => (right + random.random_range(-0.28..0.28_f64)).clamp(0.0, 1.0),
        false => f64::from(u8::from(random.random_bool(right))),
    };
    let (incumbent, candidate) = (score(truth.incumbent), score(truth.candidate_right));
    let mut spread = |ms: f64| ms * (1.0 + random.random_range(0.0..1.0_f64).powi(4) * 3.0);
    CaseResult {
        case: format!("call-{case:04}"),
        cluster: Some(format!("run-{}", case / 2)),
        incumbent,
        candidate,
        recorded_ms: Some(spread(640.0)),
        candidate_ms: (case != 5).then(|| spread(truth.candidate_ms)),
        judgement: None,
    }
}

fn row(truth: &Truth, cases: &[CaseResult]) -> Row {
    let n = cases.len() as f64;
    let differences: Vec<f64> = cases.iter().map(|case| case.candidate - case.incumbent).collect();
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|each| (each - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = 1.645 * (variance / n).sqrt();
    let (lower, upper) = (mean - half, mean + half);
    let verdict = match (lower > -0.05, upper < -0.05) {
        (true, _) => "adequate",
        (_, true) => "not_adequate",
        _ => "undecided",
    };
    Row {
        step: truth.step.to_owned(),
        candidate: truth.candidate.to_owned(),
        incumbent: "sim/frontier".to_owned(),
        reference: "incumbent".to_owned(),
        check: if truth.is_graded { "text_overlap" } else { "json_fields" }.to_owned(),
        n: truth.cases,
        clusters: truth.cases.div_ceil(2),
        difference: mean,
        lower,
        upper,
        confidence: 0.95,
        margin: 0.05,
        verdict: verdict.to_owned(),
        more_needed: (verdict == "undecided" && n > 1.0).then_some(1_310),
        method: "tango_score_clustered".to_owned(),
    }
}

fn disagreements(truth: &Truth, cases: &[CaseResult]) -> Vec<Disagreement> {
    let worst = cases.iter().filter(|case| case.candidate < case.incumbent).take(9);
    worst.enumerate().map(|(index, case)| disagreement(index, truth, case)).collect()
}

fn disagreement(index: usize, truth: &Truth, case: &CaseResult) -> Disagreement {
    let reply = "We are sorry about the late parcel. Your order 88213 left our depot on Monday and should reach you by Thursday.";
    let (reference, candidate) = match (truth.is_graded, index) {
        (true, 0) => (reply.to_owned(), "the order the order is the order and ".repeat(140)),
        (true, _) => (reply.to_owned(), reply.replace("Thursday", "Friday").replace("88213", "88231")),
        (false, 0) => {
            (r#"{"category":"billing","priority":"high"}"#.to_owned(), "</pre><script>alert(2)</script>".to_owned())
        }
        (false, _) => (
            r#"{"category":"billing","priority":"high","order":"88213"}"#.to_owned(),
            r#"{"priority":"normal","category":"billing","order":"88213"}"#.to_owned(),
        ),
    };
    Disagreement {
        case: case.case.clone(),
        input: "Hi, i was chraged twice for order 88213!! Pls refund <b>today</b>.\n\nRegards,\nJo".to_owned(),
        reference,
        rerun: (index == 1).then(|| r#"{"category":"billing","priority":"high","order":"88213"}"#.to_owned()),
        candidate,
        incumbent_score: case.incumbent,
        candidate_score: case.candidate,
        reason: (index > 0).then(|| "priority: \"normal\" is not \"high\"".to_owned()),
    }
}
