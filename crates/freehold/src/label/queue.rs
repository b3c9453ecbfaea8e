//! The cases of a step that people are asked about, in a random order, each with two answers in a random order.
//!
//! Both orders follow from the seed and the case alone, so that anyone can work out later which cases were drawn.

use std::collections::{HashMap, HashSet};

use freehold_evidence::Output;
use freehold_store::{Assessment, Label, Preference, Replay, Said, Store};
use freehold_wire::{Answer, Message, Part, Request, Role};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::assess;
use crate::exit::Fault;

/// What stands in place of an answer that never came.
const NO_ANSWER: &str = "(no answer)";

/// Where labels are drawn from; with a case's id it says which two answers were shown, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Drawn {
    /// The assessment whose answers of the candidate are shown.
    pub assessment: String,
    /// The seed of the random orders.
    pub seed: u64,
}

/// The cases of one assessment in the order in which people are asked about them.
pub struct Queue {
    /// Where its cases come from.
    pub drawn: Drawn,
    /// The step.
    pub step: String,
    /// The candidate.
    pub candidate: String,
    /// The ids of its cases, in random order.
    pub cases: Vec<String>,
    replays: HashMap<String, Replay>,
    /// Digests of the candidate's answers.
    answers: HashMap<String, String>,
}

/// One case as it is shown: what was asked, and two answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The id of the call that is the case.
    pub case: String,
    /// What was asked: who spoke, and what; the last turn is the newest.
    pub input: Vec<Turn>,
    /// The two answers, as they are shown.
    pub answers: [Output; 2],
    sides: Sides,
}

/// One turn of what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: &'static str,
    /// Its text.
    pub text: String,
}

/// Who stands where, and what each said.
#[derive(Debug, Clone, PartialEq)]
struct Sides {
    candidate_is_first: bool,
    incumbent_sha256: String,
    candidate_sha256: String,
}

/// What a person says of the two answers that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first is better.
    First,
    /// The second is better.
    Second,
    /// Both are fine.
    BothFine,
    /// Both are wrong.
    BothWrong,
}

impl Queue {
    /// Draws the cases of the newest assessment of a step, of one candidate or of any, that has answers of its candidate.
    ///
    /// # Errors
    /// No candidate has answered a case of the step, or the store cannot be read.
    pub fn newest(store: &Store, (step, candidate): (&str, Option<&str>), seed: u64) -> anyhow::Result<Self> {
        for assessment in store.assessments()? {
            let head = &assessment.head;
            let is_wanted = head.step == step && candidate.is_none_or(|name| name == head.candidate);
            if is_wanted && let Some(queue) = Queue::of(store, &assessment, seed)? {
                return Ok(queue);
            }
        }
        let who = candidate.unwrap_or("CANDIDATE");
        Err(Fault::input(format!("no candidate's answer to a case of {step} is there to be compared"))
            .hint(format!("freehold assess {step} --candidate {who} replays the cases first"))
            .into())
    }

    /// Draws the cases of one assessment of a step.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn named(store: &Store, step: &str, drawn: &Drawn) -> anyhow::Result<Option<Self>> {
        let found =
            store.assessments()?.into_iter().find(|one| one.head.id == drawn.assessment && one.head.step == step);
        found.map_or(Ok(None), |assessment| Queue::of(store, &assessment, drawn.seed))
    }

    fn of(store: &Store, assessment: &Assessment, seed: u64) -> anyhow::Result<Option<Self>> {
        let head = &assessment.head;
        let replays = store.replays(&head.id)?.into_iter().filter(|replay| replay.arm == assess::CANDIDATE);
        let replays: HashMap<String, Replay> = replays.map(|replay| (replay.case.clone(), replay)).collect();
        if replays.is_empty() {
            return Ok(None);
        }
        let cases = in_random_order(replays.keys().cloned(), seed);
        let drawn = Drawn { assessment: head.id.clone(), seed };
        let (step, candidate) = (head.step.clone(), head.candidate.clone());
        let digest = |replay: &Replay| sha256(&candidate_answer(replay.answer.as_ref()));
        let answers = replays.values().map(|replay| (replay.case.clone(), digest(replay))).collect();
        Ok(Some(Queue { drawn, step, candidate, cases, replays, answers }))
    }

    /// Returns a case of the queue as it is shown; `None` where it is not of the queue or can no longer be read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn item(&self, store: &Store, case: &str) -> anyhow::Result<Option<Item>> {
        let (Some(replay), Some(call)) = (self.replays.get(case), store.call(case)?) else { return Ok(None) };
        let Ok(request) = freehold_wire::requests::read(call.api, &call.request) else { return Ok(None) };
        let Some(recorded) = assess::recorded(&call) else { return Ok(None) };
        let incumbent = assess::output(&recorded);
        let candidate = candidate_answer(replay.answer.as_ref());
        let sides = Sides {
            candidate_is_first: hash(&format!("freehold label side 1\n{}\n{case}", self.drawn.seed))[0] & 1 == 1,
            incumbent_sha256: sha256(&incumbent),
            candidate_sha256: sha256(&candidate),
        };
        let answers = if sides.candidate_is_first { [candidate, incumbent] } else { [incumbent, candidate] };
        Ok(Some(Item { case: case.to_owned(), input: turns(&request), answers, sides }))
    }

    /// Returns the ids of the cases that are still to be asked about, in their order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open_cases(&self, store: &Store) -> anyhow::Result<Vec<String>> {
        let labels = store.labels(&self.step)?;
        let done: HashSet<&str> =
            labels.iter().filter(|label| self.is_answer(label)).map(|label| &*label.case).collect();
        Ok(self.cases.iter().filter(|case| !done.contains(case.as_str())).cloned().collect())
    }

    /// Returns whether a label says of one of these pairs which answer is better, or that it was passed over here.
    ///
    /// A label of another assessment in which the candidate gave the same answer holds for this one.
    pub fn is_answer(&self, label: &Label) -> bool {
        match &label.said {
            Said::Pair { candidate_sha256, .. } => self.answers.get(&label.case) == Some(candidate_sha256),
            Said::Skipped => label.assessment.as_deref() == Some(&self.drawn.assessment),
            Said::Gold(_) => false,
        }
    }
}

impl Item {
    /// Returns whether both answers are the same, so that there is nothing to ask.
    pub fn is_same(&self) -> bool {
        self.sides.incumbent_sha256 == self.sides.candidate_sha256
    }

    /// Returns what a choice says, now that it may be known whose answers they are.
    pub fn said(&self, choice: Choice) -> Said {
        let preference = match (choice, self.sides.candidate_is_first) {
            (Choice::First, true) | (Choice::Second, false) => Preference::Candidate,
            (Choice::First, false) | (Choice::Second, true) => Preference::Incumbent,
            (Choice::BothFine, _) => Preference::BothFine,
            (Choice::BothWrong, _) => Preference::BothWrong,
        };
        Said::Pair {
            preference,
            incumbent_sha256: self.sides.incumbent_sha256.clone(),
            candidate_sha256: self.sides.candidate_sha256.clone(),
        }
    }
}

/// Returns a candidate's answer as people are shown it, or what stands in its place where it never came.
pub(crate) fn candidate_answer(answer: Option<&Answer>) -> Output {
    let no_answer = || Output { text: NO_ANSWER.to_owned(), tool_calls: Vec::new() };
    answer.map_or_else(no_answer, assess::output)
}

/// Returns the digest by which an answer is known again.
pub fn sha256(output: &Output) -> String {
    let text = serde_json::to_vec(output).expect("texts and JSON values are JSON");
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns cases in the random order that the seed gives them, whatever other cases there are.
pub fn in_random_order(cases: impl Iterator<Item = String>, seed: u64) -> Vec<String> {
    let mut keyed: Vec<_> =
        cases.map(|case| (hash(&format!("freehold label order 1\n{seed}\n{case}")), case)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, case)| case).collect()
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Returns what was asked, as people are shown it.
pub(crate) fn turns(request: &Request) -> Vec<Turn> {
    let system = Some(&request.system).filter(|text| !text.is_empty());
    let system = system.map(|text| Turn { role: "system", text: text.clone() });
    let messages = request.messages.iter().map(|message| Turn {
        role: match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        },
        text: said(message),
    });
    system.into_iter().chain(messages).collect()
}

fn said(message: &Message) -> String {
    let parts = message.parts.iter().map(|part| match part {
        Part::Text(text) | Part::ToolResult { text, .. } => text.clone(),
        Part::Reasoning(text) => format!("(reasoning) {text}"),
        Part::ToolCall(call) => format!("{}({})", call.name, call.arguments),
        Part::Other(value) => format!("({})", value.get("type").and_then(serde_json::Value::as_str).unwrap_or("other")),
    });
    parts.collect::<Vec<_>>().join("\n")
}
