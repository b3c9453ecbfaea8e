//! The metadata entries of a GGUF header: the few that are acted on are kept, all of the tokenizer's are digested.

use std::collections::BTreeMap;
use std::io::Read;

use sha2::{Digest, Sha256};

use crate::Error;
use crate::reader::Reader;

/// The most metadata entries accepted.
const ENTRIES_MAX: u64 = 65_536;
/// The deepest nesting of arrays accepted.
const NESTING_MAX: u32 = 4;
/// The most numbers of an array that are kept; longer arrays are digested and counted only.
const KEPT_NUMBERS_MAX: u64 = 4_096;

/// A metadata value, as far as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    /// An array of whole numbers, short enough to be kept.
    Integers(Vec<i128>),
    /// Any other array: only its length is kept.
    Array(u64),
}

/// All entries of a header by key.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    entries: BTreeMap<String, Value>,
    tokenizer_digests: BTreeMap<String, [u8; 32]>,
}

impl Metadata {
    /// Reads `count` entries.
    pub(crate) fn read<R: Read>(reader: &mut Reader<'_, R>, count: u64) -> Result<Metadata, Error> {
        if count > ENTRIES_MAX {
            return Err(Error::TooLarge { what: "count of metadata entries", found: count, max: ENTRIES_MAX });
        }
        let mut metadata = Metadata::default();
        for _ in 0..count {
            let key = String::from_utf8(reader.string_bytes()?)
                .map_err(|_| Error::malformed("a metadata key is not UTF-8"))?;
            let number = reader.u32()?;
            let mut entry = EntryReader { reader, key: &key, digest: Sha256::new() };
            let value = entry.value(number, 0)?;
            let digest = entry.digest.finalize().into();
            if key.starts_with("tokenizer.") && key != "tokenizer.chat_template" {
                metadata.tokenizer_digests.insert(key.clone(), digest);
            }
            if metadata.entries.insert(key.clone(), value).is_some() {
                return Err(Error::malformed(format!("metadata entry {key:?} is there twice")));
            }
        }
        Ok(metadata)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.entries.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn unsigned(&self, key: &str) -> Option<u64> {
        match self.entries.get(key) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        match self.entries.get(key) {
            Some(Value::Float(number)) => Some(*number),
            Some(Value::Integer(number)) => Some(*number as f64),
            _ => None,
        }
    }

    /// Returns one number per layer: the array's, or the same one for all.
    pub(crate) fn per_layer(&self, key: &str, layers: u64) -> Option<Vec<u64>> {
        match self.entries.get(key)? {
            Value::Integer(number) if layers <= KEPT_NUMBERS_MAX => {
                let number = u64::try_from(*number).ok()?;
                Some(vec![number; usize::try_from(layers).ok()?])
            }
            Value::Integers(numbers) => numbers.iter().map(|number| u64::try_from(*number).ok()).collect(),
            _ => None,
        }
    }

    pub(crate) fn array_length(&self, key: &str) -> Option<u64> {
        match self.entries.get(key)? {
            Value::Array(length) => Some(*length),
            Value::Integers(numbers) => Some(numbers.len() as u64),
            _ => None,
        }
    }

    /// Returns the digest of all tokenizer entries in the order of their keys, whatever their order in the file.
    pub(crate) fn tokenizer_sha256(&self) -> Option<[u8; 32]> {
        if self.tokenizer_digests.is_empty() {
            return None;
        }
        let mut digest = Sha256::new();
        for (key, value) in &self.tokenizer_digests {
            digest.update((key.len() as u64).to_le_bytes());
            digest.update(key.as_bytes());
            digest.update(value);
        }
        Some(digest.finalize().into())
    }
}

struct EntryReader<'r, 'p, R> {
    reader: &'r mut Reader<'p, R>,
    key: &'r str,
    digest: Sha256,
}

impl<R: Read> EntryReader<'_, '_, R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.reader.array()?;
        self.digest.update(bytes);
        Ok(bytes)
    }

    fn text(&mut self) -> Result<Vec<u8>, Error> {
        let bytes = self.reader.string_bytes()?;
        self.digest.update((bytes.len() as u64).to_le_bytes());
        self.digest.update(&bytes);
        Ok(bytes)
    }

    fn value(&mut self, number: u32, depth: u32) -> Result<Value, Error> {
        self.digest.update(number.to_le_bytes());
        Ok(match number {
            0 => Value::Integer(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Integer(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Integer(u32::from_le_bytes(self.bytes()?).into()),
            5 => Value::Integer(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(self.bytes::<1>()? != [0]),
            8 => Value::Text(String::from_utf8_lossy(&self.text()?).into_owned()),
            9 => self.array(depth)?,
            10 => Value::Integer(u64::from_le_bytes(self.bytes()?).into()),
            11 => Value::Integer(i64::from_le_bytes(self.bytes()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(Error::UnknownValueType { key: self.key.to_owned(), number }),
        })
    }

    fn array(&mut self, depth: u32) -> Result<Value, Error> {
        if depth == NESTING_MAX {
            let found = u64::from(depth) + 1;
            return Err(Error::TooLarge { what: "nesting of arrays", found, max: NESTING_MAX.into() });
        }
        let number = self.reader.u32()?;
        let length = self.reader.u64()?;
        self.digest.update(length.to_le_bytes());
        // Every element takes a byte at least, so a claimed length past the end of the file is refused at once.
        self.reader.require(length.saturating_mul(element_bytes_min(number)))?;
        let mut numbers = Vec::new();
        let mut only_numbers = length <= KEPT_NUMBERS_MAX;
        for _ in 0..length {
            match self.value(number, depth + 1)? {
                Value::Integer(number) if only_numbers => numbers.push(number),
                _ => only_numbers = false,
            }
        }
        Ok(if only_numbers { Value::Integers(numbers) } else { Value::Array(length) })
    }
}

/// Returns the fewest bytes that an element of this type takes in the file.
fn element_bytes_min(number: u32) -> u64 {
    match number {
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10..=12 => 8,
        9 => 12,
        _ => 1,
    }
}
