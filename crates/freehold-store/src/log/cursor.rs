//! Reads the frames of a segment in order, behind the one who writes it or long after it was written.

use std::io;
use std::sync::Arc;

use crate::log::frame::{self, Absent};
use crate::log::segment::{self, Segment};

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// A place in a segment.
pub(crate) struct Cursor {
    segment: Arc<Segment>,
    /// Where in the file `buffer` begins.
    base: u64,
    buffer: Vec<u8>,
    /// Where in `buffer` the next frame is expected.
    at: usize,
    /// The number of the last frame that was passed, and where it began.
    last: u64,
    last_at: usize,
    before_last: u64,
}

/// The content of a frame.
pub(crate) struct Content<'a> {
    /// Its number.
    pub(crate) sequence: u64,
    /// What was put into it.
    pub(crate) bytes: &'a [u8],
}

impl Cursor {
    /// Begins before the first frame.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        let last = segment.head.first.saturating_sub(1);
        Self { segment, base: segment::HEAD_BYTES, buffer: Vec::new(), at: 0, last, last_at: 0, before_last: last }
    }

    /// Returns the segment.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Returns the number of the last frame that was passed.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the next frame, `None` where none is there yet. Where bytes are damaged, the search goes on behind them.
    pub(crate) fn next(&mut self) -> io::Result<Option<Content<'_>>> {
        loop {
            let number = self.segment.head.number;
            match frame::read(&self.buffer, self.at, number) {
                Ok(found) => {
                    let at = std::mem::replace(&mut self.at, found.end);
                    if found.sequence > self.last {
                        self.last_at = at;
                        self.before_last = std::mem::replace(&mut self.last, found.sequence);
                        let bytes = &self.buffer[found.begin..found.begin + found.length];
                        return Ok(Some(Content { sequence: found.sequence, bytes }));
                    }
                }
                Err(Absent::Short(wanted)) => {
                    // What is written while this looks is for the next look: it is no damage.
                    if !self.fill(wanted)? {
                        return Ok(None);
                    }
                }
                Err(Absent::NoFrame | Absent::Torn) => {
                    self.fill(usize::MAX)?;
                    match frame::find(&self.buffer, self.at + 1, number, self.last) {
                        Some(at) => self.at = at,
                        None => {
                            self.at = self.buffer.len();
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    /// Goes back before the frame that `next` has just returned.
    pub(crate) fn rewind(&mut self) {
        self.at = self.last_at;
        self.last = self.before_last;
    }

    /// Reads on until that many bytes follow `at`, or there are no more; returns whether they do.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let from = self.buffer.len();
        let left = self.segment.end().saturating_sub(self.base + from as u64);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let wanted_more = wanted.saturating_sub(from).max(READ_BYTES);
        self.buffer.resize(from + wanted_more.min(left), 0);
        let read = self.segment.read(&mut self.buffer[from..], self.base + from as u64);
        self.buffer.truncate(from + *read.as_ref().unwrap_or(&0));
        read?;
        Ok(self.buffer.len() >= wanted)
    }
}
