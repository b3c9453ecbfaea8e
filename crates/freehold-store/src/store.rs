//! The store's handle: one file, a connection for reads and small writes, and one that watches for changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use freehold_wire::Call;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::body::BodyReader;
use crate::calls::{Added, Adding, Imported};
use crate::error::Error;
use crate::interned::Interned;
use crate::keeping::Keeping;
use crate::log;
use crate::recorder::{Recorder, RecorderConfig};
use crate::room::{self, Age};
use crate::schema::{self, Purpose, Sharing};
use crate::seal::{Seal, admission};

const FILE: &str = "freehold.db";

/// The store of a home folder; clones share it.
///
/// Its methods block on the disk and on each other: call them off the async threads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// How large the store may grow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The most bytes of the database file; `None` leaves it to the disk. Reaching it is like a full disk.
    pub database_bytes_max: Option<u64>,
}

struct Inner {
    path: PathBuf,
    sharing: Sharing,
    limits: Limits,
    seal: Option<Seal>,
    bodies: BodyReader,
    importing: Mutex<Interned>,
    main: Mutex<Connection>,
    watch: Mutex<Connection>,
}

impl Store {
    /// Opens the store of a home folder, and creates folder and file where they are missing.
    ///
    /// A file of an older version is copied to `freehold.db.backup-vN` and then migrated in one transaction. A store that is there
    /// opens on a full disk too, for this process alone: it can be read, and written to once there is room.
    ///
    /// # Errors
    /// Fails when the folder cannot be written, and when the file is no store of ours or of a newer version.
    pub fn open(home: &Path) -> Result<Self, Error> {
        Self::open_with(home, Limits::default())
    }

    /// Opens the store like `open`, bounded in size.
    ///
    /// # Errors
    /// Fails like `open`.
    pub fn open_with(home: &Path, limits: Limits) -> Result<Self, Error> {
        Self::open_sealed(home, limits, None)
    }

    /// Opens the store like `open_with`; what is kept of calls is sealed with the key, from now on where there was none.
    ///
    /// # Errors
    /// Fails like `open`, and when the store was sealed with another key, or with one and none is given.
    pub fn open_sealed(home: &Path, limits: Limits, seal: Option<Seal>) -> Result<Self, Error> {
        make_home(home)?;
        let age = Age::of(&home.join(FILE));
        Self::open_in(home, limits, seal).map_err(|error| room::explained(error, home, age))
    }

    fn open_in(home: &Path, limits: Limits, seal: Option<Seal>) -> Result<Self, Error> {
        let path = home.join(FILE);
        let (mut main, sharing) = schema::open(&path, schema::MIGRATIONS)?;
        bound(&main, limits)?;
        admission::admit(&main, &path, seal.as_ref())?;
        match log::recover(&mut main, &path, seal.as_ref()) {
            Ok(0) => {}
            Ok(calls) => tracing::info!(calls, "calls that a process left in the log are in the store now"),
            // They stay in the log; what the store has can be read all the same.
            Err(error) => tracing::warn!(%error, "calls that a process left in the log cannot be moved into the store"),
        }
        let (main, watch) = (Mutex::new(main), Mutex::new(schema::connect(&path, Purpose::Watch, sharing)?));
        let bodies = BodyReader::new(seal.clone());
        let importing = Mutex::new(Interned::new(seal.clone()));
        Ok(Self { inner: Arc::new(Inner { path, sharing, limits, seal, bodies, importing, main, watch }) })
    }

    /// Returns the path of the database file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Starts a thread that records calls, on a connection of its own.
    ///
    /// # Errors
    /// Fails when the thread or its connection cannot be made.
    pub fn recorder(&self, config: RecorderConfig) -> Result<Recorder, Error> {
        self.recorder_keeping(config, Keeping::default())
    }

    /// Starts a recorder like `recorder` that keeps of each call what is to be kept, and masks it, before it writes.
    ///
    /// # Errors
    /// Fails like `recorder`.
    pub fn recorder_keeping(&self, config: RecorderConfig, keeping: Keeping) -> Result<Recorder, Error> {
        let connection = schema::connect(&self.inner.path, Purpose::Record, self.inner.sharing)?;
        bound(&connection, self.inner.limits)?;
        Recorder::start(self.clone(), connection, config, (self.inner.seal.clone(), keeping))
            .map_err(|error| self.explained(error))
    }

    /// Adds calls in one transaction; those whose id is already there are left as they are.
    ///
    /// Larger batches are quicker; some thousand calls or some megabytes are enough.
    ///
    /// # Errors
    /// Fails when the store cannot be written; then none of the batch is added.
    pub fn import(&self, batch: &[Call]) -> Result<Imported, Error> {
        let doing = "import calls";
        let mut interned = self.inner.importing.lock().unwrap_or_else(PoisonError::into_inner);
        let imported =
            self.write(doing, |transaction| add_all(transaction, &mut interned, batch).map_err(Error::sql(doing)));
        if imported.is_err() {
            interned.forget();
        }
        imported
    }

    /// Reads bodies.
    pub(crate) fn bodies(&self) -> &BodyReader {
        &self.inner.bodies
    }

    /// Returns the key that what is kept is sealed with, where there is one.
    pub(crate) fn seal(&self) -> Option<&Seal> {
        self.inner.seal.as_ref()
    }

    /// Returns a number that changes whenever anything was written to the store, by any process; cheap to poll.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn change_token(&self) -> Result<i64, Error> {
        let watch = lock(&self.inner.watch);
        watch
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(Error::sql("look for changes"))
    }

    /// Runs a read on the main connection.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        read(&lock(&self.inner.main))
    }

    /// Runs a write in one transaction that holds the write lock from its start.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut main = lock(&self.inner.main);
        let begun = main.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Error::sql(doing));
        let written = begun.and_then(|transaction| {
            let written = write(&transaction)?;
            transaction.commit().map_err(Error::sql(doing))?;
            Ok(written)
        });
        written.map_err(|error| self.explained(error))
    }

    fn explained(&self, error: Error) -> Error {
        room::explained(error, self.inner.path.parent().unwrap_or(Path::new(".")), Age::Kept)
    }
}

fn add_all(connection: &Connection, interned: &mut Interned, batch: &[Call]) -> rusqlite::Result<Imported> {
    let mut adding = Adding::begin(connection, interned)?;
    let mut imported = Imported::default();
    for call in batch {
        match adding.add(call)? {
            Added::New => imported.added += 1,
            Added::Present => imported.present += 1,
        }
    }
    adding.finish()?;
    Ok(imported)
}

/// Makes the home folder where it is missing, for its owner alone: it will hold prompts.
///
/// # Errors
/// Fails when the folder cannot be made.
pub fn make_home(home: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let failed = |source| room::explained(Error::Home { path: home.to_owned(), source }, home, Age::New);
    builder.create(home).map_err(failed)
}

/// Takes a connection even after a panic elsewhere: an unfinished transaction was rolled back as it unwound.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bound(connection: &Connection, limits: Limits) -> Result<(), Error> {
    let Some(bytes_max) = limits.database_bytes_max else { return Ok(()) };
    let doing = "bound the size of the store";
    let page_bytes: u64 =
        connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).map_err(Error::sql(doing))?.into();
    let pages_max = i64::try_from(bytes_max / page_bytes).unwrap_or(i64::MAX).max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(())).map_err(Error::sql(doing))
}
