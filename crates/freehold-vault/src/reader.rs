//! Bounded reading of the primitives of a GGUF header.
//!
//! Allocates nothing before it is known that the file is long enough to hold it.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// The longest string accepted, in bytes; a chat template is the longest that honest files hold.
pub(crate) const STRING_BYTES_MAX: u64 = 4 << 20;

/// Digested in pieces of about this many bytes, because a header is read in very small ones.
const DIGEST_BYTES: usize = 1 << 14;

/// Reads little-endian primitives, knows how far it has come, and digests everything that it read.
pub(crate) struct Reader<'a, R> {
    inner: R,
    path: &'a Path,
    position: u64,
    file_bytes: u64,
    header_bytes_max: u64,
    digest: Sha256,
    undigested: Vec<u8>,
}

impl<'a, R: Read> Reader<'a, R> {
    /// Returns a reader of a file of `file_bytes` bytes that refuses to read more than `header_bytes_max` of them.
    pub(crate) fn new(inner: R, path: &'a Path, file_bytes: u64, header_bytes_max: u64) -> Self {
        let undigested = Vec::with_capacity(2 * DIGEST_BYTES);
        Reader { inner, path, position: 0, file_bytes, header_bytes_max, digest: Sha256::new(), undigested }
    }

    /// Returns the digest of everything that was read.
    pub(crate) fn sha256(self) -> [u8; 32] {
        self.digest.chain_update(&self.undigested).finalize().into()
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Fails unless `bytes` more can be read, both from the file and within the limit.
    pub(crate) fn require(&self, bytes: u64) -> Result<(), Error> {
        let end = self.position.saturating_add(bytes);
        if end > self.file_bytes {
            return Err(Error::Truncated { expected: end, found: self.file_bytes });
        }
        if end > self.header_bytes_max {
            return Err(Error::TooLarge { what: "header size in bytes", found: end, max: self.header_bytes_max });
        }
        Ok(())
    }

    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        let bytes = buffer.len() as u64;
        self.require(bytes)?;
        match self.inner.read_exact(buffer) {
            Ok(()) => {}
            // The file became shorter while it was read.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::Truncated { expected: self.position + bytes, found: self.position });
            }
            Err(source) => return Err(Error::Read { path: self.path.to_owned(), source }),
        }
        self.position += bytes;
        self.undigested.extend_from_slice(buffer);
        if self.undigested.len() >= DIGEST_BYTES {
            self.digest.update(&self.undigested);
            self.undigested.clear();
        }
        Ok(())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads a length-prefixed string's bytes; they need not be UTF-8.
    pub(crate) fn string_bytes(&mut self) -> Result<Vec<u8>, Error> {
        let length = self.u64()?;
        if length > STRING_BYTES_MAX {
            return Err(Error::TooLarge { what: "string length in bytes", found: length, max: STRING_BYTES_MAX });
        }
        self.require(length)?;
        let mut bytes = vec![0; usize::try_from(length).expect("the cap fits into usize")];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
