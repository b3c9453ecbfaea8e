//! The log of new calls: where a call is kept before it is in the store's tables.
//!
//! Frames are appended to files that are used again once their calls are in the tables. What is appended has
//! reached the kernel, so it outlives the process; it is on the disk after the next `sync`.

pub(crate) mod call;
mod cursor;
mod folder;
pub(crate) mod frame;
pub(crate) mod mover;
mod segment;
mod shelf;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

pub(crate) use folder::{Folder, State, this_boot};

use freehold_wire::Call;
use rusqlite::Connection;

use crate::log::call::Unreadable;
use crate::log::cursor::Cursor;
use crate::log::mover::Mover;
pub(crate) use segment::Making;

use crate::log::segment::{Head, Segment, Spare};
use crate::log::shelf::Shelf;
use crate::seal::{Purpose, Seal};

/// How large a log may be, and whether its calls are sealed.
#[derive(Clone)]
pub(crate) struct Options {
    /// The most bytes of all its files.
    pub(crate) bytes_max: u64,
    /// The size of a file, once the log has grown; a frame that is larger gets a file of its own.
    pub(crate) segment_bytes: u64,
    /// What new files hold.
    pub(crate) making: Making,
    /// What calls are sealed with, where they are.
    pub(crate) seal: Option<Seal>,
}

/// A log that is open for appending and reading.
pub(crate) struct Log {
    folder: Folder,
    options: Options,
    shelf: Shelf,
    session: u64,
    appender: Mutex<Appender>,
    written: AtomicU64,
    wants_file: AtomicBool,
}

struct Appender {
    current: Option<Arc<Segment>>,
    next: u64,
    is_closed: bool,
}

/// Why a frame was not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another is appending, or a file must be made first.
    Busy,
    /// No more frames are taken.
    Closed,
    /// The disk refuses.
    Failed(String),
}

/// The first byte of a frame's content.
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
/// How often the lock is tried before the frame is left to the writing thread: about a microsecond.
const SPINS: u32 = 48;
/// The most bytes of one write.
const WRITE_BYTES: usize = 1 << 20;
/// No frame takes less; with this the numbers after a crash are chosen above all that may be in use.
const FRAME_BYTES_MIN: u64 = 32;

impl Options {
    /// Writes a call as a finished frame; false where it cannot be one.
    pub(crate) fn write(&self, call: &Call, frame: &mut Vec<u8>) -> bool {
        frame::begin(frame);
        match &self.seal {
            None => {
                frame.push(PLAIN);
                call::write(call, frame);
            }
            Some(seal) => {
                let mut plain = Vec::new();
                call::write(call, &mut plain);
                let Ok(sealed) = seal.seal(Purpose::Log, &plain) else { return false };
                frame.push(SEALED);
                frame.extend_from_slice(&sealed);
            }
        }
        frame::finish(frame)
    }

    /// Reads the call of a frame's content.
    pub(crate) fn read(&self, content: &[u8]) -> Result<Call, Unreadable> {
        match content.split_first() {
            Some((&PLAIN, plain)) => call::read(plain),
            Some((&SEALED, sealed)) => {
                let seal = self.seal.as_ref().ok_or(Unreadable::Sealed)?;
                call::read(&seal.open(Purpose::Log, sealed).map_err(|_| Unreadable::Sealed)?)
            }
            _ => Err(Unreadable::Without { what: "kind of content" }),
        }
    }
}

impl Log {
    /// Opens the log of a folder; `position` is the number up to which frames are in the store's tables.
    pub(crate) fn open(folder: Folder, options: Options, position: u64) -> io::Result<Self> {
        let clean_until = match folder.state() {
            State::Clean(number) if number <= position => number,
            _ => 0,
        };
        let mut used = Vec::new();
        let mut spares = Vec::new();
        for (spare, head) in folder.files()? {
            match head {
                Some(head) => used.push((spare, head)),
                None if spare.bytes >= shelf::FIRST_BYTES.min(options.segment_bytes) => spares.push(spare),
                // The process that made it died before it was done.
                None => std::fs::remove_file(&spare.path)?,
            }
        }
        used.sort_by_key(|(_, head)| head.number);
        let next_use = used.last().map_or(1, |(_, head)| head.number + 1);
        let beyond = |(spare, head): &(Spare, Head)| head.first + spare.bytes / FRAME_BYTES_MIN;
        let next = used.iter().map(beyond).max().unwrap_or(0).max(position) + 1;
        let ends: Vec<_> = used.iter().skip(1).map(|(_, next)| Some(*next)).chain([None]).collect();
        let mut left = Vec::new();
        for ((spare, head), next) in used.into_iter().zip(ends) {
            let is_done = next.is_some_and(|next| next.session == head.session && next.first <= position + 1);
            if head.session <= clean_until || is_done {
                spares.push(spare);
            } else {
                left.push((spare, head));
            }
        }
        let shelf = Shelf::new(&options, left, spares, next_use);
        let appender = Mutex::new(Appender { current: None, next, is_closed: false });
        Ok(Self {
            folder,
            options,
            shelf,
            session: next,
            appender,
            written: (next - 1).into(),
            wants_file: false.into(),
        })
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns the number of the first frame that this process may append.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// Returns the number of the last frame that was appended.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the files take, and how many of them those with calls that are not in the tables.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.shelf.bytes()
    }

    /// Appends a finished frame if that can be done without waiting for anybody; returns its number.
    pub(crate) fn try_append(&self, frame: &mut [u8]) -> Result<u64, Refusal> {
        let mut appender = self.try_lock().ok_or(Refusal::Busy)?;
        if appender.is_closed {
            return Err(Refusal::Closed);
        }
        let segment = match appender.room(self, frame.len()) {
            Some(segment) => segment.map_err(Refusal::Failed)?,
            None => return Err(Refusal::Busy),
        };
        let sequence = appender.next;
        frame::number(frame, segment.head.number, sequence);
        segment.append(frame, sequence).map_err(|error| Refusal::Failed(error.to_string()))?;
        appender.next += 1;
        self.written.store(sequence, Ordering::SeqCst);
        Ok(sequence)
    }

    /// Appends finished frames, as many with one write as there is room for, and makes files where they are needed.
    ///
    /// Returns the outcome of each.
    pub(crate) fn append(&self, frames: &mut [Vec<u8>]) -> Vec<Result<u64, Refusal>> {
        let mut outcomes = Vec::with_capacity(frames.len());
        let mut appender = self.lock();
        while outcomes.len() < frames.len() {
            let rest = &mut frames[outcomes.len()..];
            let outcome = if appender.is_closed {
                Err(Refusal::Closed)
            } else {
                self.make_room(&mut appender, rest[0].len()).map_err(Refusal::Failed)
            };
            match outcome {
                Ok(segment) => self.write(&mut appender, &segment, rest, &mut outcomes),
                Err(refusal) => outcomes.push(Err(refusal)),
            }
        }
        outcomes
    }

    /// Writes the frames for which the segment has room, at least the first.
    fn write(
        &self,
        appender: &mut Appender,
        segment: &Segment,
        frames: &mut [Vec<u8>],
        outcomes: &mut Vec<Result<u64, Refusal>>,
    ) {
        let mut bytes = Vec::new();
        let mut last = appender.next - 1;
        for frame in frames {
            let is_first = bytes.is_empty();
            if !is_first && (bytes.len() + frame.len() > WRITE_BYTES || !segment.has_room(bytes.len() + frame.len())) {
                break;
            }
            last += 1;
            frame::number(frame, segment.head.number, last);
            bytes.extend_from_slice(frame);
        }
        let numbers = appender.next..=last;
        match segment.append(&bytes, last) {
            Ok(()) => {
                appender.next = last + 1;
                self.written.store(last, Ordering::SeqCst);
                outcomes.extend(numbers.map(Ok));
            }
            Err(error) => outcomes.extend(numbers.map(|_| Err(Refusal::Failed(error.to_string())))),
        }
    }

    fn make_room(&self, appender: &mut Appender, bytes: usize) -> Result<Arc<Segment>, String> {
        if let Some(segment) = appender.room(self, bytes) {
            return segment;
        }
        self.shelf.make(&self.folder, bytes)?;
        appender.room(self, bytes).unwrap_or_else(|| Err("a new file of the log is gone".to_owned()))
    }

    /// Returns the call of a frame that this process appended; `None` where its file has been used again.
    pub(crate) fn call(&self, sequence: u64) -> io::Result<Option<Call>> {
        let live = self.shelf.live();
        let Some(segment) = live.into_iter().rev().find(|segment| segment.head.first <= sequence) else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(segment);
        while let Some(frame) = cursor.next()? {
            if frame.sequence >= sequence {
                let is_it = frame.sequence == sequence;
                return Ok(is_it.then(|| self.options.read(frame.bytes).ok()).flatten());
            }
        }
        Ok(None)
    }

    /// Brings what was appended to the disk.
    ///
    /// Where that fails, what follows goes into another file: the system may take what it could not write for written.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut outcome = Ok(());
        for segment in self.shelf.live() {
            if let Err(error) = segment.sync() {
                self.leave(&segment);
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Ends a segment, if it is the one that is written to.
    fn leave(&self, segment: &Segment) {
        let mut appender = self.lock();
        if appender.current.as_ref().is_some_and(|current| current.head.number == segment.head.number) {
            segment.set_full();
            appender.current = None;
        }
    }

    /// Makes a file before it is needed, if it will be; returns why not.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        if self.shelf.is_short() { self.shelf.make(&self.folder, 0) } else { Ok(()) }
    }

    /// Returns, once, whether a file should be made before it is needed; quick to ask.
    pub(crate) fn wants_file(&self) -> bool {
        self.wants_file.load(Ordering::Relaxed) && self.wants_file.swap(false, Ordering::Relaxed)
    }

    /// Takes no more frames, and uses the files of those that are in the tables again.
    pub(crate) fn close(&self) {
        let mut appender = self.lock();
        appender.is_closed = true;
        if let Some(current) = appender.current.take() {
            current.set_full();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Appender> {
        self.appender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Appender>> {
        for _ in 0..SPINS {
            match self.appender.try_lock() {
                Ok(appender) => return Some(appender),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }
}

impl Appender {
    /// Returns a segment with room, and begins one for that where one is ready.
    fn room(&mut self, log: &Log, bytes: usize) -> Option<Result<Arc<Segment>, String>> {
        if let Some(current) = &self.current {
            if current.has_room(bytes) {
                return Some(Ok(Arc::clone(current)));
            }
            current.set_full();
            self.current = None;
        }
        let begun = log.shelf.begin(log.session, self.next, bytes)?;
        log.wants_file.store(log.shelf.is_short(), Ordering::Relaxed);
        if let Ok(segment) = &begun {
            self.current = Some(Arc::clone(segment));
        }
        Some(begun)
    }
}

/// Returns how many bytes of frames fit into a file.
fn room(file_bytes: u64) -> u64 {
    file_bytes.saturating_sub(segment::HEAD_BYTES)
}

/// Returns how large a file must be for so many bytes of frames.
fn for_room(bytes: u64) -> u64 {
    bytes + segment::HEAD_BYTES
}

/// Moves what a process that has ended left in the log of a home folder into the tables, unless another holds the log;
/// returns how many calls that were.
pub(crate) fn recover(connection: &mut Connection, database: &Path, seal: Option<&Seal>) -> Result<u64, mover::Error> {
    let home = database.parent().unwrap_or(Path::new("."));
    if !Folder::is_in(home) {
        return Ok(0);
    }
    let Some(folder) = Folder::take(home)? else { return Ok(0) };
    let position = mover::position(connection)?;
    let mut gaps = mover::cut(connection, &folder.state())?;
    // Nothing is appended, so there is no limit to keep.
    let options =
        Options { bytes_max: u64::MAX, segment_bytes: u64::MAX, making: Making::Reserved, seal: seal.cloned() };
    let log = Log::open(folder, options, position)?;
    let mut mover = Mover::new(position, database, seal.cloned());
    let mut calls = 0;
    while let Some(moved) = mover.advance(connection, &log, &mut gaps)? {
        calls += moved.calls;
    }
    mover.settle()?;
    log.folder().set_state(&State::Clean(mover.position()))?;
    log.folder().sync_state()?;
    log.folder().release()?;
    Ok(calls)
}
