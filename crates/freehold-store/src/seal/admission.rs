//! Keeps a sealed store from being opened without its key, which would write beside the seal or read nonsense.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::seal::{Purpose, Seal};

/// What the probe holds.
const PROBE: &[u8] = b"freehold";

const DOING: &str = "compare the key with the store's";

/// Checks the key against the one that the store was sealed with, and takes it where there was none.
///
/// What was written before a store had a key stays as it is.
pub(crate) fn admit(connection: &Connection, path: &Path, seal: Option<&Seal>) -> Result<(), Error> {
    let select = "SELECT id, probe FROM seal ORDER BY id LIMIT 1";
    let found = connection.query_row(select, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let found = found.optional().map_err(Error::sql(DOING))?;
    let path = path.to_owned();
    match (found, seal) {
        (None, None) => Ok(()),
        (Some((id, _)), None) => Err(Error::KeyMissing { path, id }),
        (Some((id, probe)), Some(seal)) => {
            let is_it = id == seal.id() && seal.open(Purpose::Piece, &probe).is_ok_and(|opened| opened == PROBE);
            if is_it { Ok(()) } else { Err(Error::KeyWrong { path, id, given: seal.id().to_owned() }) }
        }
        (None, Some(seal)) => {
            let probe = seal.seal(Purpose::Piece, PROBE)?;
            let insert = "INSERT INTO seal (id, probe) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            connection.execute(insert, params![seal.id(), probe]).map(drop).map_err(Error::sql(DOING))
        }
    }
}
