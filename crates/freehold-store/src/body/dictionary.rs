//! What bodies have in common: at first a text of ours, then what the store's own pieces teach.

use std::collections::VecDeque;

use super::pack::{Compressor, PackError};

/// The first dictionary: invented bodies of each dialect, written for this purpose.
pub(super) const FIRST: &[u8] = include_bytes!("first_dictionary.txt");

/// How long a dictionary may be.
const BYTES_MAX: usize = 32 << 10;
/// The row of a segment at which the first one is made of the store's own pieces; each next at eight times as many.
const DUE_ROW_FIRST: i64 = 1_000;
const SAMPLES_BYTES_MAX: usize = 384 << 10;
const SAMPLES_BYTES_MIN: usize = 96 << 10;
const SAMPLE_BYTES_MIN: usize = 48;
/// Longer pieces are sampled by their beginning.
const SAMPLE_BYTES_MAX: usize = 4 << 10;
/// One sample in so many is kept from the training, to tell whether it helped.
const CHECKED_EACH: usize = 8;

/// The pieces that were packed last, in bounded memory.
#[derive(Default)]
pub(super) struct Samples {
    pieces: VecDeque<Box<[u8]>>,
    bytes: usize,
}

/// Returns the row at which the dictionary after that one is due.
pub(super) fn due_row(number: i64) -> i64 {
    let times = u32::try_from(number - 1).unwrap_or(0).min(16);
    DUE_ROW_FIRST * 8_i64.pow(times)
}

/// Returns the first such row after one at which a dictionary was made.
pub(super) fn due_row_after(row: i64) -> i64 {
    (1..).map(due_row).find(|due| *due > row).unwrap_or(i64::MAX)
}

/// Returns from which row on pieces are sampled for a dictionary that is due at that one.
pub(super) fn sampled_from(due_row: i64) -> i64 {
    if due_row <= DUE_ROW_FIRST { 0 } else { due_row - due_row / 8 }
}

impl Samples {
    /// Takes the beginning of a piece as a sample, and drops the oldest beyond the bound.
    pub(super) fn add(&mut self, piece: &[u8]) {
        if piece.len() < SAMPLE_BYTES_MIN {
            return;
        }
        let sample = &piece[..piece.len().min(SAMPLE_BYTES_MAX)];
        self.bytes += sample.len();
        self.pieces.push_back(sample.into());
        while self.bytes > SAMPLES_BYTES_MAX
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn are_enough(&self) -> bool {
        self.bytes >= SAMPLES_BYTES_MIN
    }

    /// Makes a dictionary of most samples; `None` where they have too little in common.
    pub(super) fn train(&self) -> Option<Vec<u8>> {
        let trained = self.pieces.iter().enumerate().filter(|(at, _)| at % CHECKED_EACH != 0);
        let (mut bytes, mut lengths) = (Vec::with_capacity(self.bytes), Vec::new());
        for (_, piece) in trained {
            bytes.extend_from_slice(piece);
            lengths.push(piece.len());
        }
        let mut dictionary = Vec::with_capacity(BYTES_MAX.min(bytes.len() / 4));
        zstd_safe::train_from_buffer(&mut dictionary, &bytes, &lengths).ok()?;
        Some(dictionary)
    }

    /// Returns how many bytes the samples kept from the training have, and how many they have compressed.
    pub(super) fn checked(&self, compressor: &mut Compressor) -> Result<(usize, usize), PackError> {
        let (mut before, mut after) = (0, 0);
        for piece in self.pieces.iter().step_by(CHECKED_EACH) {
            before += piece.len();
            after += compressor.compress(piece)?.map_or(piece.len(), <[u8]>::len);
        }
        Ok((before, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_come_ever_more_seldom() {
        let rows: Vec<_> = (1..5).map(due_row).collect();
        assert_eq!(rows, [1_000, 8_000, 64_000, 512_000]);
        assert_eq!((sampled_from(1_000), sampled_from(8_000)), (0, 7_000));
        assert_eq!((due_row_after(0), due_row_after(1_000), due_row_after(40_000)), (1_000, 8_000, 64_000));
    }

    #[test]
    fn samples_are_bounded() {
        let mut samples = Samples::default();
        for n in 0..4_000_usize {
            samples.add(&vec![n as u8; n * 7]);
        }
        assert!(samples.bytes <= SAMPLES_BYTES_MAX);
        assert_eq!(samples.bytes, samples.pieces.iter().map(|piece| piece.len()).sum::<usize>());
    }

    #[test]
    fn pieces_that_are_too_few_teach_nothing() {
        let mut samples = Samples::default();
        samples.add(&[b'x'; 100]);
        assert!(!samples.are_enough() && samples.train().is_none());
    }
}
