//! The bodies of calls: cut into pieces, each kept once, packed; read back byte for byte.
//!
//! A request follows two ways: one over what stays from call to call (tools, system text, and the frame that holds the rest),
//! one over what grows (messages). A way is a chain of segments; a segment holds the pieces that were new when it was written,
//! and begins somewhere in its parent. So the next turn of a run stores its new messages and no others.

mod dictionary;
mod layout;
mod pack;
mod prefixes;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use freehold_wire::{Call, Digest, Instead, Kept};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::body::pack::{PackError, Packed, Packer, Unpacker};
use crate::body::prefixes::{Place, Prefixes};
use crate::calls::integer;
use crate::error::Error;
use crate::seal::Seal;

/// The ways of a request have names of their own, so that no piece is taken for one of the other way.
const STEADY: u8 = 1;
const GROWN: u8 = 2;

const INSERT_BODY: &str = "INSERT INTO body (call, steady, steady_bytes, grown, grown_bytes, form, response) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const INSERT_SEGMENT: &str = "INSERT INTO segment (parent, parent_bytes, form, bytes) VALUES (?1, ?2, ?3, ?4)";
const INSERT_DIGEST: &str = "INSERT INTO digest (call, request_bytes, request, response_bytes, response) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
const SELECT_BODY: &str = "SELECT steady, steady_bytes, grown, grown_bytes, form, response FROM body WHERE call = ?1";
const SELECT_WHOLE: &str = "SELECT request, response FROM whole_body WHERE call = ?1";
const SELECT_SEGMENT: &str = "SELECT parent, parent_bytes, form, bytes FROM segment WHERE row = ?1";
const SELECT_DIGEST: &str = "SELECT request_bytes, request, response_bytes, response FROM digest WHERE call = ?1";
const SELECT_REMOVALS: &str = "SELECT times FROM removal";
const ADD_USES: &str = "INSERT INTO segment_use (segment, uses) VALUES (?1, 1 + ?2) \
    ON CONFLICT DO UPDATE SET uses = uses + ?2";

/// The numbers of `call.kept`.
const KEPT_WHOLE: i64 = 0;
const KEPT_DIGESTS: i64 = 1;
pub(crate) const KEPT_NOT_ANY_MORE: i64 = 2;

/// Writes bodies; forget what it remembers when the transaction it wrote in failed.
pub(crate) struct BodyWriter {
    packer: Packer,
    prefixes: Prefixes,
    removals: i64,
    /// How often segments are referred to anew, beyond the one body that a segment is made for.
    uses: BTreeMap<i64, i64>,
}

/// The statements that write bodies, looked up once for many.
pub(crate) struct Inserts<'c> {
    body: CachedStatement<'c>,
    segment: CachedStatement<'c>,
    digest: CachedStatement<'c>,
}

impl<'c> Inserts<'c> {
    /// Looks the statements up.
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            body: connection.prepare_cached(INSERT_BODY)?,
            segment: connection.prepare_cached(INSERT_SEGMENT)?,
            digest: connection.prepare_cached(INSERT_DIGEST)?,
        })
    }
}

/// Reads bodies.
pub(crate) struct BodyReader {
    unpacker: Mutex<Unpacker>,
}

/// Request and response.
pub(crate) type Bodies = (Vec<u8>, Vec<u8>);

impl BodyWriter {
    /// Starts with nothing remembered; pieces are sealed where a key is given.
    pub(crate) fn new(seal: Option<Seal>) -> Self {
        Self { packer: Packer::new(seal), prefixes: Prefixes::default(), removals: 0, uses: BTreeMap::new() }
    }

    /// Forgets what was remembered of rows that may not be there.
    pub(crate) fn forget(&mut self) {
        self.prefixes = Prefixes::default();
        self.packer.forget();
        self.uses.clear();
    }

    /// Begins to write in a transaction: forgets where pieces lie if any were removed since the last one.
    pub(crate) fn begin(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let removals = connection.prepare_cached(SELECT_REMOVALS)?.query_row([], |row| row.get(0))?;
        if removals != self.removals {
            self.prefixes = Prefixes::default();
            self.removals = removals;
        }
        Ok(())
    }

    /// Writes, before the transaction ends, how often segments are referred to.
    pub(crate) fn finish(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut add = connection.prepare_cached(ADD_USES)?;
        for (segment, uses) in std::mem::take(&mut self.uses) {
            add.execute([segment, uses])?;
        }
        Ok(())
    }

    /// Adds the bodies of the call in that row, or what stands in for them.
    pub(crate) fn write(
        &mut self,
        connection: &Connection,
        inserts: &mut Inserts<'_>,
        row: i64,
        call: &Call,
    ) -> rusqlite::Result<()> {
        match &call.kept.instead {
            None => Ok(self.write_bodies(connection, inserts, row, call)?),
            Some(Instead::Expired) => Ok(()),
            Some(Instead::Digests { request, response }) => {
                let (request_bytes, response_bytes) = (integer(request.bytes), integer(response.bytes));
                let values = params![row, request_bytes, request.sha256, response_bytes, response.sha256];
                inserts.digest.execute(values).map(drop)
            }
        }
    }

    fn write_bodies(
        &mut self,
        connection: &Connection,
        inserts: &mut Inserts<'_>,
        row: i64,
        call: &Call,
    ) -> Result<(), PackError> {
        let layout = layout::cut(&call.request);
        let insert = &mut inserts.segment;
        let steady = self.way(connection, insert, STEADY, &layout.steady)?;
        let steady = steady.expect("the frame is a piece of every request");
        let grown = self.way(connection, insert, GROWN, layout.grown.as_deref().unwrap_or_default())?;
        let response = self.packer.pack(connection, &call.response)?;
        inserts.body.execute(params![
            row,
            steady.segment,
            integer(steady.bytes as u64),
            grown.map(|grown| grown.segment),
            grown.map(|grown| integer(grown.bytes as u64)),
            response.form,
            response.bytes,
        ])?;
        self.packer.learn(connection, steady.segment.max(grown.map_or(0, |grown| grown.segment)))
    }

    /// Returns where these pieces end, and adds those that were not there; `None` without pieces.
    fn way<P: AsRef<[u8]>>(
        &mut self,
        connection: &Connection,
        insert: &mut CachedStatement<'_>,
        root: u8,
        pieces: &[P],
    ) -> Result<Option<Place>, PackError> {
        let names = prefixes::names(root, pieces);
        let known = self.prefixes.longest(&names);
        let (known_pieces, parent) = known.map_or((0, None), |(pieces, place)| (pieces, Some(place)));
        if let Some(place) = parent {
            *self.uses.entry(place.segment).or_default() += 1;
        }
        if known_pieces == pieces.len() {
            return Ok(parent);
        }
        let new = &pieces[known_pieces..];
        let packed = match new {
            [one] => self.packer.pack(connection, one.as_ref())?,
            _ => self.packer.pack(connection, &new.iter().map(AsRef::as_ref).collect::<Vec<_>>().concat())?,
        };
        let (parent_row, parent_bytes) = (parent.map(|place| place.segment), parent.map(|place| place.bytes as u64));
        let segment = insert.insert(params![parent_row, parent_bytes.map(integer), packed.form, packed.bytes])?;
        let mut bytes = 0;
        for (piece, name) in new.iter().zip(&names[known_pieces..]) {
            bytes += piece.as_ref().len();
            self.prefixes.keep(*name, Place { segment, bytes });
        }
        Ok(Some(Place { segment, bytes }))
    }
}

impl BodyReader {
    /// Starts with no dictionary read; sealed pieces need their key.
    pub(crate) fn new(seal: Option<Seal>) -> Self {
        Self { unpacker: Mutex::new(Unpacker::new(seal)) }
    }

    /// Returns the bodies of the call in that row; empty ones where something stands in for them.
    pub(crate) fn read_or(
        &self,
        connection: &Connection,
        row: i64,
        instead: Option<&Instead>,
    ) -> Result<Bodies, Error> {
        match (self.read_packed(connection, row)?, instead) {
            (Some(bodies), _) => Ok(bodies),
            (None, Some(_)) => Ok((Vec::new(), Vec::new())),
            (None, None) => Err(Error::Unreadable { what: "a call", found: "its bodies are missing".to_owned() }),
        }
    }

    fn read_packed(&self, connection: &Connection, row: i64) -> Result<Option<Bodies>, PackError> {
        let mut statement = connection.prepare_cached(SELECT_BODY)?;
        let found = statement.query_row([row], |row| {
            let (steady, grown) = ((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?));
            Ok((steady, grown, Packed { form: row.get(4)?, bytes: row.get(5)? }))
        });
        let Some((steady, grown, response)) = found.optional()? else {
            let mut statement = connection.prepare_cached(SELECT_WHOLE)?;
            return Ok(statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))).optional()?);
        };
        let mut unpacker = self.unpacker.lock().unwrap_or_else(PoisonError::into_inner);
        let steady = text(connection, &mut unpacker, steady)?;
        let grown = match grown {
            (Some(segment), Some(bytes)) => text(connection, &mut unpacker, (segment, bytes))?,
            _ => Vec::new(),
        };
        let request = layout::join(&steady, &grown).ok_or(PackError::Damaged("its pieces do not fit together"))?;
        Ok(Some((request, unpacker.unpack(connection, response)?)))
    }
}

/// Returns the numbers of `call.masked` and `call.kept`.
pub(crate) fn kept_columns(kept: &Kept) -> (bool, i64) {
    let number = match kept.instead {
        None => KEPT_WHOLE,
        Some(Instead::Digests { .. }) => KEPT_DIGESTS,
        Some(Instead::Expired) => KEPT_NOT_ANY_MORE,
    };
    (kept.masked, number)
}

/// Reads what stands in for the bodies of the call in that row, from the number of `call.kept`.
pub(crate) fn read_instead(connection: &Connection, row: i64, number: i64) -> Result<Option<Instead>, Error> {
    match number {
        KEPT_WHOLE => Ok(None),
        KEPT_DIGESTS => read_digests(connection, row).map(Some).map_err(Error::sql("read the digests of a call")),
        KEPT_NOT_ANY_MORE => Ok(Some(Instead::Expired)),
        _ => Err(Error::Unreadable { what: "what is kept of a call", found: number.to_string() }),
    }
}

fn read_digests(connection: &Connection, row: i64) -> rusqlite::Result<Instead> {
    let digest = |row: &rusqlite::Row<'_>, bytes: usize, sha256: usize| -> rusqlite::Result<Digest> {
        Ok(Digest { bytes: crate::calls::count(row, bytes)?, sha256: row.get(sha256)? })
    };
    let mut statement = connection.prepare_cached(SELECT_DIGEST)?;
    statement.query_row([row], |row| Ok(Instead::Digests { request: digest(row, 0, 1)?, response: digest(row, 2, 3)? }))
}

/// Returns the text of a way that ends so many bytes into the text of a segment.
fn text(connection: &Connection, unpacker: &mut Unpacker, end: (i64, i64)) -> Result<Vec<u8>, PackError> {
    let mut statement = connection.prepare_cached(SELECT_SEGMENT)?;
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut next = Some(end);
    while let Some((segment, bytes)) = next {
        let found = statement.query_row([segment], |row| {
            let parent = row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?);
            Ok((parent, Packed { form: row.get(2)?, bytes: row.get(3)? }))
        });
        let (parent, packed) = found.optional()?.ok_or(PackError::Damaged("a segment of it is missing"))?;
        let mut part = unpacker.unpack(connection, packed)?;
        let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= part.len());
        part.truncate(bytes.ok_or(PackError::Damaged("a segment of it is too short"))?);
        parts.push(part);
        if parent.is_some_and(|(parent, _)| parent >= segment) {
            return Err(PackError::Damaged("its segments lead in a circle"));
        }
        next = parent;
    }
    parts.reverse();
    Ok(parts.concat())
}
