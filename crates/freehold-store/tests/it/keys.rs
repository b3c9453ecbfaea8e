//! Virtual keys and what they spend: kept, changed, revoked, and noticed by others.

use freehold_store::{
    Budget, Error, ErrorKind, Key, KeySecret, KeyTerms, Period, Rate, Spent, Store, Unit, UnknownPrice,
};

use crate::sample::{call, store};

fn secret(fill: u8, created_ms: i64) -> KeySecret {
    KeySecret { digest: [fill; 32], prefix: format!("fh-{fill}"), created_ms, until_ms: None }
}

fn key(name: &str) -> Key {
    let terms = KeyTerms {
        steps: vec!["triage".to_owned()],
        models: vec!["gpt-*".to_owned()],
        budgets: vec![Budget { amount: 50_000_000, unit: Unit::Microusd, period: Period::Month }],
        rate: Some(Rate { calls: 10, per_s: 1 }),
        concurrent: Some(8),
        unknown_price: UnknownPrice::Allow,
    };
    let secrets = vec![secret(1, 10)];
    Key { name: name.to_owned(), created_ms: 10, expires_ms: Some(99), revoked_ms: None, terms, secrets }
}

#[test]
fn key_comes_back_as_it_was_added_and_its_name_is_taken_for_good() {
    let (home, store) = store();
    assert_eq!(store.keys().unwrap(), []);
    store.add_key(&key("ci")).unwrap();
    assert_eq!(Store::open(home.path()).unwrap().keys().unwrap(), [key("ci")]);
    let taken = store.add_key(&Key { secrets: vec![secret(2, 0)], ..key("ci") }).unwrap_err();
    assert!(matches!(&taken, Error::KeyTaken(name) if name == "ci"));
    assert_eq!((taken.kind(), store.keys().unwrap().len()), (ErrorKind::User, 1));
    store.revoke_key("ci", 50).unwrap();
    assert!(matches!(store.add_key(&key("ci")).unwrap_err(), Error::KeyTaken(_)));
}

#[test]
fn rotated_key_has_two_secrets_and_drops_those_past_their_grace() {
    let (_home, store) = store();
    store.add_key(&key("ci")).unwrap();
    store.rotate_key("ci", &secret(2, 100), 500).unwrap();
    let until = |fill, created_ms, until_ms| KeySecret { until_ms, ..secret(fill, created_ms) };
    assert_eq!(store.keys().unwrap()[0].secrets, [secret(2, 100), until(1, 10, Some(500))]);
    // A later grace does not make an old secret good for longer.
    store.rotate_key("ci", &secret(3, 200), 900).unwrap();
    let expected = [secret(3, 200), until(2, 100, Some(900)), until(1, 10, Some(500))];
    assert_eq!(store.keys().unwrap()[0].secrets, expected);
    store.rotate_key("ci", &secret(4, 600), 700).unwrap();
    let expected = [secret(4, 600), until(3, 200, Some(700)), until(2, 100, Some(700))];
    assert_eq!(store.keys().unwrap()[0].secrets, expected);
}

#[test]
fn unknown_and_revoked_keys_are_neither_rotated_nor_changed() {
    let (_home, store) = store();
    store.add_key(&key("ci")).unwrap();
    store.revoke_key("ci", 50).unwrap();
    assert_eq!(store.keys().unwrap()[0].revoked_ms, Some(50));
    let terms = KeyTerms::default();
    assert!(matches!(store.rotate_key("ci", &secret(2, 60), 60), Err(Error::KeyRevoked(_))));
    assert!(matches!(store.change_key("ci", &terms, None), Err(Error::KeyRevoked(_))));
    assert!(matches!(store.revoke_key("ci", 70), Err(Error::KeyRevoked(_))));
    assert!(matches!(store.rotate_key("cd", &secret(2, 60), 60), Err(Error::UnknownKey(_))));
    assert!(matches!(store.revoke_key("cd", 60), Err(Error::UnknownKey(_))));
}

#[test]
fn version_changes_with_keys_and_with_nothing_else() {
    let (_home, store) = store();
    let mut last = store.keys_version().unwrap();
    let mut has_changed = |store: &Store| {
        let before = std::mem::replace(&mut last, store.keys_version().unwrap());
        before != last
    };
    store.import(&[call("x", 1)]).unwrap();
    store.keep_spent(&[]).unwrap();
    assert!(!has_changed(&store));
    store.add_key(&key("ci")).unwrap();
    assert!(has_changed(&store));
    store.change_key("ci", &KeyTerms::default(), None).unwrap();
    assert!(has_changed(&store));
    assert_eq!(store.keys().unwrap()[0].terms, KeyTerms::default());
    store.rotate_key("ci", &secret(2, 60), 60).unwrap();
    assert!(has_changed(&store));
    store.revoke_key("ci", 70).unwrap();
    assert!(has_changed(&store));
}

#[test]
fn spending_of_a_later_moment_takes_the_place_of_the_earlier_one() {
    let (home, store) = store();
    let spent =
        |period, start_ms, tokens| Spent { holder: "key:ci".to_owned(), period, start_ms, microusd: u64::MAX, tokens };
    store.keep_spent(&[spent(Period::Hour, 1, 5), spent(Period::Day, 0, 7)]).unwrap();
    store.keep_spent(&[spent(Period::Hour, 2, 1)]).unwrap();
    let kept = Store::open(home.path()).unwrap().spent().unwrap();
    let capped = |spent: Spent| Spent { microusd: i64::MAX as u64, ..spent };
    assert_eq!(kept, [capped(spent(Period::Day, 0, 7)), capped(spent(Period::Hour, 2, 1))]);
}
