//! Probing a server: each fault is found and nothing else is blamed, a good server passes, a weak model is not mistaken for a fault.

mod model;
mod stub;

use std::time::Duration;

use freehold::assess::Serving;
use freehold::client::Client;
use freehold::probe::{self, Address, Kept, Promise, Report, Scope};

use self::model::Skill;
use self::stub::{Fault, Stub};
use crate::assess::{STEP, import, tickets};
use crate::running::run;

/// Long enough that no stub runs out of it; how long a probe takes is measured elsewhere.
const BUDGET: Duration = Duration::from_secs(300);

fn probed(fault: Option<Fault>, skill: Skill) -> Report {
    let mut reports = probed_with(&[fault], skill);
    reports.remove(0)
}

/// Probes a server with each of these faults; they share a client, whose certificates take longer to read than a probe takes.
fn probed_with(faults: &[Option<Fault>], skill: Skill) -> Vec<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::new(BUDGET).unwrap();
        let mut reports = Vec::new();
        for fault in faults {
            let stub = Stub::start(*fault, skill).await;
            let (client, model) = (client.clone(), "stub".to_owned());
            let address = Address { client, base_url: stub.base_url(), key: None, model, engine: None };
            let scope = Scope { promises: Promise::ALL.to_vec(), context_tokens: 8192, budget: BUDGET };
            reports.push(probe::run(address, &scope, &|_| ()).await.unwrap());
        }
        reports
    })
}

fn all_faults() -> Vec<Option<Fault>> {
    Fault::ALL.iter().copied().map(Some).collect()
}

fn having(report: &Report, kept: Kept) -> Vec<Promise> {
    report.findings.iter().filter(|finding| finding.answer == kept).map(|finding| finding.promise).collect()
}

#[test]
fn a_faultless_server_keeps_every_promise_of_a_model_that_thinks() {
    let report = probed(None, Skill::Thinks);
    assert_eq!(having(&report, Kept::Kept), Promise::ALL, "{report:#?}");
}

#[test]
fn of_a_model_that_does_not_think_nothing_is_said_about_its_reasoning() {
    let report = probed(None, Skill::Able);
    assert_eq!(having(&report, Kept::CannotTell), [Promise::ReasoningApart, Promise::ReasoningKept], "{report:#?}");
    assert_eq!(having(&report, Kept::Broken), [], "{report:#?}");
}

#[test]
fn each_fault_is_found_and_the_others_are_kept() {
    for (fault, report) in Fault::ALL.iter().zip(probed_with(&all_faults(), Skill::Thinks)) {
        assert_eq!(having(&report, Kept::Broken), fault.breaks(), "{fault:?}: {report:#?}");
        assert_eq!(having(&report, Kept::CannotTell), fault.hides(), "{fault:?}: {report:#?}");
        for finding in report.broken() {
            assert!(finding.remedy.is_some() && !finding.evidence.is_empty(), "{fault:?}: {finding:?}");
        }
    }
}

#[test]
fn a_weak_model_behind_a_faultless_server_breaks_nothing() {
    for skill in [Skill::Weak, Skill::Mute, Skill::Terse] {
        let report = probed(None, skill);
        assert_eq!(having(&report, Kept::Broken), [], "{skill:?}: {report:#?}");
    }
}

#[test]
fn faults_that_need_no_skill_are_found_behind_a_weak_model_and_nothing_more() {
    for (fault, report) in Fault::ALL.iter().zip(probed_with(&all_faults(), Skill::Weak)) {
        let broken = having(&report, Kept::Broken);
        assert!(broken.iter().all(|promise| fault.breaks().contains(promise)), "{fault:?}: {report:#?}");
        if !fault.needs_skill() {
            assert_eq!(broken, fault.breaks(), "{fault:?}: {report:#?}");
        }
    }
}

#[test]
fn a_cut_that_is_counted_as_if_it_were_none_is_not_called_broken() {
    let report = probed(Some(Fault::ContextCutUncounted), Skill::Able);
    let context = report.findings.iter().find(|finding| finding.promise == Promise::Context).unwrap();
    assert_eq!(context.answer, Kept::CannotTell, "{context:?}");
    assert!(context.evidence.contains("beyond what the model can do"), "{context:?}");
}

#[test]
fn the_command_tells_findings_with_their_remedies() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let stub = runtime.block_on(Stub::start(Some(Fault::SchemaIgnored), Skill::Able));
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        "[[upstream]]\nname = \"stub\"\nbase_url = \"{}\"\napis = [\"openai.chat\"]\nmodels = [\"m\"]\nengine = \"vllm\"\n",
        stub.base_url()
    );
    std::fs::write(home.path().join("freehold.toml"), config).unwrap();
    let ran = run(home.path(), &["probe", "stub", "--only", "schema", "--only", "stop"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for words in [
        "schema  broken",
        "no JSON",
        "remedy: vLLM: take vLLM 0.12 or later",
        "read on 2026-",
        "stop    kept",
        "1 kept, 1 broken, 0 cannot tell",
    ] {
        assert!(ran.stdout.contains(words), "{words} is missing in {}", ran.stdout);
    }
    let ran = run(home.path(), &["probe", "stub/other", "--only", "stop", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Report = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report.model.as_str(), having(&report, Kept::Kept)), ("other", vec![Promise::Stop]));
}

#[test]
fn the_command_names_what_is_wrong_with_what_it_was_given() {
    let home = tempfile::tempdir().unwrap();
    let table: [(&[&str], i32, &str); 5] = [
        (&["probe", "http://127.0.0.1:9"], 2, "no model is named"),
        (&["probe", "nobody"], 2, "no model or upstream is called"),
        (&["probe", "http://127.0.0.1:9", "--model", "m"], 4, "does not answer"),
        (&["probe", "http://127.0.0.1:9", "--model", "m", "--key-env", "NOT_SET_HERE"], 2, "NOT_SET_HERE is not set"),
        (&["probe", "http://127.0.0.1:9", "--model", "m", "--only", "kindness"], 2, "the promises are schema"),
    ];
    for (arguments, code, words) in table {
        let ran = run(home.path(), arguments);
        assert!(ran.code == code && ran.stderr.contains(words), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_model_of_our_own_is_probed_behind_its_own_gateway_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("script.json"), r#"{"rules": [{"text": "hello there"}]}"#).unwrap();
    let entry = "[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n";
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    let ran = run(home.path(), &["probe", "desk", "--only", "usage_in_streams", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Report = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report.address, "our own engine");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Configures a stub as the candidate of a step with a schema, and assesses it.
fn assessed(fault: Option<Fault>, more: &[&str]) -> (tempfile::TempDir, serde_json::Value) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let stub = runtime.block_on(Stub::start(fault, Skill::Weak));
    let home = tempfile::tempdir().unwrap();
    import(home.path(), &tickets(40));
    let entry =
        format!("[[upstream]]\nname = \"stub\"\nbase_url = \"{}\"\napis = [\"openai.chat\"]\n", stub.base_url());
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    let row = assess_again(&home, more);
    (home, row)
}

fn assess_again(home: &tempfile::TempDir, more: &[&str]) -> serde_json::Value {
    let arguments = [&["assess", STEP, "--candidate", "stub/m", "--json"], more].concat();
    let ran = run(home.path(), &arguments);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
}

fn serving(row: &serde_json::Value) -> Serving {
    serde_json::from_value(row["serving"].clone()).unwrap()
}

#[test]
fn a_fault_that_the_step_needs_is_reported_with_the_verdict_and_one_that_it_does_not_need_is_not() {
    let (home, row) = assessed(Some(Fault::SchemaIgnored), &[]);
    let faults: Vec<Promise> = serving(&row).faults().map(|finding| finding.promise).collect();
    assert_eq!((row["verdict"].as_str(), faults), (Some("not_adequate"), vec![Promise::Schema]), "{row}");
    assert_eq!(row["serving_fault"], "schema", "{row}");
    let notes = row["notes"].to_string();
    assert!(notes.contains("not adequate as it is served") && notes.contains("serving fault: schema"), "{notes}");
    let certified = run(home.path(), &["certificate", "show", STEP, "--json"]).stdout;
    let certified: serde_json::Value = serde_json::from_str(&certified).unwrap();
    assert!(certified.to_string().contains("\"schema\":\"broken\""), "{certified}");
    let (_, row) = assessed(Some(Fault::LogprobsMissing), &[]);
    assert_eq!(serving(&row).faults().count(), 0, "{row}");
    assert!(!row["notes"].to_string().contains("as it is served"), "{row}");
}

#[test]
fn a_serving_fault_stands_in_the_place_of_a_verdict_on_the_model_wherever_one_is_shown() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let stub = runtime.block_on(Stub::start(Some(Fault::SchemaIgnored), Skill::Weak));
    let home = tempfile::tempdir().unwrap();
    import(home.path(), &tickets(40));
    let entry =
        format!("[[upstream]]\nname = \"stub\"\nbase_url = \"{}\"\napis = [\"openai.chat\"]\n", stub.base_url());
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    let page = home.path().join("page.html");
    let ran = run(home.path(), &["assess", STEP, "--candidate", "stub/m", "--fixed", "--html", page.to_str().unwrap()]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stdout.contains("stub/m     serving fault: schema"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("stub/m     not adequate"), "{}", ran.stdout);
    let steps = run(home.path(), &["steps"]).stdout;
    assert!(steps.contains("serving fault: schema (stub/m)"), "{steps}");
    let steps: serde_json::Value =
        serde_json::from_str(run(home.path(), &["steps", STEP, "--json"]).stdout.trim()).unwrap();
    assert!(steps.to_string().contains("\"serving_fault\":\"schema\""), "{steps}");
    let refused = run(home.path(), &["move", STEP, "--to", "stub/m"]);
    assert!(refused.code == 2 && refused.stderr.contains("nothing is known of the model"), "{refused:?}");
    assert!(refused.stderr.contains("freehold probe stub/m"), "{refused:?}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("serving fault: schema") && page.contains("cannot be judged for triage as it is served"));
    assert!(!page.contains("is not adequate for triage"), "the page blames the model");
}

#[test]
fn what_was_found_today_is_taken_again_and_a_probe_can_be_left_out() {
    let (home, _) = assessed(Some(Fault::SchemaIgnored), &["--fixed"]);
    let file = home.path().join("probes.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, kept.replace("no JSON: ", "seen before: ")).unwrap();
    // The server is gone by now: only what was kept can say this.
    let row = assess_again(&home, &["--seed", "2", "--fixed"]);
    let found = serving(&row);
    assert!(found.faults().any(|finding| finding.evidence.starts_with("seen before")), "{row}");
    let row = assess_again(&home, &["--no-probe", "--seed", "3", "--fixed"]);
    assert_eq!(serving(&row), Serving::default());
}

#[test]
fn requests_are_adapted_to_an_engine_that_is_named_unless_they_are_asked_as_is() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let stub = runtime.block_on(Stub::start(Some(Fault::DeveloperRefused), Skill::Weak));
    let (before, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import(before.path(), &tickets(30));
    let calls = std::fs::read_to_string(before.path().join("calls.jsonl")).unwrap();
    std::fs::write(home.path().join("calls.jsonl"), calls.replace(r#""role":"system""#, r#""role":"developer""#))
        .unwrap();
    assert_eq!(run(home.path(), &["import", "calls.jsonl"]).code, 0);
    let entry = format!(
        "[[upstream]]\nname = \"stub\"\nbase_url = \"{}\"\napis = [\"openai.chat\"]\nengine = \"vllm\"\n",
        stub.base_url()
    );
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    let adapted = assess_again(&home, &["--fixed"]);
    assert_eq!(adapted["adapted"], serde_json::json!(["developer_as_system"]), "{adapted}");
    assert_eq!(
        (adapted["failures"]["candidate"].as_u64(), serving(&adapted).faults().count()),
        (Some(0), 0),
        "{adapted}"
    );
    assert!(adapted["notes"].to_string().contains("the developer's words said as the system's"), "{adapted}");
    let as_is = assess_again(&home, &["--fixed", "--as-is"]);
    let faults: Vec<Promise> = serving(&as_is).faults().map(|finding| finding.promise).collect();
    assert_eq!((as_is["failures"]["candidate"].as_u64(), faults), (Some(30), vec![Promise::DeveloperRole]), "{as_is}");
    assert_eq!(as_is["adapted"], serde_json::json!([]));
}
