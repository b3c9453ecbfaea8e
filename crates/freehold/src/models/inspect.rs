//! What a model is, drawn for a terminal or spelled in JSON; with the digests of whole files where they are asked for.

use std::fmt::Write;
use std::path::Path;

use freehold_vault::{Adapter, Description, Format};
use serde_json::{Value, json};

use super::sizes;
use crate::exit::Fault;
use crate::report::{self, Align, figures};

/// The letters of a template that a terminal shows.
const TEMPLATE_LETTERS_MAX: usize = 72;

/// Returns everything about a model as JSON; `digests` are those of its files, in their order, where they were taken.
pub(crate) fn as_json(path: &Path, model: &Description, digests: &[String]) -> Value {
    let mut value = serde_json::to_value(model).expect("a description is JSON");
    value["path"] = json!(path);
    if let Some(files) = value["files"].as_array_mut() {
        for (file, digest) in files.iter_mut().zip(digests) {
            file["sha256"] = json!(digest);
        }
    }
    value
}

/// Draws a model for a terminal.
pub(crate) fn shown(path: &Path, model: &Description, digests: &[String]) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(text, "  {name:<14}{}", report::clean_line(&value)).expect("a text takes every line");
    };
    let unknown = || "not said".to_owned();
    let said = |value: Option<&String>| value.cloned().unwrap_or_else(unknown);
    line("model", format!("{} ({})", said(model.name.as_ref()), path.display()));
    line("format", format_of(model));
    line("family", if model.architecture.is_empty() { unknown() } else { model.architecture.clone() });
    line("licence", said(model.license.as_ref()));
    if let Some(adapter) = &model.adapter {
        line("adapter", adapted(adapter));
    }
    line("weights", weights(model));
    let trained = model.context_length.map(|tokens| format!("{} tokens trained", figures::count(tokens)));
    line("context", trained.unwrap_or_else(unknown));
    let layers = model.layers.map(|layers| figures::counted(layers, "layer", "layers"));
    let width = model.embedding_length.map(|width| format!("width {}", figures::count(width)));
    let shape: Vec<String> = [layers, width].into_iter().flatten().collect();
    line("shape", if shape.is_empty() { unknown() } else { shape.join(", ") });
    line("tokenizer", tokenizer(model));
    line("template", template(model));
    for (index, file) in model.files.iter().enumerate() {
        let head = format!("{} ({})  header {}", file.name, sizes::bytes(file.bytes), file.header_sha256);
        line(if index == 0 { "files" } else { "" }, head);
        if let Some(digest) = digests.get(index) {
            line("", format!("whole {digest}"));
        }
    }
    for note in &model.notes {
        line("note", note.clone());
    }
    text.push('\n');
    text + &types(model)
}

fn adapted(adapter: &Adapter) -> String {
    let kind = match adapter.is_activated {
        true => "activated LoRA",
        false => &adapter.kind,
    };
    let alpha = adapter.alpha.map(|alpha| format!(", alpha {alpha}")).unwrap_or_default();
    format!("{kind}{alpha}: changes the weights of a model of this family")
}

fn format_of(model: &Description) -> String {
    match model.format {
        Format::Gguf => format!("GGUF version {}", model.format_version.unwrap_or_default()),
        Format::Safetensors => "safetensors".to_owned(),
    }
}

fn weights(model: &Description) -> String {
    format!(
        "{} ({}) in {} tensors, {}, mostly {}",
        sizes::parameters(model.parameters),
        figures::count(model.parameters),
        figures::count(model.tensors),
        sizes::bytes(model.tensor_bytes),
        model.quantisation
    )
}

fn tokenizer(model: &Description) -> String {
    let Some(digest) = &model.tokenizer_sha256 else { return "none beside the weights".to_owned() };
    let tokens = model.vocabulary.map(|count| format!(", {} tokens", figures::count(count))).unwrap_or_default();
    format!("{}{tokens}, {digest}", model.tokenizer_model.as_deref().unwrap_or("of unknown kind"))
}

fn template(model: &Description) -> String {
    let (Some(template), Some(digest)) = (&model.chat_template, &model.template_sha256) else {
        return "none".to_owned();
    };
    let mut first: String = template.chars().take(TEMPLATE_LETTERS_MAX).collect();
    if first.len() < template.len() {
        first.push('…');
    }
    format!("{} letters, {digest}: {first}", figures::count(template.chars().count() as u64))
}

fn types(model: &Description) -> String {
    let heads = [("TYPE", Align::Left), ("TENSORS", Align::Right), ("WEIGHTS", Align::Right), ("SIZE", Align::Right)];
    let rows: Vec<Vec<String>> = model
        .types
        .iter()
        .map(|share| {
            vec![
                share.name.clone(),
                figures::count(share.tensors),
                sizes::parameters(share.parameters),
                sizes::bytes(share.bytes),
            ]
        })
        .collect();
    report::table(&heads, &rows)
}

/// Digests the files of a model, and tells of the bytes that are done over all of them.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn digests(path: &Path, model: &Description, told: &mut dyn FnMut(u64)) -> Result<Vec<String>, Fault> {
    let mut before = 0;
    let mut digests = Vec::new();
    for file in &model.files {
        let part = part_path(path, &file.name);
        let found = freehold_vault::digest(&part, &mut |bytes| told(before + bytes))
            .map_err(|error| super::cannot_read(&part, error))?;
        if found.bytes != file.bytes {
            return Err(Fault::input(format!("{} changed while it was read", part.display()))
                .hint("wait until whoever writes it is done, and try again"));
        }
        before += found.bytes;
        digests.push(found.sha256);
    }
    Ok(digests)
}

/// Returns where a part of the model at `path`, a file or a folder, lies.
fn part_path(path: &Path, name: &str) -> std::path::PathBuf {
    if path.is_dir() { path.join(name) } else { path.to_owned() }
}
