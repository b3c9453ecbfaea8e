//! Recording: receipts, limits, gaps and the end.

use std::time::Duration;

use freehold_store::{Gap, Receipt, RecorderConfig};
use freehold_wire::Call;
use rusqlite::{Connection, TransactionBehavior};

use crate::sample::{call, roomy, store};

#[tokio::test]
async fn receipt_is_true_once_the_call_can_be_read() {
    let (_home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    let one = call("one", 5);
    assert!(recorder.record(one.clone()).committed().await);
    assert_eq!(store.call("one").unwrap(), Some(one));
    let stats = recorder.stats();
    assert_eq!((stats.recorded, stats.dropped, stats.queued, stats.last_error), (1, 0, 0, None));
}

#[test]
fn close_writes_what_is_queued_and_later_calls_are_dropped() {
    let (_home, store) = store();
    let recorder = store.recorder(RecorderConfig { commit_window: Duration::from_secs(3600), ..roomy() }).unwrap();
    // The first call is committed at once; the others wait for companions until the recorder is closed.
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

#[test]
fn full_queue_drops_and_counts_and_leaves_a_gap() {
    let (_home, store) = store();
    let config = RecorderConfig { queue_calls_max: 3, ..roomy() };
    let recorder = store.recorder(config).unwrap();
    // Another writer holds the store, so that nothing leaves the queue.
    let mut other = Connection::open(store.path()).unwrap();
    let held = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let kept: Vec<_> = (0..3).map(|n| recorder.record(call(&n.to_string(), n))).collect();
    let dropped: Vec<_> = (3..8).map(|n| recorder.record(call(&n.to_string(), 100 + n))).collect();
    assert!(!dropped.into_iter().any(Receipt::wait), "an answer before the other writer is done");
    assert_eq!((recorder.stats().queued, recorder.stats().dropped), (3, 5));
    drop(held);
    assert!(kept.into_iter().all(Receipt::wait));
    recorder.close();
    let reason = "the recorder's queue was full".to_owned();
    assert_eq!(store.gaps().unwrap(), [Gap { from_ms: 103, to_ms: 107, calls: 5, reason }]);
    assert_eq!(store.cases("triage").unwrap().len(), 3);
}

#[test]
fn call_larger_than_the_queue_is_dropped_and_its_gap_stored_at_once() {
    let (_home, store) = store();
    let recorder = store.recorder(RecorderConfig { queue_bytes_max: 4096, ..roomy() }).unwrap();
    let before = store.change_token().unwrap();
    assert!(!recorder.record(Call { request: vec![b'x'; 5000], ..call("large", 1) }).wait());
    // No call follows; the gap is stored all the same.
    while store.change_token().unwrap() == before {
        std::thread::yield_now();
    }
    assert_eq!(store.gaps().unwrap().iter().map(|gap| gap.calls).sum::<u64>(), 1);
    assert!(recorder.record(call("small", 2)).wait());
    assert_eq!(recorder.stats().queued, 0);
}

#[test]
fn taken_id_is_dropped_and_counted_and_the_first_call_kept() {
    let (_home, store) = store();
    let first = call("same", 1);
    store.import(std::slice::from_ref(&first)).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    let again = Call { model: "other".to_owned(), ..call("same", 2) };
    let receipts = [recorder.record(again), recorder.record(call("new", 3))];
    assert_eq!(receipts.map(Receipt::wait), [false, true]);
    recorder.close();
    assert_eq!(store.call("same").unwrap(), Some(first));
    assert_eq!(store.gaps().unwrap()[0].calls, 1);
    assert_eq!(store.steps().unwrap()[0].calls, 2);
}

#[test]
fn gaps_close_together_are_one_row_and_others_are_not() {
    let (_home, store) = store();
    for at_ms in [10, 900, 50_000] {
        let recorder = store.recorder(RecorderConfig { queue_calls_max: 0, ..roomy() }).unwrap();
        assert!(!recorder.record(call("dropped", at_ms)).wait());
        recorder.close();
    }
    let gaps: Vec<_> = store.gaps().unwrap().iter().map(|gap| (gap.from_ms, gap.to_ms, gap.calls)).collect();
    assert_eq!(gaps, [(10, 900, 2), (50_000, 50_000, 1)]);
}

#[test]
fn dropped_recorder_still_writes_what_it_took() {
    let (_home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    let receipts: Vec<_> = (0..50).map(|n| recorder.record(call(&n.to_string(), n))).collect();
    drop(recorder);
    assert!(receipts.into_iter().all(Receipt::wait));
}

#[test]
fn several_threads_and_an_import_lose_nothing() {
    let (_home, store) = store();
    let recorder = store.recorder(roomy()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = recorder.clone();
            scope.spawn(move || {
                let receipts: Vec<_> = (0..200).map(|n| recorder.record(call(&format!("{thread}-{n}"), n))).collect();
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
}
