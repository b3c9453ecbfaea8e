//! Generations: numbered, immutable, noticed by others.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use freehold_store::{Generation, NewGeneration, Route, Store};

use crate::sample::{call, store};

fn routes(model: &str) -> BTreeMap<String, Route> {
    let route = Route {
        upstream: "engine".to_owned(),
        model: model.to_owned(),
        stage: "owned".to_owned(),
        assessment: Some("a1".to_owned()),
        certificate: None,
        despite: None,
    };
    BTreeMap::from([("triage".to_owned(), route)])
}

fn new(at_ms: i64, who: &str, reason: &str, routes: BTreeMap<String, Route>) -> NewGeneration {
    NewGeneration { at_ms, who: who.to_owned(), reason: reason.to_owned(), restores: Some(7), routes }
}

#[test]
fn generations_count_up_and_the_highest_is_current() {
    let (home, store) = store();
    assert_eq!(store.generation().unwrap(), Generation::default());
    let first = store.add_generation(new(10, "ann", "adequate", routes("small"))).unwrap();
    let second = store.add_generation(new(20, "bob", "rollback", BTreeMap::new())).unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(store.generation().unwrap(), second);
    let again = Store::open(home.path()).unwrap();
    assert_eq!(again.generations().unwrap(), [first, second]);
}

#[test]
fn stored_generation_can_be_neither_changed_nor_removed() {
    let (_home, store) = store();
    let first = store.add_generation(new(10, "ann", "adequate", routes("small"))).unwrap();
    let raw = rusqlite::Connection::open(store.path()).unwrap();
    for sql in ["UPDATE generation SET who = 'eve'", "DELETE FROM generation"] {
        let error = raw.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("immutable"), "{error}");
    }
    assert_eq!(store.generations().unwrap(), [first]);
}

#[test]
fn concurrent_moves_get_different_numbers() {
    let (home, _store) = store();
    let barrier = Arc::new(Barrier::new(4));
    let movers: Vec<_> = (0..4)
        .map(|_| {
            let (store, barrier) = (Store::open(home.path()).unwrap(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                (0..10).map(|_| store.add_generation(new(1, "w", "r", routes("m"))).unwrap().number).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut numbers: Vec<_> = movers.into_iter().flat_map(|mover| mover.join().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

#[test]
fn change_token_moves_with_every_write_and_only_then() {
    let (home, store) = store();
    let other = Store::open(home.path()).unwrap();
    let before = store.change_token().unwrap();
    store.steps().unwrap();
    other.generation().unwrap();
    assert_eq!(store.change_token().unwrap(), before);
    other.add_generation(new(1, "w", "r", routes("m"))).unwrap();
    let moved = store.change_token().unwrap();
    assert_ne!(moved, before);
    assert_eq!(store.change_token().unwrap(), moved);
    store.import(&[call("a", 1)]).unwrap();
    assert_ne!(store.change_token().unwrap(), moved);
}
