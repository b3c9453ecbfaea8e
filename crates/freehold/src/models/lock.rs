//! The exact identity of a model, as a file that others can hold theirs against.

use std::path::{Path, PathBuf};

use freehold_vault::{Description, Format, Lock};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Named, inspect};
use crate::assess::Card;
use crate::config::Model;
use crate::exit::Fault;

/// The version of the file's form.
const FORM: u32 = 1;
/// The member that says whether the same request with the same seed may be answered otherwise while others run beside it:
/// llama.cpp rounds differently for batches of different sizes. A model that is not configured has no such member.
const VARIES: &str = "answers_vary_with_load";
/// The largest lock file that is read, in bytes.
const LOCK_BYTES_MAX: u64 = 16 << 20;

/// Returns the identity of a model: that of an assessment's candidate, with its files and the build that serves it.
///
/// # Errors
/// It cannot be read.
pub(crate) fn of(named: &Named, model: &Description, told: &mut dyn FnMut(u64)) -> Result<Value, Fault> {
    let digests = inspect::digests(named.weights(), model, told)?;
    let files = model.files.iter().zip(&digests);
    let files: Vec<Value> =
        files.map(|(file, sha256)| json!({"name": file.name, "bytes": file.bytes, "sha256": sha256})).collect();
    let identity = Lock {
        weights_sha256: weights(model, &digests),
        architecture: model.architecture.clone(),
        quantisation: model.quantisation.clone(),
        tokenizer_sha256: model.tokenizer_sha256.clone(),
        template_sha256: model.template_sha256.clone(),
        file_bytes: model.file_bytes,
    };
    let mut identity = serde_json::to_value(identity).expect("a lock is JSON");
    if let Some(entry) = &named.entry {
        add_served(&mut identity, entry, &named.name)?;
    }
    Ok(json!({
        "freehold_lock": FORM,
        "model": named.name,
        "format": model.format,
        "license": model.license,
        "files": files,
        "identity": identity,
        "engine": (model.format == Format::Gguf).then(freehold_engine::build),
    }))
}

/// Adds to a model's identity what its entry says of how it answers under a name: its own, or that of one of its adapters.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn add_served(identity: &mut Value, entry: &Model, name: &str) -> Result<(), Fault> {
    identity["context_tokens"] = entry.context_tokens.into();
    identity[VARIES] = (entry.slots > 1).into();
    if let Some(card) = Card::of_model(entry)? {
        identity["sampling"] = json!(card);
    }
    if let Some(adapter) = entry.adapter(name) {
        let file = freehold_vault::digest(&adapter.path, &mut |_| ());
        let file = file.map_err(|error| super::cannot_read(&adapter.path, error))?;
        identity["adapter"] = json!({"weights_sha256": file.sha256, "file_bytes": file.bytes, "scale": adapter.scale});
    }
    Ok(())
}

/// Returns what a lock says of answers under load, in a sentence.
pub(crate) fn under_load(lock: &Value) -> &'static str {
    match lock["identity"][VARIES].as_bool() {
        Some(true) => {
            "the same request with the same seed may be answered otherwise while others run beside it; `slots = 1` keeps them apart"
        }
        Some(false) => "nothing runs beside a request (`slots = 1`), so load does not change an answer",
        None => "whether answers vary with load is not said: that depends on the `slots` of its [[model]]",
    }
}

/// Returns the digest of the only file, or of the list of all: a line `DIGEST  NAME` each, as `sha256sum` writes them.
fn weights(model: &Description, digests: &[String]) -> String {
    if let [only] = digests {
        return only.clone();
    }
    let mut all = Sha256::new();
    for (file, digest) in model.files.iter().zip(digests) {
        all.update(format!("{digest}  {}\n", file.name));
    }
    all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns where the lock of a model lies when nothing else is said: beside it.
pub(crate) fn beside(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.join("freehold.lock.json");
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock.json");
    name.into()
}

/// Reads a lock from its file.
///
/// # Errors
/// It cannot be read, or is no lock of this form.
pub(crate) fn read(file: &Path) -> Result<Value, Fault> {
    let wrong = || Fault::input(format!("{} is no lock", file.display()));
    let hint = "write one with `freehold models lock MODEL`";
    let about = std::fs::metadata(file).map_err(|error| wrong().because(error).hint(hint))?;
    if about.len() > LOCK_BYTES_MAX {
        return Err(wrong().hint(hint));
    }
    let bytes = std::fs::read(file).map_err(|error| wrong().because(error).hint(hint))?;
    let lock: Value = serde_json::from_slice(&bytes).map_err(|error| wrong().because(error).hint(hint))?;
    if lock["freehold_lock"] != FORM {
        return Err(wrong().hint(format!("this build reads locks of form {FORM}; {hint}")));
    }
    Ok(lock)
}

/// Writes a lock to its file, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(file: &Path, lock: &Value) -> Result<(), Fault> {
    let wrong = |error: std::io::Error| {
        Fault::input(format!("cannot write {}", file.display()))
            .because(error)
            .hint("choose another place with --out FILE, or print it with --json")
    };
    let mut part = file.as_os_str().to_owned();
    part.push(".new");
    let part = PathBuf::from(part);
    std::fs::write(&part, format!("{lock:#}\n")).map_err(wrong)?;
    std::fs::rename(&part, file).map_err(wrong)
}

/// Returns what differs between a lock and what is found, a line each; the name of the model and the place do not count.
pub(crate) fn differences(locked: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for section in ["identity", "files", "engine"] {
        compare(section, &locked[section], &found[section], &mut lines);
    }
    lines
}

fn compare(at: &str, locked: &Value, found: &Value, lines: &mut Vec<String>) {
    match (locked, found) {
        (Value::Object(locked), Value::Object(found)) => {
            let keys: std::collections::BTreeSet<&String> = locked.keys().chain(found.keys()).collect();
            for key in keys {
                let of = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                compare(&format!("{at}.{key}"), &of(locked), &of(found), lines);
            }
        }
        (locked, found) if locked != found => lines.push(format!("{at}: locked {locked}, found {found}")),
        _ => {}
    }
}
