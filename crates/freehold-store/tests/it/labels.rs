//! Labels: stored at once, taken back, the newest right answer of a case, sealed where what is kept is.

use freehold_store::{Label, Limits, Preference, Said, Seal, Store};
use serde_json::json;

use crate::sample::store;

fn label(case: &str, at_ms: i64, said: Said) -> Label {
    Label {
        at_ms,
        who: "ann".to_owned(),
        step: "triage".to_owned(),
        case: case.to_owned(),
        assessment: Some("one".to_owned()),
        seed: Some(u64::MAX),
        said,
    }
}

fn pair(preference: Preference) -> Said {
    Said::Pair { preference, incumbent_sha256: "aa".to_owned(), candidate_sha256: "bb".to_owned() }
}

#[test]
fn label_is_there_after_the_file_is_opened_again_and_gone_once_taken_back() {
    let (home, store) = store();
    let first = label("a", 1, pair(Preference::Candidate));
    let number = store.add_label(&first).unwrap();
    store.add_label(&label("b", 2, Said::Skipped)).unwrap();
    drop(store);

    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.labels("triage").unwrap(), [first, label("b", 2, Said::Skipped)]);
    assert_eq!(store.labels("reply").unwrap(), []);
    assert!(store.undo_label(number, 9).unwrap());
    assert!(!store.undo_label(number, 9).unwrap(), "it was taken back already");
    assert_eq!(store.labels("triage").unwrap(), [label("b", 2, Said::Skipped)]);
}

#[test]
fn newest_right_answer_of_a_case_counts() {
    let (_home, store) = store();
    store.add_label(&label("a", 1, Said::Gold(json!("billing")))).unwrap();
    let second = store.add_label(&label("a", 2, Said::Gold(json!("login")))).unwrap();
    store.add_label(&label("b", 3, pair(Preference::BothFine))).unwrap();
    assert_eq!(store.gold_answers("triage").unwrap(), [("a".to_owned(), json!("login"))].into());
    store.undo_label(second, 4).unwrap();
    assert_eq!(store.gold_answers("triage").unwrap(), [("a".to_owned(), json!("billing"))].into());
}

#[test]
fn right_answers_are_found_as_they_stood() {
    let (_home, store) = store();
    let first = store.add_label(&label("a", 1, Said::Gold(json!("billing")))).unwrap();
    store.add_label(&label("a", 3, Said::Gold(json!("login")))).unwrap();
    store.undo_label(first, 4).unwrap();
    let stood = |at_ms| store.gold_answers_at("triage", at_ms).unwrap().remove("a");
    assert_eq!(
        [0, 1, 2, 3, 4].map(stood),
        [None, Some("billing"), Some("billing"), Some("login"), Some("login")].map(|said| said.map(|said| json!(said)))
    );
    assert_eq!(store.gold_answers_at("triage", 4).unwrap(), store.gold_answers("triage").unwrap());
}

#[test]
fn what_was_said_is_sealed_with_everything_else() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_sealed(home.path(), Limits::default(), Some(Seal::new(&[7; 32]))).unwrap();
    let said = label("a", 1, Said::Gold(json!("the customer is Miriam")));
    store.add_label(&said).unwrap();
    assert_eq!(store.labels("triage").unwrap(), [said]);
    drop(store);
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"Miriam"));
    }
}
