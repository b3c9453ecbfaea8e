//! A disk that refuses writes: made by the limit that the system puts on the size of files.

use std::path::Path;
use std::process::Command;

use freehold_store::{Recorder, Store};
use freehold_wire::Call;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::sample::{call, roomy};

const CHILD_HOME: &str = "FREEHOLD_STORE_TEST_LIMITED_HOME";

/// The test runs itself again as a child, because the limit holds for a whole process; the shell makes the child
/// get an error for a write beyond the limit and no signal.
#[test]
fn refused_writes_are_counted_and_recording_comes_back() {
    if let Some(home) = std::env::var_os(CHILD_HOME) {
        return record_through_refusals(Path::new(&home));
    }
    let home = tempfile::tempdir().unwrap();
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "failed_writes::refused_writes_are_counted_and_recording_comes_back", "--nocapture"])
        .env(CHILD_HOME, home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");

    let store = Store::open(home.path()).unwrap();
    let dropped: u64 = said.lines().find_map(|line| line.strip_prefix("dropped ")).unwrap().parse().unwrap();
    let recorded: u64 = said.lines().find_map(|line| line.strip_prefix("recorded ")).unwrap().parse().unwrap();
    assert_eq!(store.gaps().unwrap().iter().map(|gap| gap.calls).sum::<u64>(), dropped);
    assert_eq!(store.cases("triage").unwrap().len() as u64, recorded);
    let sound = rusqlite::Connection::open(store.path())
        .and_then(|raw| raw.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)));
    assert_eq!(sound.unwrap(), "ok");
}

fn record_through_refusals(home: &Path) {
    let store = Store::open(home).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    assert!(record(&recorder, 0));
    assert!(recorder.flush());
    // Neither the store nor a new file of the log can grow beyond this.
    setrlimit(Resource::Fsize, Rlimit { current: Some(1 << 19), maximum: None }).unwrap();
    let first_refused = (1..500).find(|n| !record(&recorder, *n)).unwrap();
    for n in 500..510 {
        assert!(!record(&recorder, n), "a refusing disk took call {n} after refusing call {first_refused}");
    }
    assert!(recorder.stats().last_error.is_some());
    assert!(store.call("0").unwrap().is_some(), "reading goes on");

    setrlimit(Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
    while !record(&recorder, 600) {
        std::thread::yield_now();
    }
    recorder.close();
    let stats = recorder.stats();
    assert_eq!(stats.last_error, None);
    assert!(stats.dropped >= 11, "{stats:?}");
    eprintln!("\ndropped {}\nrecorded {}", stats.dropped, stats.recorded);
}

fn record(recorder: &Recorder, n: i64) -> bool {
    // Of few repeated bytes, so that the store cannot make them small.
    let mut state = n as u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let response = (0..50_000).map(|_| byte()).collect();
    recorder.record(Call { response, ..call(&n.to_string(), n) }).wait()
}
