//! Remembers, in bounded memory, which beginnings of bodies are stored and where.
//!
//! A beginning is named by a digest over all its pieces, so that a caller cannot make two of them look alike. Of two generations
//! of entries the older is dropped when the younger is full: what was not met for a while is stored again when it comes back.

use std::collections::HashMap;

use ring::digest::{Context, SHA256};

/// The most entries of both generations; each takes about 60 bytes.
const ENTRIES_MAX: usize = 64 << 10;

/// The name of a beginning: the first half of a SHA-256 of its last piece and the name of what comes before.
pub(super) type Name = [u8; 16];

/// Where a beginning ends: so many bytes into the text of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: i64,
    pub(super) bytes: usize,
}

/// Where the beginnings that were met lately end.
#[derive(Default)]
pub(super) struct Prefixes {
    young: HashMap<Name, Place>,
    old: HashMap<Name, Place>,
}

/// Returns the names of the beginnings with one piece, two pieces, and so on.
pub(super) fn names<P: AsRef<[u8]>>(root: u8, pieces: &[P]) -> Vec<Name> {
    let mut before = [root; 16];
    let name = |piece: &P| {
        let mut digest = Context::new(&SHA256);
        digest.update(&before);
        digest.update(piece.as_ref());
        before.copy_from_slice(&digest.finish().as_ref()[..16]);
        before
    };
    pieces.iter().map(name).collect()
}

impl Prefixes {
    /// Returns how many pieces the longest known beginning has, and where it ends.
    pub(super) fn longest(&mut self, names: &[Name]) -> Option<(usize, Place)> {
        let known = |name: &Name| self.young.get(name).or_else(|| self.old.get(name)).copied();
        let (at, place) = names.iter().enumerate().rev().find_map(|(at, name)| Some((at, known(name)?)))?;
        self.keep(names[at], place);
        Some((at + 1, place))
    }

    /// Remembers where a beginning ends.
    pub(super) fn keep(&mut self, name: Name, place: Place) {
        if self.young.len() >= ENTRIES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(segment: i64) -> Place {
        Place { segment, bytes: 1 }
    }

    #[test]
    fn longest_known_beginning_is_found() {
        let pieces = ["a", "b", "c", "d"];
        let names = names(0, &pieces);
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.longest(&names), None);
        prefixes.keep(names[0], place(1));
        prefixes.keep(names[2], place(3));
        assert_eq!(prefixes.longest(&names), Some((3, place(3))));
        assert_eq!(prefixes.longest(&names[..2]), Some((1, place(1))));
    }

    #[test]
    fn names_tell_pieces_places_and_roots_apart() {
        assert_eq!(names(0, &["a", "b"])[0], names(0, &["a", "c"])[0]);
        assert_ne!(names(0, &["a", "b"])[1], names(0, &["a", "c"])[1]);
        assert_ne!(names(0, &["ab"])[0], names(0, &["a", "b"])[1]);
        assert_ne!(names(0, &["a"]), names(1, &["a"]));
    }

    #[test]
    fn memory_is_bounded_and_what_is_met_stays() {
        let mut prefixes = Prefixes::default();
        let kept = names(0, &["met again and again"]);
        prefixes.keep(kept[0], place(1));
        for n in 0..200_000_i64 {
            prefixes.keep(names(0, &[n.to_le_bytes()])[0], place(n));
            if n % 1_000 == 0 {
                assert_eq!(prefixes.longest(&kept), Some((1, place(1))));
            }
        }
        assert!(prefixes.young.len() + prefixes.old.len() <= ENTRIES_MAX);
        assert_eq!(prefixes.longest(&names(0, &[5_i64.to_le_bytes()])), None);
    }
}
