//! `freehold steps rename`, `merge`, `split` and `undo`: what people say of steps, and back.

use freehold_store::{StepChange, Store};

use super::step_lines;
use crate::exit::{Exit, Fault};
use crate::moves;
use crate::stdout;

/// The most characters of a name.
const NAME_CHARS_MAX: usize = freehold_workflow::identify::STEP_CHARS_MAX;

/// What can be said of a step.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Change {
    /// Call a step by a name; its id stays, and both are good wherever a step is asked for.
    Rename {
        /// The step.
        step: String,
        /// The name; one is made of the prompt's words where none is given.
        name: Option<String>,
    },
    /// Let the calls of one step belong to another, those that came and those to come.
    Merge {
        /// The step.
        step: String,
        /// The other one.
        into: String,
    },
    /// Make an id that was found or said to belong to another step a step of its own again, and keep it one.
    Split {
        /// The id, as `freehold steps STEP` lists it.
        id: String,
    },
    /// Take the newest change back that is in force; again, the one before.
    Undo,
}

pub(super) fn run(store: &Store, change: &Change) -> anyhow::Result<Exit> {
    let (change, said) = match change {
        Change::Rename { step, name } => rename(store, step, name.as_deref())?,
        Change::Merge { step, into } => merge(store, step, into)?,
        Change::Split { id } => split(store, id)?,
        Change::Undo => return undo(store),
    };
    store.change_step(&change, &moves::who(), moves::now_ms())?;
    stdout::line(format_args!("{said}; `freehold steps undo` takes it back"))?;
    Ok(Exit::Done)
}

fn rename(store: &Store, step: &str, name: Option<&str>) -> anyhow::Result<(StepChange, String)> {
    let step = step_lines::find(store, step)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => suggested(store, &step)?,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
        let fault = Fault::input(format!("{name:?} is no name for a step"));
        return Err(fault.hint(format!("write up to {NAME_CHARS_MAX} letters, digits and ._/-")).into());
    }
    if let Some(other) = taken(store, &name)?.filter(|other| *other != step) {
        return Err(Fault::input(format!("{name} is the step {other} already")).into());
    }
    let said = format!("{step} is called {name}");
    Ok((StepChange::Rename { step, name }, said))
}

/// Returns the step that a name is the name or the id of.
fn taken(store: &Store, name: &str) -> anyhow::Result<Option<String>> {
    let named = store.step_rules()?.names.into_iter().find(|(_, known)| known == name);
    Ok(named.map(|(step, _)| step).or(store.step_now(name)?))
}

/// Makes a name of the words of the id, which are those of the prompt, and of a number where others have them too.
fn suggested(store: &Store, step: &str) -> anyhow::Result<String> {
    let words = step.rsplit_once('-').map_or(step, |(words, _)| words);
    if taken(store, words)?.is_none_or(|other| other == step) {
        return Ok(words.to_owned());
    }
    for nth in 2_u32.. {
        let name = format!("{words}-{nth}");
        if taken(store, &name)?.is_none() {
            return Ok(name);
        }
    }
    Err(Fault::input(format!("no name is left for {step}")).into())
}

fn merge(store: &Store, step: &str, into: &str) -> anyhow::Result<(StepChange, String)> {
    let (step, into) = (step_lines::find(store, step)?, step_lines::find(store, into)?);
    if step == into {
        return Err(Fault::input(format!("{step} is one step already")).into());
    }
    // A route must not end, or begin to hold for other calls, by the way.
    if store.generation()?.routes.contains_key(&step) {
        return Err(Fault::input(format!("{step} was moved, and its route would end"))
            .hint("take it back first: `freehold rollback`")
            .into());
    }
    let said = format!("the calls of {step} belong to {into}");
    Ok((StepChange::Merge { step, into }, said))
}

fn split(store: &Store, id: &str) -> anyhow::Result<(StepChange, String)> {
    match store.step_now(id)? {
        None => Err(Fault::input(format!("no call came under the id {id:?}"))
            .hint("`freehold steps STEP` lists the ids of a step")
            .into()),
        Some(step) if step == id => Err(Fault::input(format!("{id} is a step of its own already")).into()),
        Some(step) => {
            let said = format!("{id} is a step of its own, and no part of {step}");
            Ok((StepChange::Split { step: id.to_owned() }, said))
        }
    }
}

fn undo(store: &Store) -> anyhow::Result<Exit> {
    match store.undo_step_change(moves::now_ms())? {
        None => eprintln!("nothing was said of any step"),
        Some(undone) => stdout::line(match undone.change {
            StepChange::Rename { step, name } => format!("{step} is no longer called {name}"),
            StepChange::Merge { step, into } => format!("{step} is no longer merged into {into}"),
            StepChange::Split { step } => format!("{step} is no longer split off"),
        })?,
    }
    Ok(Exit::Done)
}
