//! Assessments begun, broken off, found again and finished.

use freehold_store::{AssessmentHead, Certified, Error, ErrorKind, Replay, Store};
use freehold_wire::{Answer, Finish, ToolCall, Usage};
use serde_json::json;

use crate::sample::store;

fn head(id: &str, candidate: &str, margin: f64) -> AssessmentHead {
    AssessmentHead {
        id: id.to_owned(),
        at_ms: 7,
        step: "triage".to_owned(),
        candidate: candidate.to_owned(),
        incumbent: "vendor/large".to_owned(),
        plan: json!({"margin": margin, "cases": ["a", "b"], "check": {"fields": ["category"]}}),
    }
}

fn replay(case: &str, arm: &str) -> Replay {
    let tool = ToolCall { id: "t".to_owned(), name: "refund".to_owned(), arguments: "{\"n\": 1}".to_owned() };
    let answer = Answer {
        text: "billing".to_owned(),
        tool_calls: vec![tool],
        finish: Some(Finish::ToolCalls),
        usage: Some(Usage { input: 3, cache_read: 0, output: 2, ..Usage::default() }),
        ..Answer::default()
    };
    let (case, arm) = (case.to_owned(), arm.to_owned());
    Replay { case, arm, answer: Some(answer), failure: None, total_us: 900, first_byte_us: Some(100) }
}

#[test]
fn broken_off_assessment_goes_on_where_it_stopped() {
    let (home, store) = store();
    let plan = head("one", "small", 0.02);
    store.begin_assessment(&plan).unwrap();
    store.add_replays("one", &[replay("b", "candidate")]).unwrap();
    drop(store);

    let store = Store::open(home.path()).unwrap();
    // The order of keys in a plan says nothing; its values do.
    let reordered = json!({"check": {"fields": ["category"]}, "cases": ["a", "b"], "margin": 0.02});
    assert_eq!(store.unfinished_assessment("triage", "small", &reordered).unwrap(), Some(plan.clone()));
    for other in [("triage", "large", 0.02), ("reply", "small", 0.02), ("triage", "small", 0.05)] {
        let found = store.unfinished_assessment(other.0, other.1, &head("x", "x", other.2).plan).unwrap();
        assert_eq!(found, None, "{other:?}");
    }
    let failed = Replay { answer: None, failure: Some("timeout".to_owned()), ..replay("a", "rerun") };
    store.add_replays("one", std::slice::from_ref(&failed)).unwrap();
    assert_eq!(store.replays("one").unwrap(), [replay("b", "candidate"), failed]);

    store.finish_assessment("one", 99, &json!({"verdict": "adequate"})).unwrap();
    assert_eq!(store.unfinished_assessment("triage", "small", &plan.plan).unwrap(), None);
}

#[test]
fn plan_with_a_number_of_many_digits_is_found_again() {
    let (_home, store) = store();
    for (n, margin) in [0.1 + 0.2, 1.0 / 3.0, 2.0_f64.powi(-40), 0.049_999_999_999_999_996].into_iter().enumerate() {
        let head = head(&n.to_string(), "small", margin);
        store.begin_assessment(&head).unwrap();
        let found = store.unfinished_assessment("triage", "small", &head.plan).unwrap();
        assert_eq!(found.map(|found| found.id), Some(n.to_string()));
    }
}

#[test]
fn replay_of_the_same_case_and_arm_is_replaced() {
    let (_home, store) = store();
    store.begin_assessment(&head("one", "small", 0.02)).unwrap();
    store.begin_assessment(&head("two", "small", 0.02)).unwrap();
    let failed = Replay { answer: None, failure: Some("timeout".to_owned()), ..replay("a", "candidate") };
    store.add_replays("one", std::slice::from_ref(&failed)).unwrap();
    store.add_replays("two", &[replay("a", "candidate")]).unwrap();
    store.add_replays("one", &[replay("a", "candidate")]).unwrap();
    assert_eq!(store.replays("one").unwrap(), [replay("a", "candidate")]);
    assert_eq!(store.replays("two").unwrap().len(), 1);
}

#[test]
fn assessments_are_listed_newest_first_and_the_latest_is_a_finished_one() {
    let (_home, store) = store();
    for (id, candidate) in [("one", "small"), ("two", "large"), ("three", "small")] {
        store.begin_assessment(&head(id, candidate, 0.02)).unwrap();
    }
    let result = json!({"verdict": "not_adequate", "difference": -0.25});
    assert_eq!(store.latest_assessment("triage", None).unwrap(), None);
    store.finish_assessment("one", 50, &result).unwrap();
    store.finish_assessment("two", 60, &result).unwrap();

    let all = store.assessments().unwrap();
    let seen: Vec<_> = all.iter().map(|one| (one.head.id.as_str(), one.finished_ms)).collect();
    assert_eq!(seen, [("three", None), ("two", Some(60)), ("one", Some(50))]);
    assert_eq!(store.latest_assessment("triage", None).unwrap(), Some(all[1].clone()));
    assert_eq!(store.latest_assessment("triage", Some("small")).unwrap().unwrap().result, Some(result));
    assert_eq!(store.latest_assessment("reply", None).unwrap(), None);
}

#[test]
fn half_that_only_chose_does_not_hide_what_was_decided() {
    let (_home, store) = store();
    store.begin_assessment(&head("decided", "small", 0.02)).unwrap();
    let halved = |id: &str, half: &str| {
        let mut head = head(id, "small", 0.02);
        head.plan["half"] = json!({"half": half});
        store.begin_assessment(&head).unwrap();
        store.finish_assessment(id, 60, &json!({"verdict": "undecided"})).unwrap();
    };
    store.finish_assessment("decided", 50, &json!({"verdict": "adequate"})).unwrap();
    let latest = || store.latest_assessment("triage", Some("small")).unwrap().unwrap().head.id;
    halved("lost", "choosing");
    assert_eq!(latest(), "decided");
    halved("won", "deciding");
    assert_eq!(latest(), "won");
}

#[test]
fn unknown_and_taken_ids_are_refused() {
    let (_home, store) = store();
    store.begin_assessment(&head("one", "small", 0.02)).unwrap();
    assert!(store.begin_assessment(&head("one", "large", 0.05)).is_err());
    let errors = [
        store.add_replays("none", &[replay("a", "candidate")]).unwrap_err(),
        store.finish_assessment("none", 1, &json!({})).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error, Error::UnknownAssessment(id) if id == "none"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::User);
    }
}

#[test]
fn result_and_certificate_are_stored_both_or_neither() {
    let (_home, store) = store();
    store.begin_assessment(&head("one", "small", 0.02)).unwrap();
    let first = Certified { sha256: "aa".to_owned(), expires_ms: 5, text: "signed".to_owned() };
    assert!(store.certify_assessment("none", 1, &json!({}), &first).is_err());
    store.certify_assessment("one", 2, &json!({"verdict": "adequate"}), &first).unwrap();
    let second = Certified { sha256: "bb".to_owned(), ..first.clone() };
    assert!(store.certify_assessment("one", 3, &json!({"verdict": "undecided"}), &second).is_err());
    assert_eq!(store.certificate("one").unwrap(), Some(first), "a certificate is never changed");
    let kept = store.assessment("one").unwrap().unwrap();
    assert_eq!((kept.finished_ms, kept.result), (Some(2), Some(json!({"verdict": "adequate"}))));
    assert_eq!(store.certificate("none").unwrap(), None);
}
