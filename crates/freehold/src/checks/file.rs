//! Scores a file line by line, in its order, in memory that does not grow with it.

use std::io::{BufRead, ErrorKind, Write};

use freehold_evidence::check::{LineScorer, Score};

use super::Tally;
use crate::exit::Fault;
use crate::import::lines::{Line, Lines};

/// Bad lines that are told one by one; the others are only counted.
const TOLD_MAX: u64 = 100;

/// Scores every line that is not blank and gives each score to `answer`; a line that cannot be read scores 0 and is told on stderr.
///
/// # Errors
/// The input cannot be read further, or `answer` fails for another reason than that nobody reads any more.
pub fn score_lines(
    input: impl BufRead,
    scorer: &mut LineScorer,
    answer: &mut dyn FnMut(&Score) -> std::io::Result<()>,
) -> Result<Tally, Fault> {
    let mut lines = Lines::new(input);
    let mut tally = Tally::default();
    loop {
        let next = lines.next_line().map_err(|error| Fault::input("cannot read the input further").because(error))?;
        let Some(line) = next else { break };
        if line.is_blank() {
            continue;
        }
        let score = score(&line, scorer, &mut tally);
        tally.add(&score);
        match answer(&score) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            result => result.map_err(|error| Fault::input("cannot write to stdout").because(error))?,
        }
    }
    if tally.bad_lines > TOLD_MAX {
        eprintln!("error: {} lines more cannot be scored", tally.bad_lines - TOLD_MAX);
    }
    Ok(tally)
}

fn score(line: &Line<'_>, scorer: &mut LineScorer, tally: &mut Tally) -> Score {
    let scored = line.text().map_err(|error| error.to_string()).and_then(|text| {
        scorer.score(text.as_bytes()).map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    });
    scored.unwrap_or_else(|reason| {
        tally.bad_lines += 1;
        if tally.bad_lines <= TOLD_MAX {
            eprintln!("error: line {}: {reason}", line.number);
        }
        Score::failed(format!("line {}: {reason}", line.number))
    })
}

/// Writes a score as a line of JSON.
///
/// # Errors
/// As for the writer.
pub fn write_line(writer: &mut dyn Write, score: &Score) -> std::io::Result<()> {
    serde_json::to_writer(&mut *writer, &serde_json::json!({"score": score.value, "reason": score.reason}))?;
    writer.write_all(b"\n")
}
