//! What can be wrong with a model file.

use std::io;
use std::path::PathBuf;

/// A model file could not be read, or is not what it claims to be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file ends before what its header promises.
    #[error("file is truncated: {found} bytes found, at least {expected} expected")]
    Truncated {
        /// The bytes that the header, as far as it could be read, needs at least.
        expected: u64,
        /// The bytes that are there.
        found: u64,
    },
    /// The file does not start with the GGUF mark.
    #[error("not a GGUF file: it starts with {found:02x?} instead of \"GGUF\"")]
    NotGguf {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The file is a pickle, or named like one: a program, which runs when it is loaded.
    #[error("{} is a pickle, a program that runs when it is loaded; it is not opened", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// There is no model, or more than one, where one was looked for.
    #[error("no model to read in {}: {what}", path.display())]
    NoModel {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// The format's version is none of those read here.
    #[error("GGUF version {found} is not supported, only little-endian versions 2 and 3 are")]
    Version {
        /// The version that the file claims.
        found: u32,
    },
    /// A count or a length is larger than any honest file needs.
    #[error("{what} is {found}, more than the limit of {max}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// What the file claims.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// A tensor is stored in a type that is not known here.
    #[error("tensor {tensor:?} has the unknown type {number}")]
    UnknownTensorType {
        /// The tensor's name.
        tensor: String,
        /// The type's number in the file.
        number: u32,
    },
    /// A metadata value has a type that the format does not define.
    #[error("metadata entry {key:?} has the unknown type {number}")]
    UnknownValueType {
        /// The entry's key.
        key: String,
        /// The type's number in the file.
        number: u32,
    },
    /// The header contradicts itself.
    #[error("malformed header: {what}")]
    Malformed {
        /// The contradiction.
        what: String,
    },
}

impl Error {
    pub(crate) fn malformed(what: impl Into<String>) -> Error {
        Error::Malformed { what: what.into() }
    }
}
