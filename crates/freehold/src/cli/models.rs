//! `freehold models`: what a model on disk is, whether it fits, where it comes from, and its exact identity.

use std::path::{Path, PathBuf};

use freehold_store::Load;
use freehold_vault::{CacheType, Description, Format};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::config::{Model, Settings};
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::models::fetch::Fetcher;
use crate::models::fit::{self, Answer, Fixed};
use crate::models::measure::{self, Measured};
use crate::models::pull::{self, Order};
use crate::models::source::{self, Source};
use crate::models::{self, Named, inspect, lock, sizes};
use crate::report::{self, Align};
use crate::{service, stdout};

/// The most recorded calls that are looked at, the newest.
const LOADS_MAX: u32 = 1_000_000;

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
    /// Say from recorded traffic whether a model fits into memory: at least, likely, at most; ends with 1 where it does not.
    Fit(FitArguments),
    /// Fetch a model into the home, on from where it stopped, and check it: by address, or from a hub by pinned commit.
    Pull(PullArguments),
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

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  freehold models fit desk --step triage\n  freehold models fit desk.gguf --memory 16GiB --context 8192 --slots 8\n  \
    freehold models fit desk --measure"
)]
struct FitArguments {
    /// The model: a name, a file, or a folder.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Only the traffic of this step.
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// The memory to fit into, such as 16GiB [default: what this machine has free]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// The context of each slot, in tokens [default: the longest recorded call]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    context: Option<u32>,
    /// How many calls run at once [default: as recorded]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    slots: Option<u32>,
    /// How the cache is stored; our own engine uses f16.
    #[arg(long, value_enum, default_value = "f16", value_name = "TYPE")]
    cache_type: Cache,
    /// Load it as the likely row says, and compare.
    #[arg(long)]
    measure: bool,
    #[command(flatten)]
    told: Told,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold models pull https://example.com/model.gguf --sha256 9f86d0...\n  \
    freehold models pull hub:OWNER/NAME@0123456789abcdef0123456789abcdef01234567/model-q4_k_m.gguf\n\n\
    FREEHOLD_HUB_URL names another hub, FREEHOLD_HUB_TOKEN holds a token for it.")]
struct PullArguments {
    /// The address, or hub:OWNER/NAME@COMMIT/FILE with the whole commit.
    #[arg(value_name = "URL|hub:OWNER/NAME@COMMIT/FILE")]
    source: String,
    /// What the SHA-256 of the file must be.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The name to keep it under [default: its name there]
    #[arg(long, value_name = "FILE")]
    name: Option<String>,
    /// A folder of the home's models to keep it in, for models of several files.
    #[arg(long, value_name = "NAME")]
    folder: Option<String>,
    #[command(flatten)]
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Cache {
    F32,
    F16,
    #[value(name = "q8_0")]
    Q8,
    #[value(name = "q5_0")]
    Q5,
    #[value(name = "q4_0")]
    Q4,
}

impl From<Cache> for CacheType {
    fn from(cache: Cache) -> Self {
        match cache {
            Cache::F32 => CacheType::F32,
            Cache::F16 => CacheType::F16,
            Cache::Q8 => CacheType::Q8_0,
            Cache::Q5 => CacheType::Q5_0,
            Cache::Q4 => CacheType::Q4_0,
        }
    }
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
        Command::Fit(fit) => run_fit(place, fit),
        Command::Pull(pull) => run_pull(place, pull),
        Command::Lock { model, out, json } => {
            let named = models::find(place, &place.settings()?, model)?;
            let model = named.described()?;
            let found = lock::of(&named, &model, &mut progress(model.file_bytes))?;
            if *json {
                stdout::line(&found)?;
                return Ok(Exit::Done);
            }
            let file = out.clone().unwrap_or_else(|| lock::beside(&named.path));
            lock::write(&file, &found)?;
            stdout::line(file.display())?;
            eprintln!("locked {}: `freehold models verify` holds it against this file", named.name);
            eprintln!("{}", lock::under_load(&found));
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
    let model = named.described()?;
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

fn run_fit(place: &Place, arguments: &FitArguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let named = models::find(place, &settings, &arguments.model)?;
    if named.is_scripted() {
        return fit_of_script(&settings, (&place.home()?, named), arguments);
    }
    let model = named.described()?;
    if arguments.measure && model.format != Format::Gguf {
        return Err(Fault::input("only GGUF files can be loaded here").hint("leave --measure out").into());
    }
    if arguments.measure && arguments.cache_type != Cache::F16 {
        return Err(Fault::input("our engine keeps its cache in f16 only")
            .hint("leave --cache-type or --measure out")
            .into());
    }
    let loads = loads(place, arguments.step.as_deref())?;
    let available = match &arguments.memory {
        Some(text) => Some(sizes::parse(text)?),
        None => service::available_memory_bytes(),
    };
    let fixed = Fixed {
        context_tokens: arguments.context.map(u64::from),
        slots: arguments.slots.map(u64::from),
        cache: arguments.cache_type.into(),
    };
    let mut fit = fit::estimate(&model, &loads, fixed, available);
    let name = named.name.clone();
    if arguments.measure {
        let serving = fit.likely.serving;
        let mut model = named.served(0, 0);
        model.context_tokens = u32::try_from(serving.context_tokens).unwrap_or(u32::MAX);
        model.slots = u32::try_from(serving.slots).unwrap_or(u32::MAX);
        fit.measured = Some(measured(&settings, &place.home()?, &model)?);
    }
    if arguments.told.json {
        stdout::line(fit.as_json(&name))?;
    } else {
        stdout::block(fit.shown(&name))?;
    }
    let is_held = matches!(fit.answer(), None | Some(Answer::Fits | Answer::Tight));
    Ok(if is_held { Exit::Done } else { Exit::NotAdequate })
}

/// Returns the newest calls, of one step or of all; none where there is no store yet.
fn loads(place: &Place, step: Option<&str>) -> anyhow::Result<Vec<Load>> {
    if !place.has_store() && step.is_none() {
        return Ok(Vec::new());
    }
    let store = place.store()?;
    let step = step.map(|wanted| super::step_lines::find(&store, wanted)).transpose()?;
    Ok(store.loads(step.as_deref(), LOADS_MAX)?)
}

/// Says what the worker of a script takes; without weights there is nothing to estimate.
fn fit_of_script(settings: &Settings, (home, named): (&Path, Named), arguments: &FitArguments) -> anyhow::Result<Exit> {
    if !arguments.measure {
        return Err(Fault::input(format!("{} answers from a script and has no weights to estimate", named.name))
            .hint("measure what its worker takes with --measure")
            .into());
    }
    let name = named.name.clone();
    let measured = measured(settings, home, &named.served(0, 0))?;
    if arguments.told.json {
        stdout::line(json!({"model": name, "measured": {"bytes": measured.peak_bytes}}))?;
    } else {
        stdout::line(format_args!(
            "{name} takes {} (measured; a script has no weights)",
            sizes::bytes(measured.peak_bytes)
        ))?;
    }
    Ok(Exit::Done)
}

/// Loads a model and returns what its worker takes.
fn measured(settings: &Settings, home: &Path, model: &Model) -> anyhow::Result<Measured> {
    let program = super::this_program()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = service::engine(settings, program, home);
        let measured = measure::measure(&engine, model).await;
        engine.shutdown().await;
        measured
    })
}

fn run_pull(place: &Place, arguments: &PullArguments) -> anyhow::Result<Exit> {
    let Some(order) = arguments.order(place)? else { return Ok(Exit::Done) };
    let fetcher = Fetcher::new(std::env::var("FREEHOLD_HUB_TOKEN").ok().filter(|_| order.source.commit.is_some()))
        .map_err(|error| Fault::internal("cannot fetch anything").because(error))?;
    let bar = ProgressBar::no_length();
    let mut told = |done: u64, total: Option<u64>| {
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
    };
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pulled = runtime.block_on(pull::pull(&fetcher, &order, &mut told));
    bar.finish_and_clear();
    let pulled = pulled?;
    if arguments.told.json {
        stdout::line(serde_json::to_string(&pulled)?)?;
    } else {
        stdout::line(pulled.path.display())?;
        let checked = if pulled.checked { "as expected" } else { "nothing to check it against" };
        eprintln!("{}, SHA-256 {} ({checked})", sizes::bytes(pulled.bytes), pulled.sha256);
    }
    Ok(Exit::Done)
}

impl PullArguments {
    /// Checks everything that can be checked before anybody is asked; `None` where the file is there already.
    fn order(&self, place: &Place) -> Result<Option<Order>, Fault> {
        let hub = std::env::var("FREEHOLD_HUB_URL").unwrap_or_else(|_| source::HUB.to_owned());
        let source = Source::parse(&self.source, &hub)?;
        let name = source::name(self.name.as_deref().unwrap_or(&source.file))?;
        if freehold_vault::is_pickle_name(&name) {
            return Err(Fault::input(format!("{name} is a pickle, a program that runs when it is loaded"))
                .hint("take the publisher's safetensors or a GGUF file instead"));
        }
        let sha256 = self.sha256.as_ref().map(|text| text.to_ascii_lowercase());
        if sha256.as_ref().is_some_and(|text| text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(Fault::input("--sha256 is no SHA-256").hint("give all 64 hexadecimal digits"));
        }
        if source.is_open() && sha256.is_none() {
            return Err(Fault::input("without encryption anybody on the way could alter the file")
                .hint("take an https address, or give the digest with --sha256"));
        }
        let mut folder = models::folder(&place.home()?);
        if let Some(below) = &self.folder {
            folder.push(source::name(below)?);
        }
        let order = Order { source, to: folder.join(name), sha256 };
        Ok(if is_there(&order, self.told)? { None } else { Some(order) })
    }
}

/// Returns whether the file lies in its place already; another one there is an error.
fn is_there(order: &Order, told: Told) -> Result<bool, Fault> {
    if !order.to.exists() {
        return Ok(false);
    }
    let taken = || Fault::input(format!("{} is there already", order.to.display()));
    let Some(expected) = &order.sha256 else {
        return Err(taken().hint("give its digest with --sha256 to check it, or keep the new one under another --name"));
    };
    let found =
        freehold_vault::digest(&order.to, &mut |_| ()).map_err(|error| models::cannot_read(&order.to, error))?;
    if found.sha256 != *expected {
        return Err(taken().hint("it is another file: keep the new one under another --name, or delete the old one"));
    }
    if told.json {
        stdout::line(json!({"path": order.to, "bytes": found.bytes, "sha256": found.sha256, "checked": true}))?;
    } else {
        stdout::line(order.to.display())?;
    }
    eprintln!("it was there already, and is the one expected");
    Ok(true)
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
