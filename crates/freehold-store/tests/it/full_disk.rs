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
fn full_store_drops_and_counts_then_records_again_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), Limits { database_bytes_max: Some(2 * MIB) }).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    assert!(recorder.record(call("before", 1_000)).wait());
    let filler = fill(store.path(), 2 * MIB);

    let large = |id: &str, at_ms| Call { response: noise(100_000, at_ms), ..call(id, at_ms) };
    for n in 0..5 {
        assert!(!recorder.record(large(&format!("lost-{n}"), 2_000 + n)).wait());
    }
    let stats = recorder.stats();
    assert_eq!((stats.recorded, stats.dropped, stats.queued), (1, 5, 0));
    assert!(stats.last_error.unwrap().contains("full"));
    assert!(store.call("before").unwrap().is_some(), "reading goes on");

    filler.execute("DROP TABLE filler", []).unwrap();
    assert!(recorder.record(large("after", 3_000)).wait());
    assert_eq!(recorder.stats().last_error, None);
    recorder.close();
    let gaps = store.gaps().unwrap();
    assert_eq!(gaps.iter().map(|gap| gap.calls).sum::<u64>(), 5);
    assert_eq!((gaps[0].from_ms, gaps[gaps.len() - 1].to_ms), (2_000, 2_004));
    assert!(gaps[0].reason.contains("full"), "{gaps:?}");
    assert_eq!(store.steps().unwrap()[0].calls, 2);
}

#[test]
fn gap_is_stored_once_it_can_be_though_nobody_calls() {
    let (_home, store) = store();
    let raw = Connection::open(store.path()).unwrap();
    let refuse = "CREATE TRIGGER no_gaps BEFORE INSERT ON gap BEGIN SELECT RAISE(ABORT, 'no room for gaps'); END";
    raw.execute(refuse, []).unwrap();
    let recorder = store.recorder(RecorderConfig { queue_calls_max: 0, ..roomy() }).unwrap();
    assert!(!recorder.record(call("dropped", 7)).wait());
    while recorder.stats().last_error.is_none() {
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
    recorder.close();
    assert!(!receipts.into_iter().any(Receipt::wait));
    let stats = recorder.stats();
    assert_eq!((stats.dropped, stats.queued), (3, 0));
    assert!(stats.last_error.unwrap().contains("no such table"));
}
