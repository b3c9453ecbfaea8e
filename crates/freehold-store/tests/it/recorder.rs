//! Recording: receipts, limits, gaps and the end.

use freehold_store::{Acknowledge, Error, ErrorKind, Gap, Receipt, RecorderConfig, Store};
use freehold_wire::{Api, Call, Digest, Instead, Kept, Reference, ReferenceKind, Usage};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;

use crate::sample::{call, failed, roomy, store};

const FULL_LOG: &str = "the log has reached its largest size and the store does not take calls from it";

/// A log that has no room for any call.
fn no_log() -> RecorderConfig {
    RecorderConfig { log_bytes_max: 0, ..roomy() }
}

fn strict() -> RecorderConfig {
    RecorderConfig { acknowledge: Acknowledge::Disk, ..roomy() }
}

#[tokio::test]
async fn recorded_call_can_be_read_after_a_flush() {
    for config in [roomy(), strict()] {
        let (_home, store) = store();
        let recorder = store.recorder(config).unwrap();
        let full = Call {
            run: Some("run 1".to_owned()),
            served_model: Some("large-2024".to_owned()),
            request: br#"{"messages":[{"role":"user","content":"hello"}]}"#.to_vec(),
            streamed: true,
            usage: Some(Usage { input: 90, cache_read: 30, cache_write: 20, output: 8, reasoning: 5 }),
            is_estimated: true,
            key: Some("billing".to_owned()),
            reference: Some(Reference { kind: ReferenceKind::Label, value: json!({"order": [1, 2.5, null, "ü"]}) }),
            generation: 3,
            kept: Kept { masked: true, instead: None },
            ..failed("full", 1_700_000_000_123)
        };
        let digest = Digest { bytes: 7, sha256: [9; 32] };
        let digests = Instead::Digests { request: digest, response: digest };
        let kept = Kept { masked: false, instead: Some(digests) };
        let bare = Call { request: Vec::new(), response: Vec::new(), kept, ..call("bare", -5) };
        assert!(recorder.record(full.clone()).committed().await);
        assert!(recorder.record(bare.clone()).committed().await);
        assert!(recorder.flush());
        assert_eq!(store.call("full").unwrap(), Some(full));
        assert_eq!(store.call("bare").unwrap(), Some(bare));
        let stats = recorder.stats();
        assert_eq!((stats.recorded, stats.dropped, stats.queued, stats.last_error), (2, 0, 0, None));
        assert_eq!((stats.indexed, stats.index_lag_calls), (2, 0));
    }
}

#[test]
fn call_is_found_as_soon_as_it_is_recorded() {
    let (_home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    let answer = |id: &str, n| Call { api: Api::OpenAiResponses, ..call(id, n) };
    for n in 0..20 {
        let id = n.to_string();
        assert_eq!(recorder.find(&id).unwrap(), None);
        assert!(recorder.record(answer(&id, n)).wait());
        assert_eq!(recorder.find(&id).unwrap(), Some(answer(&id, n)));
    }
    recorder.close();
    assert!(recorder.find("7").unwrap().is_some());
    assert_eq!(recorder.find("none").unwrap(), None);
}

/// Whoever asks for an id that nobody knows, or for an answer of a moment ago, must not make the store work through all it has
/// put off.
#[test]
fn looking_for_a_call_moves_nothing() {
    let (home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    assert!(recorder.record(call("first", 0)).wait());
    assert!(recorder.flush());
    // While another writes, the tables take nothing.
    let mut other = Connection::open(home.path().join("freehold.db")).unwrap();
    let writing = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let answer = Call { api: Api::OpenAiResponses, ..call("answer", 1) };
    assert!(recorder.record(answer.clone()).wait());
    assert_eq!(recorder.find("answer").unwrap(), Some(answer.clone()));
    assert_eq!(recorder.find("none").unwrap(), None);
    assert_eq!(recorder.stats().indexed, 1);
    writing.rollback().unwrap();
    assert!(recorder.flush());
    assert_eq!(store.call("answer").unwrap(), Some(answer));
}

#[test]
fn calls_reach_the_tables_though_nobody_asks() {
    let (_home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    for n in 0..3 {
        assert!(recorder.record(call(&n.to_string(), n)).wait());
        while store.call(&n.to_string()).unwrap().is_none() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn close_writes_what_was_taken_and_later_calls_are_dropped() {
    for config in [roomy(), strict()] {
        let (_home, store) = store();
        let recorder = store.recorder(config).unwrap();
        let receipts: Vec<_> = (0..100).map(|n| recorder.record(call(&n.to_string(), n))).collect();
        let clone = recorder.clone();
        recorder.close();
        clone.close();
        assert!(receipts.into_iter().all(Receipt::wait));
        assert_eq!(store.cases("triage").unwrap().len(), 100);
        assert!(!clone.record(call("late", 1)).wait());
        assert_eq!((recorder.stats().recorded, recorder.stats().dropped), (100, 1));
        assert_eq!(store.call("late").unwrap(), None);
    }
}

#[test]
fn full_log_drops_and_counts_and_leaves_a_gap() {
    let (_home, store) = store();
    // One file of the log and no other, and another writer that keeps the store from taking what is in it.
    let recorder = store.recorder(RecorderConfig { log_bytes_max: 1 << 20, ..roomy() }).unwrap();
    let mut other = Connection::open(store.path()).unwrap();
    let held = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let large = |n: i64| Call { response: vec![b'x'; 300_000], ..call(&n.to_string(), 100 + n) };
    let kept: Vec<_> = (0..3).map(|n| recorder.record(large(n)).wait()).collect();
    let dropped: Vec<_> = (3..8).map(|n| recorder.record(large(n)).wait()).collect();
    assert_eq!((kept, dropped), (vec![true; 3], vec![false; 5]));
    let stats = recorder.stats();
    assert_eq!((stats.dropped, stats.dropped_because[FULL_LOG], stats.log_bytes), (5, 5, 1 << 20));
    assert_eq!(stats.last_error.as_deref(), Some(FULL_LOG));
    drop(held);
    // The file is used again once its calls are in the tables.
    assert!(recorder.flush());
    assert!(recorder.record(call("after", 9)).wait());
    assert_eq!(recorder.stats().last_error, None);
    recorder.close();
    assert_eq!(store.gaps().unwrap(), [Gap { from_ms: 103, to_ms: 107, calls: 5, reason: FULL_LOG.to_owned() }]);
    assert_eq!(store.cases("triage").unwrap().len(), 4);
}

#[test]
fn call_larger_than_the_log_is_dropped_and_its_gap_stored_at_once() {
    let (_home, store) = store();
    let recorder = store.recorder(RecorderConfig { log_bytes_max: 3 << 20, ..roomy() }).unwrap();
    assert!(recorder.record(call("small", 2)).wait());
    assert!(recorder.flush());
    let before = store.change_token().unwrap();
    assert!(!recorder.record(Call { request: vec![b'x'; 4 << 20], ..call("large", 1) }).wait());
    // No call follows; the gap is stored all the same.
    while store.change_token().unwrap() == before {
        std::thread::yield_now();
    }
    assert_eq!(store.gaps().unwrap().iter().map(|gap| gap.calls).sum::<u64>(), 1);
    assert!(recorder.record(call("small too", 2)).wait());
    assert_eq!(recorder.stats().queued, 0);
}

#[test]
fn call_larger_than_a_file_of_the_log_gets_its_own() {
    let (_home, store) = store();
    let recorder = store.recorder(RecorderConfig { segment_bytes: 64 << 10, ..roomy() }).unwrap();
    let sizes = [10, 3_000_000, 20, 100_000, 70_000, 30, 60_000, 60_000];
    let of = |(n, size): (i64, usize)| Call { request: vec![n as u8; size], ..call(&n.to_string(), n) };
    let calls: Vec<_> = (0..).zip(sizes).map(of).collect();
    for call in calls.clone() {
        assert!(recorder.record(call).wait());
    }
    recorder.close();
    for call in calls {
        assert_eq!(store.call(&call.id).unwrap(), Some(call));
    }
    assert!(recorder.stats().log_bytes < 1 << 20, "files of odd sizes are not kept: {:?}", recorder.stats());
}

#[test]
fn taken_id_is_counted_and_the_first_call_kept() {
    let (_home, store) = store();
    let first = call("same", 1);
    store.import(std::slice::from_ref(&first)).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    let again = Call { model: "other".to_owned(), ..call("same", 2) };
    let receipts = [recorder.record(again), recorder.record(call("new", 3))];
    // Only the tables know which ids are taken, so the receipt cannot tell.
    assert_eq!(receipts.map(Receipt::wait), [true, true]);
    recorder.close();
    assert_eq!(store.call("same").unwrap(), Some(first));
    assert_eq!((store.gaps().unwrap()[0].calls, recorder.stats().dropped), (1, 1));
    assert_eq!(store.steps().unwrap()[0].calls, 2);
}

#[test]
fn gaps_close_together_are_one_row_and_others_are_not() {
    let (_home, store) = store();
    for at_ms in [10, 900, 50_000] {
        let recorder = store.recorder(no_log()).unwrap();
        assert!(!recorder.record(call("dropped", at_ms)).wait());
        recorder.close();
    }
    let gaps: Vec<_> = store.gaps().unwrap().iter().map(|gap| (gap.from_ms, gap.to_ms, gap.calls)).collect();
    assert_eq!(gaps, [(10, 900, 2), (50_000, 50_000, 1)]);
}

#[test]
fn dropped_recorder_still_writes_what_it_took() {
    let (home, first) = store();
    let recorder = first.recorder(roomy()).unwrap();
    let receipts: Vec<_> = (0..50).map(|n| recorder.record(call(&n.to_string(), n))).collect();
    drop(recorder);
    assert!(receipts.into_iter().all(Receipt::wait));
    // The next one waits for the log, and so for the calls.
    Store::open(home.path()).unwrap().recorder(roomy()).unwrap().close();
    assert_eq!(first.cases("triage").unwrap().len(), 50);
}

#[test]
fn second_recorder_of_a_home_is_refused() {
    let (home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    let other = Store::open(home.path()).unwrap();
    let error = other.recorder(roomy()).err().unwrap();
    assert!(matches!(error, Error::Recording { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.hint().unwrap().contains("--home"));
    recorder.close();
    other.recorder(roomy()).unwrap().close();
}

#[test]
fn several_threads_and_an_import_lose_nothing() {
    for config in [roomy(), strict(), RecorderConfig { segment_bytes: 16 << 10, ..roomy() }] {
        let (_home, store) = store();
        let recorder = store.recorder(config).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let recorder = recorder.clone();
                scope.spawn(move || {
                    let receipts: Vec<_> =
                        (0..200).map(|n| recorder.record(call(&format!("{thread}-{n}"), n))).collect();
                    assert!(receipts.into_iter().all(Receipt::wait));
                });
            }
            for batch in 0..5 {
                let calls: Vec<_> = (0..100).map(|n| call(&format!("import-{batch}-{n}"), n)).collect();
                assert_eq!(store.import(&calls).unwrap().added, 100);
            }
        });
        recorder.close();
        let steps = store.steps().unwrap();
        assert_eq!((steps[0].calls, steps[0].traffic[0].calls), (1300, 1300));
        assert_eq!(store.cases("triage").unwrap().len(), 1300);
        assert!(store.gaps().unwrap().is_empty());
    }
}

#[test]
fn log_is_used_again_and_stays_small() {
    let (home, store) = store();
    let recorder = store.recorder(RecorderConfig { segment_bytes: 32 << 10, ..roomy() }).unwrap();
    for round in 0..20 {
        for n in 0..10 {
            let id = format!("{round}-{n}");
            assert!(recorder.record(Call { request: vec![b'x'; 9_000], ..call(&id, n) }).wait());
        }
        assert!(recorder.flush());
    }
    recorder.close();
    let files =
        std::fs::read_dir(home.path().join("log")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    let bytes: u64 = files.sum();
    assert!(bytes < 500_000, "1.8 MB went through a log of {bytes} bytes");
    assert_eq!(store.cases("triage").unwrap().len(), 200);
}
