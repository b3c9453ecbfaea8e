//! Lines of a stream with a limit on their length, so that no input needs more memory than that.

use std::io::{self, BufRead};

use super::LineError;

/// The longest line that is read; a longer one is passed over and reported.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 20;

/// Reads lines.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    bytes_read: u64,
    buffer: Vec<u8>,
}

/// One line without its end.
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Its bytes, cut at the limit.
    pub(crate) bytes: &'a [u8],
    is_too_long: bool,
}

impl Line<'_> {
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    pub(crate) fn text(&self) -> Result<&str, LineError> {
        if self.is_too_long {
            return Err(LineError::TooLong { bytes_max: LINE_BYTES_MAX });
        }
        std::str::from_utf8(self.bytes).map_err(|error| LineError::NotUtf8 { byte: error.valid_up_to() })
    }
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Lines { input, number: 0, bytes_read: 0, buffer: Vec::new() }
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut is_too_long = false;
        let mut took_any = false;
        loop {
            let piece = self.input.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            took_any = true;
            let end = memchr_newline(piece);
            let taken = end.map_or(piece.len(), |at| at + 1);
            let room = LINE_BYTES_MAX - self.buffer.len();
            let wanted = &piece[..end.unwrap_or(piece.len())];
            is_too_long |= wanted.len() > room;
            self.buffer.extend_from_slice(&wanted[..wanted.len().min(room)]);
            self.input.consume(taken);
            self.bytes_read += taken as u64;
            if end.is_some() {
                break;
            }
        }
        if !took_any {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes: &self.buffer, is_too_long }))
    }
}

fn memchr_newline(piece: &[u8]) -> Option<usize> {
    piece.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_the_last_needs_no_end() {
        let mut lines = Lines::new(io::BufReader::with_capacity(3, "one\n\nthree".as_bytes()));
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            seen.push((line.number, line.text().unwrap().to_owned()));
        }
        assert_eq!(seen, [(1, "one".to_owned()), (2, String::new()), (3, "three".to_owned())]);
        assert_eq!(lines.bytes_read(), 10);
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_in_bounded_memory() {
        let long = io::repeat(b'x');
        let input = io::Read::chain(io::Read::take(long, LINE_BYTES_MAX as u64 + 5), "\nnext\n".as_bytes());
        let mut lines = Lines::new(io::BufReader::new(input));
        assert!(lines.next_line().unwrap().unwrap().text().is_err());
        assert_eq!(lines.next_line().unwrap().unwrap().text().unwrap(), "next");
        assert!(lines.buffer.capacity() <= 2 * LINE_BYTES_MAX);
    }
}
