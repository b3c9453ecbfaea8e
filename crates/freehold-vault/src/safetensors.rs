//! The header of a safetensors file: a length, then JSON with type, shape and place of every tensor.
//!
//! The JSON is read as a stream and never held as a whole; nothing is believed before it is checked against the file's length.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::digest::hex;
use crate::types::Types;

/// The largest header accepted, in bytes; the format's own limit.
const HEADER_BYTES_MAX: u64 = 100_000_000;
/// The most tensors accepted; the largest models of many experts have some hundred thousand.
const TENSORS_MAX: u64 = 524_288;
/// The longest name of a tensor, in bytes.
const NAME_BYTES_MAX: u64 = 1_024;
/// The most dimensions of a tensor.
const DIMENSIONS_MAX: u64 = 16;

/// The storage types of the format and the bits of an element (`enum Dtype` of the safetensors crate).
const STORAGE_TYPES: &[(&str, u64)] = &[
    ("BOOL", 8),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("I64", 64),
    ("U64", 64),
    ("F64", 64),
];

/// What a safetensors header says in sum.
#[derive(Debug, Default)]
pub(crate) struct TensorTable {
    /// The names of all tensors.
    pub(crate) names: BTreeSet<String>,
    /// Elements of all tensors.
    pub(crate) parameters: u64,
    /// Bytes of all tensors.
    pub(crate) bytes: u64,
    /// What is stored in which type.
    pub(crate) types: Types,
    /// The bytes before the tensors' data, the length's eight included.
    pub(crate) header_bytes: u64,
    /// The digest of those bytes, in hexadecimal.
    pub(crate) header_sha256: String,
    extents: Vec<(u64, u64)>,
}

/// Returns whether bytes that begin a file may be those of a safetensors file: a possible length, and JSON after it.
pub(crate) fn begins_alike(start: &[u8]) -> bool {
    let Some((length, rest)) = start.split_first_chunk::<8>() else { return false };
    (2..=HEADER_BYTES_MAX).contains(&u64::from_le_bytes(*length)) && rest.first() == Some(&b'{')
}

/// Reads a header from `input`, which stands for a file of `file_bytes` bytes called `path` in errors.
///
/// # Errors
/// The input cannot be read, its header is no JSON of the format, contradicts itself, passes a limit, or does not fit the
/// length of the file.
pub(crate) fn read(mut input: impl Read, path: &Path, file_bytes: u64) -> Result<TensorTable, Error> {
    let mut start = [0; 8];
    if file_bytes < 8 {
        return Err(Error::Truncated { expected: 8, found: file_bytes });
    }
    input.read_exact(&mut start).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let length = u64::from_le_bytes(start);
    if length > HEADER_BYTES_MAX {
        return Err(Error::TooLarge { what: "header size in bytes", found: length, max: HEADER_BYTES_MAX });
    }
    let header_bytes = length + 8;
    if header_bytes > file_bytes {
        return Err(Error::Truncated { expected: header_bytes, found: file_bytes });
    }
    let mut header =
        HashingReader { inner: input.take(length), digest: Sha256::new().chain_update(start), failed: None };
    let mut table = TensorTable::default();
    let parsed = parse(io::BufReader::with_capacity(1 << 16, &mut header), &mut table);
    if let Some(source) = header.failed.take() {
        return Err(Error::Read { path: path.to_owned(), source });
    }
    parsed?;
    if header.inner.limit() > 0 {
        return Err(Error::Truncated { expected: header_bytes, found: header_bytes - header.inner.limit() });
    }
    table.header_bytes = header_bytes;
    table.header_sha256 = hex(&header.digest.finalize());
    table.check_extents(file_bytes - header_bytes)?;
    Ok(table)
}

fn parse(input: impl Read, table: &mut TensorTable) -> Result<(), Error> {
    let mut wrong = None;
    let mut json = serde_json::Deserializer::from_reader(input);
    let read = json.deserialize_map(Rows { table, wrong: &mut wrong }).and_then(|()| json.end());
    match (wrong, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(Error::malformed(format!("the header is no JSON of the format: {error}"))),
        (None, Ok(())) => Ok(()),
    }
}

/// One tensor, as the header spells it; what else stands there is passed over.
#[derive(Debug, serde::Deserialize)]
struct Row {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Takes the rows into the table one by one; our own error goes out beside that of the JSON.
struct Rows<'t> {
    table: &'t mut TensorTable,
    wrong: &'t mut Option<Error>,
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            let taken = if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                let twice = std::mem::replace(&mut has_metadata, true);
                if twice { Err(Error::malformed("the entry \"__metadata__\" is there twice")) } else { Ok(()) }
            } else {
                self.table.add(name, &map.next_value::<Row>()?)
            };
            if let Err(error) = taken {
                *self.wrong = Some(error);
                return Err(serde::de::Error::custom("see the other error"));
            }
        }
        Ok(())
    }
}

impl TensorTable {
    fn add(&mut self, name: String, row: &Row) -> Result<(), Error> {
        let too_large = |what, found, max| if found > max { Err(Error::TooLarge { what, found, max }) } else { Ok(()) };
        too_large("count of tensors", self.names.len() as u64 + 1, TENSORS_MAX)?;
        too_large("length of a tensor's name in bytes", name.len() as u64, NAME_BYTES_MAX)?;
        too_large("count of a tensor's dimensions", row.shape.len() as u64, DIMENSIONS_MAX)?;
        let Some((dtype, bits)) = STORAGE_TYPES.iter().find(|(dtype, _)| *dtype == row.dtype) else {
            let found: String = row.dtype.chars().take(40).collect();
            return Err(Error::malformed(format!("tensor {name:?} has the unknown type {found:?}")));
        };
        let overflow = || Error::malformed(format!("the size of tensor {name:?} overflows"));
        let elements =
            row.shape.iter().try_fold(1u64, |product, side| product.checked_mul(*side)).ok_or_else(overflow)?;
        let all_bits = elements.checked_mul(*bits).ok_or_else(overflow)?;
        let (begin, end) = row.data_offsets;
        let held = end
            .checked_sub(begin)
            .ok_or_else(|| Error::malformed(format!("tensor {name:?} ends before it begins: {begin} to {end}")))?;
        if !all_bits.is_multiple_of(8) || held != all_bits / 8 {
            let shape: Vec<String> = row.shape.iter().map(u64::to_string).collect();
            return Err(Error::malformed(format!(
                "tensor {name:?} of {} elements in {dtype} does not fill {held} bytes exactly",
                shape.join("x")
            )));
        }
        self.parameters = self.parameters.checked_add(elements).ok_or_else(overflow)?;
        self.bytes = self.bytes.checked_add(held).ok_or_else(overflow)?;
        self.types.add(dtype, elements, held);
        self.extents.push((begin, end));
        if self.names.contains(&name) {
            return Err(Error::malformed(format!("tensor {name:?} is there twice")));
        }
        self.names.insert(name);
        Ok(())
    }

    /// Sees to it that the tensors fill the data without a gap, an overlap, or anything behind them.
    ///
    /// A gap could hide bytes that no reader looks at, so the format forbids it.
    fn check_extents(&mut self, data_bytes: u64) -> Result<(), Error> {
        self.extents.sort_unstable();
        let mut at = 0;
        for (begin, end) in std::mem::take(&mut self.extents) {
            if begin != at {
                let what = if begin < at { "overlap" } else { "leave a gap" };
                return Err(Error::malformed(format!("tensors {what} at byte {} of the data", begin.min(at))));
            }
            at = end;
        }
        if at > data_bytes {
            let before = self.header_bytes;
            return Err(Error::Truncated { expected: before.saturating_add(at), found: before + data_bytes });
        }
        if at < data_bytes {
            return Err(Error::malformed(format!("{} bytes follow the last tensor", data_bytes - at)));
        }
        Ok(())
    }
}

/// Digests what passes, and keeps an error of the system apart from one of the JSON.
struct HashingReader<R> {
    inner: io::Take<R>,
    digest: Sha256,
    failed: Option<io::Error>,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.digest.update(&buffer[..count]);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}
