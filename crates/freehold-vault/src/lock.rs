//! The exact identity of a model file, so that the same answers can be had from the same bytes years later.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Description, Error, digest};

/// The exact identity of a model file; digests are SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The digest of the whole file.
    pub weights_sha256: String,
    /// The family.
    pub architecture: String,
    /// The storage type that holds most weights.
    pub quantisation: String,
    /// The digest of the tokenizer's entries.
    pub tokenizer_sha256: Option<String>,
    /// The digest of the chat template.
    pub template_sha256: Option<String>,
    /// The size of the file in bytes.
    pub file_bytes: u64,
}

/// Reads the whole file at `path`, which [`crate::inspect`] described as `model`, and returns its identity; blocks.
///
/// # Errors
/// The file cannot be read, or is not as long as it was when it was inspected.
pub fn lock(path: &Path, model: &Description) -> Result<Lock, Error> {
    let found = digest(path, &mut |_| ())?;
    if found.bytes < model.file_bytes {
        return Err(Error::Truncated { expected: model.file_bytes, found: found.bytes });
    }
    if found.bytes > model.file_bytes {
        return Err(Error::malformed(format!("the file grew from {} to {} bytes", model.file_bytes, found.bytes)));
    }
    Ok(Lock {
        weights_sha256: found.sha256,
        architecture: model.architecture.clone(),
        quantisation: model.quantisation.clone(),
        tokenizer_sha256: model.tokenizer_sha256.clone(),
        template_sha256: model.template_sha256.clone(),
        file_bytes: model.file_bytes,
    })
}
