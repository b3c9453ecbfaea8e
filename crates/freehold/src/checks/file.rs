//! Scores a file line by line, in its order, in memory that does not grow with it.

use std::error::Error;
use std::io::{BufRead, ErrorKind, Write};

use freehold_evidence::check::{self, Check, LineScorer, Output, Reference, Score};

use super::{Outside, Scorer, Tally, unusable};
use crate::exit::Fault;
use crate::import::lines::{Line, Lines};

/// Bad lines that are told one by one; the others are only counted.
const TOLD_MAX: u64 = 100;

/// Scores lines, wherever the scores come from.
pub enum FileScorer {
    /// By a check that needs nothing but the line.
    Pure(Box<LineScorer>),
    /// By one that reaches outside.
    Outside(Box<Scorer>),
}

impl FileScorer {
    /// Returns the scorer for a check of ours.
    ///
    /// # Errors
    /// The spec names none.
    pub fn pure(spec: &str) -> Result<Self, Fault> {
        let scorer = LineScorer::new(spec).map_err(|error| unusable(spec, error))?;
        Ok(Self::Pure(scorer.into()))
    }

    /// Returns the scorer for a check that reaches outside.
    ///
    /// # Errors
    /// As for [`Scorer::parse`].
    pub fn outside(spec: &str, outside: Outside<'_>) -> Result<Self, Fault> {
        Ok(Self::Outside(Scorer::parse(spec, None, outside)?.into()))
    }

    /// Returns version, normalisations and warnings of the check.
    #[must_use]
    pub fn described(&self) -> (String, Vec<String>, Vec<String>) {
        match self {
            Self::Outside(scorer) => (scorer.version(), scorer.normalisations(), scorer.warnings()),
            Self::Pure(scorer) => match scorer.check() {
                Some(check) => {
                    let scorer = Scorer::from(check.clone());
                    (scorer.version(), scorer.normalisations(), scorer.warnings())
                }
                None => ("1".to_owned(), Vec::new(), Vec::new()),
            },
        }
    }

    fn score(&mut self, line: &[u8]) -> Result<Score, String> {
        match self {
            Self::Pure(scorer) => scorer.score(line).map_err(|error| told(&error)),
            Self::Outside(scorer) => score_outside(scorer, line),
        }
    }
}

fn score_outside(scorer: &Scorer, line: &[u8]) -> Result<Score, String> {
    let mut members = check::members(line).map_err(|error| told(&error))?;
    let line = check::Line::read(&mut members, &Check::RougeL).map_err(|error| told(&error))?;
    let output = match line.output {
        Ok(output) => output,
        Err(reason) => return Ok(Score::failed(reason)),
    };
    let reference = match line.reference {
        Reference::Answer(reference) => reference,
        Reference::Accepted { text, .. } => Output { text, tool_calls: Vec::new() },
    };
    let score = scorer.score(&output, &reference);
    if scorer.fault().is_err() {
        scorer.forget_faults();
        return Err(score.reason.unwrap_or_default());
    }
    Ok(score)
}

fn told(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Scores every line that is not blank and gives each score to `answer`; a line that cannot be scored scores 0 and is told on stderr.
///
/// # Errors
/// The input cannot be read further, or `answer` fails for another reason than that nobody reads any more.
pub fn score_lines(
    input: impl BufRead,
    scorer: &mut FileScorer,
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

fn score(line: &Line<'_>, scorer: &mut FileScorer, tally: &mut Tally) -> Score {
    let scored = line.text().map_err(|error| error.to_string()).and_then(|text| scorer.score(text.as_bytes()));
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
