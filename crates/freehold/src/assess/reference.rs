//! What answers are compared with: the incumbent's answer, what a person said is right, or what the business saw turn out
//! right. One assessment uses one kind; they are never mixed in one number.

use std::collections::HashMap;

use freehold_evidence::Output;
use freehold_evidence::check::ToolCall;
use freehold_store::{CaseKey, Store};
use freehold_wire::{Answer, Call, ReferenceKind};
use serde_json::Value;

use super::plan::Question;
use crate::exit::Fault;

/// The share of calls with a label above which labels are the reference, unless another kind is asked for.
const SHARE_MIN: f64 = 0.5;

/// The references of a step.
#[derive(Debug)]
pub(super) struct References {
    /// The kind that is used.
    pub(super) kind: ReferenceKind,
    /// Right answers that people gave here.
    gold: HashMap<String, Value>,
}

impl References {
    /// Chooses the kind, and keeps the calls that have a reference of it.
    ///
    /// It is the kind that was asked for; else labels where at least half of the calls have one. Outcomes are taken only when
    /// asked for, because many say how the recorded answer fared and nothing about another one.
    pub(super) fn choose(
        store: &Store,
        question: &Question,
        keys: &mut Vec<CaseKey>,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Self> {
        let gold = store.gold_answers(&question.step)?;
        let count = |kind| keys.iter().filter(|key| has(key, kind, &gold)).count();
        let (labels, outcomes) = (count(ReferenceKind::Label), count(ReferenceKind::Outcome));
        let is_most = |count: usize| count > 0 && count as f64 >= SHARE_MIN * keys.len() as f64;
        let kind = match question.reference {
            Some(kind) => kind,
            None if is_most(labels) => ReferenceKind::Label,
            None => ReferenceKind::Incumbent,
        };
        let all = keys.len();
        keys.retain(|key| has(key, kind, &gold));
        if keys.is_empty() && all > 0 {
            return Err(none_of(kind, question).into());
        }
        notes.extend(unused((ReferenceKind::Label, labels), (kind, all)));
        notes.extend(unused((ReferenceKind::Outcome, outcomes), (kind, all)));
        Ok(References { kind, gold })
    }

    /// Returns the strongest reference there is for one case that says what is right: a label, else the incumbent's answer.
    pub(super) fn of_case(store: &Store, step: &str, call: &Call) -> anyhow::Result<Self> {
        let gold = store.gold_answers(step)?;
        let imported = call.reference.as_ref().is_some_and(|reference| reference.kind == ReferenceKind::Label);
        let is_labelled = imported || gold.contains_key(&call.id);
        Ok(References { kind: if is_labelled { ReferenceKind::Label } else { ReferenceKind::Incumbent }, gold })
    }

    /// Takes the references of one kind as they stood at a moment.
    pub(super) fn recalled(store: &Store, step: &str, (kind, at_ms): (ReferenceKind, i64)) -> anyhow::Result<Self> {
        Ok(References { kind, gold: store.gold_answers_at(step, at_ms)? })
    }

    /// Returns what the answers to a call are compared with; `None` where its reference says nothing about other answers.
    pub(super) fn of(&self, call: &Call, recorded: &Answer) -> Option<Output> {
        let imported = || call.reference.as_ref().filter(|reference| reference.kind == self.kind);
        match self.kind {
            ReferenceKind::Incumbent => Some(super::output(recorded)),
            ReferenceKind::Label => {
                self.gold.get(&call.id).or_else(|| imported().map(|reference| &reference.value)).map(spelt)
            }
            ReferenceKind::Outcome => imported()
                .filter(|reference| reference.value.is_string() || reference.value.is_object())
                .map(|reference| spelt(&reference.value)),
        }
    }
}

fn has(key: &CaseKey, kind: ReferenceKind, gold: &HashMap<String, Value>) -> bool {
    match kind {
        ReferenceKind::Incumbent => true,
        ReferenceKind::Label => key.reference == Some(kind) || gold.contains_key(&key.id),
        ReferenceKind::Outcome => key.reference == Some(kind),
    }
}

/// Says that there are references of a kind that is not the one used.
fn unused((kind, count): (ReferenceKind, usize), (used, all): (ReferenceKind, usize)) -> Option<String> {
    let (one, others) = match kind {
        ReferenceKind::Label => ("a label", "--reference label takes those"),
        ReferenceKind::Outcome => ("an outcome", "--reference outcome takes those"),
        ReferenceKind::Incumbent => return None,
    };
    let used_words = match used {
        ReferenceKind::Incumbent => "the incumbent's answers are the reference",
        ReferenceKind::Label => "labels are the reference",
        ReferenceKind::Outcome => "outcomes are the reference",
    };
    (count > 0 && kind != used).then(|| format!("{count} of {all} calls have {one}; {used_words} ({others})"))
}

fn none_of(kind: ReferenceKind, question: &Question) -> Fault {
    let (missing, hint) = match kind {
        ReferenceKind::Label => {
            ("a label", format!("`freehold label {}` asks people for right answers (e)", question.step))
        }
        _ => ("an outcome", "import calls whose `reference` is of the kind outcome".to_owned()),
    };
    Fault::input(format!("no call of {} has {missing}", question.step)).hint(hint)
}

/// Reads a reference: text, `{"tool_calls": [{"name", "arguments"}]}`, or any other JSON as JSON text.
fn spelt(value: &Value) -> Output {
    if let Some(text) = value.as_str() {
        return Output { text: text.to_owned(), tool_calls: Vec::new() };
    }
    let calls = value.get("tool_calls").cloned().and_then(|calls| serde_json::from_value::<Vec<ToolCall>>(calls).ok());
    match calls {
        Some(tool_calls) => Output { text: String::new(), tool_calls },
        None => Output { text: value.to_string(), tool_calls: Vec::new() },
    }
}
