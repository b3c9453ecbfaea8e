//! What was learned, as bytes and back, so that steps keep their ids when a process ends and another goes on.
//!
//! Texts that wait are left out: they come again.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::learned::{Family, Head, Learned, Standing};
use super::mask;
use super::trie::{ByKey, Edge};

/// What the bytes begin with; another form gets another number.
const FORM: &[u8; 8] = b"fhsteps1";

/// Bytes that are not what was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was learned of steps is damaged or of another version")]
pub struct StateError;

/// Writes down what was learned.
pub(super) fn write(learned: &Learned, seed: u64) -> Vec<u8> {
    let mut to = Writer::default();
    to.u64(learned.heads.len() as u64);
    // In the order in which they came, which is that in which they are forgotten.
    let in_order = learned.ring.iter().filter_map(|key| Some((key, learned.heads.get(key)?)));
    for (key, head) in in_order {
        to.u64(*key);
        to.text(&head.step);
        to.text(&head.own);
        to.bytes.push(head.standing as u8);
        to.u32(head.calls.load(Ordering::Relaxed));
        to.u64(head.family.unwrap_or_default());
    }
    to.u64(learned.families.len() as u64);
    for (key, family) in &learned.families {
        to.u64(*key);
        to.text(&family.step);
        to.u64(family.tools);
        to.u64(family.head);
    }
    to.u64(learned.templates.len() as u64);
    for (node, step) in &learned.templates {
        to.u64(*node);
        to.text(step);
    }
    to.u64(learned.aliases.len() as u64);
    for (from, step) in &learned.aliases {
        to.text(from);
        to.text(step);
    }
    to.u64(learned.trie.edges.len() as u64);
    for (key, edge) in &learned.trie.edges {
        to.u64(*key);
        for count in [edge.next, edge.any, edge.recurring, edge.calls, edge.together] {
            to.u32(count);
        }
    }
    to.finished(seed)
}

/// Reads what was written; returns the seed too.
pub(super) fn read(bytes: &[u8]) -> Result<(Learned, u64), StateError> {
    let (mut from, seed) = Reader::new(bytes)?;
    let mut learned = Learned::default();
    for _ in 0..from.u64()? {
        let key = from.u64()?;
        let (step, own) = (from.text()?, from.text()?);
        let standing = match from.array::<1>()? {
            [0] => Standing::Alone,
            [1] => Standing::Shared,
            [2] => Standing::Explained,
            _ => return Err(StateError),
        };
        let (calls, family) = (AtomicU32::new(from.u32()?), Some(from.u64()?).filter(|family| *family != 0));
        learned.alone += usize::from(standing == Standing::Alone);
        learned.ring.push_back(key);
        learned.heads.insert(key, Head { step, own, standing, calls, family });
    }
    for _ in 0..from.u64()? {
        let key = from.u64()?;
        let (step, tools, head) = (from.text()?, from.u64()?, from.u64()?);
        learned.families.insert(key, Family { step, tools, head });
    }
    for _ in 0..from.u64()? {
        let (node, step) = (from.u64()?, from.text()?);
        learned.names.insert(Arc::clone(&step));
        learned.templates.insert(node, step);
    }
    for _ in 0..from.u64()? {
        let (alias, step) = (from.text()?, from.text()?);
        learned.aliases.insert(alias, step);
    }
    learned.trie.edges = edges(&mut from)?;
    Ok((learned, seed))
}

fn edges(from: &mut Reader<'_>) -> Result<ByKey<Edge>, StateError> {
    let mut edges = ByKey::default();
    for _ in 0..from.u64()? {
        let key = from.u64()?;
        let (next, any, recurring) = (from.u32()?, from.u32()?, from.u32()?);
        edges.insert(key, Edge { next, any, recurring, calls: from.u32()?, together: from.u32()? });
    }
    Ok(edges)
}

/// Bytes with the texts that they refer to, each kept once.
#[derive(Debug, Default)]
struct Writer {
    bytes: Vec<u8>,
    texts: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl Writer {
    fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &Arc<str>) {
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                self.texts.push(Arc::clone(text));
                self.places.insert(Arc::clone(text), place);
                place
            }
        };
        self.u32(place);
    }

    fn finished(self, seed: u64) -> Vec<u8> {
        let mut whole = Writer::default();
        whole.bytes.extend_from_slice(FORM);
        whole.u64(seed);
        whole.u64(self.texts.len() as u64);
        for text in &self.texts {
            whole.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
            whole.bytes.extend_from_slice(text.as_bytes());
        }
        whole.bytes.extend_from_slice(&self.bytes);
        let sum = checksum(&whole.bytes);
        whole.u64(sum);
        whole.bytes
    }
}

struct Reader<'b> {
    rest: &'b [u8],
    texts: Vec<Arc<str>>,
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8]) -> Result<(Self, u64), StateError> {
        let (rest, sum) = bytes.split_last_chunk().ok_or(StateError)?;
        let rest = rest.strip_prefix(FORM).filter(|_| checksum(rest) == u64::from_le_bytes(*sum)).ok_or(StateError)?;
        let mut reader = Reader { rest, texts: Vec::new() };
        let seed = reader.u64()?;
        for _ in 0..reader.u64()? {
            let length = reader.u32()? as usize;
            let (text, rest) = reader.rest.split_at_checked(length).ok_or(StateError)?;
            reader.texts.push(std::str::from_utf8(text).map_err(|_| StateError)?.into());
            reader.rest = rest;
        }
        Ok((reader, seed))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(StateError)?;
        self.rest = rest;
        Ok(*array)
    }

    fn u32(&mut self) -> Result<u32, StateError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<Arc<str>, StateError> {
        let place = self.u32()? as usize;
        self.texts.get(place).cloned().ok_or(StateError)
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hash = mask::hasher(0);
    hash.write(bytes);
    hash.finish()
}
