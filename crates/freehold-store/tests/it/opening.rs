//! What is opened, what is refused, and what the refusal says.

use std::fs;
use std::path::Path;
use std::sync::Barrier;

use freehold_store::{Error, ErrorKind, Store};
use rusqlite::Connection;

use crate::sample::{call, store};

#[test]
fn store_is_made_in_a_folder_that_is_made() {
    let home = tempfile::tempdir().unwrap();
    let inner = home.path().join("a/b");
    Store::open(&inner).unwrap().import(&[call("x", 1)]).unwrap();
    assert!(Store::open(&inner).unwrap().call("x").unwrap().is_some());
    assert!(inner.join("freehold.db").is_file());
}

#[test]
fn newer_store_is_refused_with_both_versions_and_left_alone() {
    let (home, store) = store();
    store.import(&[call("x", 1)]).unwrap();
    let path = store.path().to_owned();
    drop(store);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    let before = fs::read(&path).unwrap();

    let error = Store::open(home.path()).err().unwrap();
    assert!(matches!(error, Error::Newer { found: 1_000, supported: 2.., .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::User);
    let text = error.to_string();
    assert!(text.contains("version 1000") && text.contains("up to "), "{text}");
    assert!(error.hint().unwrap().contains("backup"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Expects the file to be refused with these words, and not touched.
fn assert_foreign(home: &Path, says: &str) {
    let path = home.join("freehold.db");
    let before = fs::read(&path).unwrap();
    let error = Store::open(home).err().unwrap();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(error.kind(), ErrorKind::User);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn database_of_another_program_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let theirs = Connection::open(home.path().join("freehold.db")).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    drop(theirs);
    assert_foreign(home.path(), "another program");
}

#[test]
fn file_that_is_no_database_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("freehold.db"), "{\"not\": \"a database\"}".repeat(400)).unwrap();
    assert_foreign(home.path(), "not a SQLite database");
}

#[test]
fn truncated_store_is_an_error_and_no_empty_store() {
    let (home, store) = store();
    let batch: Vec<_> = (0..500).map(|n| call(&n.to_string(), n)).collect();
    store.import(&batch).unwrap();
    let path = store.path().to_owned();
    drop(store);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let opened = Store::open(home.path());
    let error = match opened {
        Err(error) => error,
        Ok(store) => store.cases("triage").map(|cases| cases.len()).unwrap_err(),
    };
    let hint = error.hint().unwrap();
    assert!(hint.contains("backup") || hint.contains("move the file away"), "{error:?}: {hint}");
}

#[test]
fn home_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::write(&home, "").unwrap();
    let error = Store::open(&home).err().unwrap();
    assert!(matches!(error, Error::Home { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("--home"));
}

#[test]
fn folder_in_the_place_of_the_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("freehold.db")).unwrap();
    let error = Store::open(home.path()).err().unwrap();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.to_string().contains("freehold.db"), "{error}");
}

#[test]
fn first_openings_at_once_agree() {
    for _ in 0..5 {
        let home = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(6);
        std::thread::scope(|scope| {
            for n in 0..6 {
                let (home, barrier) = (home.path(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    Store::open(home).unwrap().import(&[call(&n.to_string(), n)]).unwrap();
                });
            }
        });
        assert_eq!(Store::open(home.path()).unwrap().cases("triage").unwrap().len(), 6);
    }
}

#[cfg(unix)]
#[test]
fn folder_that_is_made_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    Store::open(&home).unwrap();
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
}
