//! Packs pieces: compressed with a dictionary of what pieces have in common, then sealed where a key is given.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use zstd_safe::{CCtx, CParameter, DCtx, DDict};

use super::dictionary::{self, Samples};
use crate::error::Error;
use crate::seal::{Purpose, Seal, SealError};

/// Measured on chat traffic: level 1 is as small as levels 3 to 5 within a few per cent, and takes half the time of level 3.
const LEVEL: i32 = 1;
/// What every frame begins with; it is not stored.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Shorter pieces are not compressed.
const BYTES_MIN: usize = 16;
/// The longest piece that is believed; a length beyond it is damage.
const BYTES_MAX: u64 = 1 << 31;

/// The largest buffer that is kept from one piece to the next.
const FRAME_BYTES_KEPT: usize = 1 << 20;

const NEWEST: &str = "SELECT number, is_sealed, bytes FROM dictionary ORDER BY number DESC LIMIT 1";
const ONE: &str = "SELECT number, is_sealed, bytes FROM dictionary WHERE number = ?1";
const INSERT: &str = "INSERT INTO dictionary (number, is_sealed, bytes) VALUES (?1, ?2, ?3)";

/// How a piece lies in the store.
pub(super) struct Packed {
    /// Twice the number of the dictionary, 0 where it is not compressed, and one more where it is sealed.
    pub(super) form: i64,
    pub(super) bytes: Vec<u8>,
}

/// What cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    #[error("cannot compress: {0}")]
    Compress(&'static str),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("{0}")]
    Damaged(&'static str),
    #[error("sealed, and no key was given")]
    NoKey,
}

/// Compresses, in a buffer that it keeps up to a bound.
pub(super) struct Compressor {
    context: CCtx<'static>,
    frame: Vec<u8>,
}

/// Packs with the newest dictionary, and makes a newer one when enough was packed.
pub(super) struct Packer {
    seal: Option<Seal>,
    compressor: Compressor,
    dictionary: Option<i64>,
    samples: Samples,
    due_row: i64,
    /// The last row of segments that was told.
    row: i64,
}

/// Unpacks what any dictionary packed.
pub(super) struct Unpacker {
    seal: Option<Seal>,
    context: DCtx<'static>,
    frame: Vec<u8>,
    dictionaries: HashMap<i64, DDict<'static>>,
}

impl Packer {
    pub(super) fn new(seal: Option<Seal>) -> Self {
        Self { seal, compressor: Compressor::new(), dictionary: None, samples: Samples::default(), due_row: 0, row: 0 }
    }

    /// Forgets the dictionary, which may have been made in a transaction that failed.
    pub(super) fn forget(&mut self) {
        self.dictionary = None;
    }

    /// Packs a piece.
    pub(super) fn pack(&mut self, connection: &Connection, bytes: &[u8]) -> Result<Packed, PackError> {
        let dictionary = match self.dictionary {
            Some(number) => number,
            None => self.load(connection)?,
        };
        if self.row >= dictionary::sampled_from(self.due_row) {
            self.samples.add(bytes);
        }
        let compressed = self.compressor.compress(bytes)?.map(|compressed| (dictionary, compressed));
        let (number, kept) = compressed.unwrap_or((0, bytes));
        match &self.seal {
            Some(seal) => Ok(Packed { form: number * 2 + 1, bytes: seal.seal(Purpose::Piece, kept)? }),
            None => Ok(Packed { form: number * 2, bytes: kept.to_vec() }),
        }
    }

    /// Makes a new dictionary when that row of segments says that one is due, and keeps it where it is a better one.
    pub(super) fn learn(&mut self, connection: &Connection, row: i64) -> Result<(), PackError> {
        self.row = row;
        let Some(current) = self.dictionary else { return Ok(()) };
        if row < self.due_row || !self.samples.are_enough() {
            return Ok(());
        }
        self.due_row = dictionary::due_row_after(row);
        let samples = std::mem::take(&mut self.samples);
        let Some(made) = samples.train() else { return Ok(()) };
        let (checked, before) = samples.checked(&mut self.compressor)?;
        self.compressor.set_up(&made)?;
        let (_, after) = samples.checked(&mut self.compressor)?;
        tracing::debug!(checked, before, after, "made a dictionary of the bodies");
        if after * 100 > before * 97 {
            self.load(connection)?;
            return Ok(());
        }
        self.dictionary = Some(self.add(connection, current + 1, &made)?);
        Ok(())
    }

    /// Takes up the newest dictionary; where there is none, ours for a beginning.
    fn load(&mut self, connection: &Connection) -> Result<i64, PackError> {
        let stored = connection.prepare_cached(NEWEST)?.query_row([], columns).optional()?;
        let (number, bytes) = match stored {
            Some(stored) => opened(stored, self.seal.as_ref())?,
            None => {
                let first = dictionary::FIRST.to_vec();
                (self.add(connection, 1, &first)?, first)
            }
        };
        self.compressor.set_up(&bytes)?;
        self.due_row = self.due_row.max(dictionary::due_row(number));
        self.dictionary = Some(number);
        Ok(number)
    }

    fn add(&self, connection: &Connection, number: i64, bytes: &[u8]) -> Result<i64, PackError> {
        let sealed = self.seal.as_ref().map(|seal| seal.seal(Purpose::Dictionary, bytes)).transpose()?;
        let values = params![number, sealed.is_some(), sealed.as_deref().unwrap_or(bytes)];
        connection.prepare_cached(INSERT)?.execute(values)?;
        Ok(number)
    }
}

impl Compressor {
    fn new() -> Self {
        Self { context: CCtx::create(), frame: Vec::new() }
    }

    /// Compresses without the frame's first bytes; `None` where that does not make it shorter.
    pub(super) fn compress(&mut self, bytes: &[u8]) -> Result<Option<&[u8]>, PackError> {
        if bytes.len() < BYTES_MIN {
            return Ok(None);
        }
        if self.frame.capacity() > FRAME_BYTES_KEPT {
            self.frame = Vec::new();
        }
        self.frame.clear();
        self.frame.reserve(zstd_safe::compress_bound(bytes.len()));
        self.context.compress2(&mut self.frame, bytes).map_err(failed)?;
        Ok((self.frame.len() < bytes.len() + MAGIC.len()).then(|| &self.frame[MAGIC.len()..]))
    }

    fn set_up(&mut self, dictionary: &[u8]) -> Result<(), PackError> {
        let mut set = |parameter| self.context.set_parameter(parameter).map_err(failed);
        set(CParameter::CompressionLevel(LEVEL))?;
        set(CParameter::ContentSizeFlag(true))?;
        set(CParameter::ChecksumFlag(false))?;
        set(CParameter::DictIdFlag(false))?;
        self.context.load_dictionary(dictionary).map_err(failed)?;
        Ok(())
    }
}

impl Unpacker {
    pub(super) fn new(seal: Option<Seal>) -> Self {
        Self { seal, context: DCtx::create(), frame: Vec::new(), dictionaries: HashMap::new() }
    }

    /// Returns the piece that was packed.
    pub(super) fn unpack(&mut self, connection: &Connection, packed: Packed) -> Result<Vec<u8>, PackError> {
        let Packed { form, bytes } = packed;
        let bytes = match (form & 1 == 1, &self.seal) {
            (false, _) => bytes,
            (true, Some(seal)) => seal.open(Purpose::Piece, &bytes)?,
            (true, None) => return Err(PackError::NoKey),
        };
        let number = form >> 1;
        if number == 0 {
            return Ok(bytes);
        }
        if !self.dictionaries.contains_key(&number) {
            let stored = connection.prepare_cached(ONE)?.query_row([number], columns).optional()?;
            let stored = stored.ok_or(PackError::Damaged("its dictionary is missing"))?;
            let (_, dictionary) = opened(stored, self.seal.as_ref())?;
            self.dictionaries.insert(number, DDict::create(&dictionary));
        }
        let dictionary = &self.dictionaries[&number];
        self.frame.clear();
        self.frame.extend_from_slice(&MAGIC);
        self.frame.extend_from_slice(&bytes);
        let length = zstd_safe::get_frame_content_size(&self.frame).ok().flatten().filter(|length| *length < BYTES_MAX);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let mut text = Vec::with_capacity(length.ok_or(PackError::Damaged("its length is not there"))?);
        let unpacked = self.context.decompress_using_ddict(&mut text, &self.frame, dictionary);
        unpacked.map_err(|code| PackError::Damaged(zstd_safe::get_error_name(code)))?;
        Ok(text)
    }
}

fn failed(code: usize) -> PackError {
    PackError::Compress(zstd_safe::get_error_name(code))
}

type Stored = (i64, bool, Vec<u8>);

fn columns(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn opened((number, is_sealed, bytes): Stored, seal: Option<&Seal>) -> Result<(i64, Vec<u8>), PackError> {
    match (is_sealed, seal) {
        (false, _) => Ok((number, bytes)),
        (true, Some(seal)) => Ok((number, seal.open(Purpose::Dictionary, &bytes)?)),
        (true, None) => Err(PackError::NoKey),
    }
}

impl From<PackError> for rusqlite::Error {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Sql(error) => error,
            other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
        }
    }
}

impl From<PackError> for Error {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Sql(source) => Error::Sql { doing: "read the bodies of a call", source },
            other => Error::Unreadable { what: "a piece of a body", found: other.to_string() },
        }
    }
}
