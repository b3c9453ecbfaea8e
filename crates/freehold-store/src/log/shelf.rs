//! The files of the log: which are in use, which are ready to be used again, and how much room they take.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Options;
use crate::log::folder::Folder;
use crate::log::segment::{Head, Making, Segment, Spare};

/// The size of a log's first files; later ones are as large as all before them, up to the size that is set.
pub(crate) const FIRST_BYTES: u64 = 1 << 20;
/// How many files stay ready; others are removed.
const SPARES_MAX: usize = 3;
/// How long no further attempt is made after one to make a file failed.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const LIMIT_REASON: &str = "the log has reached its largest size and the store does not take calls from it";

/// All files of a log.
pub(crate) struct Shelf {
    files: Mutex<Files>,
    /// Held while a file is made.
    making: Mutex<()>,
    limits: Limits,
    made: Making,
}

#[derive(Clone, Copy)]
struct Limits {
    bytes_max: u64,
    segment_bytes: u64,
}

struct Files {
    /// Segments with frames that are not known to be in the store, oldest first.
    live: VecDeque<Arc<Segment>>,
    spares: Vec<Spare>,
    bytes: u64,
    next_use: u64,
    next_file: u64,
    refused: Option<(Instant, String)>,
}

impl Shelf {
    /// Sorts the files of a folder: those of `left` are in use, the others are ready.
    pub(crate) fn new(options: &Options, left: Vec<(Spare, Head)>, spares: Vec<Spare>, next_use: u64) -> Self {
        let all = || left.iter().map(|(spare, _)| spare).chain(&spares);
        let bytes = all().map(|spare| spare.bytes).sum();
        let next_file = all().filter_map(|spare| Folder::number(&spare.path)).max().unwrap_or(0) + 1;
        let live = left.into_iter().map(|(spare, head)| Arc::new(Segment::left(spare, head))).collect();
        let limits = Limits { bytes_max: options.bytes_max, segment_bytes: options.segment_bytes };
        let mut files = Files { live, spares, bytes, next_use, next_file, refused: None };
        files.trim(limits);
        Self { files: Mutex::new(files), making: Mutex::default(), limits, made: options.making }
    }

    /// Begins to use a file that is ready and has room for a frame of that size; `None` where there is none.
    pub(crate) fn begin(&self, session: u64, first: u64, frame_bytes: usize) -> Option<Result<Arc<Segment>, String>> {
        let mut files = self.files();
        let fits = |spare: &Spare| super::room(spare.bytes) >= frame_bytes as u64;
        let at = files.spares.iter().position(fits)?;
        let spare = files.spares.swap_remove(at);
        let head = Head { number: files.next_use, session, first };
        // A number is used once, whatever becomes of the attempt.
        files.next_use += 1;
        Some(match Segment::begin(spare, head) {
            Ok(segment) => {
                let segment = Arc::new(segment);
                files.live.push_back(Arc::clone(&segment));
                Ok(segment)
            }
            Err((spare, error)) => {
                files.spares.push(spare);
                Err(error.to_string())
            }
        })
    }

    /// Makes another file, where the log may grow and none is ready: large enough for a frame of that size.
    ///
    /// One thread at a time makes one; another that comes meanwhile waits for that.
    pub(crate) fn make(&self, folder: &Folder, frame_bytes: usize) -> Result<(), String> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((path, bytes)) = self.plan(folder, frame_bytes)? else { return Ok(()) };
        let made = Spare::make(&path, bytes, self.made).and_then(|spare| folder.sync().map(|()| spare));
        let mut files = self.files();
        match made {
            Ok(spare) => {
                files.refused = None;
                files.bytes += bytes;
                files.spares.push(spare);
                Ok(())
            }
            Err(error) => {
                let reason = format!("the log cannot grow: {error}");
                files.refused = Some((Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }

    /// Returns the file that is to be made, `None` where one that will do is ready.
    fn plan(&self, folder: &Folder, frame_bytes: usize) -> Result<Option<(PathBuf, u64)>, String> {
        let mut files = self.files();
        if files.spares.iter().any(|spare| super::room(spare.bytes) >= frame_bytes as u64) {
            return Ok(None);
        }
        if let Some((since, reason)) = &files.refused
            && since.elapsed() < RETRY_AFTER
        {
            return Err(reason.clone());
        }
        let largest = self.limits.segment_bytes;
        let least = (super::for_room(frame_bytes as u64)).next_multiple_of(4096);
        let bytes = files.bytes.clamp(FIRST_BYTES.min(largest), largest).max(least);
        if files.bytes + bytes > self.limits.bytes_max {
            // Where there is no room for an odd large file there may be some for another.
            if bytes <= largest {
                files.refused = Some((Instant::now(), LIMIT_REASON.to_owned()));
            }
            return Err(LIMIT_REASON.to_owned());
        }
        files.next_file += 1;
        Ok(Some((folder.file(files.next_file - 1), bytes)))
    }

    /// Takes back the files whose frames all have numbers up to `sequence`.
    pub(crate) fn retire(&self, sequence: u64) {
        let mut files = self.files();
        while files.live.front().is_some_and(|first| first.is_full() && first.last() <= sequence) {
            let segment = files.live.pop_front().expect("a first segment was just seen");
            files.spares.push(segment.spare.clone());
        }
        files.refused = None;
        files.trim(self.limits);
    }

    /// Returns whether there is a file whose frames all have numbers up to `sequence`.
    pub(crate) fn has_done(&self, sequence: u64) -> bool {
        self.files().live.front().is_some_and(|first| first.is_full() && first.last() <= sequence)
    }

    /// Returns the first segment that was begun after that use.
    pub(crate) fn after(&self, number: u64) -> Option<Arc<Segment>> {
        self.files().live.iter().find(|segment| segment.head.number > number).cloned()
    }

    /// Returns the segments in use.
    pub(crate) fn live(&self) -> Vec<Arc<Segment>> {
        self.files().live.iter().cloned().collect()
    }

    /// Returns whether a file should be made before it is needed.
    pub(crate) fn is_short(&self) -> bool {
        let files = self.files();
        files.spares.is_empty() && files.bytes < self.limits.bytes_max
    }

    /// Returns how many bytes the files take, and how many of them those in use.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let files = self.files();
        (files.bytes, files.live.iter().map(|segment| segment.spare.bytes).sum())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    /// Removes the files of which there are too many, the odd large ones first and then the smallest.
    fn trim(&mut self, limits: Limits) {
        let is_odd = |spare: &Spare| spare.bytes > limits.segment_bytes;
        self.spares.sort_by_key(|spare| (is_odd(spare), std::cmp::Reverse(spare.bytes)));
        while self.spares.len() > SPARES_MAX || self.spares.last().is_some_and(is_odd) {
            let spare = self.spares.pop().expect("a loop over what is there");
            match std::fs::remove_file(&spare.path) {
                Ok(()) => self.bytes = self.bytes.saturating_sub(spare.bytes),
                Err(error) => {
                    tracing::warn!(%error, "a file of the log that is not needed cannot be removed");
                    self.bytes = self.bytes.saturating_sub(spare.bytes);
                }
            }
        }
    }
}
