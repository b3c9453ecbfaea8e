//! The ledger of looks: who tries again until the verdict pleases has it said beside the verdict.

use freehold_store::{AssessmentHead, Replay, Store};
use serde_json::{Value, json};

use crate::assess::{STEP, assess, import, model, tickets};

fn notes(row: &Value) -> String {
    row["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn looking_again_is_booked_and_said() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(60);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 60, &Value::Null);
    let (_, first) = assess(home.path(), &["--margin", "0.02", "--seed", "1"]);
    assert!(!notes(&first).contains("look at"), "the first look repeats nothing: {}", notes(&first));
    let (_, second) = assess(home.path(), &["--margin", "0.06", "--seed", "2", "--max-cases", "50"]);
    let told = notes(&second);
    let expected = "second look at desk for this step: 50 of its 50 cases were in earlier looks, which came out 1 undecided. \
        The confidence is that of one look; that any of the 2 says adequate wrongly has a chance of up to 10 %";
    assert!(told.contains(expected), "{told}");
    let looks = second["looks"].as_array().unwrap();
    assert_eq!(looks.len(), 2);
    let of = |look: usize, member: &str| looks[look][member].clone();
    assert_eq!((of(0, "verdict"), of(0, "margin"), of(0, "is_retry")), (json!("undecided"), json!(0.02), json!(true)));
    assert_eq!(
        (of(1, "verdict"), of(1, "margin"), of(1, "is_retry")),
        (second["verdict"].clone(), json!(0.06), json!(false))
    );
    assert_eq!((of(0, "shared"), of(1, "cases"), of(1, "seed")), (json!(50), json!(50), json!(2)));
    assert_eq!(of(0, "step_versions"), of(1, "step_versions"));
    assert_eq!(of(0, "step_versions")[0].as_str().unwrap().len(), 64, "the whole digest of the head");
}

fn replay(case: &str) -> Replay {
    let arm = "candidate".to_owned();
    Replay { case: case.to_owned(), arm, answer: None, failure: None, total_us: 1, first_byte_us: None }
}

/// A look that was broken off after it had seen answers counts; one that had seen none does not.
#[test]
fn a_look_that_was_broken_off_counts_once_it_has_seen_answers() {
    let home = tempfile::tempdir().unwrap();
    let tickets = tickets(60);
    import(home.path(), &tickets);
    model(home.path(), &tickets, 60, &Value::Null);
    let store = Store::open(home.path()).unwrap();
    let head = |id: &str, candidate: &str| AssessmentHead {
        id: id.to_owned(),
        at_ms: 7,
        step: STEP.to_owned(),
        candidate: candidate.to_owned(),
        incumbent: "imported/gpt".to_owned(),
        plan: json!({"cases": 60, "confidence": 0.9, "check": "exact"}),
    };
    for (id, candidate, asked) in [("unseen", "desk", 0), ("seen", "desk", 3), ("other", "someone", 5)] {
        store.begin_assessment(&head(id, candidate)).unwrap();
        let replays: Vec<Replay> = tickets.iter().take(asked).map(|ticket| replay(&ticket.id)).collect();
        store.add_replays(id, &replays).unwrap();
    }
    drop(store);
    let (_, row) = assess(home.path(), &[]);
    let told = notes(&row);
    assert!(told.contains("second look at desk for this step: 3 of its 60 cases"), "{told}");
    assert!(told.contains("came out 1 broken off") && told.contains("a chance of up to 15 %"), "{told}");
    let looks = row["looks"].as_array().unwrap();
    let told: Vec<(&str, u64, bool)> = looks
        .iter()
        .map(|look| {
            let (id, shared) = (look["assessment"].as_str().unwrap(), look["shared"].as_u64().unwrap());
            (id, shared, look["is_retry"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(told[..3], [("unseen", 0, false), ("seen", 3, true), ("other", 5, false)]);
    assert!(looks[1]["verdict"].is_null());
}
