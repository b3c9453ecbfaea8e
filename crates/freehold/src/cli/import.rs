//! `freehold import`: adds recorded calls.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::import::{Imported, Target, import};
use crate::keeping;
use crate::report::figures;
use crate::stdout;

const READ_BUFFER_BYTES: usize = 1 << 20;

/// Add recorded calls from JSON Lines files, one call a line; `-` reads standard input.
///
/// A line is {"id","at"?,"api","request","response"|"response_events"|"error","step"?,"run"?,"model"?,"reference"?}:
/// `api` is openai.chat, openai.responses or anthropic.messages; `request` and `response` are the provider's own JSON,
/// `response_events` is the text of a stream. A call that is there already is left alone, so an import that was broken off
/// can be run again. Bad lines are written beside the input. What `freehold export` wrote is taken as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: freehold import calls-2026-*.jsonl")]
pub(super) struct Arguments {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print what was done as one JSON object a file.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = place.store()?;
    let target = Target { store: &store, keeping: keeping::keeping(&place.settings()?)? };
    let mut rejected = 0;
    for file in &arguments.files {
        let (input, bytes): (Box<dyn Read>, Option<u64>) = open(file)?;
        let bar = bar(bytes);
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let reader: Box<dyn BufRead> = Box::new(BufReader::with_capacity(READ_BUFFER_BYTES, input));
        let done = import(&target, reader, &beside(file), now_ms, &mut |bytes| bar.set_position(bytes));
        bar.finish_and_clear();
        let done = done?;
        rejected += done.rejected;
        if arguments.json {
            stdout::line(serde_json::to_string(&done)?)?;
        } else {
            tell(file, &done)?;
        }
    }
    Ok(if rejected > 0 { Exit::Input } else { Exit::Done })
}

fn open(file: &Path) -> Result<(Box<dyn Read>, Option<u64>), Fault> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let opened =
        File::open(file).map_err(|error| Fault::input(format!("cannot open {}", file.display())).because(error))?;
    let bytes = opened.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(opened), bytes))
}

fn beside(file: &Path) -> PathBuf {
    if file == Path::new("-") { PathBuf::from("stdin") } else { file.to_owned() }
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
    bar.with_style(ProgressStyle::with_template(template).expect("the template is right; every import shows it"))
}

fn tell(file: &Path, done: &Imported) -> Result<(), Fault> {
    stdout::line(format_args!(
        "{}: {} calls added, {} there already",
        file.display(),
        figures::count(done.added),
        figures::count(done.present)
    ))?;
    tell_rejected(done);
    Ok(())
}

/// Says on stderr which lines were set aside, and why.
pub(super) fn tell_rejected(done: &Imported) {
    let Some(kept) = &done.rejected_file else { return };
    eprintln!("{} lines rejected and kept in {kept}:", figures::count(done.rejected));
    for reason in &done.reasons {
        eprintln!("  {reason}");
    }
    let more = done.rejected.saturating_sub(done.reasons.len() as u64);
    if more > 0 {
        eprintln!("  and {} more; all reasons are in the .rejected.txt beside it", figures::count(more));
    }
}
