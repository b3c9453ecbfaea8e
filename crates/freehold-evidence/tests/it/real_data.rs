//! Figures known from real, public data. The folder is named by `FREEHOLD_REAL_DATA`; without it these print that they skip.

use std::collections::BTreeMap;
use std::path::PathBuf;

use freehold_evidence::decision::{Decision, Pair, Rule, Verdict, decide};
use freehold_evidence::{noise, paired};

mod cascades;
mod drifts;
mod every_pair;
mod judges;

/// Returns the path of a file of the real-data folder, or says that the test is skipped.
pub(crate) fn real(file: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there (set FREEHOLD_REAL_DATA)", path.display());
    None
}

fn pairs(path: &PathBuf, incumbent: &str, candidate: &str) -> Vec<Pair> {
    let mut reader = csv::Reader::from_path(path).expect("the file opens");
    let headers = reader.headers().expect("a header line").clone();
    let column = |name: &str| headers.iter().position(|header| header == name).expect("a column for the model");
    let (incumbent, candidate) = (column(incumbent), column(candidate));
    reader
        .records()
        .map(|row| {
            let row = row.expect("a row");
            let score = |column: usize| row[column].parse().expect("0 or 1");
            Pair { case: row[0].to_owned(), incumbent: score(incumbent), candidate: score(candidate), cluster: None }
        })
        .collect()
}

/// Difference and limits in points, to one digit.
fn points(decision: &Decision) -> [f64; 3] {
    [decision.difference, decision.lower, decision.upper].map(|share| (share * 1000.0).round() / 10.0)
}

#[test]
fn grade_school_mathematics_decides_as_published() {
    let Some(path) = real("zeroeval/gsm_correct.csv") else { return };
    let incumbent = "gpt-4o-2024-08-06";
    let tight = Rule::new(0.02, 0.95).expect("legal");
    let wide = Rule::new(0.05, 0.95).expect("legal");

    let mistral = decide(&pairs(&path, incumbent, "Mistral-Large-2"), &tight).expect("legal");
    assert_eq!((mistral.n, mistral.verdict), (1319, Verdict::Adequate));
    assert_eq!(points(&mistral), [-0.7, -1.5, 0.1]);

    let qwen = pairs(&path, incumbent, "Qwen2-72B-Instruct");
    let decision = decide(&qwen, &tight).expect("legal");
    assert_eq!((points(&decision), decision.verdict), ([-3.6, -4.7, -2.5], Verdict::NotAdequate));
    assert_eq!(decide(&qwen, &wide).expect("legal").verdict, Verdict::Adequate);
}

#[test]
fn airline_agent_disagrees_with_itself_as_published() {
    let Some(path) = real("tau_airline_gpt4o/runs.jsonl") else { return };
    let text = std::fs::read_to_string(path).expect("the file opens");
    let mut rewards: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for line in text.lines() {
        let run: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let task = run["task"].as_u64().expect("a task number");
        rewards.entry(task).or_default().push(run["reward"].as_u64().expect("a reward of 0 or 1"));
    }
    let groups: Vec<Vec<u64>> = rewards.into_values().collect();
    let repeats =
        noise::disagreement_between_repeats(&groups, 0.95, |first, second| f64::from(u8::from(first != second)))
            .expect("tasks with four trials");
    assert_eq!((repeats.groups, repeats.pairs), (50, 300));
    assert!((repeats.disagreement - 0.293).abs() < 5e-4, "{repeats:?}");
    assert!(repeats.lower > 0.2 && repeats.upper < 0.4, "{repeats:?}");
    println!("gpt-4o against itself: {:.3} ({:.3} to {:.3})", repeats.disagreement, repeats.lower, repeats.upper);

    // The four trials of a task belong together: trial 0 against trial 1 and trial 2 against trial 3 is an A/A comparison.
    let pairs: Vec<Pair> = groups
        .iter()
        .enumerate()
        .flat_map(|(task, trials)| {
            trials.chunks(2).enumerate().map(move |(half, trials)| Pair {
                case: format!("{task}/{half}"),
                incumbent: trials[0] as f64,
                candidate: trials[1] as f64,
                cluster: Some(task.to_string()),
            })
        })
        .collect();
    let decision = decide(&pairs, &Rule::new(0.05, 0.95).expect("legal")).expect("legal");
    assert_eq!((decision.n, decision.clusters, decision.verdict), (100, 50, Verdict::Undecided));
    assert!(decision.lower < 0.0 && decision.upper > 0.0, "{decision:?}");
}

/// The outcome of one run says something about the next run of the same task: 200 runs are worth 90.
#[test]
fn airline_runs_of_a_task_resemble_each_other_as_published() {
    let Some(path) = real("tau_airline_gpt4o/runs.jsonl") else { return };
    let text = std::fs::read_to_string(path).expect("the file opens");
    let (mut rewards, mut tasks) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let run: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        rewards.push(run["reward"].as_f64().expect("a reward of 0 or 1"));
        tasks.push(run["task"].as_u64().expect("a task number") as usize);
    }
    let effect = paired::cluster_robust(&rewards, &tasks).design_effect(&paired::summarise(&rewards));
    // Computed apart in numpy.
    assert!((effect - 2.227_338_225_930_767_5).abs() < 1e-8, "{effect}");
}
