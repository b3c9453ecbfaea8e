//! A model as its publisher keeps it: safetensors, alone or in parts with an index, and the files of JSON beside them.
//!
//! Only plain files of the same folder are opened, whatever names an index holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::description::{Description, Format, Part};
use crate::digest::hex;
use crate::safetensors::{self, TensorTable};
use crate::{Error, digest};

/// The largest index accepted, in bytes.
const INDEX_BYTES_MAX: u64 = 64 << 20;
/// The largest `config.json`, template or card that is looked into, in bytes.
const JSON_BYTES_MAX: u64 = 4 << 20;
/// The largest `tokenizer.json` accepted, in bytes.
const TOKENIZER_BYTES_MAX: u64 = 256 << 20;
/// The most parts of one model.
const PARTS_MAX: u64 = 4_096;
/// How much of a model's card is searched for its licence, in bytes.
const CARD_BYTES_MAX: u64 = 64 << 10;

/// Describes the model whose safetensors are `file`, alone, or those of `folder`.
///
/// # Errors
/// A file cannot be read, is not what its name says, passes a limit, or two of them contradict each other.
pub(crate) fn describe(folder: &Path, file: Option<&Path>) -> Result<Description, Error> {
    let mut notes = Vec::new();
    let names = match file {
        Some(file) => vec![file_name(file)?],
        None => parts_of(folder)?,
    };
    let mut parts = Vec::new();
    let mut whole = TensorTable::default();
    let mut held = BTreeMap::new();
    for name in &names {
        let (part, table) = read_part(folder, name)?;
        parts.push(part);
        whole.take(table, name, &mut held)?;
    }
    if file.is_none() {
        check_index(folder, &held, &mut notes)?;
    }
    let beside = Beside::read(folder)?;
    Ok(joined(parts, &whole, beside, notes))
}

fn file_name(file: &Path) -> Result<String, Error> {
    let name = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| Error::malformed(format!("{} has no name that can be read", file.display())))
}

fn open(path: &Path, bytes_max: u64, what: &'static str) -> Result<(File, u64), Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let about = path.metadata().map_err(read)?;
    if !about.is_file() {
        return Err(Error::malformed(format!("{} is not a file", path.display())));
    }
    if about.len() > bytes_max {
        return Err(Error::TooLarge { what, found: about.len(), max: bytes_max });
    }
    Ok((File::open(path).map_err(read)?, about.len()))
}

fn read_part(folder: &Path, name: &str) -> Result<(Part, TensorTable), Error> {
    let path = folder.join(name);
    let (file, bytes) = open(&path, u64::MAX, "size of a file in bytes")?;
    let table = safetensors::read(file, &path, bytes)?;
    let part = Part {
        name: name.to_owned(),
        bytes,
        header_bytes: table.header_bytes,
        header_sha256: table.header_sha256.clone(),
    };
    Ok((part, table))
}

impl TensorTable {
    /// Takes up the tensors of a part; none may be in two.
    fn take(&mut self, part: TensorTable, name: &str, held: &mut BTreeMap<String, String>) -> Result<(), Error> {
        let overflow = || Error::malformed("the size of the tensors of all parts overflows");
        self.parameters = self.parameters.checked_add(part.parameters).ok_or_else(overflow)?;
        self.bytes = self.bytes.checked_add(part.bytes).ok_or_else(overflow)?;
        self.types.join(&part.types);
        for tensor in part.names {
            if let Some(other) = held.insert(tensor.clone(), name.to_owned()) {
                return Err(Error::malformed(format!("tensor {tensor:?} is both in {other} and in {name}")));
            }
            self.names.insert(tensor);
        }
        Ok(())
    }
}

/// Returns the file names of a folder, sorted.
fn listed(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let read = |source| Error::Read { path: folder.to_owned(), source };
    let entries = folder.read_dir().map_err(read)?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.take(100_000).collect())
}

fn is_index(name: &str) -> bool {
    name.ends_with(".safetensors.index.json")
}

/// Returns the parts of the model in a folder: those that its index names, or the only safetensors there.
fn parts_of(folder: &Path) -> Result<Vec<String>, Error> {
    let names = listed(folder)?;
    if let Some(index) = names.iter().find(|name| is_index(name)) {
        let parts: BTreeSet<String> = read_index(&folder.join(index))?.into_values().collect();
        return Ok(parts.into_iter().collect());
    }
    let ends = |ending: &str| names.iter().filter(|name| name.ends_with(ending)).cloned().collect::<Vec<String>>();
    let (tensors, gguf) = (ends(".safetensors"), ends(".gguf"));
    match (tensors.len(), gguf.len()) {
        (1, _) => Ok(tensors),
        (0, 0) => match names.iter().find(|name| is_pickle_name(name)) {
            Some(pickle) => Err(Error::Pickle { path: folder.join(pickle) }),
            None => Err(Error::NoModel { path: folder.to_owned(), what: "it holds neither safetensors nor GGUF" }),
        },
        (0, _) => Err(Error::NoModel { path: folder.to_owned(), what: "name one of the GGUF files in it" }),
        _ => Err(Error::NoModel {
            path: folder.to_owned(),
            what: "it holds several safetensors and no index; name one of them",
        }),
    }
}

/// Returns whether files with such names are pickles as a rule: programs that run when they are loaded.
pub fn is_pickle_name(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let pickles = ["bin", "pt", "pth", "ckpt", "pkl", "pickle"];
    pickles.iter().any(|pickle| ending.eq_ignore_ascii_case(pickle)) && name != "training_args.bin"
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads which part holds which tensor; a name may not lead out of the folder.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let (file, _) = open(path, INDEX_BYTES_MAX, "size of the index in bytes")?;
    let index: Index = serde_json::from_reader(BufReader::new(file.take(INDEX_BYTES_MAX)))
        .map_err(|error| Error::malformed(format!("{}: {error}", path.display())))?;
    let parts: BTreeSet<&String> = index.weight_map.values().collect();
    if parts.len() as u64 > PARTS_MAX {
        return Err(Error::TooLarge { what: "count of parts", found: parts.len() as u64, max: PARTS_MAX });
    }
    if parts.is_empty() {
        return Err(Error::malformed(format!("{} names no tensor", path.display())));
    }
    for part in parts {
        let is_plain = Path::new(part).components().count() == 1
            && !part.contains(['/', '\\', '\0'])
            && part != ".."
            && part.ends_with(".safetensors");
        if !is_plain {
            return Err(Error::malformed(format!("the index names the part {part:?}, which is no file of its folder")));
        }
    }
    Ok(index.weight_map)
}

/// Sees to it that each tensor of the index is where the index says, and notes what else the folder holds.
fn check_index(folder: &Path, held: &BTreeMap<String, String>, notes: &mut Vec<String>) -> Result<(), Error> {
    let names = listed(folder)?;
    if let Some(pickle) = names.iter().find(|name| is_pickle_name(name)) {
        notes.push(format!("{pickle} lies beside it: a pickle is a program and was not opened"));
    }
    let Some(index) = names.iter().find(|name| is_index(name)) else { return Ok(()) };
    let mapped = read_index(&folder.join(index))?;
    for (tensor, part) in &mapped {
        if held.get(tensor) != Some(part) {
            return Err(Error::malformed(format!(
                "the index says that {part} holds tensor {tensor:?}, and it does not"
            )));
        }
    }
    let extra = held.len() - mapped.len();
    if extra > 0 {
        notes.push(format!("{extra} tensors stand in no index, so no reader loads them"));
    }
    Ok(())
}

/// What the files beside the weights say.
#[derive(Default)]
struct Beside {
    config: Value,
    template: Option<String>,
    tokenizer_model: Option<String>,
    tokenizer_sha256: Option<String>,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Tokenizer {
    model: Option<TokenizerModel>,
}

#[derive(Deserialize)]
struct TokenizerModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, rename = "vocab")]
    _vocabulary: IgnoredAny,
}

impl Beside {
    fn read(folder: &Path) -> Result<Beside, Error> {
        let config = read_json(&folder.join("config.json"))?.unwrap_or_default();
        let settings = read_json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let template = match read_text(&folder.join("chat_template.jinja"))? {
            Some(text) => Some(text),
            None => template_of(&settings["chat_template"]),
        };
        let mut beside = Beside { config, template, license: license(folder)?, ..Beside::default() };
        let tokenizer = ["tokenizer.json", "tokenizer.model"].map(|name| folder.join(name));
        if let Some(path) = tokenizer.iter().find(|path| path.is_file()) {
            let (file, _) = open(path, TOKENIZER_BYTES_MAX, "size of the tokenizer in bytes")?;
            if path.ends_with("tokenizer.json") {
                let read: Tokenizer = serde_json::from_reader(BufReader::with_capacity(1 << 16, file))
                    .map_err(|error| Error::malformed(format!("{}: {error}", path.display())))?;
                beside.tokenizer_model = read.model.and_then(|model| model.kind);
            } else {
                beside.tokenizer_model = Some("sentencepiece".to_owned());
            }
            beside.tokenizer_sha256 = Some(digest(path, &mut |_| ())?.sha256);
        }
        Ok(beside)
    }

    /// Returns a number of the configuration, also where a model of several senses keeps it under that of its text.
    fn number(&self, keys: &[&str]) -> Option<u64> {
        let places = [&self.config, &self.config["text_config"]];
        places.iter().find_map(|place| keys.iter().find_map(|key| place[*key].as_u64()))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.config[key].as_str().map(str::to_owned)
    }

    fn architecture(&self) -> String {
        let named = self.config["architectures"][0].as_str().map(str::to_owned);
        self.text("model_type").or(named).unwrap_or_default()
    }

    fn cache_elements_per_token(&self) -> Option<u64> {
        let heads = self.number(&["num_attention_heads", "n_head"])?;
        let width = self.number(&["hidden_size", "n_embd"])?;
        let layers = self.number(&["num_hidden_layers", "n_layer"])?;
        let head_width = self.number(&["head_dim"]).or_else(|| width.checked_div(heads))?;
        let cached = self.number(&["num_key_value_heads"]).unwrap_or(heads);
        layers.checked_mul(cached)?.checked_mul(head_width)?.checked_mul(2)
    }
}

fn read_text(path: &Path) -> Result<Option<String>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    let (file, _) = open(path, JSON_BYTES_MAX, "size of a file beside the weights in bytes")?;
    let mut bytes = Vec::new();
    file.take(JSON_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn read_json(path: &Path) -> Result<Option<Value>, Error> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|error| Error::malformed(format!("{}: {error}", path.display())))
}

/// Returns the template, or the one called `default` of several.
fn template_of(value: &Value) -> Option<String> {
    let several = value.as_array().into_iter().flatten();
    let default = several.clone().find(|one| one["name"] == "default");
    let text = value.as_str().or_else(|| default.or_else(|| several.clone().next())?["template"].as_str());
    text.map(str::to_owned)
}

/// Returns the licence that the head of a model's card names.
fn license(folder: &Path) -> Result<Option<String>, Error> {
    let path = folder.join("README.md");
    let Ok(file) = File::open(&path) else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(CARD_BYTES_MAX).read_to_end(&mut bytes).map_err(|source| Error::Read { path, source })?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    if lines.next() != Some("---") {
        return Ok(None);
    }
    let mut head = lines.take_while(|line| *line != "---");
    let named = head.find_map(|line| line.strip_prefix("license:"));
    Ok(named.map(|name| name.trim().trim_matches(['"', '\'']).to_owned()))
}

fn joined(parts: Vec<Part>, whole: &TensorTable, beside: Beside, mut notes: Vec<String>) -> Description {
    if beside.config.is_null() {
        notes.push("there is no config.json beside it, so family and shape are not known".to_owned());
    }
    if let Some(method) = beside.config["quantization_config"]["quant_method"].as_str() {
        notes.push(format!("quantised by {method}: the count of weights is that of stored elements"));
    }
    Description {
        format: Format::Safetensors,
        format_version: None,
        architecture: beside.architecture(),
        name: beside.text("_name_or_path").filter(|name| !name.is_empty()),
        license: beside.license.clone(),
        parameters: whole.parameters,
        file_bytes: parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add),
        tensor_bytes: whole.bytes,
        tensors: whole.names.len() as u64,
        types: whole.types.shares(),
        quantisation: whole.types.main().to_owned(),
        context_length: beside.number(&["max_position_embeddings", "n_positions"]),
        embedding_length: beside.number(&["hidden_size", "n_embd"]),
        feed_forward_length: beside.number(&["intermediate_size", "n_inner"]),
        layers: beside.number(&["num_hidden_layers", "n_layer"]),
        heads: beside.number(&["num_attention_heads", "n_head"]),
        cache_elements_per_token: beside.cache_elements_per_token(),
        state_bytes_per_slot: 0,
        vocabulary: beside.number(&["vocab_size"]),
        sampling: None,
        adapter: None,
        template_sha256: beside.template.as_ref().map(|text| hex(&Sha256::digest(text.as_bytes()))),
        tokenizer_model: beside.tokenizer_model,
        tokenizer_sha256: beside.tokenizer_sha256,
        chat_template: beside.template,
        files: parts,
        notes,
    }
}

/// Returns the folder that a file lies in.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
