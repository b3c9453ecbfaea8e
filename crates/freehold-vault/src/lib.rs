//! Identity of open models: what a file of weights is, what it needs, and the exact digests that lock it; what a home signs, and its key.
//!
//! Reads files from strangers: every count, string, array and offset is checked against a cap and against the file's
//! length before anything is allocated for it. Knows nothing of engines and loads no weights.

mod canonical;
mod checkpoint;
mod description;
mod digest;
mod error;
mod gguf;
mod lock;
mod memory;
mod metadata;
mod reader;
mod safetensors;
mod sampling;
mod signed;
mod signing;
mod tensors;
mod types;

pub use canonical::canonical;
pub use checkpoint::is_pickle_name;
pub use description::{Description, Format, Part, describe, safetensors_sums};
pub use digest::{FileDigest, digest};
pub use error::Error;
pub use gguf::{Adapter, inspect, inspect_reader};
pub use lock::{Lock, lock};
pub use memory::{CacheType, Memory, Serving};
pub use sampling::Sampling;
pub use signed::{SIGNED_BYTES_MAX, Signed, SignedError};
pub use signing::{KeyError, PublicKey, SigningKey};
pub use types::TypeShare;
