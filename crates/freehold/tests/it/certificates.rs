//! Certificates: signed, found again from the store, readable by others' tools; whatever is changed in one is found.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use freehold::certificate::Certificate;
use freehold::certificate::verify::{Beside, Signature, State, Trusted, Verification, verify};
use freehold::checks::Outside;
use freehold::config::Layers;
use freehold_store::{AssessmentHead, Label, Replay, Retention, Said, Store};
use freehold_vault::{Signed, SigningKey};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::assess::{STEP, assess, import, model, tickets};
use crate::running::{freehold, run};

const FILE: &str = "triage.json";

/// Assesses a model that answers `right` of `count` tickets rightly; the certificate lies in the home.
fn certified(home: &Path, (count, right): (u64, usize), more: &[&str]) -> Value {
    let tickets = tickets(count);
    import(home, &tickets);
    model(home, &tickets, right, &Value::Null);
    assess(home, &[&["--certificate", FILE], more].concat()).1
}

fn read(home: &Path) -> Certificate {
    Certificate::read(&std::fs::read(home.join(FILE)).unwrap()).unwrap()
}

fn trusted(home: &Path) -> Trusted {
    let key = SigningKey::open(&home.join("signing-key.pem")).unwrap();
    Trusted { home: Some(key.public()), given: None }
}

fn verified(home: &Path, certificate: &Certificate, store: Option<&Store>) -> Verification {
    let settings = Layers::defaults(home).settings(&|_| None).unwrap();
    let outside = Outside { settings: &settings, program: &env!("CARGO_BIN_EXE_freehold").into() };
    verify(certificate, &trusted(home), store.map(|store| (store, outside)), Timestamp::now()).unwrap()
}

#[test]
fn an_assessment_ends_in_a_certificate_that_holds() {
    let home = tempfile::tempdir().unwrap();
    let row = certified(home.path(), (60, 57), &["--subset", "field:priority"]);
    let ran = run(home.path(), &["certificate", "verify", FILE]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("good, by this home's key") && ran.stdout.ends_with("it holds\n"), "{}", ran.stdout);
    let found: Value =
        serde_json::from_str(&run(home.path(), &["certificate", "verify", FILE, "--json"]).stdout).unwrap();
    assert_eq!(found["sha256"], row["certificate"]);
    let state = |field: &Value| field["state"].as_str().unwrap().to_owned();
    let fields = found["fields"].as_array().unwrap();
    let unchecked: Vec<&str> =
        fields.iter().filter(|field| state(field) != "agrees").map(|field| field["field"].as_str().unwrap()).collect();
    assert_eq!(unchecked, ["expires_at", "expires_because", "format", "made_by"], "all else was found again");
    let exported = run(home.path(), &["certificate", "export", STEP]);
    let file = std::fs::read_to_string(home.path().join(FILE)).unwrap();
    assert_eq!(exported.stdout, file);
    for ticket in tickets(60) {
        assert!(!file.contains(&ticket.text), "a certificate holds no text");
    }
    let rights = std::fs::metadata(home.path().join("signing-key.pem")).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o600);
    let shown = run(home.path(), &["certificate", "show", STEP, "--candidate", "desk"]).stdout;
    assert!(shown.contains("desk for triage") && shown.contains("(180 days)"), "{shown}");
    let body = read(home.path());
    assert_eq!(body.body()["declared"]["margin"], json!(0.05));
    assert_eq!(body.body()["result"]["difference"], row["difference"]);
}

/// Changes every kind of field once, with the old signature and with a new one by the same key.
#[test]
fn whatever_is_changed_is_found() {
    let home = tempfile::tempdir().unwrap();
    certified(home.path(), (60, 57), &["--subset", "field:priority"]);
    let store = Store::open(home.path()).unwrap();
    let certificate = read(home.path());
    let key = SigningKey::open(&home.path().join("signing-key.pem")).unwrap();
    let file: Value = serde_json::from_str(&certificate.text()).unwrap();
    let stated = ["made_by", "expires_at", "expires_because"];
    let places = places(certificate.body());
    assert!(places.len() > 50, "{places:?}");
    for (field, place) in &places {
        let mut body = certificate.body().clone();
        bend(body.pointer_mut(place).unwrap());
        let mut forged = file.clone();
        forged["body"] = body.clone();
        if let Ok(read) = Certificate::read(forged.to_string().as_bytes()) {
            let found = verified(home.path(), &read, None);
            assert_eq!((found.signature, found.holds), (Signature::Wrong, false), "{field}");
        }
        let signed = Signed::seal(&body, &key).unwrap();
        let Ok(read) = Certificate::read(signed.text().as_bytes()) else { continue };
        let found = verified(home.path(), &read, Some(&store));
        assert_eq!(found.signature, Signature::Home);
        let is_told = !found.holds || found.recomputed == Beside::Itself;
        assert!(is_told || stated.contains(&field.as_str()), "{field} was changed by who has the key, and not found");
    }
}

/// Returns a place in the middle for each kind of field that holds no others.
fn places(body: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, (field, place): (String, String), found: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().for_each(|(name, member)| {
                    walk(member, (format!("{field}.{name}"), format!("{place}/{name}")), found);
                });
            }
            Value::Array(items) if !items.is_empty() => {
                let middle = items.len() / 2;
                walk(&items[middle], (format!("{field}[]"), format!("{place}/{middle}")), found);
            }
            _ => {
                found.insert(field.trim_start_matches('.').to_owned(), place);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(body, (String::new(), String::new()), &mut found);
    found
}

/// Changes a value as little as its kind allows.
fn bend(value: &mut Value) {
    *value = match value {
        Value::Null => json!(1),
        Value::Bool(claim) => json!(!*claim),
        Value::Number(number) => match number.as_u64() {
            Some(count) => json!(count + 1),
            None => json!(number.as_f64().unwrap() + 1e-6),
        },
        Value::String(text) if text.ends_with('0') => json!(format!("{}1", &text[..text.len() - 1])),
        Value::String(text) if text.ends_with('Z') => json!(text.replacen("20", "21", 1)),
        Value::String(text) => json!(format!("{}0", &text[..text.len().saturating_sub(1)])),
        Value::Array(_) | Value::Object(_) => json!([1]),
    };
}

#[test]
fn an_answer_that_was_changed_in_the_store_is_found() {
    let home = tempfile::tempdir().unwrap();
    certified(home.path(), (60, 60), &[]);
    let (store, certificate) = (Store::open(home.path()).unwrap(), read(home.path()));
    let replays = store.replays(&certificate.head.assessment).unwrap();
    let mut changed = replays[7].clone();
    changed.answer.as_mut().unwrap().text = "{\"category\":\"nonsense\"}".to_owned();
    store.add_replays(&certificate.head.assessment, &[changed]).unwrap();
    let found = verified(home.path(), &certificate, Some(&store));
    let state = |name: &str| found.fields.iter().find(|field| field.field == name).unwrap().state;
    assert!(!found.holds);
    for field in ["cases[].candidate_sha256", "cases[].candidate", "result.difference", "result.lower"] {
        assert_eq!(state(field), State::Differs, "{field}");
    }
    assert_eq!(state("cases[].request_sha256"), State::Agrees);
    let ran = run(home.path(), &["certificate", "verify", FILE]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("IT DOES NOT HOLD\n"), "{}", ran.stdout);
    let gone = Replay { answer: None, failure: Some("lost".to_owned()), ..replays[7].clone() };
    store.add_replays(&certificate.head.assessment, &[gone]).unwrap();
    assert!(!verified(home.path(), &certificate, Some(&store)).holds, "an answer that went is found as well");
}

#[test]
fn away_from_its_store_the_decision_is_made_again_from_the_scores() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certified(home.path(), (60, 50), &[]);
    std::fs::copy(home.path().join(FILE), other.path().join(FILE)).unwrap();
    let ran = run(other.path(), &["certificate", "verify", FILE]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("a key that nobody here knows"), "{}", ran.stdout);
    assert!(!other.path().join("freehold.db").exists(), "verifying makes no store");
    let pem = run(home.path(), &["certificate", "key"]).stdout;
    std::fs::write(other.path().join("key.pem"), pem).unwrap();
    let ran = run(other.path(), &["certificate", "verify", FILE, "--key", "key.pem", "--json"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &found["recomputed"]["from"]), (0, &json!("itself")), "{found}");
    let state = |name: &str| {
        let fields = found["fields"].as_array().unwrap();
        fields.iter().find(|field| field["field"] == name).unwrap()["state"].clone()
    };
    assert_eq!((state("result.lower"), state("looks[].seed")), (json!("agrees"), json!("not_checked")));
    assert_eq!((state("result.verdict"), state("cases[].request_sha256")), (json!("agrees"), json!("not_checked")));
}

#[test]
fn what_cannot_be_read_or_is_over_says_so() {
    let home = tempfile::tempdir().unwrap();
    certified(home.path(), (20, 20), &[]);
    let certificate = read(home.path());
    let text = certificate.text();
    let verify_text = |text: &str| {
        std::fs::write(home.path().join("other.json"), text).unwrap();
        run(home.path(), &["certificate", "verify", "other.json"])
    };
    let refused = |text: &str, told: &str| {
        let ran = verify_text(text);
        assert_eq!(ran.code, 2, "{}", ran.stdout);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    };
    refused(&text[..text.len() / 3], "EOF while parsing");
    refused("no json", "not whole JSON");
    refused("{}", "no signed text: `public_key` is missing");
    refused(&text.replace("\"format\":1,", "\"format\":2,"), "it has format 2, and this version reads formats up to 1");
    let key = SigningKey::open(&home.path().join("signing-key.pem")).unwrap();
    refused(&Signed::seal(&json!({"format": 1}), &key).unwrap().text(), "a signed text and no certificate");
    let changed = verify_text(&text.replace("\"verdict\":\"undecided\"", "\"verdict\":\"adequate\""));
    assert_eq!(changed.code, 1);
    assert!(changed.stdout.contains("it was changed after it was signed"), "{}", changed.stdout);
    let missing = run(home.path(), &["certificate", "verify", "nowhere.json"]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    let in_time = verify(&certificate, &trusted(home.path()), None, Timestamp::now() + (24 * 179).hours()).unwrap();
    assert!(in_time.holds, "{:?}", in_time.faults);
    let late = verify(&certificate, &trusted(home.path()), None, Timestamp::now() + (24 * 181).hours()).unwrap();
    assert!(!late.holds && late.faults[0].starts_with("it expired at "), "{:?}", late.faults);
}

#[test]
fn a_key_that_others_may_read_ends_an_assessment_before_it_begins() {
    let home = tempfile::tempdir().unwrap();
    certified(home.path(), (20, 20), &[]);
    let file = home.path().join("signing-key.pem");
    let before = std::fs::read(&file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = run(home.path(), &["assess", STEP, "--candidate", "desk"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("rights are 644, not 600") && ran.stderr.contains("chmod 600"), "{}", ran.stderr);
    assert_eq!(Store::open(home.path()).unwrap().assessments().unwrap().len(), 1, "nothing was begun");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn an_assessment_that_was_killed_ends_in_a_certificate_when_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(60);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 60, &json!({"word_ms": 40}));
    let mut child = freehold(home.path()).args(["assess", STEP, "--candidate", "desk"]).spawn().unwrap();
    let store = Store::open(home.path()).unwrap();
    let kept = || store.looks(STEP).unwrap().first().map_or(0, |look| look.asked);
    while kept() < 10 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let none = run(home.path(), &["certificate", "export", STEP]);
    assert_eq!(none.code, 2, "{}", none.stdout);
    assert!(none.stderr.contains("no assessment for triage has come to an end"), "{}", none.stderr);
    assess(home.path(), &["--certificate", FILE]);
    let found = verified(home.path(), &read(home.path()), Some(&store));
    assert!(found.holds && found.recomputed == Beside::Store, "{:?}", found.faults);
}

#[test]
fn bodies_that_are_gone_leave_what_can_be_checked() {
    let home = tempfile::tempdir().unwrap();
    certified(home.path(), (20, 20), &[]);
    let store = Store::open(home.path()).unwrap();
    let now_ms = (Timestamp::now() + (24 * 400).hours()).as_millisecond();
    let removed = store.remove_expired(&Retention { days: Some(1), steps: Vec::new() }, now_ms).unwrap();
    assert_eq!(removed.cases, 20);
    let found = verified(home.path(), &read(home.path()), Some(&store));
    assert_eq!((found.holds, found.recomputed), (true, Beside::StoreInPart { cases_gone: 20 }), "{:?}", found.faults);
    let lower = found.fields.iter().find(|field| field.field == "result.lower").unwrap();
    assert_eq!(lower.state, State::NotChecked);
}

#[test]
fn a_move_keeps_the_certificate_and_wants_the_candidate_that_was_certified() {
    let home = tempfile::tempdir().unwrap();
    let row = certified(home.path(), (80, 80), &[]);
    let moved = run(home.path(), &["move", STEP, "--to", "desk", "--json"]);
    let generation: Value = serde_json::from_str(&moved.stdout).unwrap();
    assert_eq!(generation["routes"][STEP]["certificate"], row["certificate"], "{}", moved.stderr);
    std::fs::copy(home.path().join("script.json"), home.path().join("other.json")).unwrap();
    let file = home.path().join("freehold.toml");
    let entries = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, entries.replace("script.json", "other.json")).unwrap();
    let refused = run(home.path(), &["move", STEP, "--to", "desk"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("it is not what was certified: the lock differs"), "{}", refused.stderr);
    let forced = run(home.path(), &["move", STEP, "--to", "desk", "--despite", "the same file under another name"]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
}

#[test]
fn an_expired_certificate_moves_nothing() {
    let home = tempfile::tempdir().unwrap();
    certified(home.path(), (80, 80), &[]);
    let store = Store::open(home.path()).unwrap();
    let mut body = read(home.path()).body().clone();
    let stored = store.assessment(body["assessment"].as_str().unwrap()).unwrap().unwrap();
    let later = AssessmentHead { id: "later".to_owned(), at_ms: stored.head.at_ms + 1, ..stored.head };
    (body["assessment"], body["expires_at"]) = (json!(later.id), json!("2020-01-01T00:00:00Z"));
    let key = SigningKey::open(&home.path().join("signing-key.pem")).unwrap();
    let expired = Certificate::read(Signed::seal(&body, &key).unwrap().text().as_bytes()).unwrap();
    store.begin_assessment(&later).unwrap();
    let (finished_ms, result) = (stored.finished_ms.unwrap() + 1, stored.result.unwrap());
    store.certify_assessment(&later.id, finished_ms, &result, &expired.kept()).unwrap();
    let refused = run(home.path(), &["move", STEP, "--to", "desk"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("its certificate expired at 2020-01-01T00:00:00Z (180 days)"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("assess it again, or add --despite"), "{}", refused.stderr);
    assert_eq!(store.generation().unwrap().number, 0, "nothing was moved");
}

#[test]
fn a_right_answer_said_later_leaves_the_certificate_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let tickets = tickets(20);
    let gold = |index: usize, at_ms: i64, value: Value| Label {
        at_ms,
        who: "ann".to_owned(),
        step: STEP.to_owned(),
        case: tickets[index].id.clone(),
        assessment: None,
        seed: None,
        said: Said::Gold(value),
    };
    let right = |index: usize| json!(tickets[index].gold.triage.to_string());
    let numbers: Vec<i64> = (0..20).map(|index| store.add_label(&gold(index, 1, right(index))).unwrap()).collect();
    certified(home.path(), (20, 20), &["--reference", "label"]);
    let certificate = read(home.path());
    assert_eq!(certificate.head.declared["reference"], "label");
    let later_ms = Timestamp::now().as_millisecond() + 1;
    store.add_label(&gold(3, later_ms, json!("nonsense"))).unwrap();
    store.undo_label(numbers[4], later_ms).unwrap();
    let found = verified(home.path(), &certificate, Some(&store));
    assert!(found.holds && found.recomputed == Beside::Store, "{:?}", found.faults);
    store.add_label(&gold(5, 2, json!("nonsense"))).unwrap();
    assert!(!verified(home.path(), &certificate, Some(&store)).holds, "one that is dated back is found");
}

/// The commands of the documentation, with the real program.
#[test]
fn openssl_verifies_a_certificate_by_hand() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: there is no openssl here");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let row = certified(home.path(), (20, 20), &[]);
    let page = include_str!("../../../../docs/certificate.md");
    let commands = page.split("```sh\n").nth(2).unwrap().split("```").next().unwrap();
    let by_hand = |commands: &str| {
        let output = Command::new("sh").args(["-c", commands]).current_dir(home.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(by_hand(commands), (true, "Verified OK\n".to_owned()));
    let (_, digest) = by_hand("sha256sum body.json");
    assert_eq!(digest.split(' ').next(), row["certificate"].as_str());
    let (_, key) = by_hand("cat signer.pem");
    assert_eq!(key.trim(), run(home.path(), &["certificate", "key"]).stdout.trim());
    std::fs::write(home.path().join(FILE), read(home.path()).text().replacen("\"n\":20", "\"n\":21", 1)).unwrap();
    assert!(!by_hand(commands).0, "a changed digit fails there too");
}

/// Whatever the plan declared about looks, the decision is made again by it, with the store and without.
#[test]
fn decisions_that_came_early_are_found_again() {
    for (more, looks) in [(&["--margin", "0.2"][..], json!("always")), (&["--looks", "3"], json!([80, 160, 240]))] {
        let home = tempfile::tempdir().unwrap();
        let row = certified(home.path(), (240, 240), more);
        let (store, certificate) = (Store::open(home.path()).unwrap(), read(home.path()));
        assert_eq!(certificate.body()["declared"]["design"]["looks"], looks);
        let counted = certificate.head.cases.iter().filter(|seal| seal.candidate.is_some()).count();
        assert!(counted < 240 && certificate.head.cases.len() == 240, "{counted} counted of those booked: {row}");
        for store in [Some(&store), None] {
            let found = verified(home.path(), &certificate, store);
            assert!(found.holds, "{looks}: {:?}", found.faults);
        }
    }
}
