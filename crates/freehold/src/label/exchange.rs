//! Labels by file: the queue as JSON Lines for another tool, and what people said there back again.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;

use freehold_store::{Label, Said, Store};
use freehold_wire::{Reference, ReferenceKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::queue::{Choice, Drawn, Queue, Turn};
use crate::exit::Fault;
use crate::import::{Imported, LineError, Lines, Rejected};

/// One line of the queue: everything a person needs to say which answer is better, and nothing of whose they are.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    step: &'a str,
    queue: &'a Drawn,
    input: &'a [Turn],
    answers: [Value; 2],
}

/// One line of labels; what a queue's line has beside these is passed over.
#[derive(Deserialize)]
struct Spelt {
    id: String,
    #[serde(default)]
    queue: Option<Drawn>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    reference: Option<Reference>,
    #[serde(default)]
    who: Option<String>,
}

/// Writes the cases that are still to be asked about, at most `cases_max`; returns how many were written, and how many
/// have two equal answers and so nothing to ask.
///
/// # Errors
/// The store cannot be read or the file not be written.
pub fn export(store: &Store, queue: &Queue, cases_max: usize, mut to: impl Write) -> anyhow::Result<(u64, u64)> {
    let (mut written, mut same) = (0, 0);
    for case in queue.open_cases(store)? {
        if written >= cases_max as u64 {
            break;
        }
        let Some(item) = queue.item(store, &case)? else { continue };
        if item.is_same() {
            same += 1;
            continue;
        }
        let answers = item.answers.clone().map(|answer| spelt(&answer));
        let line = Line { id: &case, step: &queue.step, queue: &queue.drawn, input: &item.input, answers };
        let line = serde_json::to_string(&line)?;
        writeln!(to, "{line}").map_err(|error| Fault::input("cannot write the queue").because(error))?;
        written += 1;
    }
    to.flush().map_err(|error| Fault::input("cannot write the queue").because(error))?;
    Ok((written, same))
}

/// Returns an answer in the spelling of a reference: text, or `{"tool_calls": [...]}`.
pub(crate) fn spelt(answer: &freehold_evidence::Output) -> Value {
    if answer.tool_calls.is_empty() {
        return answer.text.clone().into();
    }
    serde_json::json!({"text": answer.text, "tool_calls": answer.tool_calls})
}

/// Who says what is imported, and when.
#[derive(Debug, Clone)]
pub struct Saying {
    /// Who, where a line does not say.
    pub who: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Reads labels of a step; bad lines go beside the input with their reason, what is there already is left as it is.
///
/// # Errors
/// The input cannot be read or the store cannot be used; what was added before stays.
pub fn import(
    store: &Store,
    step: &str,
    input: impl BufRead,
    beside: &Path,
    saying: &Saying,
) -> anyhow::Result<Imported> {
    let mut lines = Lines::new(input);
    let mut rejected = Rejected::beside(beside);
    let mut done = Imported::default();
    let mut reader = Reader { store, step, saying, queues: HashMap::new(), known: newest(store.labels(step)?) };
    loop {
        let next = lines.next_line().map_err(|error| Fault::input("cannot read the input further").because(error))?;
        let Some(line) = next else { break };
        if line.is_blank() {
            continue;
        }
        done.lines += 1;
        let text = match line.text() {
            Ok(text) => text,
            Err(error) => {
                rejected.add(&line, &error)?;
                continue;
            }
        };
        match reader.labels(text)? {
            Ok(labels) => reader.add(labels, &mut done)?,
            Err(error) => rejected.add(&line, &error)?,
        }
    }
    done.bytes = lines.bytes_read();
    rejected.close(&mut done)?;
    Ok(done)
}

/// The forms of labels that replace only each other: of which answers, or `None` for the right answer.
type Form = (String, Option<Drawn>);

struct Reader<'a> {
    store: &'a Store,
    step: &'a str,
    saying: &'a Saying,
    queues: HashMap<Drawn, Option<Queue>>,
    known: HashMap<Form, Said>,
}

impl Reader<'_> {
    /// Returns the labels of a line, one or two; the inner error is the line's own.
    fn labels(&mut self, text: &str) -> anyhow::Result<Result<Vec<Label>, LineError>> {
        let line: Spelt = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return Ok(Err(error.into())),
        };
        let call = self.store.call(&line.id)?;
        if call.is_none_or(|call| call.step != self.step) {
            return Ok(Err(wrong("id", &format!("no call of {} has this id", self.step))));
        }
        let pair = match &line.label {
            Some(word) => match self.pair(&line, word)? {
                Ok(said) => Some(said),
                Err(error) => return Ok(Err(error)),
            },
            None => None,
        };
        let gold = match line.reference.as_ref().map(|reference| (reference.kind, &reference.value)) {
            None => None,
            Some((ReferenceKind::Label, value)) => Some(Said::Gold(value.clone())),
            Some(_) => return Ok(Err(wrong("reference", "its kind is not label, which is what a person says"))),
        };
        if pair.is_none() && gold.is_none() {
            return Ok(Err(wrong("label", "neither it nor reference is given")));
        }
        Ok(Ok(pair.into_iter().chain(gold).map(|said| self.label(&line, said)).collect()))
    }

    fn pair(&mut self, line: &Spelt, word: &str) -> anyhow::Result<Result<Said, LineError>> {
        let choice = match word {
            "1" => Some(Choice::First),
            "2" => Some(Choice::Second),
            "=" | "both_fine" => Some(Choice::BothFine),
            "x" | "both_wrong" => Some(Choice::BothWrong),
            "s" | "skip" => None,
            other => {
                let found = format!("{other:?} is none of 1, 2, both_fine (=), both_wrong (x) and skip (s)");
                return Ok(Err(wrong("label", &found)));
            }
        };
        let Some(drawn) = &line.queue else {
            return Ok(Err(wrong(
                "queue",
                "missing: it says which answers were shown; keep it from the exported line",
            )));
        };
        if !self.queues.contains_key(drawn) {
            self.queues.insert(drawn.clone(), Queue::named(self.store, self.step, drawn)?);
        }
        let item = match &self.queues[drawn] {
            Some(queue) => queue.item(self.store, &line.id)?,
            None => return Ok(Err(wrong("queue", "no such assessment of the step"))),
        };
        Ok(match (item, choice) {
            (None, _) => Err(wrong("id", "the case is not of that queue")),
            (Some(_), None) => Ok(Said::Skipped),
            (Some(item), Some(choice)) => Ok(item.said(choice)),
        })
    }

    fn label(&self, line: &Spelt, said: Said) -> Label {
        let drawn = line.queue.as_ref().filter(|_| !matches!(said, Said::Gold(_)));
        Label {
            at_ms: self.saying.at_ms,
            who: line.who.clone().unwrap_or_else(|| self.saying.who.clone()),
            step: self.step.to_owned(),
            case: line.id.clone(),
            assessment: drawn.map(|drawn| drawn.assessment.clone()),
            seed: drawn.map(|drawn| drawn.seed),
            said,
        }
    }

    fn add(&mut self, labels: Vec<Label>, done: &mut Imported) -> anyhow::Result<()> {
        for label in labels {
            let form = form(&label);
            if self.known.get(&form) == Some(&label.said) {
                done.present += 1;
                continue;
            }
            self.store.add_label(&label)?;
            self.known.insert(form, label.said);
            done.added += 1;
        }
        Ok(())
    }
}

fn form(label: &Label) -> Form {
    let drawn = label.assessment.clone().map(|assessment| Drawn { assessment, seed: label.seed.unwrap_or_default() });
    (label.case.clone(), drawn)
}

fn newest(labels: Vec<Label>) -> HashMap<Form, Said> {
    labels.into_iter().map(|label| (form(&label), label.said)).collect()
}

fn wrong(field: &'static str, found: &str) -> LineError {
    LineError::Field { field, found: found.to_owned() }
}
