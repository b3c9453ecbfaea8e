//! `freehold check`: scores answers with a check, on anyone's file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use freehold_evidence::check::{Check, LineScorer};

use crate::checks::{self, Tally};
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::stdout;

const BUFFER_BYTES: usize = 1 << 20;

/// Score answers with a check: those of a file, line by line.
///
/// A line is {"output","reference","tools"?,"schema"?}. Output and reference are a text, a JSON value, or
/// {"text","tool_calls"}. Each line gives one score, in the same order; a line that cannot be read scores 0 and is told on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold check numeric:1% answers.jsonl\n  \
    freehold check tool_call answers.jsonl --json > scores.jsonl\n\n\
    Ends with 0 when every line was scored, 2 when one could not be read.")]
pub(super) struct Arguments {
    /// The check, such as exact, regex:PATTERN, numeric:0.01, json, schema, fields, tool_call, answered, text or chrf2.
    #[arg(value_name = "KIND")]
    kind: String,
    /// The answers; `-` reads standard input.
    #[arg(value_name = "FILE.jsonl")]
    file: PathBuf,
    /// Print {"score","reason"} for each line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut scorer = LineScorer::new(&arguments.kind)
        .map_err(|error| Fault::input(format!("the check {:?} cannot be used", arguments.kind)).because(error))?;
    let input = open(&arguments.file)?;
    let tally = if arguments.json {
        let is_live = arguments.file == Path::new("-");
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
        let tally = checks::score_lines(input, &mut scorer, &mut |score| {
            checks::write_line(&mut writer, score)?;
            // Who feeds lines one by one waits for each answer.
            if is_live { writer.flush() } else { Ok(()) }
        })?;
        flush(&mut writer)?;
        tally
    } else {
        let tally = checks::score_lines(input, &mut scorer, &mut |_| Ok(()))?;
        tell(&arguments.kind, scorer.check(), &tally)?;
        tally
    };
    if tally.answers == 0 {
        return Err(Fault::input(format!("{} has no line to score", arguments.file.display())).into());
    }
    Ok(if tally.bad_lines > 0 { Exit::Input } else { Exit::Done })
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Fault> {
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let cannot = |error| Fault::input(format!("cannot open {}", file.display())).because(error);
        Box::new(File::open(file).map_err(cannot)?)
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, input)))
}

fn flush(writer: &mut impl Write) -> Result<(), Fault> {
    match writer.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Fault::input("cannot write to stdout").because(error))
        }
        _ => Ok(()),
    }
}

fn tell(kind: &str, check: Option<&Check>, tally: &Tally) -> Result<(), Fault> {
    let Some(mean) = tally.mean() else { return Ok(()) };
    let version = check.map_or(String::new(), |check| format!(", version {}", check.version()));
    let limits = match tally.limits() {
        Some((lower, upper)) => format!("95 % interval {lower:.4} to {upper:.4} if the answers are independent"),
        None => "no interval: one answer says nothing about others".to_owned(),
    };
    stdout::line(format_args!("{kind}{version}: mean {mean:.4} over {} answers ({limits})", tally.answers))?;
    stdout::line(format_args!(
        "  {} score 1, {} score 0, {} between; {} lines could not be read",
        tally.right,
        tally.wrong,
        tally.answers - tally.right - tally.wrong,
        tally.bad_lines
    ))?;
    for (reason, count) in tally.reasons(8) {
        stdout::line(format_args!("  {count:>8}  {reason}"))?;
    }
    let Some(check) = check else { return Ok(()) };
    for step in check.normalisations() {
        stdout::line(format_args!("  normalised  {step}"))?;
    }
    for warning in check.warnings() {
        stdout::line(format_args!("  beware  {warning}"))?;
    }
    Ok(())
}
