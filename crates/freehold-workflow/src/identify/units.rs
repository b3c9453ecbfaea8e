//! Cuts a text into masked units, lines and sentences, of which the static ones recur from call to call.
//!
//! What was looked up for one call (passages between fences) is passed over; what a text says after its first part is one unit.

use std::hash::Hasher;

use super::mask;
use super::passages::Fence;
use super::trie::END;

/// How much of a text is cut into units; the rest is one unit.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// The most units of one text.
pub(super) const UNITS_MAX: usize = 200;

/// A line or a sentence with what varies in it masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its keyed hash.
    pub(super) hash: u64,
    /// The bytes of it that are not masked.
    pub(super) bytes: u32,
    /// Its words.
    pub(super) words: Words,
}

/// Which of a text's words are those of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    from: u16,
    to: u16,
}

impl Words {
    /// Those of no unit.
    pub(super) const NONE: Words = Words { from: 0, to: 0 };

    /// Those between two places; a text has no more than fit.
    pub(super) fn new(from: usize, to: usize) -> Self {
        let place = |at| u16::try_from(at).unwrap_or(u16::MAX);
        Words { from: place(from), to: place(to) }
    }
}

/// A text cut into units, of which none comes twice; the last one is [`END`].
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) units: Box<[Unit]>,
    words: Box<[u32]>,
}

impl Text {
    /// Returns the hashes of the words of the units between two places.
    pub(super) fn words(&self, from: usize, to: usize) -> impl Iterator<Item = u32> {
        self.units[from..to].iter().flat_map(|unit| &self.words[unit.words.from.into()..unit.words.to.into()]).copied()
    }

    /// Returns the text without the words of its units: a gap in it holds a variable whatever its words are.
    pub(super) fn without_words(mut self) -> Self {
        self.units.iter_mut().for_each(|unit| unit.words = Words::NONE);
        Text { units: self.units, words: Box::default() }
    }

    /// Returns the memory that it takes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.units) + size_of_val(&*self.words) + size_of::<Text>()
    }

    /// Returns the bytes that are not masked.
    pub(super) fn bytes(&self) -> u32 {
        self.units.iter().fold(0, |sum, unit| sum.saturating_add(unit.bytes))
    }
}

/// Cuts a text into units; those in which everything is masked are left out.
pub(super) fn text(text: &str, seed: u64) -> Text {
    let (first, rest) = text.split_at(text.floor_char_boundary(TEXT_BYTES_MAX));
    let (mut units, mut words): (Vec<Unit>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut fence = Fence::default();
    for line in first.lines() {
        let (line, is_passage) = fence.line(line.trim());
        if is_passage {
            continue;
        }
        for sentence in sentences(line) {
            if units.len() == UNITS_MAX {
                break;
            }
            let unit = mask::unit(sentence, seed, &mut words);
            if unit.bytes > 0 && units.iter().all(|earlier| earlier.hash != unit.hash) {
                units.push(unit);
            }
        }
    }
    if !rest.is_empty() {
        let mut hash = mask::hasher(seed);
        hash.write(rest.as_bytes());
        let bytes = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        units.push(Unit { hash: hash.finish(), bytes, words: Words::NONE });
    }
    units.push(END);
    Text { units: units.into(), words: words.into() }
}

/// Splits a line after full stops, question and exclamation marks that a space follows.
fn sentences(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let ends = |at: &usize| matches!(bytes[*at], b'.' | b'?' | b'!') && bytes.get(at + 1) == Some(&b' ');
        let end = (0..bytes.len()).find(ends).map_or(bytes.len(), |at| at + 1);
        let (sentence, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(sentence)
    })
}
