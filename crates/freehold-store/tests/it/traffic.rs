//! The sums of days, and what becomes of a file that had none.

use std::fs;

use freehold_store::{DayTraffic, Store};
use freehold_wire::{Api, Call, Usage};
use rusqlite::Connection;

use crate::sample::{call, failed, store};

const DAY_MS: i64 = 86_400_000;

fn row(day: i32, model: &str, key: Option<&str>, calls: u64) -> DayTraffic {
    DayTraffic {
        day,
        step: "triage".into(),
        api: Api::OpenAiChat,
        upstream: "vendor".into(),
        model: model.into(),
        key: key.map(Into::into),
        calls,
        failures: 0,
        usage_calls: calls,
        estimated_calls: 0,
        input: calls * 100,
        cache_read: calls * 10,
        cache_write: 0,
        output: calls * 7,
        reasoning: 0,
    }
}

#[test]
fn calls_are_summed_by_day_model_and_key() {
    let (_home, store) = store();
    let keyed = |id: &str, at_ms, key: &str| Call { key: Some(key.to_owned()), ..call(id, at_ms) };
    let usage = Some(Usage { input: 50, cache_read: 5, cache_write: 4, output: 3, reasoning: 2 });
    store
        .import(&[
            call("before 1970", -1),
            call("a", 5 * DAY_MS),
            call("b", 6 * DAY_MS - 1),
            failed("c", 5 * DAY_MS + 1),
            keyed("d", 5 * DAY_MS, "billing"),
        ])
        .unwrap();
    store
        .import(&[
            keyed("e", 5 * DAY_MS, "billing"),
            Call { usage, is_estimated: true, ..call("f", 6 * DAY_MS) },
            Call { served_model: Some("small".to_owned()), ..call("g", 6 * DAY_MS) },
        ])
        .unwrap();
    let estimated = DayTraffic {
        estimated_calls: 1,
        input: 50,
        cache_read: 5,
        cache_write: 4,
        output: 3,
        reasoning: 2,
        ..row(6, "large", None, 1)
    };
    let sorted = |from, to| {
        let mut rows = store.traffic(from, to).unwrap();
        rows.sort_by(|a, b| (a.day, &a.model, &a.key).cmp(&(b.day, &b.model, &b.key)));
        rows
    };
    let fifth = [DayTraffic { calls: 3, failures: 1, ..row(5, "large", None, 2) }, row(5, "large", Some("billing"), 2)];
    assert_eq!(sorted(5, 5), fifth);
    assert_eq!(sorted(6, 6), [estimated, row(6, "small", None, 1)]);
    assert_eq!(sorted(-1, -1), [row(-1, "large", None, 1)]);
    assert_eq!(sorted(i32::MIN, i32::MAX).len(), 5);
    assert!(sorted(7, 400).is_empty());

    assert_eq!(step_sums(&store), [("large".to_owned(), 7, 1, 550), ("small".to_owned(), 1, 0, 100)]);
}

/// The models of the first step with their calls, failures and prompt tokens, over all keys and days.
fn step_sums(store: &Store) -> Vec<(String, u64, u64, u64)> {
    let steps = store.steps().unwrap();
    steps[0].traffic.iter().map(|row| (row.model.clone(), row.calls, row.failures, row.input)).collect()
}

#[test]
fn moments_beyond_the_calendar_are_kept_on_its_last_days() {
    let (_home, store) = store();
    store.import(&[call("first", i64::MIN), call("last", i64::MAX)]).unwrap();
    let days: Vec<_> = store.traffic(i32::MIN, i32::MAX).unwrap().iter().map(|row| row.day).collect();
    assert_eq!(days, [i32::MIN, i32::MAX]);
}

/// A file as version 1 left it: its sums are wrong on purpose, to show that they are made anew from the calls.
fn first_version(home: &std::path::Path) {
    let old = Connection::open(home.join("freehold.db")).unwrap();
    old.execute_batch(include_str!("../../src/schema/v1.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO name (id, text) VALUES (1, 'openai.chat'), (2, 'vendor'), (3, 'large'), (4, 'small'), (5, 'head');
         INSERT INTO step (id, name, found_by, calls, failures, first_at_ms, last_at_ms)
            VALUES (1, 'triage', 'head', 5, 2, -1, 172800000);
         INSERT INTO traffic VALUES (1, 1, 2, 3, 99, 99, 99, 99, 99);
         INSERT INTO call (row, id, at_ms, step, found_by, api, upstream, model, served_model, answered, streamed, status,
            generation, failure_kind, failure_message, input, cache_read, output, total_us) VALUES
            (1, 'a', -1, 1, 5, 1, 2, 3, NULL, 1, 0, 200, 0, NULL, NULL, 100, 10, 7, 1),
            (2, 'b', 86400000, 1, 5, 1, 2, 3, NULL, 1, 0, 200, 0, NULL, NULL, 100, 10, 7, 1),
            (3, 'c', 172799999, 1, 5, 1, 2, 3, NULL, 0, 0, 429, 0, NULL, NULL, NULL, NULL, NULL, 1),
            (4, 'd', 172799999, 1, 5, 1, 2, 3, NULL, 0, 0, 200, 0, 'cut', 'early', NULL, NULL, NULL, 1),
            (5, 'e', 172800000, 1, 5, 1, 2, 3, 4, 1, 0, 200, 0, NULL, NULL, 9223372036854775807, 10, 7, 1);
         INSERT INTO body SELECT row, CAST('request' AS BLOB), CAST('response' AS BLOB) FROM call;
         PRAGMA application_id = 0x46726565; PRAGMA user_version = 1;",
    )
    .unwrap();
}

#[test]
fn file_of_the_first_version_is_carried_over_and_summed_anew() {
    let home = tempfile::tempdir().unwrap();
    first_version(home.path());
    let store = Store::open(home.path()).unwrap();
    let failures = DayTraffic { calls: 3, failures: 2, ..row(1, "large", None, 1) };
    let absurd = DayTraffic { input: 1 << 40, ..row(2, "small", None, 1) };
    assert_eq!(store.traffic(i32::MIN, i32::MAX).unwrap(), [row(-1, "large", None, 1), failures, absurd]);
    assert_eq!(step_sums(&store), [("large".to_owned(), 4, 2, 200), ("small".to_owned(), 1, 0, 1 << 40)]);

    let old = store.call("a").unwrap().unwrap();
    assert_eq!((old.key, old.is_estimated, old.request), (None, false, b"request".to_vec()));
    assert_eq!(old.usage, Some(Usage { input: 100, cache_read: 10, output: 7, ..Usage::default() }));
    assert_eq!(store.call("c").unwrap().unwrap().usage, None);
    // New calls add to what was carried over.
    store.import(&[call("new", 1)]).unwrap();
    assert_eq!(store.steps().unwrap()[0].traffic[0].calls, 5);
    assert!(fs::exists(home.path().join("freehold.db.backup-v1")).unwrap());
}

#[test]
fn loads_are_those_of_the_newest_calls() {
    let (_home, store) = store();
    let other = Call { step: "other".to_owned(), usage: None, ..call("b", 2) };
    store.import(&[call("a", 1), other, call("c", 3)]).unwrap();
    let all = store.loads(None, 10).unwrap();
    assert_eq!(
        all.iter().map(|load| (load.at_ms, load.tokens)).collect::<Vec<_>>(),
        [(3, Some(107)), (2, None), (1, Some(107))]
    );
    assert_eq!(all[0].total_us, call("c", 3).timings.total_us);
    assert_eq!(store.loads(None, 1).unwrap(), all[..1]);
    let triage: Vec<i64> = store.loads(Some("triage"), 10).unwrap().iter().map(|load| load.at_ms).collect();
    assert_eq!(triage, [3, 1]);
    assert!(store.loads(Some("nobody"), 10).unwrap().is_empty());
}
