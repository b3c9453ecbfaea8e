//! Every frontier-to-open pair of three benchmarks against a computation without the crate's formulas.
//!
//! The expected figures are what `tests/independent/pairs.py` prints (scipy 1.17).

use std::collections::BTreeMap;

use freehold_evidence::decision::{Decision, Pair, Rule, Tally, Verdict};

use super::real;

/// Scores of every model on one benchmark, and which models rent and which can be owned.
struct Benchmark {
    cases: Vec<String>,
    scores: BTreeMap<String, Vec<f64>>,
    frontier: Vec<String>,
    open: Vec<String>,
}

impl Benchmark {
    fn read(task: &str, name: &str) -> Option<Self> {
        let (scores, models) = (real(&format!("zeroeval/{name}_correct.csv"))?, real("zeroeval/models.csv")?);
        let mut reader = csv::Reader::from_path(scores).expect("the file opens");
        let header = reader.headers().expect("a header line").clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
        let column = |place: usize| rows.iter().map(|row| row[place].parse().expect("0 or 1")).collect();
        let scores =
            header.iter().enumerate().skip(2).map(|(place, model)| (model.to_owned(), column(place))).collect();
        let mut of_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in csv::Reader::from_path(models).expect("the file opens").records() {
            let row = row.expect("a row");
            if &row[0] == task && header.iter().any(|model| model == &row[1]) {
                of_kind.entry(row[2].to_owned()).or_default().push(row[1].to_owned());
            }
        }
        let mut kind = |name: &str| of_kind.remove(name).expect("models of both kinds");
        let (frontier, open) = (kind("frontier"), kind("open"));
        Some(Self { cases: rows.iter().map(|row| row[0].to_owned()).collect(), scores, frontier, open })
    }

    fn decide(&self, incumbent: &str, candidate: &str, margin: f64) -> Decision {
        let mut tally = Tally::default();
        for ((case, incumbent), candidate) in
            self.cases.iter().zip(&self.scores[incumbent]).zip(&self.scores[candidate])
        {
            let pair = Pair { case: case.clone(), incumbent: *incumbent, candidate: *candidate, cluster: None };
            tally.add(&pair).expect("0 or 1");
        }
        tally.decide(&Rule::new(margin, 0.95).expect("legal")).expect("some cases")
    }
}

/// Pairs, then means over them of difference, lower and upper limit, then the verdicts adequate, not adequate and
/// undecided at margins of 2 and of 5 points.
type Expected = (usize, [f64; 3], [[usize; 3]; 2]);

#[test]
fn every_frontier_to_open_pair_matches_an_independent_computation() {
    let expected: [(&str, &str, Expected); 3] = [
        ("gsm", "gsm", (450, [-0.057_511_582_8, -0.074_209_281_9, -0.041_068_539_2], [[162, 213, 75], [239, 177, 34]])),
        (
            "crux",
            "crux",
            (650, [-0.168_967_307_7, -0.197_363_144_2, -0.140_761_142_6], [[128, 470, 52], [163, 433, 54]]),
        ),
        (
            "math-l5",
            "math_l5",
            (420, [-0.180_169_737_8, -0.212_035_543_8, -0.148_217_562_0], [[100, 290, 30], [115, 269, 36]]),
        ),
    ];
    for (task, name, (pairs, means, verdicts)) in expected {
        let Some(benchmark) = Benchmark::read(task, name) else { return };
        let mut sums = [0.0; 3];
        let mut counts = [[0_usize; 3]; 2];
        for incumbent in &benchmark.frontier {
            for candidate in &benchmark.open {
                for (margin, counts) in [0.02, 0.05].into_iter().zip(&mut counts) {
                    let decision = benchmark.decide(incumbent, candidate, margin);
                    let kinds = [Verdict::Adequate, Verdict::NotAdequate, Verdict::Undecided];
                    let kind = kinds.iter().position(|kind| *kind == decision.verdict).expect("one of three");
                    counts[kind] += 1;
                    // Each margin adds half, so that the sums are over pairs.
                    let found = [decision.difference, decision.lower, decision.upper];
                    sums.iter_mut().zip(found).for_each(|(sum, value)| *sum += value / 2.0);
                }
            }
        }
        assert_eq!((benchmark.frontier.len() * benchmark.open.len(), counts), (pairs, verdicts), "{name}");
        for (sum, mean) in sums.iter().zip(means) {
            assert!((sum / pairs as f64 - mean).abs() < 1e-9, "{name}: {} for {mean}", sum / pairs as f64);
        }
        println!("{name}: {pairs} pairs match, verdicts at 2 and 5 points {counts:?}");
    }
}

#[test]
fn single_pairs_match_an_independent_computation() {
    let incumbent = "gpt-4o-2024-08-06";
    for (task, name, candidate, expected) in [
        ("gsm", "gsm", "Meta-Llama-3.1-8B-Instruct", [-0.122_062_168_3, -0.138_816_271_7, -0.106_489_651_6]),
        ("gsm", "gsm", "Mistral-Large-2", [-0.006_823_351_0, -0.015_046_995_0, 0.000_997_677_8]),
        ("gsm", "gsm", "Qwen2-72B-Instruct", [-0.035_633_055_3, -0.046_965_186_8, -0.025_363_476_5]),
        ("crux", "crux", "Mistral-Large-2", [-0.118_75, -0.143_192_298_6, -0.095_441_516_4]),
        ("crux", "crux", "Qwen2.5-72B-Instruct", [-0.131_25, -0.156_638_304_7, -0.106_905_452_1]),
        ("math-l5", "math_l5", "Mistral-Large-2", [-0.067_961_165_0, -0.100_976_591_0, -0.035_053_740_3]),
        ("math-l5", "math_l5", "Qwen2.5-72B-Instruct", [0.048_543_689_3, 0.017_800_421_9, 0.079_454_765_7]),
    ] {
        let Some(benchmark) = Benchmark::read(task, name) else { return };
        let decision = benchmark.decide(incumbent, candidate, 0.02);
        for (value, expected) in [decision.difference, decision.lower, decision.upper].into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-9, "{name} {candidate}: {value} for {expected}");
        }
    }
}

/// The same model, greedy against sampled, on 512 cases: decoding alone can exceed a margin.
#[test]
fn sampling_alone_moves_a_model_as_published() {
    let Some(path) = real("zeroeval/numersense_v2_correct.csv") else { return };
    let pairs = super::pairs(&path, "gpt-4o-mini-2024-07-18", "sampling/gpt-4o-mini-2024-07-18");
    let decision = freehold_evidence::decide(&pairs, &Rule::new(0.02, 0.95).expect("legal")).expect("legal");
    assert_eq!((decision.n, super::points(&decision)), (512, [-4.1, -6.9, -1.4]));
    assert!((decision.discordance - 0.14).abs() < 0.005, "{decision:?}");
}
