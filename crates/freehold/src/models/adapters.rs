//! Whether an adapter's file can be served beside a model: asked of its header, before the engine reads it.

use freehold_vault::Description;

use crate::config::Model;
use crate::exit::Fault;

/// Checks the adapters of a model of ours, and returns how many bytes their weights take.
///
/// # Errors
/// One of them cannot be read, or does not belong to the model; or the model is an adapter itself.
pub(crate) fn check(entry: &Model, model: &Description) -> Result<u64, Fault> {
    if model.adapter.is_some() {
        return Err(Fault::input(format!("the model {} is an adapter: {}", entry.name, entry.path.display()))
            .hint("write it as [[model.adapter]] below the [[model]] whose weights it changes"));
    }
    let mut bytes = 0_u64;
    for adapter in &entry.adapters {
        let file = freehold_vault::describe(&adapter.path).map_err(|error| super::cannot_read(&adapter.path, error))?;
        if let Err((what, hint)) = fits(&file, model) {
            let place = adapter.path.display();
            let (name, model) = (&adapter.name, &entry.name);
            return Err(
                Fault::input(format!("the adapter {name} does not belong to {model}: {what}: {place}")).hint(hint)
            );
        }
        bytes = bytes.saturating_add(file.tensor_bytes);
    }
    Ok(bytes)
}

/// Says why a file is no adapter of a model, and what to do.
fn fits(file: &Description, model: &Description) -> Result<(), (String, &'static str)> {
    let Some(adapter) = &file.adapter else {
        return Err(("it is a whole model".to_owned(), "serve it as a [[model]] of its own"));
    };
    if adapter.is_activated || adapter.kind != "lora" {
        let kind = if adapter.is_activated { "activated LoRA" } else { &adapter.kind };
        return Err((
            format!("it is of the kind {kind:?}"),
            "only plain LoRA is served here; merge it into the weights and serve those",
        ));
    }
    if file.architecture != model.architecture {
        return Err((
            format!("it was made for the family {}, and the model is of {}", file.architecture, model.architecture),
            "name the model that it was trained on",
        ));
    }
    Ok(())
}
