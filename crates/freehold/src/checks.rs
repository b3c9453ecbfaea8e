//! Checks at work: on the lines of anyone's file, and with the help of programs and endpoints.
//!
//! What a check computes by itself stands in `freehold-evidence`; here is what needs a file, a process or the network.

pub mod confined;
mod embedding;
mod file;
mod program;
mod tally;

use std::path::PathBuf;
use std::sync::Mutex;

use freehold_evidence::check::{Check, Output, Score};
use serde_json::{Value, json};

pub use file::{FileScorer, score_lines, write_line};
pub use tally::Tally;

use crate::config::Settings;
use crate::exit::Fault;
use embedding::Embedding;
use program::Program;

const COMMAND: &str = "command:";
const EMBEDDING: &str = "embedding:";

/// What checks that reach outside work with.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The upstreams, and the limits of programs.
    pub settings: &'a Settings,
    /// This binary, which confines a program before it becomes it.
    pub program: &'a PathBuf,
}

/// A check that can be asked for a score, wherever the score comes from.
#[derive(Debug)]
pub struct Scorer {
    kind: Kind,
    /// What kept the check itself from scoring.
    faults: Mutex<Faults>,
}

#[derive(Debug)]
enum Kind {
    Pure(Check),
    Program(Program),
    Embedding(Box<Embedding>),
}

#[derive(Debug, Default)]
struct Faults {
    count: u64,
    first: Option<String>,
}

impl Scorer {
    /// Returns the scorer that a spec names: `command:PROGRAM ARGUMENTS`, `embedding:UPSTREAM/MODEL`, or one of [`Check::parse`].
    ///
    /// # Errors
    /// The spec names no check, or what it needs is not there.
    pub fn parse(spec: &str, schema: Option<&Value>, outside: Outside<'_>) -> Result<Self, Fault> {
        let spec = spec.trim();
        let kind = if let Some(command) = spec.strip_prefix(COMMAND) {
            Kind::Program(Program::find(command, outside)?)
        } else if let Some(name) = spec.strip_prefix(EMBEDDING) {
            Kind::Embedding(Embedding::of(name, outside.settings)?.into())
        } else {
            Kind::Pure(Check::parse(spec, schema).map_err(|error| unusable(spec, error))?)
        };
        Ok(kind.into())
    }

    /// Returns whether a spec names a check that reaches outside.
    #[must_use]
    pub fn reaches_outside(spec: &str) -> bool {
        [COMMAND, EMBEDDING].iter().any(|prefix| spec.trim().starts_with(prefix))
    }

    /// Returns the spec.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Pure(check) => check.name(),
            Kind::Program(program) => format!("{COMMAND}{}", program.command()),
            Kind::Embedding(embedding) => format!("{EMBEDDING}{}", embedding.name()),
        }
    }

    /// Returns the version: a number for a check of ours, the digest of the files for a program.
    #[must_use]
    pub fn version(&self) -> String {
        match &self.kind {
            Kind::Pure(check) => check.version().to_string(),
            Kind::Program(program) => program.version().to_owned(),
            Kind::Embedding(_) => "1".to_owned(),
        }
    }

    /// Returns every difference between two answers that the check looks past.
    #[must_use]
    pub fn normalisations(&self) -> Vec<String> {
        match &self.kind {
            Kind::Pure(check) => check.normalisations(),
            Kind::Program(_) => vec!["as the program has it".to_owned()],
            Kind::Embedding(_) => vec!["as the embedding model has it; a negative cosine counts as 0".to_owned()],
        }
    }

    /// Returns what a reader must know before such a score decides anything.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.kind {
            Kind::Pure(check) => check.warnings().into_iter().map(str::to_owned).collect(),
            Kind::Program(program) => program.warnings(),
            Kind::Embedding(_) => vec![
                "the angle between embeddings barely notices a negation or a changed number: let it describe, and decide by a \
                 sharper check"
                    .to_owned(),
            ],
        }
    }

    /// Returns the score of an output. Where the check itself fails, the score is 0 and [`Self::fault`] says so.
    #[must_use]
    pub fn score(&self, output: &Output, reference: &Output) -> Score {
        let scored = match &self.kind {
            Kind::Pure(check) => return check.score(output, reference),
            _ if is_empty(output) && !is_empty(reference) => return Score::failed("the answer is empty"),
            Kind::Program(program) => {
                let asked = json!({"output": output, "reference": reference}).to_string();
                aside(|| program.ask(asked.as_bytes()))
            }
            Kind::Embedding(embedding) => aside(|| embedding.ask(&output.text, &reference.text)),
        };
        scored.unwrap_or_else(|reason| {
            let mut faults = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            faults.count += 1;
            faults.first.get_or_insert_with(|| reason.clone());
            Score::failed(reason)
        })
    }

    fn forget_faults(&self) {
        *self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Faults::default();
    }

    /// Fails where the check itself could not score an answer: then no score may be blamed on whoever answered.
    ///
    /// # Errors
    /// It could not.
    pub fn fault(&self) -> Result<(), Fault> {
        let faults = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &faults.first {
            None => Ok(()),
            Some(first) => Err(Fault::upstream(format!(
                "the check {} could not score {} answers: {first}",
                self.name(),
                faults.count
            ))
            .hint("mend the check and ask again: what was answered is kept")),
        }
    }
}

impl From<Check> for Scorer {
    fn from(check: Check) -> Self {
        Kind::Pure(check).into()
    }
}

impl From<Kind> for Scorer {
    fn from(kind: Kind) -> Self {
        Scorer { kind, faults: Mutex::default() }
    }
}

fn unusable(spec: &str, error: freehold_evidence::check::Error) -> Fault {
    Fault::input(format!("the check {spec:?} cannot be used")).because(error).hint("docs/checks.md lists the checks")
}

fn is_empty(output: &Output) -> bool {
    output.text.trim().is_empty() && output.tool_calls.is_empty()
}

/// Waits for a program or an endpoint without holding up the tasks of a runtime.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => tokio::task::block_in_place(work),
        Err(_) => work(),
    }
}

/// Refuses the spec of a setting that names no check; what it needs beside its name is looked for when it is used.
pub(crate) fn deserialize_spec<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let spec: String = serde::Deserialize::deserialize(deserializer)?;
    if !Scorer::reaches_outside(&spec) {
        Check::parse(&spec, Some(&json!({}))).map_err(serde::de::Error::custom)?;
    }
    Ok(Some(spec))
}
