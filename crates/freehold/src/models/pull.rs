//! Fetches a model: into a file beside its place, on from where it stopped, checked, and then renamed, whole or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fetch::{self, Fetcher, Reply, Wanted};
use super::source::Source;
use crate::exit::Fault;

/// How often in a row a connection may break before a byte has come.
const FAILURES_MAX: u32 = 3;
/// What stays free on the disk, in bytes.
const DISK_MARGIN_BYTES: u64 = 16 << 20;

/// What is fetched, and to where.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) source: Source,
    /// Where the file is to lie.
    pub(crate) to: PathBuf,
    /// What its digest must be, in lower-case hexadecimal.
    pub(crate) sha256: Option<String>,
}

/// What was fetched.
#[derive(Debug, Serialize)]
pub(crate) struct Pulled {
    pub(crate) path: PathBuf,
    pub(crate) source: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// Whether the digest was known beforehand: from the order, or from the hub.
    pub(crate) checked: bool,
    /// The bytes that lay here from before.
    pub(crate) resumed_at: u64,
}

/// What is known of a file under way; lies beside it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// The address, without what may be secret in it.
    address: String,
    /// The server's mark of the file.
    mark: Option<String>,
    /// The length of the whole.
    total: Option<u64>,
    /// The digest that a hub names.
    sha256: Option<String>,
}

/// A file under way.
struct Part {
    file: File,
    path: PathBuf,
    length: u64,
    known: Known,
}

/// Fetches the file and puts it in its place; tells of the bytes that lie there and of how many there are to be.
///
/// # Errors
/// The server has no such file, or another than was ordered; the connection breaks again and again; there is no room.
pub(crate) async fn pull(
    fetcher: &Fetcher,
    order: &Order,
    told: &mut (dyn FnMut(u64, Option<u64>) + Send),
) -> Result<Pulled, Fault> {
    let mut part = Part::open(order)?;
    let resumed_at = part.length;
    match take_all(fetcher, order, &mut part, told).await {
        Ok(()) => finish(order, &part, resumed_at),
        Err(fault) => {
            if part.length == 0 {
                discard(&part.path);
            }
            Err(fault)
        }
    }
}

/// Asks again and again for what is missing, as long as something comes.
async fn take_all(
    fetcher: &Fetcher,
    order: &Order,
    part: &mut Part,
    told: &mut (dyn FnMut(u64, Option<u64>) + Send),
) -> Result<(), Fault> {
    let mut failures = 0;
    loop {
        let before = part.length;
        let error = match take(fetcher, order, part, told).await {
            Ok(()) => return Ok(()),
            Err(Ended::For(fault)) => return Err(fault),
            Err(Ended::Passing(error)) => error,
        };
        failures = if part.length > before { 0 } else { failures + 1 };
        tracing::info!(bytes = part.length, "{error}; going on from there");
        if failures == FAILURES_MAX {
            return Err(Fault::upstream(format!("fetched {} bytes and no more", part.length))
                .because(error)
                .hint("run the same command again: it goes on where it stopped"));
        }
    }
}

/// Why an attempt ended before the file was whole.
enum Ended {
    For(Fault),
    Passing(fetch::Error),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Ended::For(fault)
    }
}

impl From<fetch::Error> for Ended {
    fn from(error: fetch::Error) -> Self {
        match error.is_passing() {
            true => Ended::Passing(error),
            false => Ended::For(Fault::upstream("the file cannot be fetched").because(error).hint("check the address")),
        }
    }
}

/// Asks for what is missing and takes it as it comes.
async fn take(
    fetcher: &Fetcher,
    order: &Order,
    part: &mut Part,
    told: &mut (dyn FnMut(u64, Option<u64>) + Send),
) -> Result<(), Ended> {
    if part.is_whole() {
        return Ok(());
    }
    // Without a mark only a digest could tell whether two halves belong together.
    if part.known.mark.is_none() && order.sha256.is_none() {
        part.restart()?;
    }
    let wanted = Wanted { from: part.length, of: part.known.mark.clone() };
    let mut reply = fetcher.get(&order.source.url, &wanted).await?;
    if reply.status == StatusCode::RANGE_NOT_SATISFIABLE && part.length > 0 {
        // What lies here is longer than what is there now.
        part.restart()?;
        reply = fetcher.get(&order.source.url, &Wanted::default()).await?;
    }
    part.begin(order, &reply)?;
    while let Some(bytes) = reply.next().await? {
        part.append(&bytes)?;
        told(part.length, part.known.total);
    }
    match part.known.total {
        Some(total) if part.length < total => {
            Err(Ended::Passing(broken(order, format!("{} of {total} bytes came", part.length))))
        }
        total => {
            part.known.total = total.or(Some(part.length));
            Ok(())
        }
    }
}

impl Part {
    /// Opens what lies here from before, or begins; one process at a time.
    fn open(order: &Order) -> Result<Self, Fault> {
        let path = ending(&order.to, ".part");
        let folder = order.to.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, error))?;
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(|error| cannot_write(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::input(format!("another process is fetching {}", order.to.display()))
                    .hint("wait until it is done"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_write(&path, error)),
        }
        let length = file.metadata().map_err(|error| cannot_write(&path, error))?.len();
        let known: Option<Known> =
            std::fs::read(ending(&path, ".json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut part = Part { file, path, length, known: known.unwrap_or_default() };
        if part.known.address != address(order) {
            part.restart()?;
        }
        Ok(part)
    }

    fn is_whole(&self) -> bool {
        self.known.total == Some(self.length) && self.length > 0
    }

    /// Forgets what came so far.
    fn restart(&mut self) -> Result<(), Fault> {
        self.file.set_len(0).map_err(|error| cannot_write(&self.path, error))?;
        self.length = 0;
        self.known = Known::default();
        Ok(())
    }

    /// Takes the head of an answer: goes on where it fits what lies here, and from the beginning where it is another file.
    fn begin(&mut self, order: &Order, reply: &Reply) -> Result<(), Ended> {
        if !reply.status.is_success() {
            return Err(refused(order, reply.status).into());
        }
        if let (Some(wanted), Some(found)) = (&order.source.commit, &reply.commit)
            && !wanted.eq_ignore_ascii_case(found)
        {
            return Err(Fault::upstream(format!("the hub answers with commit {found} instead of {wanted}"))
                .hint("look at the repository: it was rewritten, or is another")
                .into());
        }
        let (first, total) = reply.extent();
        if first != self.length || (self.known.mark.is_some() && self.known.mark != reply.mark()) {
            self.restart()?;
            if first != 0 {
                // The rest of a file that is another by now is of no use.
                return Err(Ended::Passing(broken(order, "the file changed, or another part of it came".to_owned())));
            }
        }
        self.known = Known { address: address(order), mark: reply.mark(), total, sha256: reply.sha256.clone() };
        self.room()?;
        let text = serde_json::to_vec(&self.known).expect("a few texts are JSON");
        let beside = ending(&self.path, ".json");
        std::fs::write(&beside, text).map_err(|error| cannot_write(&beside, error))?;
        self.file.seek(SeekFrom::Start(self.length)).map_err(|error| cannot_write(&self.path, error))?;
        Ok(())
    }

    /// Sees to it that the rest has room on the disk before it is asked for.
    fn room(&self) -> Result<(), Fault> {
        let (Some(total), Ok(disk)) = (self.known.total, rustix::fs::statvfs(&self.path)) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let missing = total.saturating_sub(self.length);
        if missing.saturating_add(DISK_MARGIN_BYTES) <= free {
            return Ok(());
        }
        Err(Fault::input(format!("there is no room: {missing} bytes are missing, {free} are free"))
            .hint("make room, or choose another --home"))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let after = self.length + bytes.len() as u64;
        if self.known.total.is_some_and(|total| after > total) {
            return Err(Fault::upstream("the server sends more than it announced").hint("run the same command again"));
        }
        let written = self.file.write_all(bytes);
        if let Err(error) = written {
            // Half a piece may lie there; the next attempt goes on behind the whole ones.
            self.file.set_len(self.length).ok();
            return Err(Fault::input(format!("cannot write {}", self.path.display()))
                .because(error)
                .hint("make room, then run the same command again: it goes on where it stopped"));
        }
        self.length = after;
        Ok(())
    }
}

/// Checks the whole file and gives it its name.
fn finish(order: &Order, part: &Part, resumed_at: u64) -> Result<Pulled, Fault> {
    let found =
        freehold_vault::digest(&part.path, &mut |_| ()).map_err(|error| super::cannot_read(&part.path, error))?;
    let expected = order.sha256.as_ref().or(part.known.sha256.as_ref());
    if let Some(expected) = expected.filter(|expected| **expected != found.sha256) {
        let fault = Fault::upstream(format!(
            "the file is not the one expected: its SHA-256 is {}, not {expected}",
            found.sha256
        ));
        discard(&part.path);
        return Err(fault.hint("check the digest and the address; what came was thrown away"));
    }
    if is_model(&order.to) {
        check_model(&part.path)?;
    }
    let stored = part.file.sync_all().and_then(|()| std::fs::rename(&part.path, &order.to));
    stored.map_err(|error| cannot_write(&order.to, error))?;
    // The name is on the disk once its folder is.
    if let Some(folder) = order.to.parent().and_then(|folder| File::open(folder).ok()) {
        folder.sync_all().map_err(|error| cannot_write(&order.to, error))?;
    }
    forget(&ending(&part.path, ".json"));
    Ok(Pulled {
        path: order.to.clone(),
        source: order.source.spec.clone(),
        bytes: found.bytes,
        checked: expected.is_some(),
        sha256: found.sha256,
        resumed_at,
    })
}

/// Returns whether a name is that of a file of weights.
fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gguf" || ending == "safetensors")
}

/// Sees to it that what came is a model, and not a page that says why there is none.
fn check_model(part: &Path) -> Result<(), Fault> {
    let Err(error) = freehold_vault::describe(part) else { return Ok(()) };
    discard(part);
    Err(Fault::upstream("what came is no model")
        .because(error)
        .hint("open the address in a browser: it may ask for a login or a licence; what came was thrown away"))
}

fn broken(order: &Order, what: String) -> fetch::Error {
    fetch::Error::Broken { host: order.source.url.host().unwrap_or_default().to_owned(), source: what.into() }
}

fn discard(part: &Path) {
    forget(part);
    forget(&ending(part, ".json"));
}

fn forget(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        tracing::debug!(%error, "{} was gone", file.display());
    }
}

fn refused(order: &Order, status: StatusCode) -> Fault {
    let fault = Fault::upstream(format!("{} answers {status}", order.source.url.host().unwrap_or_default()));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            fault.hint("the file may ask for a login or a licence: put a token of the hub into FREEHOLD_HUB_TOKEN")
        }
        StatusCode::NOT_FOUND => fault.hint("check owner, name, commit and file"),
        _ => fault.hint("run the same command again later: it goes on where it stopped"),
    }
}

/// Returns the address without its query, in which a secret may stand.
fn address(order: &Order) -> String {
    let url = &order.source.url;
    format!(
        "{}://{}{}",
        url.scheme_str().unwrap_or_default(),
        url.authority().map_or("", |host| host.as_str()),
        url.path()
    )
}

fn ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn cannot_write(path: &Path, error: std::io::Error) -> Fault {
    Fault::input(format!("cannot write {}", path.display()))
        .because(error)
        .hint("choose another --home, or make room and run the same command again")
}
