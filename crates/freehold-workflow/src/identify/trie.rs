//! The trie of static units: which units of a text recur, and what the places between them hold.
//!
//! A node is known by the hash of the way to it, so one table holds all nodes and edges; counts are of calls.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::units::{Text, Unit, Words};

/// A unit extends a way once it was seen so often next on it.
const NEXT_MIN: u32 = 5;

/// A unit after a gap counts once it was seen so often, and in this share of the calls of a node.
const AFTER_GAP_MIN: u32 = 8;
const AFTER_GAP_SHARE: f64 = 0.5;

/// Where this share of the values that stand in a gap came before, they are no variables; below the other, they are.
const RECURRING_SHARE: f64 = 0.8;
const VARIABLE_SHARE: f64 = 0.15;

/// Of a gap whose values are variables a value that has this share of the calls is a way of its own.
const NEXT_SHARE: f64 = 0.1;

/// From this share of calls on in which values of one gap stand together, they are passages or examples: a free list.
const FREE_MIN: u32 = 3;
const FREE_SHARE: f64 = 0.2;

/// How far after a node units are counted, and how many counts one text may cost.
const WINDOW: usize = 48;
const COUNTS_MAX: usize = 1024;

/// How many units that follow one tell it from the same one of another step.
const FOLLOWING: usize = 3;

/// Gaps of at most so many units are looked into, at most so many words: a line may be static in part.
const SENTENCE_MAX: usize = 3;
const WORDS_MAX: usize = 120;
const WORDS: u64 = 0x77_6f72_6473;

/// The ways that one text is counted along where it is not known which is right.
const WAYS_MAX: usize = 4;

/// The most edges of the table; at that many all counts are halved and those of nothing dropped.
pub(super) const EDGES_MAX: usize = 400_000;

/// The size of the sketch that keeps what was seen once out of the table.
const SKETCH_BYTES: usize = 1 << 20;

/// The unit that ends every text.
pub(super) const END: Unit = Unit { hash: 0x0e0d_0e0d_0e0d_0e0d, bytes: 0, words: Words::NONE };

/// An edge with what is known of the node it leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Edge {
    /// Calls in which the unit came next.
    pub(super) next: u32,
    /// Calls in which it came next or later, within the window.
    pub(super) any: u32,
    /// Those of them in which another unit came next that had come there before.
    pub(super) recurring: u32,
    /// Calls that came to the node.
    pub(super) calls: u32,
    /// Those of them in which units that come next here stood together.
    pub(super) together: u32,
}

/// Hashes keys that are hashes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A map from keys that are hashes.
pub(super) type ByKey<T> = HashMap<u64, T, BuildHasherDefault<KeyHasher>>;

/// Where a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// The node, known by the way to it.
    pub(super) node: u64,
    /// Whether all of the text is explained, by static units and by gaps that are known to hold variables.
    pub(super) is_settled: bool,
    /// The bytes of the static units.
    pub(super) static_bytes: u64,
    /// Whether a gap was passed.
    pub(super) has_gaps: bool,
}

/// The trie of one tenant.
#[derive(Debug, Default)]
pub(super) struct Trie {
    pub(super) edges: ByKey<Edge>,
    once: Vec<u8>,
    marks: usize,
    /// How often it was full.
    pub(super) halvings: u64,
}

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where all texts begin.
    Root,
    Inside,
}

impl Place {
    fn of(node: u64, root: u64) -> Self {
        if node == root { Place::Root } else { Place::Inside }
    }
}

/// How a walk goes on from a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onward {
    /// To the unit that comes next.
    Next,
    /// To the unit at this place, over a gap that holds variables.
    OverVariables(usize),
    /// To the unit at this place, over a gap that holds any of a pool of passages.
    OverPassages(usize),
    /// Not known yet.
    Unknown,
}

impl Trie {
    /// Walks from a root as far as is known.
    pub(super) fn walk(&self, root: u64, text: &Text) -> Walk {
        let units = &text.units;
        let mut walk = Walk { node: root, is_settled: false, static_bytes: 0, has_gaps: false };
        let mut at = 0;
        while at < units.len() {
            let place = Place::of(walk.node, root);
            let (to, has_words) = match self.onward(walk.node, &units[at..], place) {
                Onward::Next => (0, false),
                Onward::OverPassages(to) => (to, false),
                Onward::OverVariables(to) => (to, to <= SENTENCE_MAX),
                Onward::Unknown => return walk,
            };
            walk.has_gaps |= to > 0;
            let from = at;
            walk.node = child(walk.node, target(&units[at..], to, place));
            at += to;
            if has_words {
                let Some(node) = self.walk_words(walk.node, text, from, at) else { return walk };
                walk.node = node;
            }
            walk.static_bytes += u64::from(units[at].bytes);
            at += 1;
        }
        walk.is_settled = true;
        walk
    }

    /// Counts a text `weight` times along its way; where the way is not known yet, along the likeliest ones.
    pub(super) fn learn(&mut self, root: u64, text: &Text, weight: u32) {
        let mut counts_left = COUNTS_MAX;
        let mut ways = vec![(root, 0)];
        let mut taken = 0;
        while let Some((mut node, mut at)) = ways.pop() {
            taken += 1;
            while at < text.units.len() {
                let rest = &text.units[at..];
                let place = Place::of(node, root);
                self.count(node, rest, (weight, place), &mut counts_left);
                let (to, has_words) = match self.onward(node, rest, place) {
                    Onward::Next => (0, false),
                    Onward::OverPassages(to) => (to, false),
                    Onward::OverVariables(to) => (to, to <= SENTENCE_MAX),
                    Onward::Unknown => {
                        let guess = self.guess(node, rest, place);
                        if guess > 0 && taken + ways.len() < WAYS_MAX {
                            ways.push((child(node, rest[0].hash), at + 1));
                        }
                        (guess, (1..=SENTENCE_MAX).contains(&guess))
                    }
                };
                let from = at;
                node = child(node, target(rest, to, place));
                at += to;
                if has_words {
                    node = self.learn_words(node, text, (from, at), weight);
                }
                at += 1;
            }
        }
        if self.edges.len() > EDGES_MAX {
            self.halve();
        }
    }

    /// Halves all counts, so that what is long past weighs little, and drops those of nothing.
    pub(super) fn halve(&mut self) {
        self.halvings += 1;
        self.edges.retain(|_, edge| {
            for count in [&mut edge.next, &mut edge.any, &mut edge.recurring, &mut edge.calls, &mut edge.together] {
                *count /= 2;
            }
            edge.any > 0 || edge.calls > 0
        });
    }

    /// Returns the number of edges.
    pub(super) fn edges(&self) -> usize {
        self.edges.len()
    }

    fn edge(&self, node: u64, unit: u64) -> Edge {
        self.edges.get(&child(node, unit)).copied().unwrap_or_default()
    }

    /// Decides where to go from a node; `rest` begins with the unit that comes next and ends with [`END`].
    fn onward(&self, node: u64, rest: &[Unit], place: Place) -> Onward {
        let here = self.edges.get(&node).copied().unwrap_or_default();
        let next = self.edge(node, rest[0].hash);
        let is_free =
            place == Place::Inside && here.together >= FREE_MIN && share(here.together, here.calls) >= FREE_SHARE;
        let is_common = share(next.any, here.calls) >= AFTER_GAP_SHARE;
        if next.next >= NEXT_MIN && (!is_free || is_common) {
            let values = self.edge(node, END.hash);
            let is_choice = place == Place::Root || share(values.recurring, values.any) >= RECURRING_SHARE;
            if is_choice || is_common || share(next.next, here.calls) >= NEXT_SHARE {
                return Onward::Next;
            }
        }
        for to in 1..rest.len() {
            if place == Place::Root && rest[to] == END {
                break;
            }
            let after = self.edge(node, target(rest, to, place));
            let is_common = place == Place::Root || share(after.any, here.calls) >= AFTER_GAP_SHARE;
            if after.any < NEXT_MIN || !is_common {
                continue;
            }
            if is_free {
                return Onward::OverPassages(to);
            }
            if after.any >= AFTER_GAP_MIN && share(after.recurring + 1, after.any + 2) <= VARIABLE_SHARE {
                return Onward::OverVariables(to);
            }
        }
        Onward::Unknown
    }

    /// Guesses what comes after a value that is not known here: the first unit later on that came here before.
    fn guess(&self, node: u64, rest: &[Unit], place: Place) -> usize {
        let calls = self.edges.get(&node).map_or(0, |edge| edge.calls);
        let is_likely = |to: &usize| {
            let after = self.edge(node, target(rest, *to, place));
            after.any >= 2 && rest[*to] != END && (place == Place::Root || share(after.any, calls) >= AFTER_GAP_SHARE)
        };
        (1..rest.len()).find(is_likely).unwrap_or(0)
    }

    /// Walks through the words of the units in a gap: those that most calls have there, and the others that many have,
    /// belong to the step.
    fn walk_words(&self, node: u64, text: &Text, from: usize, to: usize) -> Option<u64> {
        let words: Vec<u32> = text.words(from, to).collect();
        let mut node = child(node, WORDS);
        let mut at = 0;
        while at < words.len() {
            let here = self.edges.get(&node)?;
            if here.calls < NEXT_MIN {
                return None;
            }
            let Some(step) = self.next_word(node, &words[at..]) else { break };
            at += step;
            node = child(node, words[at].into());
            at += 1;
        }
        Some(node)
    }

    fn learn_words(&mut self, node: u64, text: &Text, (from, to): (usize, usize), weight: u32) -> u64 {
        let words: Vec<u32> = text.words(from, to).take(WORDS_MAX).collect();
        let mut node = child(node, WORDS);
        let mut at = 0;
        loop {
            let here = self.edges.entry(node).or_default();
            here.calls = here.calls.saturating_add(weight);
            for (nth, word) in words[at..].iter().enumerate() {
                // A word that comes twice counts once, as a unit does.
                if words[at..at + nth].contains(word) {
                    continue;
                }
                if let Some(edge) = self.edge_to_count(child(node, (*word).into())) {
                    edge.any = edge.any.saturating_add(weight);
                    edge.next = edge.next.saturating_add(if nth == 0 { weight } else { 0 });
                }
            }
            if let Some(first) = words.get(at) {
                self.mark(!child(node, (*first).into()));
            }
            if at == words.len() {
                return node;
            }
            // The likeliest way where the right one is not known yet.
            at += self.next_word(node, &words[at..]).unwrap_or_else(|| self.guess_word(node, &words[at..]));
            node = child(node, words[at].into());
            at += 1;
        }
    }

    fn guess_word(&self, node: u64, words: &[u32]) -> usize {
        let calls = self.edges.get(&node).map_or(0, |edge| edge.calls);
        let is_likely = |word: &u32| {
            let edge = self.edge(node, (*word).into());
            edge.any >= 2 && share(edge.any, calls) >= AFTER_GAP_SHARE
        };
        words.iter().position(is_likely).unwrap_or(0)
    }

    /// Returns how far the next word is that most calls have after a node, or that is next in many.
    fn next_word(&self, node: u64, words: &[u32]) -> Option<usize> {
        let calls = self.edges.get(&node)?.calls;
        let first = self.edge(node, (*words.first()?).into());
        if first.next >= NEXT_MIN && share(first.next, calls) >= NEXT_SHARE {
            return Some(0);
        }
        let is_common = |word: &u32| {
            let edge = self.edge(node, (*word).into());
            edge.any >= NEXT_MIN && share(edge.any, calls) >= AFTER_GAP_SHARE
        };
        words.iter().position(is_common)
    }

    /// Counts what comes after a node.
    fn count(&mut self, node: u64, rest: &[Unit], (weight, place): (u32, Place), counts_left: &mut usize) {
        let first = child(node, rest[0].hash);
        let was_next = self.edges.get(&first).is_some_and(|edge| edge.next > 0) || self.was_seen(!first);
        let came_later_before = self.was_seen(first) && !was_next;
        let here = self.edges.entry(node).or_default();
        here.calls = here.calls.saturating_add(weight);
        let calls = here.calls;
        let is_rare = |edge: &Edge| share(edge.any, calls) < AFTER_GAP_SHARE;
        let window = rest.len().min(WINDOW).min(*counts_left).max(1);
        *counts_left -= window.min(*counts_left);
        let mut is_together = false;
        for to in 0..window {
            let key = child(node, target(rest, to, place));
            let came_next_before = self.was_seen(!key) || self.edges.get(&key).is_some_and(|edge| edge.next > 0);
            let Some(edge) = self.edge_to_count(key) else { continue };
            edge.any = edge.any.saturating_add(weight);
            if to == 0 {
                edge.next = edge.next.saturating_add(weight);
                is_together |= (came_later_before || edge.any > edge.next) && is_rare(edge);
            } else {
                is_together |= came_next_before && rest[to] != END && is_rare(edge);
                edge.recurring = edge.recurring.saturating_add(if was_next { weight } else { 0 });
            }
        }
        if window < rest.len()
            && let Some(edge) = self.edge_to_count(child(node, END.hash))
        {
            edge.any = edge.any.saturating_add(weight);
            edge.recurring = edge.recurring.saturating_add(if was_next { weight } else { 0 });
        }
        self.mark(!first);
        if is_together {
            let here = self.edges.entry(node).or_default();
            here.together = here.together.saturating_add(weight);
        }
    }

    /// Returns the edge of a key to count on; the first sight of a key is kept in the sketch alone.
    fn edge_to_count(&mut self, key: u64) -> Option<&mut Edge> {
        // The first call that went there made a node of it, but was not counted.
        let is_counted = self.edges.get(&key).is_some_and(|edge| edge.any > 0);
        if !is_counted {
            if !self.was_seen(key) {
                self.mark(key);
                return None;
            }
            // What was seen once before is counted as such.
            let next = u32::from(self.was_seen(!key));
            let edge = self.edges.entry(key).or_default();
            (edge.any, edge.next) = (1, next);
        }
        self.edges.get_mut(&key)
    }

    fn was_seen(&self, key: u64) -> bool {
        let (byte, bit) = place(key);
        self.once.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    fn mark(&mut self, key: u64) {
        if self.marks >= SKETCH_BYTES {
            self.once.fill(0);
            self.marks = 0;
        }
        self.once.resize(SKETCH_BYTES, 0);
        let (byte, bit) = place(key);
        self.marks += usize::from(self.once[byte] & bit == 0);
        self.once[byte] |= bit;
    }
}

fn place(key: u64) -> (usize, u8) {
    let spread = key.wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((spread >> 40) as usize % SKETCH_BYTES, 1 << ((spread >> 32) & 7))
}

/// Returns by what the unit at a place is known at a node: by itself, or after a gap at the root, where all steps meet, by
/// those that follow it too.
fn target(rest: &[Unit], to: usize, place: Place) -> u64 {
    let following = if place == Place::Root && to > 0 { FOLLOWING } else { 0 };
    rest[to + 1..].iter().take(following).fold(rest[to].hash, |target, unit| child(target, unit.hash))
}

/// Returns the node to which a unit leads.
pub(super) fn child(node: u64, unit: u64) -> u64 {
    let mixed = (node.rotate_left(23) ^ unit).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}
