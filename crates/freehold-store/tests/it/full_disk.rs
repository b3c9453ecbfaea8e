//! A store that can take no more: calls are dropped and counted, and recording comes back by itself.

use freehold_store::{ErrorKind, Limits, Receipt, RecorderConfig, Store};
use freehold_wire::Call;
use rusqlite::Connection;

use crate::sample::{call, noise, roomy, store};

const MIB: u64 = 1 << 20;

/// Fills the database with rows that are not ours, up to the limit of its size.
fn fill(path: &std::path::Path, bytes_max: u64) -> Connection {
    let filler = Connection::open(path).unwrap();
    let page_bytes: u64 = filler.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap().into();
    let pages_max = i64::try_from(bytes_max / page_bytes).unwrap();
    filler.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(())).unwrap();
    filler.execute("CREATE TABLE filler (bytes BLOB)", []).unwrap();
    while filler.execute("INSERT INTO filler VALUES (zeroblob(20000))", []).is_ok() {}
    while filler.execute("INSERT INTO filler VALUES (zeroblob(2000))", []).is_ok() {}
    filler
}

#[test]
fn full_store_leaves_calls_in_the_log_and_takes_them_once_it_can() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), Limits { database_bytes_max: Some(2 * MIB) }).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    assert!(recorder.record(call("before", 1_000)).wait());
    assert!(recorder.flush());
    let filler = fill(store.path(), 2 * MIB);

    let large = |id: &str, at_ms| Call { response: noise(100_000, at_ms), ..call(id, at_ms) };
    for n in 0..5 {
        assert!(recorder.record(large(&format!("waits-{n}"), 2_000 + n)).wait());
    }
    assert!(!recorder.flush());
    let stats = recorder.stats();
    assert_eq!((stats.recorded, stats.dropped, stats.queued), (6, 0, 0));
    assert_eq!((stats.indexed, stats.index_lag_calls), (1, 5));
    assert!(stats.last_error.unwrap().contains("full"));
    assert!(store.call("before").unwrap().is_some(), "reading goes on");

    filler.execute("DROP TABLE filler", []).unwrap();
    assert!(recorder.record(call("after", 3_000)).wait());
    assert!(recorder.flush());
    let stats = recorder.stats();
    assert_eq!((stats.last_error, stats.indexed, stats.index_lag_calls), (None, 7, 0));
    recorder.close();
    assert!(store.gaps().unwrap().is_empty());
    assert_eq!(store.steps().unwrap()[0].calls, 7);
}

#[test]
fn store_that_is_full_to_the_end_gets_its_calls_when_it_is_next_opened() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), Limits { database_bytes_max: Some(2 * MIB) }).unwrap();
    let filler = fill(store.path(), 2 * MIB);
    let recorder = store.recorder(roomy()).unwrap();
    for n in 0..5 {
        assert!(recorder.record(Call { response: noise(100_000, n), ..call(&n.to_string(), n) }).wait());
    }
    recorder.close();
    drop(store);
    let full = Store::open_with(home.path(), Limits { database_bytes_max: Some(2 * MIB) }).unwrap();
    assert!(full.cases("triage").unwrap().is_empty(), "it opens, and has no room yet");
    filler.execute("DROP TABLE filler", []).unwrap();
    assert_eq!(Store::open(home.path()).unwrap().cases("triage").unwrap().len(), 5);
    assert!(full.gaps().unwrap().is_empty());
}

#[test]
fn gap_is_stored_once_it_can_be_though_nobody_calls() {
    let (_home, store) = store();
    let raw = Connection::open(store.path()).unwrap();
    let refuse = "CREATE TRIGGER no_gaps BEFORE INSERT ON gap BEGIN SELECT RAISE(ABORT, 'no room for gaps'); END";
    raw.execute(refuse, []).unwrap();
    let recorder = store.recorder(RecorderConfig { log_bytes_max: 0, ..roomy() }).unwrap();
    assert!(!recorder.record(call("dropped", 7)).wait());
    while recorder.stats().index_error.is_none() {
        std::thread::yield_now();
    }
    assert!(store.gaps().unwrap().is_empty());
    raw.execute("DROP TRIGGER no_gaps", []).unwrap();
    while store.gaps().unwrap().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(store.gaps().unwrap()[0].calls, 1);
    recorder.close();
    assert_eq!(store.gaps().unwrap().len(), 1);
}

#[test]
fn full_store_refuses_an_import_whole() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), Limits { database_bytes_max: Some(MIB) }).unwrap();
    let batch: Vec<_> = (0..40).map(|n| Call { response: noise(50_000, n), ..call(&n.to_string(), n) }).collect();
    let error = store.import(&batch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.hint().unwrap().contains("room"), "{error:?}");
    assert!(store.cases("triage").unwrap().is_empty() && store.steps().unwrap().is_empty());
    assert_eq!(store.import(&batch[..5]).unwrap().added, 5);
}

#[test]
fn gap_that_cannot_be_stored_does_not_hold_up_the_end() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), Limits { database_bytes_max: Some(MIB) }).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    let raw = Connection::open(store.path()).unwrap();
    raw.execute("DROP TABLE gap", []).unwrap();
    raw.execute("DROP TABLE call", []).unwrap();
    let receipts: Vec<_> = (0..3).map(|n| recorder.record(call(&n.to_string(), n))).collect();
    assert!(receipts.into_iter().all(Receipt::wait), "the log has them");
    recorder.close();
    let stats = recorder.stats();
    assert_eq!((stats.indexed, stats.index_lag_calls), (0, 3));
    assert!(stats.last_error.unwrap().contains("no such table"));
}
