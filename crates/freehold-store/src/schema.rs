//! The version of the file, the way to it, and how connections are set up.
//!
//! Nothing is written to a file before it is known to be ours and not newer than this program.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::Error;
use crate::room;

#[cfg(test)]
mod tests;

/// The mark of our files in the database header: `Free` in ASCII.
const APPLICATION_ID: i32 = 0x4672_6565;
/// The page size of new files: bodies of a few kilobytes then need few overflow pages.
const PAGE_BYTES: u32 = 8192;
/// How long a statement waits for another process to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// The write-ahead log is cut back to this size when it starts over.
const LOG_KEPT_BYTES: i64 = 64 << 20;
const BACKUP_PAGES_STEP: i32 = 1024;
/// One statement, so that it sees one moment of a file that another process may be creating.
const SELECT_VERSION: &str = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) \
    FROM pragma_application_id, pragma_user_version";

/// A change of the schema from one version to the next.
pub(crate) struct Migration {
    /// The version that the file has afterwards.
    pub(crate) to: u32,
    /// The statements.
    pub(crate) sql: &'static str,
}

/// All migrations, oldest first; an empty file starts at version 0.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { to: 1, sql: include_str!("schema/v1.sql") },
    Migration { to: 2, sql: include_str!("schema/v2.sql") },
    Migration { to: 3, sql: include_str!("schema/v3.sql") },
    Migration { to: 4, sql: include_str!("schema/v4.sql") },
    Migration { to: 5, sql: include_str!("schema/v5.sql") },
    Migration { to: 6, sql: include_str!("schema/v6.sql") },
    Migration { to: 7, sql: include_str!("schema/v7.sql") },
    Migration { to: 8, sql: include_str!("schema/v8.sql") },
    Migration { to: 9, sql: include_str!("schema/v9.sql") },
];

/// What a connection is for; it decides about its memory and its part in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reads, small writes and imports.
    Main,
    /// Recording.
    Record,
    /// Watching for changes and checkpoints; touches no rows.
    Watch,
}

/// With whom a process shares the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// With other processes, through a small file beside it that SQLite makes for as long as anybody has it open.
    All,
    /// With nobody: where the disk has no room for that file, its content is kept in memory.
    None,
}

/// Opens the store's file as `open_for` does, for this process alone where the disk is too full to share it.
pub(crate) fn open(path: &Path, migrations: &[Migration]) -> Result<(Connection, Sharing), Error> {
    match open_for(path, migrations, Sharing::All) {
        Err(Error::Open { source, .. }) if room::is_full(&source) => {
            let opened = open_for(path, migrations, Sharing::None)?;
            tracing::warn!("the disk is full: until this process ends no other can open {}", path.display());
            Ok((opened, Sharing::None))
        }
        outcome => Ok((outcome?, Sharing::All)),
    }
}

/// Opens the store's file, creates or migrates it, and returns the main connection.
fn open_for(path: &Path, migrations: &[Migration], sharing: Sharing) -> Result<Connection, Error> {
    let supported = migrations.last().map_or(0, |last| last.to);
    let _opening = lock(path)?;
    let fail = |source| open_error(path, source);
    let mut connection = begin(path, sharing).map_err(fail)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    let found = version(&connection, path)?;
    if found > supported {
        return Err(Error::Newer { path: path.to_owned(), found, supported });
    }
    if found == 0 {
        connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(fail)?;
    }
    if found != 0 && found < supported {
        back_up(&connection, &backup_path(path, found))?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).map_err(fail)?;
    if found < supported {
        migrate(&mut connection, path, migrations)?;
    }
    set_up(&connection, Purpose::Main).map_err(fail)?;
    Ok(connection)
}

/// Lets one process at a time create or migrate the file: SQLite does not wait for another where the journal's kind
/// is changed, and two would make two copies. The lock ends with the returned file.
fn lock(path: &Path) -> Result<File, Error> {
    let path = path.with_extension("lock");
    let opened = File::options().create(true).append(true).open(&path);
    let locked = opened.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Error::Lock { path, source })
}

/// Opens another connection to a file that `open` has seen.
pub(crate) fn connect(path: &Path, purpose: Purpose, sharing: Sharing) -> Result<Connection, Error> {
    let fail = |source| open_error(path, source);
    let connection = begin(path, sharing).map_err(fail)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    set_up(&connection, purpose).map_err(fail)?;
    Ok(connection)
}

fn begin(path: &Path, sharing: Sharing) -> rusqlite::Result<Connection> {
    match sharing {
        Sharing::None if cfg!(unix) => Connection::open_with_flags_and_vfs(path, OpenFlags::default(), "unix-excl"),
        _ => Connection::open(path),
    }
}

/// Reads the version of the file, 0 for an empty one.
fn version(connection: &Connection, path: &Path) -> Result<u32, Error> {
    let fail = |source| open_error(path, source);
    let (application, version, tables): (i32, i64, i64) =
        connection.query_row(SELECT_VERSION, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(fail)?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    let foreign = |found: String| Error::Foreign { path: path.to_owned(), found };
    if application != APPLICATION_ID {
        return Err(foreign("a SQLite database of another program".to_owned()));
    }
    match u32::try_from(version) {
        Ok(version) if version > 0 => Ok(version),
        _ => Err(foreign(format!("schema version {version}"))),
    }
}

fn open_error(path: &Path, source: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::Foreign { path, found: "not a SQLite database".to_owned() },
        Some(ErrorCode::DatabaseCorrupt) => Error::Foreign { path, found: "a damaged SQLite database".to_owned() },
        _ => Error::Open { path, source },
    }
}

/// Returns where the copy of a file of that version goes; an earlier copy is never written over.
fn backup_path(path: &Path, version: u32) -> PathBuf {
    let name = |suffix: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let first = name(format!(".backup-v{version}"));
    if !first.exists() {
        return first;
    }
    (2_u32..).map(|nth| name(format!(".backup-v{version}.{nth}"))).find(|path| !path.exists()).unwrap_or(first)
}

fn back_up(from: &Connection, path: &Path) -> Result<(), Error> {
    let fail = |source| Error::Backup { path: path.to_owned(), source };
    let mut to = Connection::open(path).map_err(fail)?;
    let backup = Backup::new(from, &mut to).map_err(fail)?;
    backup.run_to_completion(BACKUP_PAGES_STEP, Duration::ZERO, None).map_err(fail)
}

/// Runs the missing migrations in one transaction.
fn migrate(connection: &mut Connection, path: &Path, migrations: &[Migration]) -> Result<(), Error> {
    let supported = migrations.last().map_or(0, |last| last.to);
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(Error::sql("begin the migration"))?;
    let from = version(&transaction, path)?;
    let fail = |source| Error::Migrate { from, to: supported, source };
    for migration in migrations.iter().filter(|migration| migration.to > from) {
        transaction.execute_batch(migration.sql).map_err(fail)?;
    }
    if from < supported {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
        transaction.pragma_update(None, "user_version", supported).map_err(fail)?;
    }
    transaction.commit().map_err(fail)
}

fn set_up(connection: &Connection, purpose: Purpose) -> rusqlite::Result<()> {
    let (cache_kib, checkpoint_pages) = match purpose {
        Purpose::Main => (64 << 10, 2048),
        Purpose::Record => (8 << 10, 2048),
        Purpose::Watch => (256, 0),
    };
    // What is recorded stays in the log until it is known to be on the disk here.
    let synchronous = if purpose == Purpose::Record { "normal" } else { "full" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT_BYTES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", checkpoint_pages, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}
