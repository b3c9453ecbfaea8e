//! Labels: the queue by file and back, right answers as references, and kinds of references that are never mixed.

use std::fmt::Write as _;
use std::path::Path;

use freehold_store::{Preference, Said, Store};
use serde_json::{Value, json};

use crate::running::run;

pub(crate) const STEP: &str = "mail";

/// Imports `count` calls, the first `same` of which the candidate answers as the incumbent did, and assesses it.
pub(crate) fn assessed(home: &Path, count: usize, same: usize) {
    let lines: String = (0..count).map(|number| line(number, None) + "\n").collect();
    std::fs::write(home.join("calls.jsonl"), lines).unwrap();
    assert_eq!(run(home, &["import", "calls.jsonl"]).code, 0);
    let rule = |number: usize| {
        let text = if number < same { incumbent(number) } else { format!("candidate's answer {number}") };
        json!({"when": question(number), "text": text})
    };
    let rules: Vec<Value> = (0..count).map(rule).collect();
    std::fs::write(home.join("script.json"), json!({"rules": rules}).to_string()).unwrap();
    let entry = "[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n";
    std::fs::write(home.join("freehold.toml"), entry).unwrap();
    let ran = run(home, &["assess", STEP, "--candidate", "desk", "--check", "exact", "--json"]);
    assert!([0, 1, 3].contains(&ran.code), "{}", ran.stderr);
}

/// One call to import. The question ends in a mark, so that none is the beginning of another.
pub(crate) fn line(number: usize, reference: Option<&Value>) -> String {
    let request = json!({"model": "large", "messages": [{"role": "user", "content": question(number)}]});
    let message = json!({"role": "assistant", "content": incumbent(number)});
    let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    let response = json!({"id": "x", "object": "chat.completion", "model": "large", "choices": choices});
    let at = 1_772_000_000 + number;
    let id = format!("c{number}");
    let mut line =
        json!({"id": id, "at": at, "api": "openai.chat", "step": STEP, "request": request, "response": response});
    if let Some(reference) = reference {
        line["reference"] = reference.clone();
    }
    line.to_string()
}

pub(crate) fn question(number: usize) -> String {
    format!("What about parcel <{number}>?")
}

fn incumbent(number: usize) -> String {
    format!("incumbent's answer {number}")
}

fn queue(home: &Path, more: &[&str]) -> Vec<Value> {
    let ran = run(home, &[&["label", STEP, "--export", "-"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn queue_goes_out_and_labels_come_back_with_the_sides_known_again() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 40, 10);
    let lines = queue(home.path(), &[]);
    assert_eq!(lines.len(), 30, "equal answers are not asked about");
    let ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_ne!(ids, sorted, "the order is random");
    let first_is_candidate = |line: &&Value| line["answers"][0].as_str().unwrap().starts_with("candidate");
    let swapped = lines.iter().filter(first_is_candidate).count();
    assert!((5..=25).contains(&swapped), "{swapped} of 30 show the candidate first");

    // Somebody who always prefers the candidate, wherever it stands.
    let mut told = String::new();
    for line in lines.iter().take(20) {
        let label = if first_is_candidate(&line) { "1" } else { "2" };
        writeln!(told, "{}", json!({"id": line["id"], "queue": line["queue"], "label": label, "who": "ann"})).unwrap();
    }
    std::fs::write(home.path().join("told.jsonl"), &told).unwrap();
    let first = run(home.path(), &["label", STEP, "--import", "told.jsonl", "--json"]);
    assert!(first.code == 0 && first.stdout.contains("\"added\":20,\"present\":0"), "{first:?}");
    let again = run(home.path(), &["label", STEP, "--import", "told.jsonl", "--json"]);
    assert!(again.code == 0 && again.stdout.contains("\"added\":0,\"present\":20"), "{again:?}");

    let labels = Store::open(home.path()).unwrap().labels(STEP).unwrap();
    assert!(labels.iter().all(|label| label.who == "ann" && label.seed == Some(1)));
    let is_for_the_candidate = |said: &Said| matches!(said, Said::Pair { preference: Preference::Candidate, .. });
    assert!(labels.iter().all(|label| is_for_the_candidate(&label.said)), "{labels:?}");
    let left = queue(home.path(), &["--max", "7"]);
    assert_eq!(left, lines[20..27], "what was answered is not asked again, and the order stays");
    assert_ne!(queue(home.path(), &["--seed", "2"])[0], lines[20]);
}

#[test]
fn bad_lines_of_labels_are_set_aside_and_good_ones_kept() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 12, 0);
    let line = queue(home.path(), &["--max", "1"]).remove(0);
    let (id, drawn) = (&line["id"], &line["queue"]);
    let foreign = json!({"assessment": "none", "seed": 1});
    let told = [
        json!({"id": id, "queue": drawn, "label": "x"}).to_string(),
        json!({"id": id, "queue": drawn, "label": "left"}).to_string(),
        "{\"id\": ".to_owned(),
        json!({"id": id, "label": "1"}).to_string(),
        json!({"id": "nobody", "queue": drawn, "label": "1"}).to_string(),
        json!({"id": id, "queue": foreign, "label": "1"}).to_string(),
        json!({"id": id}).to_string(),
        json!({"id": id, "reference": {"kind": "outcome", "value": "late"}}).to_string(),
        json!({"id": id, "reference": {"kind": "label", "value": "it is late"}, "label": "skip", "queue": drawn})
            .to_string(),
    ];
    std::fs::write(home.path().join("told.jsonl"), told.join("\n")).unwrap();
    let ran = run(home.path(), &["label", STEP, "--import", "told.jsonl"]);
    insta::assert_snapshot!(ran.shown(home.path()).replace(id.as_str().unwrap(), "ID"));
    let store = Store::open(home.path()).unwrap();
    let said: Vec<Said> = store.labels(STEP).unwrap().into_iter().map(|label| label.said).collect();
    assert!(matches!(said[0], Said::Pair { preference: Preference::BothWrong, .. }), "{said:?}");
    assert_eq!(said[1..], [Said::Skipped, Said::Gold(json!("it is late"))]);
}

#[test]
fn without_a_terminal_the_way_by_file_is_named() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 3, 0);
    insta::assert_snapshot!(run(home.path(), &["label", STEP]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["label", STEP, "--candidate", "nobody"]).shown(home.path()));
}

/// The incumbent is wrong on every second case and the candidate, which says the same, is wrong there too.
#[test]
fn right_answers_are_a_reference_of_their_own_kind() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 60, 60);
    let gold = |number: usize| if number.is_multiple_of(2) { incumbent(number) } else { "something else".to_owned() };
    let told = |numbers: std::ops::Range<usize>| -> String {
        let line = |number| json!({"id": format!("c{number}"), "reference": {"kind": "label", "value": gold(number)}});
        numbers.map(|number| line(number).to_string() + "\n").collect()
    };
    let assess = |more: &[&str]| -> Value {
        let ran =
            run(home.path(), &[&["assess", STEP, "--candidate", "desk", "--check", "exact", "--json"], more].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
    };
    std::fs::write(home.path().join("few.jsonl"), told(0..20)).unwrap();
    assert_eq!(run(home.path(), &["label", STEP, "--import", "few.jsonl"]).code, 0);
    let few = assess(&[]);
    assert_eq!((few["reference"].as_str(), few["n"].as_u64()), (Some("incumbent"), Some(60)));
    assert!(few["notes"].to_string().contains("20 of 60 calls have a label"), "{}", few["notes"]);
    let asked = assess(&["--reference", "label"]);
    assert_eq!((asked["reference"].as_str(), asked["n"].as_u64()), (Some("label"), Some(20)));
    assert_eq!(asked["arms"]["recorded"].as_f64(), Some(0.5), "the incumbent is held to what people said");

    std::fs::write(home.path().join("all.jsonl"), told(0..60)).unwrap();
    assert_eq!(run(home.path(), &["label", STEP, "--import", "all.jsonl"]).code, 0);
    assert_eq!(assess(&[])["reference"].as_str(), Some("label"), "labels of half of the cases are the reference");
    assert_eq!(assess(&["--reference", "incumbent"])["arms"]["recorded"].as_f64(), Some(1.0));
    let none = run(home.path(), &["assess", STEP, "--candidate", "desk", "--reference", "outcome"]);
    assert!(none.code == 2 && none.stderr.contains("no call of mail has an outcome"), "{none:?}");
}

/// An outcome that is an answer is one to compare with; one that is a number says how the recorded answer fared.
#[test]
fn outcomes_are_a_reference_when_asked_for_and_when_they_are_answers() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 2, 0);
    let outcome = |number: usize| match number % 2 {
        0 => json!({"kind": "outcome", "value": incumbent(number)}),
        _ => json!({"kind": "outcome", "value": 1}),
    };
    let lines: String = (2..42).map(|number| line(number, Some(&outcome(number))) + "\n").collect();
    std::fs::write(home.path().join("more.jsonl"), lines).unwrap();
    assert_eq!(run(home.path(), &["import", "more.jsonl"]).code, 0);
    let assess = |more: &[&str]| -> Value {
        let ran =
            run(home.path(), &[&["assess", STEP, "--candidate", "desk", "--check", "exact", "--json"], more].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
    };
    let row = assess(&["--reference", "outcome"]);
    assert_eq!((row["reference"].as_str(), row["n"].as_u64()), (Some("outcome"), Some(20)), "{row}");
    assert!(row["notes"].to_string().contains("20 recorded calls could not be"), "{}", row["notes"]);
    let row = assess(&[]);
    assert_eq!((row["reference"].as_str(), row["n"].as_u64()), (Some("incumbent"), Some(42)), "{row}");
}
