//! A disk that is full when the store is opened: a small one, mounted for a child of the test alone.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use freehold_store::{Error, Recorder, Store};

use crate::sample::{call, roomy};

const CHILD_DISK: &str = "FREEHOLD_STORE_TEST_SMALL_DISK";
const MOUNT: &str = "mount -t tmpfs -o size=4m none \"$0\" && echo mounted >&2 && exec \"$@\"";

#[test]
fn full_disk_is_opened_and_recorded_on_once_there_is_room() {
    if let Some(disk) = std::env::var_os(CHILD_DISK) {
        return on_a_full_disk(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", MOUNT])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "no_room::full_disk_is_opened_and_recorded_on_once_there_is_room", "--nocapture"])
        .env(CHILD_DISK, disk.path())
        .output();
    let said = child.as_ref().map_or_else(ToString::to_string, |child| String::from_utf8_lossy(&child.stderr).into());
    match child {
        Ok(child) if said.contains("mounted") => assert!(child.status.success(), "{said}"),
        _ => eprintln!("skipped: no small disk can be mounted here: {said}"),
    }
}

fn on_a_full_disk(disk: &Path) {
    let home = disk.join("home");
    let store = Store::open(&home).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    assert!(recorder.record(call("before", 1)).wait());
    recorder.close();
    drop((recorder, store));
    let log = std::fs::read_dir(home.join("log")).unwrap().map(|entry| entry.unwrap().path());
    log.filter(|path| path.extension().is_some()).for_each(|path| std::fs::remove_file(path).unwrap());
    let mut filler = File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}

    let store = Store::open(&home).unwrap();
    let recorder = store.recorder(roomy()).unwrap();
    assert!(!record(&recorder, 2) && !record(&recorder, 3));
    let stats = recorder.stats();
    assert_eq!((stats.recorded, stats.dropped), (0, 2));
    assert!(stats.last_error.unwrap().contains("space"));
    assert!(store.call("before").unwrap().is_some(), "reading goes on");
    assert!(store.import(&[call("imported", 4)]).unwrap_err().to_string().contains(" is full: 0 bytes are free"));
    // A store that is not there yet needs room to begin with.
    let new = disk.join("new");
    let wanted = match Store::open(&new) {
        Err(Error::Full { free_bytes: Some(0), wanted_bytes, .. }) => wanted_bytes.unwrap(),
        opened => unreachable!("{:?}", opened.err()),
    };
    filler.set_len(filler.metadata().unwrap().len() - wanted).unwrap();
    drop(Store::open(&disk.join("just enough")).unwrap());

    filler.set_len(0).unwrap();
    assert_eq!(Store::open(&new).unwrap().gaps().unwrap(), []);
    let mut at_ms = 4;
    while !record(&recorder, at_ms) {
        at_ms += 1;
        std::thread::yield_now();
    }
    assert!(recorder.flush());
    recorder.close();
    let dropped = recorder.stats().dropped;
    drop((recorder, store));
    let store = Store::open(&home).unwrap();
    assert_eq!(store.gaps().unwrap().iter().map(|gap| gap.calls).sum::<u64>(), dropped);
    assert_eq!(store.cases("triage").unwrap().len(), 2);
}

fn record(recorder: &Recorder, at_ms: i64) -> bool {
    recorder.record(call(&at_ms.to_string(), at_ms)).wait()
}
