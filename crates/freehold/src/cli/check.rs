//! `freehold check`: scores answers with a check, on anyone's file or on one recorded case.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use freehold_evidence::Output;
use freehold_wire::ReferenceKind;

use super::step_lines;
use crate::assess::{self, Tried};
use crate::checks::{self, FileScorer, Outside, Scorer, Tally};
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::stdout;

const BUFFER_BYTES: usize = 1 << 20;

/// Score answers with a check: each line of a file, or one recorded case of a step.
///
/// A line is {"output","reference","tools"?,"schema"?}. Output and reference are a text, a JSON value, or
/// {"text","tool_calls"}. Each line gives one score, in the same order; a line that cannot be scored scores 0 and is told on
/// stderr. With --case, the step's check scores the recorded answer of that case and the newest of each candidate.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold check numeric:1% answers.jsonl\n  \
    freehold check tool_call answers.jsonl --json > scores.jsonl\n  \
    freehold check triage --case 0198c5e2 --check fields\n\n\
    Ends with 0 when every answer was scored, 2 when a line could not be.")]
#[command(
    override_usage = "freehold check <KIND> <FILE.jsonl> [--json]\n       freehold check <STEP> --case <ID> [--check <KIND>] [--json]"
)]
pub(super) struct Arguments {
    /// The check, such as exact, regex:PATTERN, numeric:0.01, json, schema, fields, tool_call, answered, text, chrf2,
    /// embedding:UPSTREAM/MODEL or command:PROGRAM (docs/checks.md); with --case, the step.
    #[arg(value_name = "KIND|STEP")]
    kind: String,
    /// The answers; `-` reads standard input.
    #[arg(value_name = "FILE.jsonl", required_unless_present = "case", conflicts_with = "case")]
    file: Option<PathBuf>,
    /// A recorded call of the step, by its id.
    #[arg(long, value_name = "ID")]
    case: Option<String>,
    /// Another check than the step's own.
    #[arg(long, value_name = "KIND", requires = "case")]
    check: Option<String>,
    /// Print {"score","reason"} for each line, or all about the case.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    match (&arguments.case, &arguments.file) {
        (Some(case), _) => one_case(place, arguments, case),
        (None, Some(file)) => Ok(whole_file(place, arguments, file)?),
        (None, None) => Err(Fault::input("neither a file nor a case is named").into()),
    }
}

fn whole_file(place: &Place, arguments: &Arguments, file: &Path) -> Result<Exit, Fault> {
    let mut scorer = if Scorer::reaches_outside(&arguments.kind) {
        let (settings, program) = (place.settings()?, this_program()?);
        FileScorer::outside(&arguments.kind, Outside { settings: &settings, program: &program })?
    } else {
        FileScorer::pure(&arguments.kind)?
    };
    let input = open(file)?;
    let tally = if arguments.json {
        let is_live = file == Path::new("-");
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
        tell(&arguments.kind, &scorer, &tally)?;
        tally
    };
    if tally.answers == 0 {
        return Err(Fault::input(format!("{} has no line to score", file.display())));
    }
    Ok(if tally.bad_lines > 0 { Exit::Input } else { Exit::Done })
}

fn this_program() -> Result<PathBuf, Fault> {
    std::env::current_exe().map_err(|error| Fault::internal("cannot find the running program").because(error))
}

fn one_case(place: &Place, arguments: &Arguments, case: &str) -> anyhow::Result<Exit> {
    let (settings, program, store) = (place.settings()?, this_program()?, place.store()?);
    let step = step_lines::find(&store, &arguments.kind)?;
    let declared = settings.steps.iter().find(|declared| declared.name == step);
    let spec = arguments.check.as_deref().or_else(|| declared.and_then(|declared| declared.check.as_deref()));
    let outside = Outside { settings: &settings, program: &program };
    let tried = assess::try_case(&store, (&step, case), spec, outside)?;
    if arguments.json {
        stdout::line(serde_json::to_string(&tried)?)?;
    } else {
        stdout::block(shown(&tried))?;
    }
    Ok(Exit::Done)
}

fn shown(tried: &Tried) -> String {
    let mut text = format!("{} of {}, check {} version {}\n", tried.case, tried.step, tried.check, tried.check_version);
    text.push_str(&format!("reference ({})\n{}", kind_word(tried.reference_kind), indented(&tried.reference)));
    for answer in &tried.answers {
        let reason = answer.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        text.push_str(&format!("\n{}  {:.4}{reason}\n", answer.by, answer.score));
        text.push_str(&answer.output.as_ref().map(indented).unwrap_or_default());
    }
    text.push('\n');
    let normalised = tried.normalisations.iter().map(|step| format!("normalised  {step}\n"));
    let warnings = tried.warnings.iter().map(|warning| format!("beware  {warning}\n"));
    text.extend(normalised.chain(warnings));
    text
}

fn kind_word(kind: ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Incumbent => "the incumbent's answer",
        ReferenceKind::Label => "label",
        ReferenceKind::Outcome => "outcome",
    }
}

fn indented(output: &Output) -> String {
    let calls = output.tool_calls.iter().map(|call| format!("{}({})", call.name, call.arguments));
    let lines = output.text.lines().map(str::to_owned).chain(calls);
    lines.map(|line| format!("    {line}\n")).collect()
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

fn tell(kind: &str, scorer: &FileScorer, tally: &Tally) -> Result<(), Fault> {
    let Some(mean) = tally.mean() else { return Ok(()) };
    let (version, normalisations, warnings) = scorer.described();
    let limits = match tally.limits() {
        Some((lower, upper)) => format!("95 % interval {lower:.4} to {upper:.4} if the answers are independent"),
        None => "no interval: one answer says nothing about others".to_owned(),
    };
    stdout::line(format_args!("{kind}, version {version}: mean {mean:.4} over {} answers ({limits})", tally.answers))?;
    stdout::line(format_args!(
        "  {} score 1, {} score 0, {} between; {} lines could not be scored",
        tally.right,
        tally.wrong,
        tally.answers - tally.right - tally.wrong,
        tally.bad_lines
    ))?;
    for (reason, count) in tally.reasons(8) {
        stdout::line(format_args!("  {count:>8}  {reason}"))?;
    }
    for step in normalisations {
        stdout::line(format_args!("  normalised  {step}"))?;
    }
    for warning in warnings {
        stdout::line(format_args!("  beware  {warning}"))?;
    }
    Ok(())
}
