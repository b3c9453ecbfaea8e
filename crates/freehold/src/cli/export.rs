//! `freehold export`: writes recorded calls as JSON Lines.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use freehold_store::Selection;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::step_lines;
use crate::exit::{Exit, Fault};
use crate::export::export;
use crate::home::Place;
use crate::report::figures;

const DAY_MS: i64 = 86_400_000;
const WRITE_BUFFER_BYTES: usize = 1 << 20;

/// Write recorded calls as JSON Lines, one call a line, in the form that `freehold import` reads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold export > calls.jsonl\n  \
    freehold export --step triage --since 30d --out triage.jsonl")]
pub(super) struct Arguments {
    /// Only calls of this step.
    #[arg(long)]
    step: Option<String>,
    /// Only calls since then: a date (UTC), a moment such as 2026-11-01T08:00:00Z, or days back such as 30d.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only calls before then; a date includes its day.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// The file to write; standard output otherwise.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let now_ms = Timestamp::now().as_millisecond();
    let moment = |text: &Option<String>, day: Day| text.as_deref().map(|text| moment_ms(text, now_ms, day)).transpose();
    let since_ms = moment(&arguments.since, Day::Begins)?.unwrap_or(i64::MIN);
    let until_ms = moment(&arguments.until, Day::Ends)?.unwrap_or(i64::MAX);
    let store = place.store()?;
    let step = arguments.step.as_deref().map(|step| step_lines::id_of(&store, step)).transpose()?;
    let selection = Selection { step, since_ms, until_ms };
    let mut output: Box<dyn Write> = match &arguments.out {
        Some(path) => Box::new(
            File::create(path)
                .map_err(|error| Fault::input(format!("cannot write {}", path.display())).because(error))?,
        ),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut output = BufWriter::with_capacity(WRITE_BUFFER_BYTES, &mut output);
    let bar = bar();
    let exported = export(&store, &selection, &mut output, &mut |calls| bar.set_position(calls));
    bar.finish_and_clear();
    let exported = match (exported, output.flush()) {
        (Ok(exported), Ok(())) => exported,
        // Nobody reads any more, as in `freehold export | head`.
        (Err(error), _) if is_broken_pipe(&error) => return Ok(Exit::Done),
        (Ok(_), Err(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
        (Err(error), _) => return Err(error),
        (Ok(_), Err(error)) => return Err(Fault::input("cannot write the export to its end").because(error).into()),
    };
    eprintln!("{} calls exported", figures::count(exported));
    Ok(Exit::Done)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_it = |cause: &std::io::Error| cause.kind() == ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is_it)
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{spinner} {pos} calls, {per_sec}";
    ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template(template).expect("the template is right; every export shows it"))
}

/// Which end of a day a date stands for.
#[derive(Clone, Copy)]
enum Day {
    Begins,
    Ends,
}

fn moment_ms(text: &str, now_ms: i64, day: Day) -> Result<i64, Fault> {
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(now_ms - i64::from(days) * DAY_MS);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let date = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    let begins_ms = date.map(|date| date.timestamp().as_millisecond());
    let begins_ms = begins_ms.ok_or_else(|| {
        Fault::input(format!("{text:?} is no moment")).hint("write 2026-11-01, 2026-11-01T08:00:00Z or 30d")
    })?;
    Ok(match day {
        Day::Begins => begins_ms,
        Day::Ends => begins_ms + DAY_MS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_times_and_days_back() {
        let now_ms = 1_795_000_000_000;
        let read = |text: &str, day| moment_ms(text, now_ms, day).ok();
        assert_eq!(read("2026-11-01", Day::Begins), Some(1_793_491_200_000));
        assert_eq!(read("2026-11-01", Day::Ends), Some(1_793_577_600_000));
        assert_eq!(read("2026-11-01T08:00:00Z", Day::Ends), Some(1_793_520_000_000));
        assert_eq!(read("2d", Day::Begins), Some(now_ms - 2 * DAY_MS));
        for text in ["", "soon", "-3d", "2026-13-01"] {
            assert_eq!(read(text, Day::Begins), None, "{text}");
        }
    }
}
