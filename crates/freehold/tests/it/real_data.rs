//! Recordings that nobody here wrote: converted, imported, found again as steps, and judged.

mod cassettes;
mod tau;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::running::{real_data, run};

fn imported(home: &Path, lines: &[Value]) -> Value {
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    std::fs::write(home.join("calls.jsonl"), text).unwrap();
    let ran = run(home, &["import", "calls.jsonl", "--json"]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
}

fn steps(home: &Path) -> Vec<Value> {
    let ran = run(home, &["steps", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn airline_desk_is_two_steps_of_two_hundred_runs() {
    let Some(folder) = real_data("tau_airline_gpt4o") else { return };
    let home = tempfile::tempdir().unwrap();
    let lines = tau::lines(&folder);
    let done = imported(home.path(), &lines);
    assert_eq!(done["added"].as_u64(), Some(lines.len() as u64), "{done}");
    let steps = steps(home.path());
    assert_eq!(steps.len(), 2, "{steps:?}");
    let agent = steps.iter().find(|step| step["calls"] == 2454).expect("the agent's 2,454 calls are one step");
    assert_eq!(agent["runs"], 200);
    assert!(agent["usd"].is_null(), "these recordings do not say their tokens, so the cost is unknown");
    assert!(agent["retirement"].is_string(), "the retirement of gpt-4o is known");
}

/// Every turn of a run repeats all turns before it; the store keeps each once. A size, so no machine makes it larger.
#[test]
fn airline_desk_takes_at_most_a_twelfth_of_its_json() {
    let Some(folder) = real_data("tau_airline_gpt4o") else { return };
    let home = tempfile::tempdir().unwrap();
    let lines = tau::lines(&folder);
    imported(home.path(), &lines);
    let text = |line: &Value, member: &str| line[member].to_string();
    let json: usize = lines.iter().map(|line| text(line, "request").len() + text(line, "response").len()).sum();
    let store = freehold_store::Store::open(home.path()).unwrap();
    for line in &lines {
        let call = store.call(line["id"].as_str().unwrap()).unwrap().unwrap();
        assert!(call.request == text(line, "request").as_bytes(), "{} came back changed", line["id"]);
        assert!(call.response == text(line, "response").as_bytes(), "{} came back changed", line["id"]);
    }
    store.compact().unwrap();
    let size = std::fs::metadata(store.path()).unwrap().len() as usize;
    let share = json as f64 / size as f64;
    println!("{} calls, {json} bytes of JSON, {size} bytes of store: 1/{share:.1}", lines.len());
    assert!(size * 12 <= json, "{size} bytes of store for {json} bytes of JSON: 1/{share:.1}");
}

/// A model trained for another desk cannot do this one's work, and most prompts are too long for it: both must be said.
#[cfg(feature = "llama")]
#[test]
fn desk_model_is_not_adequate_for_an_airline() {
    let Some(folder) = real_data("tau_airline_gpt4o") else { return };
    let home = tempfile::tempdir().unwrap();
    imported(home.path(), &tau::lines(&folder));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/freehold-desk-m.gguf");
    let entry = format!("[[model]]\nname = \"desk\"\npath = {model:?}\ncontext_tokens = 768\nslots = 4\n");
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    let agent = steps(home.path()).into_iter().find(|step| step["calls"] == 2454).unwrap();
    let step = agent["step"].as_str().unwrap();
    let ran = run(home.path(), &["assess", step, "--candidate", "desk", "--max-cases", "120", "--json"]);
    let row: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    assert_eq!((ran.code, row["verdict"].as_str()), (1, Some("not_adequate")), "{}", row["notes"]);
    assert!(row["clusters"].as_u64().unwrap() < row["n"].as_u64().unwrap(), "turns of one run are one cluster");
    assert!(row["failures"]["candidate"].as_u64().unwrap() > 0, "prompts that do not fit are counted");
    assert!(row["failures"]["example"].as_str().unwrap().contains("tokens"), "{}", row["failures"]);
}

#[test]
fn cassettes_of_two_frameworks_import_whole() {
    let Some(folder) = real_data("wire_cassettes") else { return };
    let home = tempfile::tempdir().unwrap();
    let lines = cassettes::lines(&folder);
    assert!(lines.len() > 1_500, "{} calls in a dialect we know", lines.len());
    let done = imported(home.path(), &lines);
    let rejected = done["rejected"].as_u64().unwrap();
    assert_eq!(rejected, 0, "{done}");
    assert_eq!(done["added"].as_u64(), Some(lines.len() as u64), "{done}");
    let calls: u64 = steps(home.path()).iter().map(|step| step["calls"].as_u64().unwrap()).sum();
    assert_eq!(calls, lines.len() as u64);
}

#[test]
fn published_pairs_get_the_verdicts_of_their_scores() {
    let Some(file) = real_data("zeroeval/gsm_correct.csv") else { return };
    let home = tempfile::tempdir().unwrap();
    for (candidate, margin, expected) in [
        ("Mistral-Large-2", "0.02", "exit 0: -0.7 [-1.5, +0.1] adequate"),
        ("Qwen2-72B-Instruct", "0.02", "exit 1: -3.6 [-4.7, -2.5] not_adequate"),
        ("Qwen2-72B-Instruct", "0.05", "exit 0: -3.6 [-4.7, -2.5] adequate"),
    ] {
        pairs(&file, candidate, &home.path().join("pairs.csv"));
        let ran = run(home.path(), &["verdict", "pairs.csv", "--margin", margin, "--json"]);
        let row: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let points = |key: &str| row[key].as_f64().unwrap() * 100.0;
        let shown = format!(
            "exit {}: {:+.1} [{:+.1}, {:+.1}] {}",
            ran.code,
            points("difference"),
            points("lower"),
            points("upper"),
            row["verdict"].as_str().unwrap()
        );
        assert_eq!(shown, expected, "{candidate} at {margin}");
        assert_eq!(row["n"], 1319);
    }
}

fn pairs(file: &Path, candidate: &str, to: &Path) {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |wanted: &str| {
        headers
            .iter()
            .position(|name| name.rsplit('/').next() == Some(wanted))
            .unwrap_or_else(|| panic!("{wanted} in {headers:?}"))
    };
    let (incumbent, candidate) = (column("gpt-4o-2024-08-06"), column(candidate));
    let mut text = String::from("case,incumbent,candidate\n");
    for row in reader.records() {
        let row = row.unwrap();
        writeln!(text, "{},{},{}", &row[0], &row[incumbent], &row[candidate]).unwrap();
    }
    std::fs::write(to, text).unwrap();
}
