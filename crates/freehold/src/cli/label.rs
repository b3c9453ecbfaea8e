//! `freehold label`: people say which of two answers is better, or what the right one is.

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use freehold_store::Store;

use super::step_lines;
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::import::Imported;
use crate::label::{self, Queue, Session, exchange};
use crate::report::figures;
use crate::stdout;

/// Say which of two answers is better, one key a case, without knowing whose they are.
///
/// Asks about cases that a candidate has answered, in a random order, so that what was said of the first of them holds for
/// all. Every key is stored at once. With `--export` another tool asks, and `--import` reads what was said there:
/// {"id","queue","label"}, where `queue` is that of the exported line and `label` 1, 2, both_fine, both_wrong or skip, or a
/// right answer {"id","reference":{"kind":"label","value"}}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold label triage --candidate desk-l\n  \
    freehold label triage --export queue.jsonl --max 100\n  freehold label triage --import labels.jsonl")]
pub(super) struct Arguments {
    /// The step, or the beginning of its name.
    step: String,
    /// Whose answers are compared with the incumbent's [default: the candidate that was assessed last]
    #[arg(long, value_name = "CANDIDATE")]
    candidate: Option<String>,
    /// Write the cases that are to be asked about to a file, `-` for standard output, and ask nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "import")]
    export: Option<PathBuf>,
    /// Read labels from a file, `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "candidate")]
    import: Option<PathBuf>,
    /// The most cases that are written.
    #[arg(long, value_name = "N", requires = "export")]
    max: Option<usize>,
    /// Who says it [default: the user of this machine]
    #[arg(long = "as", value_name = "NAME")]
    who: Option<String>,
    /// Seed of the random order of cases, and of the two answers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print what was imported as a JSON object.
    #[arg(long, requires = "import")]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = place.store()?;
    let step = step_lines::find(&store, &arguments.step)?;
    match &arguments.import {
        Some(file) => import(&store, &step, file, arguments),
        None => {
            let queue = Queue::newest(&store, (&step, arguments.candidate.as_deref()), arguments.seed)?;
            match &arguments.export {
                Some(file) => export(&store, &queue, file, arguments.max.unwrap_or(usize::MAX)),
                None => ask(&store, &queue, arguments),
            }
        }
    }
}

fn ask(store: &Store, queue: &Queue, arguments: &Arguments) -> anyhow::Result<Exit> {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(no_terminal(&queue.step).into());
    }
    let who = arguments.who.clone().unwrap_or_else(crate::moves::who);
    let mut session = Session::begin(store, queue, who)?;
    let before = session.labelled();
    label::ask(&mut session)?;
    let (said, all) = (session.labelled().saturating_sub(before), session.labelled());
    eprintln!("{} said now, {} of {}", figures::counted(said, "label", "labels"), figures::count(all), queue.step);
    Ok(Exit::Done)
}

fn no_terminal(step: &str) -> Fault {
    Fault::input("cannot ask without a terminal").hint(format!(
        "freehold label {step} --export FILE writes the cases for another tool, --import FILE reads what was said there"
    ))
}

fn export(store: &Store, queue: &Queue, file: &Path, cases_max: usize) -> anyhow::Result<Exit> {
    let to: Box<dyn Write> = match file {
        file if file == Path::new("-") => Box::new(std::io::stdout().lock()),
        file => Box::new(
            File::create(file)
                .map_err(|error| Fault::input(format!("cannot write {}", file.display())).because(error))?,
        ),
    };
    let (written, same) = exchange::export(store, queue, cases_max, BufWriter::new(to))?;
    eprintln!(
        "{} of {} written; {} have two equal answers and are not asked about",
        figures::counted(written, "case", "cases"),
        figures::count(queue.cases.len() as u64),
        figures::count(same)
    );
    Ok(Exit::Done)
}

fn import(store: &Store, step: &str, file: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let is_stdin = file == Path::new("-");
    let input: Box<dyn Read> = if is_stdin {
        Box::new(std::io::stdin())
    } else {
        Box::new(
            File::open(file).map_err(|error| Fault::input(format!("cannot open {}", file.display())).because(error))?,
        )
    };
    let beside = if is_stdin { Path::new("stdin") } else { file };
    let who = arguments.who.clone().unwrap_or_else(crate::moves::who);
    let saying = exchange::Saying { who, at_ms: jiff::Timestamp::now().as_millisecond() };
    let done = exchange::import(store, step, BufReader::new(input), beside, &saying)?;
    if arguments.json {
        stdout::line(serde_json::to_string(&done)?)?;
    } else {
        tell(file, &done)?;
    }
    Ok(if done.rejected > 0 { Exit::Input } else { Exit::Done })
}

fn tell(file: &Path, done: &Imported) -> Result<(), Fault> {
    stdout::line(format_args!(
        "{}: {} labels added, {} there already",
        file.display(),
        figures::count(done.added),
        figures::count(done.present)
    ))?;
    super::import::tell_rejected(done);
    Ok(())
}
