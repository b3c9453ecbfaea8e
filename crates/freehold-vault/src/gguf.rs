//! What a GGUF file says about itself, read without loading its weights.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::metadata::Metadata;
use crate::reader::Reader;
use crate::sampling::Sampling;
use crate::tensors::Tensors;
use crate::{Description, Error, Format, Part};

/// The largest header accepted, in bytes; vocabularies of a quarter of a million tokens take some 10 MB.
const HEADER_BYTES_MAX: u64 = 256 << 20;
/// The largest alignment of tensor data accepted.
const ALIGNMENT_MAX: u64 = 1 << 20;

/// A change of another model's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// How it changes them, such as `lora`; empty where the file does not say.
    pub kind: String,
    /// The numerator of its scale; the rank is the denominator.
    pub alpha: Option<f64>,
    /// Whether it acts only from certain tokens on ("activated" LoRA).
    pub is_activated: bool,
}

impl Adapter {
    fn of_header(metadata: &Metadata) -> Option<Self> {
        let kind = metadata.text("adapter.type");
        (kind.is_some() || metadata.text("general.type") == Some("adapter")).then(|| Adapter {
            kind: kind.unwrap_or_default().to_owned(),
            alpha: metadata.float("adapter.lora.alpha"),
            is_activated: metadata.array_length("adapter.alora.invocation_tokens").is_some(),
        })
    }
}

/// Reads what the file at `path` says about itself; blocks.
///
/// # Errors
/// The file cannot be read, is not a GGUF file of a known version, contradicts itself, passes a limit, or is shorter
/// than its own tensor table says.
pub fn inspect(path: &Path) -> Result<Description, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let about = file.metadata().map_err(read)?;
    if !about.is_file() {
        return Err(Error::malformed(format!("{} is not a file", path.display())));
    }
    inspect_reader(BufReader::with_capacity(1 << 16, file), path, about.len())
}

/// Reads a header from `input`, which stands for a file of `file_bytes` bytes called `path` in errors.
///
/// # Errors
/// As for [`inspect`].
pub fn inspect_reader(input: impl Read, path: &Path, file_bytes: u64) -> Result<Description, Error> {
    let mut reader = Reader::new(input, path, file_bytes, HEADER_BYTES_MAX);
    let mark: [u8; 4] = reader.array()?;
    if &mark != b"GGUF" {
        return Err(Error::NotGguf { found: mark });
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Error::Version { found: version });
    }
    let tensor_count = reader.u64()?;
    let entry_count = reader.u64()?;
    let metadata = Metadata::read(&mut reader, entry_count)?;
    let tensors = Tensors::read(&mut reader, tensor_count)?;
    check_extent(&reader, &metadata, &tensors)?;
    let file = Part {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        bytes: file_bytes,
        header_bytes: reader.position(),
        header_sha256: hex(&reader.sha256()),
    };
    describe((version, file), &metadata, &tensors)
}

fn check_extent<R: Read>(reader: &Reader<'_, R>, metadata: &Metadata, tensors: &Tensors) -> Result<(), Error> {
    let alignment = metadata.unsigned("general.alignment").unwrap_or(32);
    if !alignment.is_power_of_two() || alignment > ALIGNMENT_MAX {
        return Err(Error::malformed(format!("the alignment is {alignment}, which is no sane power of two")));
    }
    let expected = reader
        .position()
        .checked_next_multiple_of(alignment)
        .and_then(|start| start.checked_add(tensors.end))
        .ok_or_else(|| Error::malformed("the end of the tensors overflows"))?;
    if tensors.count > 0 && expected > reader.file_bytes() {
        return Err(Error::Truncated { expected, found: reader.file_bytes() });
    }
    Ok(())
}

fn describe((version, file): (u32, Part), metadata: &Metadata, tensors: &Tensors) -> Result<Description, Error> {
    let architecture = metadata.text("general.architecture").map(str::to_owned);
    let architecture = architecture.ok_or_else(|| Error::malformed("the entry \"general.architecture\" is missing"))?;
    let of = |name: &str| metadata.unsigned(&format!("{architecture}.{name}"));
    let text = |key: &str| metadata.text(key).map(str::to_owned);
    let largest = |name: &str| {
        let layers = of("block_count")?;
        metadata.per_layer(&format!("{architecture}.{name}"), layers)?.into_iter().max()
    };
    let chat_template = text("tokenizer.chat_template");
    let adapter = Adapter::of_header(metadata);
    Ok(Description {
        format: Format::Gguf,
        format_version: Some(version),
        name: text("general.name"),
        license: text("general.license"),
        parameters: tensors.parameters,
        file_bytes: file.bytes,
        tensor_bytes: tensors.bytes,
        tensors: tensors.count,
        types: tensors.types.shares(),
        quantisation: tensors.types.main().to_owned(),
        context_length: of("context_length"),
        embedding_length: of("embedding_length"),
        feed_forward_length: largest("feed_forward_length"),
        layers: of("block_count"),
        heads: largest("attention.head_count"),
        cache_elements_per_token: cache_elements_per_token(&architecture, metadata),
        state_bytes_per_slot: state_bytes_per_slot(&of).unwrap_or(0),
        vocabulary: metadata.array_length("tokenizer.ggml.tokens").or_else(|| of("vocab_size")),
        sampling: Sampling::of_header(metadata),
        template_sha256: chat_template.as_ref().map(|template| hex(&Sha256::digest(template.as_bytes()))),
        tokenizer_model: text("tokenizer.ggml.model"),
        tokenizer_sha256: metadata.tokenizer_sha256().map(|digest| hex(&digest)),
        notes: notes(metadata, chat_template.as_deref(), adapter.as_ref()),
        files: vec![file],
        adapter,
        chat_template,
        architecture,
    })
}

/// Returns what a reader should know: that other parts were passed over, and that turns have no form.
fn notes(metadata: &Metadata, chat_template: Option<&str>, adapter: Option<&Adapter>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((number, parts)) = metadata.unsigned("split.no").zip(metadata.unsigned("split.count"))
        && parts > 1
    {
        notes.push(format!("this is part {} of {parts}; only this part is described", number.saturating_add(1)));
    }
    if chat_template.is_none() && adapter.is_none() {
        notes.push("it has no chat template: turns are joined as plain text".to_owned());
    }
    notes
}

/// Returns the bytes of a recurrent model's state: that of the convolution and that of the scan, in single precision, for each layer.
///
/// A hybrid's layers of attention are counted in, which errs to the larger side.
fn state_bytes_per_slot(of: &impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let (inner, state) = (of("ssm.inner_size")?, of("ssm.state_size")?);
    let groups = of("ssm.group_count").unwrap_or(0);
    let kept = of("ssm.conv_kernel").unwrap_or(1).saturating_sub(1);
    let convolved = groups.checked_mul(state)?.checked_mul(2)?.checked_add(inner)?.checked_mul(kept)?;
    let per_layer = inner.checked_mul(state)?.checked_add(convolved)?.checked_mul(4)?;
    per_layer.checked_mul(of("block_count")?)
}

fn cache_elements_per_token(architecture: &str, metadata: &Metadata) -> Option<u64> {
    let key = |name: &str| format!("{architecture}.{name}");
    let layers = metadata.unsigned(&key("block_count"))?;
    let heads = metadata.per_layer(&key("attention.head_count"), layers)?;
    let cached_heads = metadata.per_layer(&key("attention.head_count_kv"), layers).unwrap_or_else(|| heads.clone());
    let width = metadata.unsigned(&key("embedding_length"))?;
    let head_width = width.checked_div(heads.iter().copied().max()?)?;
    let key_width = metadata.unsigned(&key("attention.key_length")).unwrap_or(head_width);
    let value_width = metadata.unsigned(&key("attention.value_length")).unwrap_or(head_width);
    let per_head = key_width.checked_add(value_width)?;
    cached_heads.iter().try_fold(0u64, |sum, heads| sum.checked_add(heads.checked_mul(per_head)?))
}
