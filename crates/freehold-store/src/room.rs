//! What a full disk is told as: which errors come from it, how much is free, and how much more a new store takes.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use crate::error::Error;

/// What a new store takes before its first call, rounded up; a test opens one where this is free.
const NEW_STORE_BYTES: u64 = 512 << 10;
/// A file no longer than this holds nothing yet.
const EMPTY_STORE_BYTES: u64 = 8 << 10;
const KIB: u64 = 1 << 10;

/// Whether there was a store before it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    Kept,
}

impl Age {
    /// Looks at the file.
    pub(crate) fn of(store: &Path) -> Self {
        if store.metadata().is_ok_and(|file| file.len() > EMPTY_STORE_BYTES) { Age::Kept } else { Age::New }
    }
}

/// Returns the error as that of a full disk, where it is one.
pub(crate) fn explained(error: Error, home: &Path, age: Age) -> Error {
    if !is_for_want_of_room(&error) {
        return error;
    }
    Error::Full {
        path: home.to_owned(),
        free_bytes: free_bytes(home),
        wanted_bytes: (age == Age::New).then_some(NEW_STORE_BYTES),
        source: Box::new(error),
    }
}

/// Returns whether SQLite found no room.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || code == Some(ffi::SQLITE_IOERR_SHMSIZE)
}

/// Says in words how much is free and how much a new store takes.
pub(crate) fn told(free_bytes: Option<u64>, wanted_bytes: Option<u64>) -> String {
    let free =
        free_bytes.map_or_else(|| "how much is free is not known".to_owned(), |free| format!("{free} bytes are free"));
    wanted_bytes.map_or_else(|| free.clone(), |wanted| format!("{free}, and a new store takes {wanted}"))
}

/// Returns the next step.
pub(crate) fn advice(free_bytes: Option<u64>, wanted_bytes: Option<u64>) -> String {
    let Some(wanted) = wanted_bytes else {
        return "make room on it, then try again: nothing that was in the store is lost".to_owned();
    };
    let missing = wanted.saturating_sub(free_bytes.unwrap_or(0)).div_ceil(KIB);
    let how_much =
        if missing > 0 { format!("{missing} KiB more room") } else { "room (files may be limited too)".to_owned() };
    format!("make {how_much} on it, or name a folder on another disk with --home or FREEHOLD_HOME")
}

fn is_for_want_of_room(error: &Error) -> bool {
    match error {
        Error::Home { source, .. } | Error::Lock { source, .. } | Error::Log { source, .. } => {
            matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        }
        Error::Open { source, .. }
        | Error::Backup { source, .. }
        | Error::Migrate { source, .. }
        | Error::Sql { source, .. } => is_full(source),
        _ => false,
    }
}

/// Returns what is free where a folder is or would be made.
fn free_bytes(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|folder| folder.exists())?;
    free_bytes_at(there)
}

#[cfg(target_os = "linux")]
fn free_bytes_at(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(target_os = "linux"))]
fn free_bytes_at(_: &Path) -> Option<u64> {
    None
}
