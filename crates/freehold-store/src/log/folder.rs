//! The folder of the log: who may write to it, how the last one left it, and which files are in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::log::segment::{Head, Spare};

const FOLDER: &str = "log";
const LOCK: &str = "lock";
const EXTENSION: &str = "log";
/// No state that this program writes is longer.
const STATE_BYTES_MAX: u64 = 256;

/// The folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

/// How the log was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Closed, with everything up to this number in the store.
    Clean(u64),
    /// In use since the start of the machine that this names, where it can be named.
    Open(String),
    /// No telling.
    Unknown,
}

impl Folder {
    /// Returns whether a home folder has a log.
    pub(crate) fn is_in(home: &Path) -> bool {
        home.join(FOLDER).join(LOCK).exists()
    }

    /// Takes the folder, made where it is missing; `None` while another holds it.
    pub(crate) fn take(home: &Path) -> io::Result<Option<Self>> {
        let path = home.join(FOLDER);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        let lock = File::options().create(true).truncate(false).read(true).write(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { path, lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Lets others take the folder, while this value lives on.
    pub(crate) fn release(&self) -> io::Result<()> {
        self.lock.unlock()
    }

    /// Returns how the log was left.
    pub(crate) fn state(&self) -> State {
        let mut text = String::new();
        let mut lock = &self.lock;
        let read = lock.rewind().and_then(|()| lock.take(STATE_BYTES_MAX).read_to_string(&mut text));
        match (read, text.lines().next().and_then(|line| line.split_once(' '))) {
            (Ok(_), Some(("clean", number))) => number.parse().map_or(State::Unknown, State::Clean),
            (Ok(_), Some(("open", since))) => State::Open(since.to_owned()),
            _ => State::Unknown,
        }
    }

    /// Keeps how the log is left; on the disk after `sync_state`.
    pub(crate) fn set_state(&self, state: &State) -> io::Result<()> {
        let text = match state {
            State::Clean(number) => format!("clean {number}\n"),
            State::Open(since) => format!("open {since}\n"),
            State::Unknown => String::new(),
        };
        let mut lock = &self.lock;
        // What is there is written over, since a full disk may not give back the room of what is cut off.
        lock.rewind()?;
        lock.write_all(text.as_bytes())?;
        lock.set_len(text.len() as u64)
    }

    /// Brings the word of how the log is left to the disk.
    pub(crate) fn sync_state(&self) -> io::Result<()> {
        self.lock.sync_data()
    }

    /// Opens every file of the log; what cannot be opened is an error, because it may hold calls.
    pub(crate) fn files(&self) -> io::Result<Vec<(Spare, Option<Head>)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                files.push(Spare::open(&path)?);
            }
        }
        Ok(files)
    }

    /// Returns where the file of that number goes.
    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:06}.{EXTENSION}"))
    }

    /// Returns the number of a file.
    pub(crate) fn number(path: &Path) -> Option<u64> {
        path.file_stem()?.to_str()?.parse().ok()
    }

    /// Brings the names of new files to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.path)?.sync_all() } else { Ok(()) }
    }
}

/// Returns the name that this start of the machine has, where the system gives it one.
pub(crate) fn this_boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.trim().is_empty() { "unknown".to_owned() } else { id.trim().to_owned() }
}
