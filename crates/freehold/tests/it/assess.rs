//! Assessments through the command line: three verdicts, the noise floor, resumption, failures that count.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use freehold::sample::business::{self, Earlier, Split, StepName, Ticket};
use freehold::sample::vendor::{MODEL, Manner, Vendor};
use freehold_store::Store;
use serde_json::{Value, json};

use crate::running::{Ran, Up, freehold, run};

pub(crate) const STEP: &str = "triage";

pub(crate) fn tickets(count: u64) -> Vec<Ticket> {
    (0..count).map(|index| business::ticket(3, index, Split::Demo)).collect()
}

fn body(ticket: &Ticket) -> Value {
    let earlier = Earlier { triage: &Value::Null, extract: &Value::Null, decision: &Value::Null };
    business::request(StepName::Triage, ticket, earlier, MODEL)
}

/// Imports one call a ticket, answered with the gold by somebody who cannot be asked again.
pub(crate) fn import(home: &Path, tickets: &[Ticket]) {
    import_as(home, STEP, tickets);
}

/// Imports the calls as those of a step.
pub(crate) fn import_as(home: &Path, step: &str, tickets: &[Ticket]) {
    let mut text = String::new();
    for ticket in tickets {
        let message = json!({"role": "assistant", "content": ticket.gold.triage.to_string()});
        let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
        let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        let response =
            json!({"id": ticket.id, "object": "chat.completion", "model": MODEL, "choices": choices, "usage": usage});
        let line = json!({"id": ticket.id, "api": "openai.chat", "step": step, "run": ticket.id, "request": body(ticket), "response": response});
        writeln!(text, "{line}").unwrap();
    }
    std::fs::write(home.join("calls.jsonl"), text).unwrap();
    assert_eq!(run(home, &["import", "calls.jsonl"]).code, 0);
}

/// Configures a scripted model that answers `right` of the tickets with the gold and the others wrongly.
pub(crate) fn model(home: &Path, tickets: &[Ticket], right: usize, extra: &Value) {
    std::fs::write(home.join("script.json"), script(tickets, right, extra).to_string()).unwrap();
    let entry = "[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n";
    std::fs::write(home.join("freehold.toml"), entry).unwrap();
}

/// Returns what a scripted model follows that answers `right` of the tickets with the gold and the others wrongly.
pub(crate) fn script(tickets: &[Ticket], right: usize, extra: &Value) -> Value {
    let mut rules: Vec<Value> =
        tickets.iter().take(right).map(|ticket| rule(ticket, &ticket.gold.triage.to_string(), extra)).collect();
    rules.push(json!({"text": "{\"category\":\"nonsense\",\"priority\":\"low\"}"}));
    json!({"rules": rules})
}

fn rule(ticket: &Ticket, text: &str, extra: &Value) -> Value {
    let mut rule = json!({"when": ticket.text, "text": text});
    for (key, value) in extra.as_object().into_iter().flatten() {
        rule[key] = value.clone();
    }
    rule
}

pub(crate) fn assess(home: &Path, more: &[&str]) -> (Ran, Value) {
    let arguments = [&["assess", STEP, "--candidate", "desk", "--json"], more].concat();
    let ran = run(home, &arguments);
    let row = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    (ran, row)
}

#[test]
fn a_model_that_always_agrees_is_adequate_and_may_move() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(80);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 80, &Value::Null);
    let (ran, row) = assess(home.path(), &["--html", "report.html"]);
    assert_eq!((ran.code, row["verdict"].as_str()), (0, Some("adequate")), "{row}");
    assert_eq!(
        (row["n"].as_u64(), row["check"].as_str(), row["reference"].as_str()),
        (Some(80), Some("fields_exact"), Some("incumbent"))
    );
    assert!(row["cost"]["incumbent_usd_per_1k"].as_f64().unwrap() > 0.0);
    assert!(row["cost"]["candidate_usd_per_1k"].is_null(), "machine time has no price here");
    let page = std::fs::read_to_string(home.path().join("report.html")).unwrap();
    assert!(page.contains(STEP) && page.contains("desk"));
    let moved = run(home.path(), &["move", STEP, "--to", "desk"]);
    assert_eq!(moved.code, 0, "{}", moved.stderr);
}

#[test]
fn a_model_that_errs_too_often_is_not_adequate_and_may_not_move() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(80);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 50, &Value::Null);
    let (ran, row) = assess(home.path(), &[]);
    assert_eq!((ran.code, row["verdict"].as_str()), (1, Some("not_adequate")), "{row}");
    assert_eq!(row["disagreements"][0]["candidate"].as_str(), Some("{\"category\":\"nonsense\",\"priority\":\"low\"}"));
    let refused = run(home.path(), &["move", STEP, "--to", "desk"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("its verdict for triage is not adequate"), "{}", refused.stderr);
}

#[test]
fn a_subset_that_fails_is_named_and_hinders_the_move() {
    let home = tempfile::tempdir().unwrap();
    let (low, rest): (Vec<Ticket>, Vec<Ticket>) =
        tickets(1200).into_iter().partition(|ticket| ticket.gold.triage["priority"] == "low");
    let tickets: Vec<Ticket> = rest.into_iter().take(380).chain(low.into_iter().take(12)).collect();
    import(home.path(), &tickets);
    model(home.path(), &tickets, 380, &Value::Null);
    let whole = ["--no-rerun", "--margin", "0.06", "--max-cases", "400"];
    let (ran, row) = assess(home.path(), &[&whole[..], &["--subset", "field:priority", "--subset", "length"]].concat());
    assert_eq!((ran.code, row["verdict"].as_str()), (0, Some("adequate")), "{row}");
    let subsets = row["subsets"].as_array().unwrap();
    let low = subsets.iter().find(|subset| subset["value"] == "low").expect("the priority is a subset");
    assert_eq!((low["by"].as_str(), low["n"].as_u64()), (Some("field:priority"), Some(12)));
    assert_eq!((low["verdict"].as_str(), low["difference"].as_f64()), (Some("not_adequate"), Some(-1.0)));
    let by = |by: &str| -> u64 { subsets.iter().filter(|s| s["by"] == by).map(|s| s["n"].as_u64().unwrap()).sum() };
    assert_eq!((by("field:priority"), by("length")), (392, 392), "every case is in one subset of each divider");
    let refused = run(home.path(), &["move", STEP, "--to", "desk"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("adequate for triage on the whole, and not for field:priority low"),
        "{}",
        refused.stderr
    );
    let moved = run(home.path(), &["move", STEP, "--to", "desk", "--despite", "low ones go to a person"]);
    assert_eq!(moved.code, 0, "{}", moved.stderr);
}

#[test]
fn subsets_may_be_declared_in_the_configuration_and_are_checked_there() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(30);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 30, &Value::Null);
    let file = home.path().join("freehold.toml");
    let entries = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{entries}[[step]]\nname = \"{STEP}\"\nsubsets = [\"metadata:customer\"]\n"))
        .unwrap();
    let (_, row) = assess(home.path(), &[]);
    assert_eq!(row["subsets"][0]["value"].as_str(), Some("(none)"), "no call says its customer: {row}");
    std::fs::write(&file, format!("{entries}[[step]]\nname = \"{STEP}\"\nsubsets = [\"customer\"]\n")).unwrap();
    let refused = run(home.path(), &["assess", STEP, "--candidate", "desk"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("`customer` divides nothing: metadata:NAME, field:PATH"), "{}", refused.stderr);
}

#[test]
fn too_few_cases_are_undecided_and_say_how_many_are_missing() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(20);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 20, &Value::Null);
    let (ran, row) = assess(home.path(), &[]);
    assert_eq!((ran.code, row["verdict"].as_str()), (3, Some("undecided")), "{row}");
    assert_eq!(row["more_needed"].as_u64(), Some(32), "52 cases are the floor at margin 0.05");
}

#[test]
fn the_incumbents_own_noise_is_the_yardstick() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let noisy = Manner { error_rate: 0.2, latency: Duration::ZERO, seed: 5 };
    let vendor = runtime.block_on(Vendor::start(noisy)).unwrap();
    let tickets = tickets(120);
    vendor.learn(tickets.iter().cloned());
    model(home.path(), &tickets, 120, &Value::Null);
    let entries = std::fs::read_to_string(home.path().join("freehold.toml")).unwrap();
    let upstream = format!(
        "[[upstream]]\nname = \"vendor\"\nbase_url = \"http://{}\"\napis = [\"openai.chat\"]\nsimulated = true\n",
        vendor.address()
    );
    let up = Up::start(home.path(), &(entries + &upstream));
    runtime.block_on(async {
        let client = freehold::client::Client::new(Duration::from_secs(20)).unwrap();
        for ticket in &tickets {
            let address = format!("http://{}/v1/chat/completions", up.address);
            let headers = [("x-freehold-step", STEP), ("x-freehold-run", ticket.id.as_str())];
            let reply = client.post(&address, &headers, body(ticket).to_string().into_bytes()).await.unwrap();
            assert_eq!(reply.status, 200);
        }
    });
    up.stop();
    let (_, alone) = assess(home.path(), &["--no-rerun"]);
    let (_, fair) = assess(home.path(), &[]);
    let points = |row: &Value| row["difference"].as_f64().unwrap();
    assert!(points(&alone) < -0.1, "a right candidate looks bad beside a noisy recording: {}", points(&alone));
    assert!(points(&fair) > 0.0, "and is better than the vendor asked again: {}", points(&fair));
    assert!(fair["arms"]["rerun"].as_f64().unwrap() < 0.9);
    assert_eq!(fair["is_simulated_incumbent"], true);
}

#[test]
fn killed_assessment_goes_on_where_it_stopped() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(60);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 60, &json!({"word_ms": 40}));
    let mut child = freehold(home.path()).args(["assess", STEP, "--candidate", "desk", "--json"]).spawn().unwrap();
    let store = Store::open(home.path()).unwrap();
    let kept = || {
        let assessments = store.assessments().unwrap();
        assessments.first().map_or(0, |assessment| store.replays(&assessment.head.id).unwrap().len())
    };
    while kept() < 10 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, row) = assess(home.path(), &[]);
    let resumed = row["replay"]["resumed"].as_u64().unwrap();
    assert!(resumed >= 10, "{resumed} replays were taken over");
    assert_eq!(row["replay"]["generations"].as_u64(), Some(60 - resumed));
    assert_eq!(row["n"].as_u64(), Some(60));
    let (_, fresh) = assess(home.path(), &[]);
    assert_eq!(fresh["replay"]["resumed"].as_u64(), Some(0), "a finished assessment is not gone on with");
}

#[test]
fn failures_of_the_candidate_count_against_it_and_are_said() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(60);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 60, &json!({"fail": "the context is too short"}));
    let (ran, row) = assess(home.path(), &[]);
    assert_eq!((ran.code, row["failures"]["candidate"].as_u64()), (1, Some(60)), "{row}");
    assert!(row["failures"]["example"].as_str().unwrap().contains("the context is too short"), "{row}");
    assert!(row["notes"].to_string().contains("serving"), "a serving fault is not the model's: {}", row["notes"]);
}

#[test]
fn a_candidate_may_be_any_upstream_and_must_speak_the_dialect() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exact = Manner { error_rate: 0.0, latency: Duration::ZERO, seed: 1 };
    let vendor = runtime.block_on(Vendor::start(exact)).unwrap();
    let tickets = tickets(60);
    vendor.learn(tickets.iter().cloned());
    import(home.path(), &tickets);
    let entry = |name: &str, apis: &str| {
        format!("[[upstream]]\nname = \"{name}\"\nbase_url = \"http://{}\"\napis = [{apis}]\n", vendor.address())
    };
    let entries = entry("other", "\"openai.chat\"") + &entry("foreign", "\"anthropic.messages\"");
    std::fs::write(home.path().join("freehold.toml"), entries).unwrap();
    let ran = run(home.path(), &["assess", STEP, "--candidate", "other/open-model", "--json"]);
    let row: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    assert_eq!((ran.code, row["candidate"].as_str()), (0, Some("other/open-model")), "{row}");
    assert!(row["cost"]["candidate_usd_per_1k"].is_null(), "a model without a known price costs an unknown sum");
    let refused = run(home.path(), &["assess", STEP, "--candidate", "foreign/open-model"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("does not speak openai.chat"), "{}", refused.stderr);
}

#[test]
fn a_clear_candidate_is_decided_early_and_says_what_it_saved() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(400);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 400, &Value::Null);
    let (ran, row) = assess(home.path(), &[]);
    assert_eq!((ran.code, row["method"].as_str()), (0, Some("betting_sequence")), "{row}");
    let n = row["n"].as_u64().unwrap();
    assert!(n < 200, "{n} cases for a candidate that never errs");
    assert_eq!(row["cases"].as_array().unwrap().len() as u64, n, "what is not counted is not shown");
    assert!(row["lower"].as_f64().unwrap() > -0.05);
    assert_eq!(row["saved"]["cases_max"].as_u64(), Some(400));
    assert!(row["saved"]["calls"].as_u64().unwrap() >= 400 - n - 16, "{}", row["saved"]);
    let told = format!("decided after {n} of 400 cases; saved");
    assert!(row["notes"].to_string().contains(&told), "{}", row["notes"]);
    let (_, fixed) = assess(home.path(), &["--fixed"]);
    assert_eq!((fixed["method"].as_str(), fixed["n"].as_u64()), (Some("tango_score"), Some(400)), "{fixed}");
    assert!(fixed["saved"].is_null());
}

#[test]
fn a_bad_candidate_is_refused_early() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(400);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 200, &Value::Null);
    let (ran, row) = assess(home.path(), &[]);
    assert_eq!((ran.code, row["verdict"].as_str()), (1, Some("not_adequate")), "{row}");
    assert!(row["n"].as_u64().unwrap() < 60, "{row}");
    assert!(row["upper"].as_f64().unwrap() < -0.05);
}

#[test]
fn who_answers_first_changes_nothing() {
    let rows: Vec<Value> = [(8, 7), (1, 0)]
        .iter()
        .map(|(slots, slow)| {
            let home = tempfile::tempdir().unwrap();
            let tickets = tickets(320);
            import(home.path(), &tickets);
            slow_model(home.path(), &tickets, (*slots, *slow));
            assess(home.path(), &[]).1
        })
        .collect();
    let kept = |row: &Value| {
        let parts = ["n", "difference", "lower", "upper", "verdict", "more_needed", "method", "disagreements", "arms"];
        let scores = row["cases"].as_array().unwrap().iter().map(|case| json!([case["case"], case["candidate"]]));
        (parts.map(|part| row[part].clone()), scores.collect::<Vec<_>>())
    };
    assert!(rows[0]["n"].as_u64().unwrap() < 320, "it must stop early to show anything: {}", rows[0]);
    assert_eq!(kept(&rows[0]), kept(&rows[1]), "eight at a time with late ones, and one at a time");
}

/// A model that errs on every 40th ticket and takes its time for every `slow`th.
fn slow_model(home: &Path, tickets: &[Ticket], (slots, slow): (usize, usize)) {
    let rule = |(index, ticket): (usize, &Ticket)| {
        let text = if index % 80 == 79 { "{}".to_owned() } else { ticket.gold.triage.to_string() };
        let word_ms = if slow > 0 && index % slow == 0 { 5 } else { 0 };
        rule(ticket, &text, &json!({"word_ms": word_ms}))
    };
    let rules: Vec<Value> = tickets.iter().enumerate().map(rule).collect();
    std::fs::write(home.join("script.json"), json!({"rules": rules}).to_string()).unwrap();
    let entry =
        format!("[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\nslots = {slots}\n");
    std::fs::write(home.join("freehold.toml"), entry).unwrap();
}

#[test]
fn a_plan_says_what_an_assessment_takes_and_asks_nobody() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(120);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 120, &Value::Null);
    let plan = || -> Value {
        let ran = run(home.path(), &["plan", STEP, "--candidate", "desk", "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let before = plan();
    assert!(Store::open(home.path()).unwrap().assessments().unwrap().is_empty(), "nothing was begun");
    assert_eq!((before["cases"].as_u64(), before["floor_cases"].as_u64()), (Some(120), Some(52)));
    let lines = before["lines"].as_array().unwrap();
    let fixed: Vec<u64> = lines.iter().map(|line| line["fixed"].as_u64().unwrap()).collect();
    assert_eq!(fixed, [52, 124, 248, 495, 742], "the published table at margin 0.05 and power 0.8");
    for line in lines {
        let (equal, worse) = (line["equal"].as_u64().unwrap(), line["worse"].as_u64().unwrap());
        assert!(
            equal > before["floor_cases_always"].as_u64().unwrap(),
            "some disagreement takes longer than none: {line}"
        );
        let is_rare = line["discordance"].as_f64().unwrap() < 0.1;
        assert!(is_rare || 2 * worse < equal + 100, "a bad candidate is found out sooner: {line}");
        assert!(line["usd"].is_null() && line["seconds"].is_null(), "what is not known is not zero: {line}");
    }
    assert_eq!(assess(home.path(), &["--fixed"]).0.code, 0);
    let after = plan();
    assert_eq!(after["lines"].as_array().unwrap().len(), 5, "the same candidate on the same cases is no pilot");
    assert!(after["lines"][0]["seconds"].as_f64().unwrap() > 0.0, "its speed is known now");
    let shown = run(home.path(), &["plan", STEP, "--margin", "0.02"]);
    assert!(
        shown.stdout.contains("any candidate instead of import/") && shown.stdout.contains("unknown"),
        "{}",
        shown.stdout
    );
}

#[test]
fn candidates_go_in_the_order_given_up_to_the_first_that_is_not_adequate() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(80);
    import(home.path(), &tickets);
    let scripts = [("good", 80), ("bad", 40), ("spare", 80)].map(|(name, right)| {
        model(home.path(), &tickets, right, &Value::Null);
        std::fs::rename(home.path().join("script.json"), home.path().join(format!("{name}.json"))).unwrap();
        format!("[[model]]\nname = \"{name}\"\npath = \"{name}.json\"\nbackend = \"scripted\"\n")
    });
    std::fs::write(home.path().join("freehold.toml"), scripts.concat()).unwrap();
    let named = ["--candidate", "good", "--candidate", "bad", "--candidate", "spare", "--json"];
    let ran = run(home.path(), &[&["assess", "--all"], &named[..]].concat());
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<_> = rows.iter().map(|row| [row["candidate"].as_str(), row["verdict"].as_str()]).collect();
    let expected = [[Some("good"), Some("adequate")], [Some("bad"), Some("not_adequate")]];
    assert_eq!(verdicts, expected, "{}", ran.stderr);
    assert_eq!(ran.code, 0, "one adequate candidate makes the step adequate");
    assert!(ran.stderr.contains("spare was not tried, because bad before it is not adequate"), "{}", ran.stderr);
}

#[test]
fn killed_on_the_way_it_comes_to_the_same_verdict_on_the_same_cases() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(320);
    import(home.path(), &tickets);
    slow_model(home.path(), &tickets, (4, 1));
    let mut child = freehold(home.path()).args(["assess", STEP, "--candidate", "desk", "--json"]).spawn().unwrap();
    let store = Store::open(home.path()).unwrap();
    let kept = || {
        let assessments = store.assessments().unwrap();
        assessments.first().map_or(0, |assessment| store.replays(&assessment.head.id).unwrap().len())
    };
    while kept() < 30 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, resumed) = assess(home.path(), &[]);
    let (_, fresh) = assess(home.path(), &[]);
    assert!(resumed["replay"]["resumed"].as_u64().unwrap() >= 30, "{}", resumed["replay"]);
    assert_eq!((fresh["replay"]["resumed"].as_u64(), fresh["method"].as_str()), (Some(0), Some("betting_sequence")));
    for part in ["n", "difference", "lower", "upper", "verdict", "more_needed", "method", "disagreements", "arms"] {
        assert_eq!(resumed[part], fresh[part], "{part}");
    }
}

#[test]
fn planned_looks_end_at_the_first_that_decides() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(100);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 40, &Value::Null);
    let (ran, row) = assess(home.path(), &["--looks", "4"]);
    assert_eq!((ran.code, row["method"].as_str()), (1, Some("planned_looks_tango_score")), "{row}");
    let n = row["n"].as_u64().unwrap();
    assert!(n < 100 && n % 25 == 0, "{n} is no planned look that stops early");
    assert_eq!((row["confidence"].as_f64(), row["saved"]["cases_max"].as_u64()), (Some(0.95), Some(100)));
    assert!(row["upper"].as_f64().unwrap() < -0.05);
}
