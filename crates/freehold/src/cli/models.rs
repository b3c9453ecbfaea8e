//! `freehold models`: what a model on disk is, whether it fits, where it comes from, and its exact identity.

use std::path::{Path, PathBuf};

use freehold_vault::Description;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::models::{self, Named, inspect, lock, sizes};
use crate::report::{self, Align};
use crate::stdout;

/// Look at models on disk before anything runs them: what they are, whether they fit, and their exact identity.
///
/// MODEL is the name of a [[model]] entry, a GGUF file, a safetensors file or its folder, or a file in the home's `models`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  freehold models inspect desk.gguf\n  freehold models inspect ./Qwen3-8B --digest --json\n  \
    freehold models lock desk && freehold models verify desk"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the models of the configuration and those in the home.
    List {
        #[command(flatten)]
        told: Told,
    },
    /// Say what a model is, from its headers alone: sizes, types, weights, template, tokenizer, licence, digests.
    Inspect {
        /// The model: a name, a file, or a folder.
        #[arg(value_name = "MODEL")]
        model: String,
        /// Digest the whole files as well, which reads them.
        #[arg(long)]
        digest: bool,
        #[command(flatten)]
        told: Told,
    },
    /// Write the exact identity of a model: digests of weights, tokenizer and template, quantisation, build.
    Lock {
        /// The model: a name, a file, or a folder.
        #[arg(value_name = "MODEL")]
        model: String,
        /// Where to write it [default: beside the model]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print it and write nothing.
        #[arg(long, conflicts_with = "out")]
        json: bool,
    },
    /// Hold a model against its lock; ends with 1 where they differ.
    Verify {
        /// The model: a name, a file, or a folder.
        #[arg(value_name = "MODEL")]
        model: String,
        /// The lock [default: the one beside the model]
        #[arg(long, value_name = "FILE")]
        lock: Option<PathBuf>,
        #[command(flatten)]
        told: Told,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct Told {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::List { told } => list(place, *told),
        Command::Inspect { model, digest, told } => {
            let (named, model) = look(place, model)?;
            let digests = match digest {
                true => inspect::digests(&named.path, &model, &mut progress(model.file_bytes))?,
                false => Vec::new(),
            };
            if told.json {
                stdout::line(inspect::as_json(&named.path, &model, &digests))?;
            } else {
                stdout::block(inspect::shown(&named.path, &model, &digests))?;
            }
            Ok(Exit::Done)
        }
        Command::Lock { model, out, json } => {
            let (named, model) = look(place, model)?;
            let found = lock::of(&named, &model, &mut progress(model.file_bytes))?;
            if *json {
                stdout::line(&found)?;
                return Ok(Exit::Done);
            }
            let file = out.clone().unwrap_or_else(|| lock::beside(&named.path));
            lock::write(&file, &found)?;
            stdout::line(file.display())?;
            eprintln!("locked {}: `freehold models verify` holds it against this file", named.name);
            Ok(Exit::Done)
        }
        Command::Verify { model, lock, told } => verify(place, (model, lock.as_deref()), *told),
    }
}

/// Finds a model and reads its headers.
fn look(place: &Place, wanted: &str) -> Result<(Named, Description), Fault> {
    let named = models::find(place, &place.settings()?, wanted)?;
    let model = freehold_vault::describe(&named.path).map_err(|error| models::cannot_read(&named.path, error))?;
    Ok((named, model))
}

fn verify(place: &Place, (wanted, file): (&str, Option<&Path>), told: Told) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let named = models::find(place, &settings, wanted)?;
    let file = file.map_or_else(|| lock::beside(&named.path), Path::to_owned);
    let locked = lock::read(&file)?;
    let model = freehold_vault::describe(&named.path).map_err(|error| models::cannot_read(&named.path, error))?;
    let found = lock::of(&named, &model, &mut progress(model.file_bytes))?;
    let differences = lock::differences(&locked, &found);
    if told.json {
        stdout::line(json!({"holds": differences.is_empty(), "differences": differences}))?;
    } else if differences.is_empty() {
        stdout::line(format_args!("{} is what {} locks", named.name, file.display()))?;
    } else {
        stdout::line(format_args!("{} is not what {} locks:", named.name, file.display()))?;
        for line in &differences {
            stdout::line(format_args!("  {}", report::clean_line(line)))?;
        }
    }
    Ok(if differences.is_empty() { Exit::Done } else { Exit::NotAdequate })
}

/// Returns what shows how much of so many bytes is done, on a terminal.
fn progress(bytes: u64) -> impl FnMut(u64) {
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    move |done| {
        bar.set_position(done);
        if done >= bytes {
            bar.finish_and_clear();
        }
    }
}

fn list(place: &Place, told: Told) -> anyhow::Result<Exit> {
    let all = models::list(place, &place.settings()?)?;
    let mut rows = Vec::new();
    for named in &all {
        let found = freehold_vault::describe(&named.path);
        if told.json {
            stdout::line(models::listed_json(named, &found))?;
            continue;
        }
        rows.push(row(named, &found));
    }
    if told.json {
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        eprintln!("no models yet: add a [[model]] entry to freehold.toml, or fetch one with `freehold models pull`");
        return Ok(Exit::Done);
    }
    let heads = [
        ("MODEL", Align::Left),
        ("FAMILY", Align::Left),
        ("WEIGHTS", Align::Right),
        ("MOSTLY", Align::Left),
        ("SIZE", Align::Right),
        ("CONTEXT", Align::Right),
        ("PATH", Align::Left),
    ];
    stdout::block(report::table(&heads, &rows))?;
    Ok(Exit::Done)
}

fn row(named: &Named, found: &Result<Description, freehold_vault::Error>) -> Vec<String> {
    let path = named.path.display().to_string();
    let Ok(model) = found else {
        let state = if named.is_scripted() { "scripted" } else { "unreadable" };
        return [named.name.as_str(), state, "", "", "", "", &path].map(str::to_owned).to_vec();
    };
    let context = named.entry.as_ref().map(|entry| model.context(entry.context_tokens.into()));
    vec![
        named.name.clone(),
        model.architecture.clone(),
        sizes::parameters(model.parameters),
        model.quantisation.clone(),
        sizes::bytes(model.file_bytes),
        context.or(model.context_length).map(|tokens| tokens.to_string()).unwrap_or_default(),
        path,
    ]
}
