//! Several candidates and several steps: a choice on one half that takes no part in the verdict, and corrected verdicts.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use freehold::sample::business::Ticket;
use freehold::sample::vendor::{MODEL, Manner, Vendor};
use freehold_store::{Assessment, Store};
use serde_json::{Value, json};

use crate::assess::{STEP, import, import_as, script, tickets};
use crate::running::{Ran, freehold, run};

/// Configures scripted models that answer so many of the tickets rightly.
fn models(home: &Path, tickets: &[Ticket], named: &[(&str, usize)]) {
    let mut entries = String::new();
    for (name, right) in named {
        let file = format!("{name}.json");
        std::fs::write(home.join(&file), script(tickets, *right, &Value::Null).to_string()).unwrap();
        writeln!(entries, "[[model]]\nname = \"{name}\"\npath = \"{file}\"\nbackend = \"scripted\"").unwrap();
    }
    std::fs::write(home.join("freehold.toml"), entries).unwrap();
}

fn rows(ran: &Ran) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", ran.stderr));
    ran.stdout.lines().map(read).collect()
}

fn split(home: &Path, more: &[&str]) -> (Ran, Value) {
    let named = ["assess", STEP, "--candidate", "weak", "--candidate", "strong", "--choose", "split", "--json"];
    let ran = run(home, &[&named[..], more].concat());
    let mut rows = rows(&ran);
    assert_eq!(rows.len(), 1, "one verdict, on the chosen candidate: {}", ran.stderr);
    (ran, rows.remove(0))
}

fn stored(home: &Path) -> Vec<Assessment> {
    Store::open(home).unwrap().assessments().unwrap()
}

fn cases(assessment: &Assessment) -> Vec<String> {
    let cases = assessment.result.as_ref().unwrap()["cases"].as_array().unwrap();
    cases.iter().map(|case| case["case"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn best_on_one_half_is_decided_on_the_other() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(200);
    import(home.path(), &tickets);
    models(home.path(), &tickets, &[("weak", 150), ("strong", 200)]);
    let (ran, row) = split(home.path(), &["--certificate", "triage.json", "--html", "report.html"]);
    assert_eq!((ran.code, row["candidate"].as_str(), row["verdict"].as_str()), (0, Some("strong"), Some("adequate")));
    assert_eq!(row["n"].as_u64(), Some(100), "the other half, whole: {row}");
    let tried = row["half"]["tried"].as_array().unwrap();
    assert_eq!((row["half"]["half"].as_str(), tried.len()), (Some("deciding"), 2));
    assert!(tried[0]["score"].as_f64().unwrap() < tried[1]["score"].as_f64().unwrap(), "{row}");
    assert!(row["notes"][0].as_str().unwrap().starts_with("chosen as the best of 2 on 100 cases, one random half"));

    let all = stored(home.path());
    assert_eq!(all.len(), 3);
    let (deciding, strong, weak) = (cases(&all[0]), cases(&all[1]), cases(&all[2]));
    assert_eq!(strong, weak, "both are tried on the same half, in the same order");
    assert!(deciding.iter().all(|case| !strong.contains(case)), "no case of the choice takes part in the verdict");
    for choosing in &all[1..] {
        assert_eq!(choosing.head.plan["half"]["half"].as_str(), Some("choosing"));
        assert_eq!(choosing.result.as_ref().unwrap()["verdict"].as_str(), Some("undecided"), "it decides nothing");
    }
    assert_eq!(all[0].head.plan["half"]["tried"][1]["assessment"].as_str(), Some(all[1].head.id.as_str()));
    let looks = row["looks"].as_array().unwrap();
    let halves: Vec<(&str, bool)> =
        looks.iter().map(|look| (look["half"].as_str().unwrap(), look["is_retry"].as_bool().unwrap())).collect();
    assert_eq!(halves, [("choosing", false), ("choosing", false), ("deciding", false)], "the choice claimed nothing");

    let verified = run(home.path(), &["certificate", "verify", "triage.json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    let certificate: Value =
        serde_json::from_str(&std::fs::read_to_string(home.path().join("triage.json")).unwrap()).unwrap();
    assert_eq!(certificate["body"]["declared"]["half"]["half"].as_str(), Some("deciding"));
    let page = std::fs::read_to_string(home.path().join("report.html")).unwrap();
    assert!(page.contains("decided on the other half"), "the report says which half decided");
    let refused = run(home.path(), &["move", STEP, "--to", "weak"]);
    assert_eq!(refused.code, 2, "who was not chosen is not moved in: {}", refused.stdout);
}

#[test]
fn choice_that_was_made_stands_when_it_is_asked_for_again() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(120);
    import(home.path(), &tickets);
    models(home.path(), &tickets, &[("weak", 60), ("strong", 120)]);
    let (_, first) = split(home.path(), &[]);
    let (_, second) = split(home.path(), &[]);
    assert_eq!(stored(home.path()).len(), 4, "the halves that chose are taken as they are, the other is a new look");
    assert_eq!(first["half"], second["half"]);
    assert!(second["notes"].to_string().contains("second look at strong"), "{}", second["notes"]);
}

#[test]
fn killed_choice_goes_on_where_it_stopped() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let slow = Manner { error_rate: 0.0, latency: Duration::from_millis(20), seed: 1 };
    let vendor = runtime.block_on(Vendor::start(slow)).unwrap();
    let tickets = tickets(60);
    vendor.learn(tickets.iter().cloned());
    import(home.path(), &tickets);
    models(home.path(), &tickets, &[("weak", 20)]);
    let file = home.path().join("freehold.toml");
    let upstream =
        format!("[[upstream]]\nname = \"far\"\napis = [\"openai.chat\"]\nbase_url = \"http://{}\"\n", vendor.address());
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &upstream).unwrap();
    let far = format!("far/{MODEL}");
    let asked = ["assess", STEP, "--candidate", "weak", "--candidate", &far, "--choose", "split", "--json"];
    let mut child = freehold(home.path()).args(asked).stdout(std::process::Stdio::null()).spawn().unwrap();
    let store = Store::open(home.path()).unwrap();
    let answered = || {
        let all = store.assessments().unwrap();
        let of_far = all.iter().find(|one| one.head.candidate == far && one.result.is_none());
        of_far.map_or(0, |one| store.replays(&one.head.id).unwrap().len())
    };
    while answered() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let row = rows(&run(home.path(), &asked)).remove(0);
    assert_eq!((row["candidate"].as_str(), row["n"].as_u64()), (Some(far.as_str()), Some(30)));
    let all = stored(home.path());
    assert_eq!(all.len(), 3, "nothing was begun twice");
    let choosing = all.iter().find(|one| one.head.candidate == far && one.head.plan["half"]["half"] == "choosing");
    let replay = &choosing.unwrap().result.as_ref().unwrap()["replay"];
    let (resumed, generations) = (replay["resumed"].as_u64().unwrap(), replay["generations"].as_u64().unwrap());
    assert!(resumed >= 3 && resumed + generations == 30, "{replay}");
}

/// Imports the same kind of calls as so many steps and configures a model that is right on some of each.
fn steps(home: &Path, named: &[(&str, usize, usize)]) {
    let (mut rules, mut all) = (Vec::new(), tickets(3_000).into_iter());
    for (step, count, right) in named {
        let tickets: Vec<Ticket> = all.by_ref().take(*count).collect();
        import_as(home, step, &tickets);
        rules.extend(script(&tickets, *right, &Value::Null)["rules"].as_array().unwrap()[..*right].to_vec());
        assert_eq!(tickets.len(), *count, "there are tickets enough");
    }
    rules.push(json!({"text": "{\"category\":\"nonsense\",\"priority\":\"low\"}"}));
    std::fs::write(home.join("desk.json"), json!({"rules": rules}).to_string()).unwrap();
    let entry = "[[model]]\nname = \"desk\"\npath = \"desk.json\"\nbackend = \"scripted\"\n";
    std::fs::write(home.join("freehold.toml"), entry).unwrap();
}

fn across(home: &Path, how: &str, more: &[&str]) -> (Ran, Vec<Value>) {
    let ran = run(home, &[&["assess", "--all", "--candidate", "desk", "--json", "--across", how], more].concat());
    let mut rows = rows(&ran);
    rows.sort_by_key(|row| row["step"].to_string());
    (ran, rows)
}

fn verdicts(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect()
}

/// A step that is adequate by itself by a hair is not beside two others, and its certificate says and proves it.
#[test]
fn holm_takes_back_what_does_not_hold_beside_other_steps() {
    let home = tempfile::tempdir().unwrap();
    steps(home.path(), &[("a-sure", 200, 200), ("b-hair", 70, 70), ("c-bad", 80, 40)]);
    let (_, alone) = across(home.path(), "none", &["--fixed"]);
    assert_eq!(verdicts(&alone), ["adequate", "adequate", "not_adequate"]);
    let (ran, rows) = across(home.path(), "holm", &["--fixed"]);
    assert_eq!(verdicts(&rows), ["adequate", "undecided", "not_adequate"], "{}", ran.stdout);
    assert_eq!(ran.code, 1);
    let hair = &rows[1]["across"];
    assert_eq!((hair["correction"].as_str(), hair["verdict_alone"].as_str()), (Some("holm"), Some("adequate")));
    let claims = hair["claims"].as_array().unwrap();
    assert_eq!((claims.len(), hair["level"].as_f64()), (3, Some(0.05)));
    let own = claims.iter().find(|claim| claim["step"] == "b-hair").unwrap();
    let number = |name: &str| own[name].as_f64().unwrap();
    assert!((number("adjusted") - 2.0 * number("p_value")).abs() < 1e-9, "second of three: {hair}");
    assert!(number("p_value") < 0.05 && number("adjusted") > 0.05, "{hair}");
    assert!(rows[1]["notes"].to_string().contains("adequate by itself, and not beside the other steps"));
    let look = rows[1]["looks"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((look["verdict"].as_str(), look["across"]["steps"].as_array().unwrap().len()), (Some("undecided"), 3));
    let refused = run(home.path(), &["move", "b-hair", "--to", "desk"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);

    for step in ["a-sure", "b-hair", "c-bad"] {
        let file = format!("{step}.json");
        run(home.path(), &["certificate", "export", step, "--candidate", "desk", "--out", &file]);
        let verified = run(home.path(), &["certificate", "verify", &file]);
        assert_eq!(verified.code, 0, "{step}: {}{}", verified.stdout, verified.stderr);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(home.path().join("b-hair.json"), elsewhere.path().join("b-hair.json")).unwrap();
    let told = run(elsewhere.path(), &["certificate", "verify", "b-hair.json", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}", told.stderr));
    let state = |name: &str| {
        let field = told["fields"].as_array().unwrap().iter().find(|field| field["field"] == name).cloned();
        field.unwrap_or_else(|| panic!("{name}: {told}"))["state"].clone()
    };
    assert_eq!((state("result.verdict"), state("across.claims[].p_value")), (json!("agrees"), json!("agrees")));
}

/// e-BH goes on after the level of one step until the evidence holds beside the others.
#[test]
fn evidence_is_gathered_until_it_holds_beside_other_steps() {
    let home = tempfile::tempdir().unwrap();
    steps(home.path(), &[("a-sure", 300, 300), ("b-short", 240, 240), ("c-bad", 240, 120)]);
    let (_, alone) = across(home.path(), "none", &[]);
    let (ran, rows) = across(home.path(), "ebh", &[]);
    assert_eq!(verdicts(&rows), ["adequate", "adequate", "not_adequate"], "{}", ran.stdout);
    let counted = |rows: &[Value], step: usize| rows[step]["cases"].as_array().unwrap().len();
    assert!(counted(&rows, 0) > counted(&alone, 0), "more evidence than one step needs by itself");
    assert!(counted(&rows, 0) < 300, "and no more than it takes");
    assert_eq!(counted(&rows, 2), counted(&alone, 2), "what is bad ends as before");
    let claims = rows[0]["across"]["claims"].as_array().unwrap();
    assert!(claims[0]["log_evidence"].as_f64().unwrap() >= (3.0_f64 / 0.05).ln() - 1e-6, "{claims:?}");
    assert!(claims[0]["holds"] == true && claims[2]["holds"] == false && claims[0]["p_value"].is_null());
    run(home.path(), &["certificate", "export", "a-sure", "--candidate", "desk", "--out", "a.json"]);
    let verified = run(home.path(), &["certificate", "verify", "a.json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn mixes_that_do_not_hold_are_refused_with_a_way_out() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(60);
    import(home.path(), &tickets);
    models(home.path(), &tickets, &[("weak", 30), ("strong", 60)]);
    let refused = |more: &[&str], why: &str, way: &str| {
        let ran = run(home.path(), &[&["assess", STEP, "--candidate", "strong"], more].concat());
        assert_eq!(ran.code, 2, "{more:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(why) && ran.stderr.contains(way), "{more:?}: {}", ran.stderr);
    };
    refused(&["--choose", "split"], "one is named", "--candidate");
    refused(&["--across", "holm"], "number of cases is fixed beforehand", "--fixed");
    refused(&["--across", "ebh", "--fixed"], "--fixed lays none", "holm or bh");
    refused(&["--across", "ebh", "--looks", "3"], "planned looks lay none", "--looks");
    refused(&["--across", "ebh"], "is decided without them", "--across holm --fixed");
    refused(&["--across", "holm", "--fixed", "--candidate", "weak"], "makes several", "--choose split");
    refused(&["--across", "ebh", "--check", "judge:weak"], "by a judge", "holm or bh");
    refused(&["--candidate", "weak", "--choose", "split", "--check", "judge:weak"], "cannot choose", "sequence");
    let both = run(
        home.path(),
        &[
            "assess",
            STEP,
            "--candidate",
            "weak",
            "--candidate",
            "strong",
            "--choose",
            "split",
            "--across",
            "holm",
            "--fixed",
            "--json",
        ],
    );
    assert_eq!(rows(&both)[0]["across"]["claims"][0]["candidate"].as_str(), Some("strong"), "{}", both.stderr);
}
