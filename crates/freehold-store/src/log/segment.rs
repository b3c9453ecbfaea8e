//! A file of the log: made once, then written over again and again.
//!
//! Writing over blocks that are there needs no change of the file system's own books, which makes bringing the bytes to the
//! disk several times as quick as growing a file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What stands before the first frame.
pub(crate) const HEAD_BYTES: u64 = 64;
const MAGIC: &[u8; 8] = b"FHLOG\0\0\x01";
const FILL_BYTES: usize = 256 << 10;

/// What one use of a segment is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of the use; every use of every segment of a log has its own, and later ones have higher ones.
    pub(crate) number: u64,
    /// The first sequence number that was given since the log was opened for writing.
    pub(crate) session: u64,
    /// The sequence number of the first frame.
    pub(crate) first: u64,
}

/// What a new file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// Zeros that are on the disk, so that its first use reaches the disk as quickly as every later one.
    Filled,
    /// Room that the file system has set aside. That takes no time, but everything is written once instead of twice.
    Reserved,
}

/// A file that is ready to be written over.
#[derive(Debug, Clone)]
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    file: Arc<File>,
    /// The size of the file.
    pub(crate) bytes: u64,
}

/// A segment in use.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) head: Head,
    pub(crate) spare: Spare,
    /// Up to where frames have been written.
    end: AtomicU64,
    /// The sequence number of the last of them.
    last: AtomicU64,
    is_full: AtomicBool,
    is_dirty: AtomicBool,
}

impl Spare {
    /// Makes a file of that many bytes, and waits until it is on the disk.
    pub(crate) fn make(path: &Path, bytes: u64, making: Making) -> io::Result<Self> {
        let made = Self::made(path, bytes, making);
        if made.is_err() {
            // What could not be made only takes room that is missing already.
            drop(std::fs::remove_file(path));
        }
        made
    }

    fn made(path: &Path, bytes: u64, making: Making) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let is_reserved = making == Making::Reserved && reserve(&file, bytes)?;
        if !is_reserved {
            fill(&file, bytes)?;
        }
        file.sync_all()?;
        Ok(Self { path: path.to_owned(), file: file.into(), bytes })
    }

    /// Opens a file of the log, and returns it with the head that it has, if that is a good one.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<Head>)> {
        let file = File::options().read(true).write(true).open(path)?;
        let bytes = file.metadata()?.len();
        let mut head = [0; HEAD_BYTES as usize];
        let read = read_at(&file, &mut head, 0)?;
        let head = if read == head.len() { Head::read(&head) } else { None };
        Ok((Self { path: path.to_owned(), file: file.into(), bytes }, head))
    }
}

impl Segment {
    /// Begins a new use of a file.
    pub(crate) fn begin(spare: Spare, head: Head) -> Result<Self, (Spare, io::Error)> {
        match write_at(&spare.file, &head.bytes(), 0) {
            Ok(()) => Ok(Self::of(spare, head, HEAD_BYTES)),
            Err(error) => Err((spare, error)),
        }
    }

    /// Takes up a segment that an earlier process wrote; how far, only its frames tell.
    pub(crate) fn left(spare: Spare, head: Head) -> Self {
        let end = spare.bytes;
        let segment = Self::of(spare, head, end);
        segment.set_last(u64::MAX);
        segment.set_full();
        segment
    }

    fn of(spare: Spare, head: Head, end: u64) -> Self {
        let last = AtomicU64::new(head.first.saturating_sub(1));
        Self { head, spare, end: end.into(), last, is_full: false.into(), is_dirty: true.into() }
    }

    /// Writes frames after those that are there; `last` is the number of the last of them.
    ///
    /// Where this fails nothing counts as written. One thread at a time writes.
    pub(crate) fn append(&self, frames: &[u8], last: u64) -> io::Result<()> {
        let at = self.end();
        write_at(&self.spare.file, frames, at)?;
        self.is_dirty.store(true, Ordering::Release);
        self.last.store(last, Ordering::Release);
        self.end.store(at + frames.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Reads from `at` on, at most up to where frames have been written; returns how many bytes there were.
    pub(crate) fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.end().saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
        read_at(&self.spare.file, &mut into[..left], at)
    }

    /// Brings what was written to the disk, if anything was since the last time.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.is_dirty.swap(false, Ordering::AcqRel) { self.spare.file.sync_data() } else { Ok(()) }
    }

    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        !self.is_full() && self.end() + bytes as u64 <= self.spare.bytes
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Keeps the number of the last frame of a segment that an earlier process wrote, once it is known.
    pub(crate) fn set_last(&self, last: u64) {
        self.last.store(last, Ordering::Release);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    /// Says that no frame follows.
    pub(crate) fn set_full(&self) {
        self.is_full.store(true, Ordering::Release);
    }
}

impl Head {
    fn bytes(self) -> [u8; HEAD_BYTES as usize] {
        let mut bytes = [0; HEAD_BYTES as usize];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.session.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..36].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; HEAD_BYTES as usize]) -> Option<Self> {
        let number = |from: usize| bytes[from..from + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let head = Self { number: number(8), session: number(16), first: number(24) };
        (head.bytes() == *bytes).then_some(head)
    }
}

/// Sets room aside for a file that is empty; false where the file system does not know how.
fn reserve(file: &File, bytes: u64) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;

        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(true),
            Err(Errno::NOTSUP | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, bytes);
        Ok(false)
    }
}

fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; FILL_BYTES];
    let mut at = 0;
    while at < bytes {
        let piece = usize::try_from(bytes - at).map_or(FILL_BYTES, |rest| rest.min(FILL_BYTES));
        write_at(file, &zeros[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Fills `into` as far as the file goes.
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, &mut into[done..], at + done as u64);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, &mut into[done..], at + done as u64);
        match read {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
