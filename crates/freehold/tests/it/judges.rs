//! Judges of an assessment: believed beside labels of people drawn at random, refused where they are biased, never alone.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use freehold::sample::vendor::{MODEL, Manner, Vendor};
use freehold_store::Store;
use serde_json::{Value, json};

use crate::labels::{STEP, line, question};
use crate::running::{Ran, freehold, run};

const CASES: usize = 160;

/// What the candidate's answer is beside the incumbent's, so that anyone who reads it can tell.
fn quality(number: usize) -> &'static str {
    match number % 10 {
        0 => "better",
        1 => "worse",
        _ => "even",
    }
}

/// Rules of a judge that reads the answers, wherever they stand.
fn honest() -> Value {
    let rule = |when: &str, winner: &str| json!({"when": when, "text": format!("It shows.\n{{\"winner\": {winner}}}")});
    json!({
        "rules": [
            rule("answer 1>\nbetter", "1"), rule("answer 2>\nbetter", "2"),
            rule("answer 1>\nworse", "2"), rule("answer 2>\nworse", "1"),
            rule("answer 1>\nThis is the better answer", "2"), rule("answer 2>\nThis is the better answer", "1"),
        ],
        "otherwise": {"text": "{\"winner\": \"tie\"}"},
    })
}

/// Imports the calls and configures the candidate, which says the same as the incumbent on every eighth case, and judges.
fn prepare(home: &Path, extra: &str) {
    let lines: String = (0..CASES).map(|number| line(number, None) + "\n").collect();
    std::fs::write(home.join("calls.jsonl"), lines).unwrap();
    assert_eq!(run(home, &["import", "calls.jsonl"]).code, 0);
    let rule = |number: usize| {
        let same = format!("incumbent's answer {number}");
        let text = if number % 8 == 7 { same } else { format!("{} than the other {number}", quality(number)) };
        json!({"when": question(number), "text": text})
    };
    let candidate = json!({"rules": (0..CASES).map(rule).collect::<Vec<_>>()});
    let first = json!({"otherwise": {"text": "{\"winner\": 1}"}});
    let mut charmed = honest();
    for rule in &mut charmed["rules"].as_array_mut().unwrap()[4..] {
        let turned = if rule["text"].as_str().unwrap().contains('1') { "2" } else { "1" };
        rule["text"] = format!("{{\"winner\": {turned}}}").into();
    }
    let mute = json!({"otherwise": {"text": "I would rather not say."}});
    let mut entries = String::new();
    for (name, script) in
        [("desk", &candidate), ("honest", &honest()), ("first", &first), ("mute", &mute), ("charmed", &charmed)]
    {
        std::fs::write(home.join(format!("{name}.json")), script.to_string()).unwrap();
        writeln!(entries, "[[model]]\nname = \"{name}\"\npath = \"{name}.json\"\nbackend = \"scripted\"").unwrap();
    }
    std::fs::write(home.join("freehold.toml"), entries + extra).unwrap();
}

fn assess(home: &Path, judge: &str) -> (Ran, Value) {
    let check = format!("judge:{judge}");
    let ran = run(
        home,
        &["assess", STEP, "--candidate", "desk", "--check", &check, "--margin", "0.1", "--json", "--html", "page.html"],
    );
    let row = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    (ran, row)
}

/// Labels cases of the queue as an honest person would, those that `wanted` keeps.
fn label(home: &Path, wanted: impl Fn(usize, &Value) -> bool) -> usize {
    let queue = run(home, &["label", STEP, "--candidate", "desk", "--export", "-"]).stdout;
    let lines: Vec<Value> = queue.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut told = String::new();
    let mut count = 0;
    for (_, line) in lines.iter().enumerate().filter(|(place, line)| wanted(*place, line)) {
        let answers = [line["answers"][0].as_str().unwrap(), line["answers"][1].as_str().unwrap()];
        let candidate = answers.iter().position(|answer| !answer.starts_with("incumbent")).unwrap();
        let word = match answers[candidate].split(' ').next().unwrap() {
            "better" => ["1", "2"][candidate],
            "worse" => ["2", "1"][candidate],
            _ => "both_fine",
        };
        writeln!(told, "{}", json!({"id": line["id"], "queue": line["queue"], "label": word})).unwrap();
        count += 1;
    }
    std::fs::write(home.join("told.jsonl"), told).unwrap();
    assert_eq!(run(home, &["label", STEP, "--import", "told.jsonl"]).code, 0);
    count
}

fn notes(row: &Value) -> String {
    row["notes"].to_string()
}

#[test]
fn honest_judge_beside_labels_drawn_at_random_decides_by_ppi() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "");
    let (ran, alone) = assess(home.path(), "honest");
    assert_eq!((ran.code, alone["verdict"].as_str()), (3, Some("undecided")), "{alone}");
    assert!(notes(&alone).contains("there are 0 labels of people") && notes(&alone).contains("freehold label mail"));
    assert_eq!(
        (alone["judge"]["same"].as_u64(), alone["judge"]["asked"].as_u64()),
        (Some(20), Some(280 + 2 * (30 + 20))),
        "each in both orders, 30 again, 20 planted"
    );

    assert_eq!(label(home.path(), |place, _| place < 60), 60);
    let (ran, row) = assess(home.path(), "honest");
    assert_eq!((ran.code, row["verdict"].as_str()), (0, Some("adequate")), "{row}");
    let told = |name: &str| row[name].as_str().unwrap().to_owned();
    assert_eq!(
        (told("method"), told("reference"), told("check")),
        ("ppi_plus_plus".into(), "label".into(), "judge:honest".into())
    );
    assert_eq!(row["n"].as_u64(), Some(CASES as u64));
    let truth = row["arms"]["candidate"].as_f64().unwrap() - row["arms"]["recorded"].as_f64().unwrap();
    assert!((row["difference"].as_f64().unwrap() - truth).abs() < 0.02, "an honest judge's mean is the truth: {row}");
    let judge = &row["judge"];
    assert_eq!(
        (judge["labels"].as_u64(), judge["labels_left_out"].as_u64(), judge["people"].as_u64()),
        (Some(60), Some(0), Some(1))
    );
    assert_eq!(judge["figures"]["people"]["share"]["share"].as_f64(), Some(1.0));
    assert!(judge["refusals"].as_array().unwrap().is_empty() && judge["prompt"].as_u64() == Some(1), "{judge}");
    // The weight of a judge that is always right: one over one and the labelled cases for each further one.
    assert!((judge["weight"].as_f64().unwrap() - 92.0 / 160.0).abs() < 0.2, "{judge}");
    assert!(notes(&row).contains("answers of the candidate are those that people labelled"), "{}", notes(&row));
    let first = &row["cases"].as_array().unwrap().iter().find(|case| case["candidate"] == 0.0).unwrap()["judgement"];
    assert_eq!(first["asked"], json!({"candidate_first": "second", "candidate_second": "first"}), "in both orders");
    is_on_the_page(home.path(), judge);
    verifies(home.path());
    assert_eq!(run(home.path(), &["move", STEP, "--to", "desk"]).code, 0, "its certificate carries the move");
    let left = run(home.path(), &["label", STEP, "--export", "-"]).stdout.lines().count();
    assert_eq!(left, 140 - 65, "the same answers are not asked about again after another assessment");
}

fn is_on_the_page(home: &Path, judge: &Value) {
    let page = std::fs::read_to_string(home.join("page.html")).unwrap();
    for told in [judge["labels_sha256"].as_str().unwrap(), "60 by 1 people, 0 left out", "planted bad answers not told"]
    {
        assert!(page.contains(told), "{told}");
    }
}

/// Verifies a certificate; returns what is told and what became of each field.
fn verified(home: &Path, arguments: &[&str]) -> (Ran, impl Fn(&str) -> String) {
    let ran = run(home, &[&["certificate", "verify", "mail.json", "--json"], arguments].concat());
    let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let state = move |name: &str| {
        let field = told["fields"].as_array().unwrap().iter().find(|field| field["field"] == name);
        field.unwrap_or_else(|| panic!("{name}: {told}"))["state"].as_str().unwrap().to_owned()
    };
    (ran, state)
}

/// The certificate of a judged assessment is found again from what the judge and people said, also after more labels.
fn verifies(home: &Path) {
    let export = run(home, &["certificate", "export", STEP, "--candidate", "desk", "--out", "mail.json"]);
    assert_eq!(export.code, 0, "{}", export.stderr);
    let shown = run(home, &["certificate", "show", STEP]).stdout;
    assert!(shown.contains("judge        engine/honest, believed, 60 labels by 1 people"), "{shown}");
    let (ran, state) = verified(home, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for name in [
        "result.lower",
        "cases[].judgement.asked.candidate_second",
        "cases[].judgement.person",
        "judge.examined.labels_sha256",
        "judge.examined.words_sha256",
        "judge.examined.figures.people.kappa",
        "judge.gate.kappa_min",
    ] {
        assert_eq!(state(name), "agrees", "{name}");
    }
    let text = std::fs::read_to_string(home.join("mail.json")).unwrap();
    let body: Value = serde_json::from_str::<Value>(&text).unwrap()["body"].clone();
    assert_eq!(body["judge"]["examined"]["labels"].as_u64(), Some(60));
    assert_eq!(body["result"]["method"].as_str(), Some("ppi_plus_plus"));
    assert!(!text.contains("than the other") && !text.contains("It shows."), "no answer and no word of the judge");
    label(home, |place, _| place < 5);
    assert_eq!(verified(home, &[]).0.code, 0, "labels that came later change nothing");
    let digest = body["judge"]["examined"]["labels_sha256"].as_str().unwrap();
    std::fs::write(home.join("mail.json"), text.replace(digest, &digest.replace(['0', '1', '2'], "3"))).unwrap();
    let (ran, state) = verified(home, &[]);
    assert_eq!((ran.code, state("judge.examined.labels_sha256")), (1, "differs".to_owned()));
    std::fs::write(home.join("mail.json"), text).unwrap();
    verifies_elsewhere(home);
}

/// Without the store the figures follow from what the certificate says of each case.
fn verifies_elsewhere(home: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(home.join("mail.json")).unwrap();
    std::fs::write(elsewhere.path().join("key.pem"), run(home, &["certificate", "key"]).stdout).unwrap();
    std::fs::write(elsewhere.path().join("mail.json"), &text).unwrap();
    let (ran, state) = verified(elsewhere.path(), &["--key", "key.pem"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for (name, expected) in [
        ("result.lower", "agrees"),
        ("result.verdict", "agrees"),
        ("judge.examined.figures.people.kappa", "agrees"),
        ("judge.examined.figures.canaries_missed.share", "agrees"),
        ("judge.examined.labels_sha256", "not_checked"),
    ] {
        assert_eq!(state(name), expected, "{name}");
    }
    // One label turned round: the interval is no longer the one that follows.
    let turned = text.replacen("\"person\":0", "\"person\":-1", 1);
    assert_ne!(turned, text);
    std::fs::write(elsewhere.path().join("mail.json"), turned).unwrap();
    let (ran, state) = verified(elsewhere.path(), &["--key", "key.pem"]);
    assert_eq!((ran.code, state("result.lower")), (1, "differs".to_owned()));
}

/// Two lengths of requests: with 50 labels of its own the judge's word carries a verdict, with fewer it does not.
#[test]
fn subsets_of_a_judged_step_are_decided_from_their_own_labels() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "[[step]]\nname = \"mail\"\nsubsets = [\"length\"]\n");
    assess(home.path(), "honest");
    label(home.path(), |place, _| place < 100);
    let (ran, row) = assess(home.path(), "honest");
    assert_eq!((ran.code, row["verdict"].as_str()), (0, Some("adequate")), "{row}");
    let subsets = row["subsets"].as_array().unwrap();
    let told = |at: usize| (subsets[at]["n"].as_u64().unwrap(), subsets[at]["verdict"].as_str().unwrap().to_owned());
    assert_eq!((told(0), told(1)), ((100, "adequate".to_owned()), (60, "undecided".to_owned())), "{row}");
    let export = run(home.path(), &["certificate", "export", STEP, "--candidate", "desk", "--out", "mail.json"]);
    assert_eq!(export.code, 0, "{}", export.stderr);
    let (ran, state) = verified(home.path(), &[]);
    assert_eq!((ran.code, state("subsets[].lower")), (0, "agrees".to_owned()), "{}", ran.stdout);
}

/// One step has labels and the other has none: the judge's word beside labels is weighed, and its word alone claims nothing.
#[test]
fn judged_steps_are_corrected_for_their_number() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "");
    let other =
        |number| line(number, None).replace(&format!("\"{STEP}\""), "\"post\"").replace("\"id\":\"c", "\"id\":\"d");
    std::fs::write(home.path().join("more.jsonl"), (0..CASES).map(|number| other(number) + "\n").collect::<String>())
        .unwrap();
    assert_eq!(run(home.path(), &["import", "more.jsonl"]).code, 0);
    assess(home.path(), "honest");
    label(home.path(), |place, _| place < 60);
    let asked = ["assess", "--all", "--candidate", "desk", "--check", "judge:honest", "--margin", "0.1", "--json"];
    let ran = run(home.path(), &[&asked[..], &["--fixed", "--across", "holm"]].concat());
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let claim = |step: &str| {
        let claims =
            rows[0]["across"]["claims"].as_array().unwrap().iter().find(|claim| claim["step"] == step).unwrap();
        (claims["p_value"].as_f64().unwrap(), claims["adjusted"].as_f64().unwrap(), claims["holds"] == true)
    };
    let (p_value, adjusted, holds) = claim(STEP);
    assert!(p_value < 0.025 && (adjusted - 2.0 * p_value).abs() < 1e-12 && holds, "{}", rows[0]["across"]);
    assert_eq!(claim("post"), (1.0, 1.0, false));
    let verdict =
        |step: &str| rows.iter().find(|row| row["step"] == step).unwrap()["verdict"].as_str().unwrap().to_owned();
    assert_eq!((verdict(STEP), verdict("post")), ("adequate".to_owned(), "undecided".to_owned()));

    let export = run(home.path(), &["certificate", "export", STEP, "--candidate", "desk", "--out", "mail.json"]);
    assert_eq!(export.code, 0, "{}", export.stderr);
    let (ran, state) = verified(home.path(), &[]);
    assert_eq!((ran.code, state("across.claims[].p_value")), (0, "agrees".to_owned()), "{}", ran.stdout);
}

#[test]
fn judge_that_likes_the_first_place_is_refused_whatever_people_say() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "");
    assess(home.path(), "first");
    label(home.path(), |place, _| place < 60);
    let (ran, row) = assess(home.path(), "first");
    assert_eq!((ran.code, row["verdict"].as_str()), (3, Some("undecided")), "{row}");
    assert!(
        notes(&row).contains("the judge is not believed") && notes(&row).contains("in both orders in 0 %"),
        "{}",
        notes(&row)
    );
    assert_eq!(row["judge"]["figures"]["first_slot"]["share"].as_f64(), Some(1.0));
    assert_ne!(row["method"].as_str(), Some("ppi_plus_plus"));
    let page = std::fs::read_to_string(home.path().join("page.html")).unwrap();
    assert!(page.contains("A judge that is believed") && !page.contains("would be adequate at a margin"), "{page}");
}

/// It tells good from bad where people look, and still falls for an answer that only praises itself.
#[test]
fn judge_that_falls_for_planted_answers_is_refused_whatever_people_say() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "");
    assess(home.path(), "charmed");
    label(home.path(), |place, _| place < 60);
    let (ran, row) = assess(home.path(), "charmed");
    assert_eq!((ran.code, row["verdict"].as_str()), (3, Some("undecided")), "{row}");
    let missed = &row["judge"]["figures"]["canaries_missed"];
    assert_eq!((missed["share"].as_f64(), missed["of"].as_u64()), (Some(1.0), Some(20)), "{missed}");
    let refusals = row["judge"]["refusals"].as_array().unwrap();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(refusals[0].as_str().unwrap().contains("planted pairs") && notes(&row).contains("planted bad answers"));
    let repeat = &row["judge"]["figures"]["repeat"]["share"];
    assert_eq!((repeat["share"].as_f64(), repeat["of"].as_u64()), (Some(1.0), Some(30)), "{repeat}");
}

#[test]
fn verdicts_that_cannot_be_read_abstain_and_are_counted() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "");
    let (ran, row) = assess(home.path(), "mute");
    assert_eq!(ran.code, 3, "{row}");
    assert_eq!(row["judge"]["figures"]["unreadable"].as_u64(), Some(280));
    assert!(row["judge"]["refusals"].to_string().contains("could not be read"), "{row}");
}

/// Somebody labels the cases that the candidate won, and nothing else.
#[test]
fn picked_labels_are_no_random_sample() {
    let home = tempfile::tempdir().unwrap();
    prepare(home.path(), "");
    assess(home.path(), "honest");
    let count = label(home.path(), |place, line| place >= 70 || line["answers"].to_string().contains("better"));
    assert!(count > 60);
    let (_, row) = assess(home.path(), "honest");
    assert_eq!(row["verdict"].as_str(), Some("undecided"), "{row}");
    let (labels, left_out) =
        (row["judge"]["labels"].as_u64().unwrap(), row["judge"]["labels_left_out"].as_u64().unwrap());
    assert!(labels < 50 && labels + left_out == count as u64, "{labels} {left_out}");
    assert!(notes(&row).contains("not drawn in the random order"), "{}", notes(&row));
}

#[test]
fn nobody_judges_in_his_own_cause() {
    let home = tempfile::tempdir().unwrap();
    let upstream = "[[upstream]]\nname = \"far\"\nbase_url = \"http://127.0.0.1:9\"\napis = [\"openai.chat\"]\n";
    prepare(home.path(), upstream);
    let ask = |judge: &str| run(home.path(), &["assess", STEP, "--candidate", "desk", "--check", judge]);
    let candidate = ask("judge:desk");
    assert!(candidate.code == 2 && candidate.stderr.contains("is the candidate and cannot judge"), "{candidate:?}");
    let incumbent = ask("judge:far/large");
    assert!(incumbent.code == 2 && incumbent.stderr.contains("is the incumbent and cannot judge"), "{incumbent:?}");
    let gone = ask("judge:far/other");
    assert!(gone.code == 4 && gone.stderr.contains("could not be asked"), "{gone:?}");
    let unknown = ask("judge:nobody");
    assert!(unknown.code == 2 && unknown.stderr.contains("nobody"), "{unknown:?}");
}

#[test]
fn killed_judgement_goes_on_where_it_stopped() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let slow = Manner { error_rate: 0.0, latency: Duration::from_millis(20), seed: 1 };
    let vendor = runtime.block_on(Vendor::start(slow)).unwrap();
    vendor.learn_script(serde_json::from_value(honest()).unwrap());
    let entry = "[[upstream]]\nname = \"court\"\napis = [\"openai.chat\"]\n";
    prepare(home.path(), &format!("{entry}base_url = \"http://{}\"\n", vendor.address()));
    let check = format!("judge:court/{MODEL}");
    let mut child = freehold(home.path())
        .args(["assess", STEP, "--candidate", "desk", "--check", &check, "--margin", "0.1"])
        .spawn()
        .unwrap();
    let store = Store::open(home.path()).unwrap();
    let verdicts = || {
        let assessments = store.assessments().unwrap();
        let replays = assessments.first().map(|one| store.replays(&one.head.id).unwrap()).unwrap_or_default();
        replays.iter().filter(|replay| replay.arm.starts_with("judge")).count()
    };
    while verdicts() < 20 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, row) = assess(home.path(), &format!("court/{MODEL}"));
    let judge = &row["judge"];
    let (asked, resumed) = (judge["asked"].as_u64().unwrap(), judge["resumed"].as_u64().unwrap());
    assert!(resumed >= 20 && asked + resumed == 380, "{asked} asked, {resumed} found");
    assert_eq!(row["judge"]["figures"]["consistency"]["share"].as_f64(), Some(1.0));
    assert_eq!(row["replay"]["generations"].as_u64(), Some(0), "the candidate had answered everything");
}
