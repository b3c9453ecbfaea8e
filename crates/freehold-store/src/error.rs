//! What can go wrong with the store, whose move it is, and the next step.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::room;
use crate::seal::SealError;

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The home folder could not be made.
    #[error("could not create the home folder {}", path.display())]
    Home {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file that keeps others away while the store is opened could not be locked.
    #[error("could not lock {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database file could not be opened.
    #[error("could not open the store {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The file is not a database, is damaged, or belongs to another program.
    #[error("{} is not a freehold store: {found}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// The store was written by a newer version of the program.
    #[error("the store {} has schema version {found}, this program knows versions up to {supported}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version that this program knows.
        supported: u32,
    },
    /// The copy that is made before a migration failed; nothing was changed.
    #[error("could not back up the store to {} before migrating it", path.display())]
    Backup {
        /// The copy.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A migration failed and was undone.
    #[error("could not migrate the store from schema version {from} to {to}; it is left as it was")]
    Migrate {
        /// The version in the file.
        from: u32,
        /// The version wanted.
        to: u32,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The log of new calls could not be opened.
    #[error("could not open the log of new calls in {}", path.display())]
    Log {
        /// The home folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process records into the home folder.
    #[error("another process records into {}", path.display())]
    Recording {
        /// The home folder.
        path: PathBuf,
    },
    /// The thread that records calls could not be started.
    #[error("could not start the recorder's thread")]
    Thread(#[source] std::io::Error),
    /// The disk is full; what the store has is kept.
    #[error("the disk of {} is full: {}", path.display(), room::told(*free_bytes, *wanted_bytes))]
    Full {
        /// The home folder.
        path: PathBuf,
        /// What is free, where the system tells.
        free_bytes: Option<u64>,
        /// What a new store takes, where there is none yet.
        wanted_bytes: Option<u64>,
        /// What failed for it.
        source: Box<Error>,
    },
    /// A statement failed.
    #[error("could not {doing}")]
    Sql {
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A stored value cannot be read as what it should be.
    #[error("the store holds {what} that cannot be read: {found}")]
    Unreadable {
        /// The kind of value.
        what: &'static str,
        /// What is wrong with it; never the content of a body.
        found: String,
    },
    /// A value cannot be written as JSON.
    #[error("could not write {what} as JSON")]
    Json {
        /// The kind of value.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// The store was sealed, and no key was given.
    #[error("the store {} is sealed with the key {id}, and no key is given", path.display())]
    KeyMissing {
        /// The file.
        path: PathBuf,
        /// The public name of the key.
        id: String,
    },
    /// The store was sealed with another key.
    #[error("the store {} is sealed with the key {id}, and the key {given} is given", path.display())]
    KeyWrong {
        /// The file.
        path: PathBuf,
        /// The public name of its key.
        id: String,
        /// The public name of the key that was given.
        given: String,
    },
    /// Something cannot be sealed or opened.
    #[error("could not seal or open what is kept")]
    Seal(#[from] SealError),
    /// There is no assessment of that id.
    #[error("no assessment has the id {0:?}")]
    UnknownAssessment(String),
    /// There is no key of that name.
    #[error("no key has the name {0:?}")]
    UnknownKey(String),
    /// There is, or was, another key of that name.
    #[error("the name {0:?} is, or was, that of another key: records and spend carry it")]
    KeyTaken(String),
    /// The key was revoked.
    #[error("the key {0:?} was revoked")]
    KeyRevoked(String),
}

/// Whose move it is after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The user can change something: a path, a version, the room on the disk.
    User,
    /// The program or the file is at fault.
    Internal,
    /// Another process holds the store; trying again can help.
    Busy,
}

impl Error {
    /// Returns whose move it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Home { .. }
            | Error::Lock { .. }
            | Error::Log { .. }
            | Error::Full { .. }
            | Error::Foreign { .. }
            | Error::Newer { .. }
            | Error::KeyMissing { .. }
            | Error::KeyWrong { .. }
            | Error::UnknownAssessment(_)
            | Error::UnknownKey(_)
            | Error::KeyTaken(_)
            | Error::KeyRevoked(_) => ErrorKind::User,
            Error::Recording { .. } => ErrorKind::Busy,
            Error::Thread(_) | Error::Unreadable { .. } | Error::Json { .. } | Error::Seal(_) => ErrorKind::Internal,
            Error::Open { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
                _ => ErrorKind::User,
            },
            Error::Backup { source, .. } | Error::Migrate { source, .. } | Error::Sql { source, .. } => {
                sql_kind(source)
            }
        }
    }

    /// Returns the next step, where there is one to name.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Recording { .. } => {
                "stop the other `freehold up`, or name another folder with --home or FREEHOLD_HOME"
            }
            Error::Full { free_bytes, wanted_bytes, .. } => return Some(room::advice(*free_bytes, *wanted_bytes)),
            Error::Home { .. } | Error::Lock { .. } | Error::Log { .. } | Error::Open { .. } => {
                "name a folder that can be written with --home or FREEHOLD_HOME"
            }
            Error::Foreign { .. } => "move the file away, or name another folder with --home or FREEHOLD_HOME",
            Error::Newer { .. } => {
                "use the newer program again, or restore the freehold.db.backup-v* file that the upgrade left beside it"
            }
            Error::KeyMissing { .. } => {
                "set record.encrypt_key, such as encrypt_key = \"${FREEHOLD_STORE_KEY}\" below [record]"
            }
            Error::KeyWrong { .. } => "give the key that the store was sealed with, or another folder with --home",
            Error::UnknownAssessment(_) => "list the assessments to see their ids",
            Error::UnknownKey(_) => "`freehold keys list` shows the names",
            Error::KeyTaken(_) => "choose another name; `freehold keys rotate` gives a key another secret",
            Error::KeyRevoked(_) => "a revoked key stays revoked: add one under another name",
            Error::Thread(_) | Error::Unreadable { .. } | Error::Json { .. } | Error::Seal(_) => return None,
            Error::Backup { source, .. } | Error::Migrate { source, .. } | Error::Sql { source, .. } => {
                return sql_hint(source).map(str::to_owned);
            }
        };
        Some(text.to_owned())
    }

    /// Returns a closure that names what was attempted, for `map_err`.
    pub(crate) fn sql(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        move |source| Error::Sql { doing, source }
    }
}

fn sql_kind(source: &rusqlite::Error) -> ErrorKind {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            ErrorKind::User
        }
        _ => ErrorKind::Internal,
    }
}

fn sql_hint(source: &rusqlite::Error) -> Option<&'static str> {
    match source.sqlite_error_code()? {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some("another process is writing; try again"),
        ErrorCode::DiskFull => Some("make room on the disk that holds the home folder"),
        ErrorCode::SystemIoFailure => Some("check the disk that holds the home folder and the room left on it"),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            Some("make the home folder and the files in it writable")
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some("restore the file from a backup"),
        _ => None,
    }
}
