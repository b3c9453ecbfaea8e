//! Which steps belong together: by what was learned, by what people said, and back.

use freehold_store::{Selection, StepChange, Store};
use freehold_wire::Call;

use crate::sample::{call, failed, store};

fn of(step: &str, id: &str, at_ms: i64) -> Call {
    Call { step: step.to_owned(), run: Some("run".to_owned()), ..call(id, at_ms) }
}

/// Returns the names of the steps with their calls.
fn steps(store: &Store) -> Vec<(String, u64)> {
    store.steps().unwrap().into_iter().map(|step| (step.step, step.calls)).collect()
}

fn three() -> (tempfile::TempDir, Store) {
    let (home, store) = store();
    let refused = Call { step: "a-2".to_owned(), ..failed("4", 40) };
    store.import(&[of("a-1", "1", 10), of("a-2", "2", 20), of("b", "3", 30), refused]).unwrap();
    (home, store)
}

fn merge(step: &str, into: &str) -> StepChange {
    StepChange::Merge { step: step.to_owned(), into: into.to_owned() }
}

#[test]
fn aliases_put_calls_together_in_every_reading() {
    let (home, store) = three();
    store.add_aliases(&[("a-2", "a-1"), ("not-yet", "a-1")], 50).unwrap();
    // A call may reach the tables after the alias.
    store.import(&[of("not-yet", "5", 5)]).unwrap();
    drop(store);

    let store = Store::open(home.path()).unwrap();
    assert_eq!(steps(&store), [("a-1".to_owned(), 4), ("b".to_owned(), 1)]);
    let summary = store.steps().unwrap().remove(0);
    assert_eq!((summary.failures, summary.first_at_ms, summary.last_at_ms), (1, 5, 40));
    assert_eq!(summary.traffic.iter().map(|row| (row.calls, row.input)).collect::<Vec<_>>(), [(4, 300)]);
    let cases: Vec<String> = store.cases("a-1").unwrap().into_iter().map(|case| case.id).collect();
    assert_eq!(cases, ["5", "1", "2"]);
    assert_eq!(store.call("2").unwrap().unwrap().step, "a-1");
    assert!(store.traffic(0, 0).unwrap().iter().all(|day| ["a-1", "b"].contains(&&*day.step)));
    assert_eq!(store.loads(Some("a-1"), 10).unwrap().len(), 4);
    let mut exported = 0;
    let selection = Selection { step: Some("a-1".to_owned()), ..Selection::default() };
    store
        .export::<freehold_store::Error>(&selection, |call| {
            exported += usize::from(call.step == "a-1");
            Ok(())
        })
        .unwrap();
    assert_eq!(exported, 4);
    assert_eq!(store.step_now("a-2").unwrap().as_deref(), Some("a-1"));
    assert_eq!(store.step_now("nobody").unwrap(), None);
    assert_eq!(store.other_ids("a-1").unwrap(), ["a-2", "not-yet"]);
}

#[test]
fn first_alias_of_an_id_stays_and_follows_its_step() {
    let (_home, store) = three();
    store.add_aliases(&[("a-2", "a-1")], 50).unwrap();
    store.add_aliases(&[("a-2", "b"), ("a-1", "b"), ("b", "a-2")], 60).unwrap();
    assert_eq!(steps(&store), [("b".to_owned(), 4)]);
}

#[test]
fn what_people_say_counts_until_it_is_taken_back() {
    let (_home, store) = three();
    store.add_aliases(&[("a-2", "a-1")], 50).unwrap();
    let split = StepChange::Split { step: "a-2".to_owned() };
    store.change_step(&split, "ann", 60).unwrap();
    assert_eq!(steps(&store), [("a-2".to_owned(), 2), ("a-1".to_owned(), 1), ("b".to_owned(), 1)]);
    store.change_step(&merge("a-2", "b"), "ann", 70).unwrap();
    store.change_step(&merge("b", "a-1"), "ann", 80).unwrap();
    assert_eq!(steps(&store), [("a-1".to_owned(), 4)]);
    let rules = store.step_rules().unwrap();
    assert_eq!(rules.merged, [("a-2", "a-1"), ("b", "a-1")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());

    assert_eq!(store.undo_step_change(90).unwrap().unwrap().change, merge("b", "a-1"));
    assert_eq!(steps(&store), [("b".to_owned(), 3), ("a-1".to_owned(), 1)]);
    store.undo_step_change(91).unwrap();
    assert_eq!(store.undo_step_change(92).unwrap().unwrap().change, split);
    assert_eq!(store.undo_step_change(93).unwrap(), None);
    assert_eq!(steps(&store), [("a-1".to_owned(), 3), ("b".to_owned(), 1)]);
}

/// What is learned later does not undo what somebody said.
#[test]
fn people_go_before_what_is_learned() {
    let (_home, store) = three();
    store.change_step(&StepChange::Split { step: "a-2".to_owned() }, "ann", 60).unwrap();
    store.add_aliases(&[("a-2", "a-1")], 70).unwrap();
    assert_eq!(steps(&store)[0], ("a-2".to_owned(), 2));
    store.undo_step_change(80).unwrap();
    assert_eq!(steps(&store)[0], ("a-1".to_owned(), 3));
}

/// Merges that lead in a circle leave no calls out.
#[test]
fn circles_end_somewhere() {
    let (_home, store) = three();
    store.change_step(&merge("a-1", "b"), "ann", 60).unwrap();
    store.change_step(&merge("b", "a-1"), "ann", 61).unwrap();
    assert_eq!(steps(&store).iter().map(|(_, calls)| calls).sum::<u64>(), 4);
}

#[test]
fn names_are_kept_beside_ids() {
    let (_home, store) = three();
    for name in ["first", "second"] {
        let change = StepChange::Rename { step: "b".to_owned(), name: name.to_owned() };
        store.change_step(&change, "ann", 60).unwrap();
    }
    assert_eq!(store.step_rules().unwrap().names, [("b".to_owned(), "second".to_owned())].into());
    store.undo_step_change(70).unwrap();
    assert_eq!(store.step_rules().unwrap().names, [("b".to_owned(), "first".to_owned())].into());
    assert_eq!(steps(&store).len(), 3);
}

#[test]
fn what_was_learned_is_kept() {
    let (home, store) = store();
    assert_eq!(store.learned().unwrap(), None);
    store.keep_learned(b"one").unwrap();
    store.keep_learned(&[0; 100_000]).unwrap();
    drop(store);
    assert_eq!(Store::open(home.path()).unwrap().learned().unwrap(), Some(vec![0; 100_000]));
}
