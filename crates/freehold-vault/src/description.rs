//! What a model on disk is, in whichever of the two formats it comes: the same answers for both.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Adapter, Error, Sampling, checkpoint, inspect, safetensors};

/// The format of a file of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One file with everything; what llama.cpp reads, and so our engine.
    Gguf,
    /// Weights alone, with files of JSON beside them; what other engines read.
    Safetensors,
}

/// A file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in its folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The bytes before the tensors' data.
    pub header_bytes: u64,
    /// The digest of those bytes, in hexadecimal.
    pub header_sha256: String,
}

/// What a model says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The format.
    pub format: Format,
    /// The version of the format, where it has one.
    pub format_version: Option<u32>,
    /// The family; empty where nothing says.
    pub architecture: String,
    /// The model's own name.
    pub name: Option<String>,
    /// The licence that it names.
    pub license: Option<String>,
    /// The number of weights.
    pub parameters: u64,
    /// The size of all files of weights in bytes.
    pub file_bytes: u64,
    /// The bytes of all tensors.
    pub tensor_bytes: u64,
    /// The number of tensors.
    pub tensors: u64,
    /// What is stored in which type, the largest part first.
    pub types: Vec<crate::TypeShare>,
    /// The type that holds most weights.
    pub quantisation: String,
    /// The longest context that the model was trained for, in tokens.
    pub context_length: Option<u64>,
    /// The width of the model.
    pub embedding_length: Option<u64>,
    /// The width between the layers' two steps of computation, the largest of them.
    pub feed_forward_length: Option<u64>,
    /// The number of layers.
    pub layers: Option<u64>,
    /// The number of attention heads, the largest over the layers.
    pub heads: Option<u64>,
    /// Cached elements per token over all layers, keys and values together, where enough is known to tell.
    pub cache_elements_per_token: Option<u64>,
    /// The bytes that each sequence takes beside the cache, whatever its length.
    pub state_bytes_per_slot: u64,
    /// The number of tokens in the vocabulary.
    pub vocabulary: Option<u64>,
    /// How its publisher recommends that it be sampled, as the header of a GGUF file says.
    #[serde(default)]
    pub sampling: Option<Sampling>,
    /// What it is where it is no whole model, but a change of another's weights.
    #[serde(default)]
    pub adapter: Option<Adapter>,
    /// The model's own chat template.
    pub chat_template: Option<String>,
    /// The digest of the chat template, in hexadecimal.
    pub template_sha256: Option<String>,
    /// The kind of tokenizer.
    pub tokenizer_model: Option<String>,
    /// The digest of the tokenizer, in hexadecimal: of the entries of a GGUF file, or of the file beside safetensors.
    pub tokenizer_sha256: Option<String>,
    /// The files of weights.
    pub files: Vec<Part>,
    /// What a reader should know: what was passed over, and what could not be told.
    pub notes: Vec<String>,
}

/// Reads what the model at `path`, a file or a folder, says about itself, and no weights; blocks.
///
/// # Errors
/// It cannot be read, is neither GGUF nor safetensors, contradicts itself, passes a limit, is shorter than it says, or is a pickle.
pub fn describe(path: &Path) -> Result<Description, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    if path.metadata().map_err(read)?.is_dir() {
        return checkpoint::describe(path, None);
    }
    let mut start = Vec::new();
    File::open(path).map_err(read)?.take(16).read_to_end(&mut start).map_err(read)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if start.starts_with(b"GGUF") || name.ends_with(".gguf") {
        return inspect(path);
    }
    if name.ends_with(".safetensors") || safetensors::begins_alike(&start) {
        return checkpoint::describe(&checkpoint::folder_of(path), Some(path));
    }
    if is_pickle(name, &start) {
        return Err(Error::Pickle { path: path.to_owned() });
    }
    Err(Error::NoModel { path: path.to_owned(), what: "it is neither GGUF nor safetensors" })
}

/// Reads the header of safetensors from bytes that stand for a file of `file_bytes` bytes; returns weights and their bytes.
///
/// # Errors
/// As for [`describe`].
pub fn safetensors_sums(bytes: &[u8], file_bytes: u64) -> Result<(u64, u64), Error> {
    let table = safetensors::read(bytes, Path::new("memory"), file_bytes)?;
    Ok((table.parameters, table.bytes))
}

/// Returns whether a file is a pickle: by its name, by the first bytes of a stream of protocol 2 to 5, or as an archive of such.
fn is_pickle(name: &str, start: &[u8]) -> bool {
    let is_stream = matches!(start, [0x80, 2..=5, ..]);
    checkpoint::is_pickle_name(name) || is_stream || start.starts_with(b"PK\x03\x04")
}
