//! Digests of whole files, with word of how far it has come.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

const PIECE_BYTES: usize = 1 << 20;

/// The digest of a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The bytes that were read.
    pub bytes: u64,
}

/// Reads the whole file at `path` and calls `told` with the bytes read so far, about every mebibyte; blocks.
///
/// # Errors
/// The file cannot be read.
pub fn digest(path: &Path, told: &mut dyn FnMut(u64)) -> Result<FileDigest, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut bytes = 0u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(FileDigest { sha256: hex(&digest.finalize()), bytes }),
            Ok(count) => {
                digest.update(&buffer[..count]);
                bytes += count as u64;
                told(bytes);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(read(source)),
        }
    }
}

/// Returns bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
