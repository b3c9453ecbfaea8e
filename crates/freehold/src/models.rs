//! Models on disk: which one is meant, what it is, whether it fits, where it comes from, and its exact identity.

pub(crate) mod adapters;
pub(crate) mod chat;
pub(crate) mod fetch;
pub(crate) mod fit;
pub(crate) mod inspect;
pub(crate) mod lock;
pub(crate) mod measure;
pub(crate) mod needs;
pub(crate) mod pull;
pub(crate) mod sizes;
pub(crate) mod source;

use std::path::{Path, PathBuf};

use freehold_vault::Description;
use serde_json::{Value, json};

use crate::config::{Model, Settings};
use crate::exit::Fault;
use crate::home::Place;

/// A model that was asked for: one of the configuration, or a file or folder.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The name it goes by.
    pub(crate) name: String,
    /// The file or folder; of an adapter its own.
    pub(crate) path: PathBuf,
    /// The entry of the configuration, where it has one; of an adapter that of its model.
    pub(crate) entry: Option<Model>,
}

/// Returns the folder of the home in which fetched models lie.
pub(crate) fn folder(home: &Path) -> PathBuf {
    home.join("models")
}

/// Finds what is meant by a name: an entry of the configuration, a file or folder, or a model in the home.
///
/// # Errors
/// There is no such model.
pub(crate) fn find(place: &Place, settings: &Settings, wanted: &str) -> Result<Named, Fault> {
    if let Some(entry) = settings.model(wanted) {
        return Ok(Named::of(entry, wanted));
    }
    let path = PathBuf::from(wanted);
    if path.exists() {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Named { name: stem, path, entry: None });
    }
    let fetched = place.home().ok().map(|home| folder(&home));
    let is_plain = !wanted.contains(['/', '\\']) && wanted != "..";
    let fetched = fetched.filter(|_| is_plain).and_then(|folder| {
        [wanted.to_owned(), format!("{wanted}.gguf")]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|path| path.exists())
    });
    if let Some(path) = fetched {
        return Ok(Named { name: wanted.trim_end_matches(".gguf").to_owned(), path, entry: None });
    }
    let mut known: Vec<&str> = settings.model_names().collect();
    known.sort_unstable();
    let listed = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
    Err(Fault::input(format!("there is no model and no file called {wanted:?} (models: {listed})")).hint(
        "name a [[model]] entry, a GGUF file, or a folder of safetensors; `freehold models list` shows what there is",
    ))
}

/// Says of a file that it cannot be used, and what to do.
pub(crate) fn cannot_read(path: &Path, error: freehold_vault::Error) -> Fault {
    let hint = match &error {
        freehold_vault::Error::Pickle { .. } => {
            "take the publisher's safetensors or a GGUF file instead; never load a pickle from a stranger"
        }
        freehold_vault::Error::Truncated { .. } => {
            "fetch the file again: it was cut (`freehold models pull` goes on where it stopped)"
        }
        freehold_vault::Error::Read { .. } => "check the path and who may read it",
        freehold_vault::Error::NoModel { .. } => "name a GGUF file, a safetensors file, or the folder of one model",
        _ => "fetch the file again; if it is as its publisher made it, its format is newer than this build",
    };
    Fault::input(format!("{} cannot be used as a model", path.display())).because(error).hint(hint)
}

impl Named {
    /// Returns the model of an entry, or the adapter of it that goes by this name.
    fn of(entry: &Model, name: &str) -> Self {
        let path = entry.adapter(name).map_or(&entry.path, |adapter| &adapter.path).clone();
        Named { name: name.to_owned(), path, entry: Some(entry.clone()) }
    }

    /// Returns where the weights lie that answer: those of its model where it is an adapter.
    pub(crate) fn weights(&self) -> &Path {
        self.entry.as_ref().map_or(&self.path, |entry| &entry.path)
    }

    /// Reads the headers of the weights that answer, with those of the adapters beside them, whose bytes it counts in.
    ///
    /// # Errors
    /// A file cannot be read, or is no adapter of the model.
    pub(crate) fn described(&self) -> Result<Description, Fault> {
        let path = self.weights();
        let mut model = freehold_vault::describe(path).map_err(|error| cannot_read(path, error))?;
        if let Some(entry) = &self.entry {
            model.tensor_bytes = model.tensor_bytes.saturating_add(adapters::check(entry, &model)?);
        }
        Ok(model)
    }

    /// Returns how it is served: as its entry says, else with so much context and so many slots.
    pub(crate) fn served(self, context_tokens: u32, slots: u32) -> Model {
        self.entry.unwrap_or(Model {
            name: self.name,
            path: self.path,
            context_tokens,
            slots,
            threads: None,
            backend: freehold_engine::Backend::Llama,
            sampling: None,
            thinking_tokens: 0,
            adapters: Vec::new(),
        })
    }

    /// Returns whether it answers from a script, and so has no weights.
    pub(crate) fn is_scripted(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.backend == freehold_engine::Backend::Scripted)
    }
}

/// Returns the models of the configuration, then those in the home that no entry names.
///
/// # Errors
/// The home's folder of models cannot be read.
pub(crate) fn list(place: &Place, settings: &Settings) -> Result<Vec<Named>, Fault> {
    let named = |entry| Model::names(entry).map(move |name| Named::of(entry, name));
    let mut all: Vec<Named> = settings.models.iter().flat_map(named).collect();
    let folder = folder(&place.home()?);
    let Ok(entries) = folder.read_dir() else { return Ok(all) };
    let is_model = |path: &PathBuf| {
        path.is_dir() || path.extension().is_some_and(|ending| ending == "gguf" || ending == "safetensors")
    };
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_model).collect();
    found.sort();
    for path in found {
        if !all.iter().any(|named| named.path == path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            all.push(Named { name, path, entry: None });
        }
    }
    Ok(all)
}

/// Returns a line of the list as JSON.
pub(crate) fn listed_json(named: &Named, found: &Result<Description, freehold_vault::Error>) -> Value {
    let mut line = json!({
        "model": named.name,
        "path": named.path,
        "configured": named.entry.is_some(),
        "backend": named.entry.as_ref().map(|entry| entry.backend),
    });
    match found {
        Ok(model) => {
            line["format"] = json!(model.format);
            line["architecture"] = json!(model.architecture);
            line["parameters"] = json!(model.parameters);
            line["quantisation"] = json!(model.quantisation);
            line["file_bytes"] = json!(model.file_bytes);
            line["context_length"] = json!(model.context_length);
            line["license"] = json!(model.license);
            line["adapter"] = json!(model.adapter);
        }
        Err(_) if named.is_scripted() => {}
        Err(error) => line["error"] = json!(error.to_string()),
    }
    line
}
