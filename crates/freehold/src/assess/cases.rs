//! Chooses the cases of an assessment: recorded calls of the step, spread over time, each request once.

use std::collections::{HashMap, HashSet};

use freehold_evidence::check::{Check, Output, Shape, ToolCall};
use freehold_store::{CaseKey, Store};
use freehold_wire::{Answer, Call, ReferenceKind, Request, ResponseFormat};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::halves;
use super::order;
use super::plan::Question;
use super::reference::References;
use crate::exit::Fault;
use crate::names::Target;

/// One case, read and ready to be replayed and scored.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) call: Call,
    pub(super) request: Request,
    pub(super) recorded: Answer,
    /// What the answers are compared with.
    pub(super) reference: Output,
}

/// The cases with what they are about.
#[derive(Debug)]
pub(super) struct Chosen {
    /// In the order in which they are asked and counted.
    pub(super) cases: Vec<Case>,
    /// Where each unit, which is counted as a whole, ends among the cases.
    pub(super) unit_ends: Vec<usize>,
    pub(super) incumbent: Target,
    pub(super) reference: ReferenceKind,
    pub(super) notes: Vec<String>,
}

/// Chooses the cases.
pub(super) fn choose(store: &Store, question: &Question, candidate: &Target) -> anyhow::Result<Chosen> {
    choose_among(store, question, candidate, None)
}

/// Chooses the cases among those named, or among all.
pub(super) fn choose_among(
    store: &Store,
    question: &Question,
    candidate: &Target,
    among: Option<&HashSet<String>>,
) -> anyhow::Result<Chosen> {
    let mut keys = store.cases(&question.step)?;
    keys.retain(|key| among.is_none_or(|among| among.contains(&key.id)));
    let incumbent = incumbent(&keys, question, candidate)?;
    let mut keys: Vec<CaseKey> =
        keys.into_iter().filter(|key| key.upstream == incumbent.upstream && key.model == incumbent.model).collect();
    let mut notes = Vec::new();
    let references = References::choose(store, question, &mut keys, &mut notes)?;
    let cases = sample(store, question, &keys, &references, &mut notes)?;
    if cases.is_empty() {
        return Err(Fault::input(format!(
            "the step {} has no whole answer of {incumbent} to compare with",
            question.step
        ))
        .hint("`freehold steps` shows what was recorded; --incumbent UPSTREAM/MODEL chooses another")
        .into());
    }
    let (cases, unit_ends) = halves::cut(order::shuffle(cases, question.seed), question.half.as_ref())?;
    Ok(Chosen { cases, unit_ends, incumbent, reference: references.kind, notes })
}

impl Chosen {
    /// Returns the response schema that the step declares, where it does.
    pub(super) fn schema(&self) -> Option<&serde_json::Value> {
        self.cases.iter().find_map(|case| match &case.request.response_format {
            ResponseFormat::JsonSchema(schema) => Some(schema),
            _ => None,
        })
    }

    /// Picks the check that fits the step's shape.
    pub(super) fn default_check(&self) -> Check {
        let references: Vec<Output> = self.cases.iter().map(|case| case.reference.clone()).collect();
        let has_tools = self.cases.iter().any(|case| !case.request.tools.is_empty());
        Check::default_for(&Shape { schema: self.schema(), has_tools, references: &references })
    }
}

fn incumbent(keys: &[CaseKey], question: &Question, candidate: &Target) -> Result<Target, Fault> {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for key in keys {
        *counts.entry((key.upstream.as_str(), key.model.as_str())).or_default() += 1;
    }
    if let Some(wanted) = &question.incumbent {
        let mut known: Vec<Target> = counts.keys().map(|(upstream, model)| target(upstream, model)).collect();
        known.sort_by_key(Target::to_string);
        return known.iter().find(|target| target.is_called(wanted)).cloned().ok_or_else(|| {
            let known: Vec<String> = known.iter().map(Target::to_string).collect();
            Fault::input(format!("{wanted} answered no call of {}", question.step))
                .hint(format!("these did: {}", known.join(", ")))
        });
    }
    let others = counts
        .into_iter()
        .filter(|((upstream, model), _)| (*upstream, *model) != (&candidate.upstream, &candidate.model));
    let most = others.max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0)));
    most.map(|((upstream, model), _)| target(upstream, model)).ok_or_else(|| {
        Fault::input(format!("the step {} has no recorded answer to compare with", question.step))
            .hint("let calls pass through `freehold up` first, or `freehold import` some")
    })
}

fn target(upstream: &str, model: &str) -> Target {
    Target { upstream: upstream.to_owned(), model: model.to_owned() }
}

/// Takes one call at random from each of `cases_max` equal stretches of time; equal requests count once.
fn sample(
    store: &Store,
    question: &Question,
    keys: &[CaseKey],
    references: &References,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Case>> {
    let mut rng = ChaCha8Rng::seed_from_u64(question.seed);
    let wanted = keys.len().min(question.cases_max);
    let mut seen = HashSet::new();
    let mut cases = Vec::with_capacity(wanted);
    let (mut doubles, mut unread) = (0, 0);
    for stretch in 0..wanted {
        let (from, to) = (stretch * keys.len() / wanted, (stretch + 1) * keys.len() / wanted);
        let start = rng.random_range(from..to);
        for key in keys[start..to].iter().chain(&keys[from..start]) {
            let Some(call) = store.call(&key.id)? else { continue };
            if !seen.insert(call.request.clone()) {
                doubles += 1;
                continue;
            }
            match read(call, references) {
                Some(case) => {
                    cases.push(case);
                    break;
                }
                None => unread += 1,
            }
        }
    }
    if doubles > 0 {
        notes.push(format!("{doubles} calls repeat a request that is a case already and were left out"));
    }
    if unread > 0 {
        notes.push(format!("{unread} recorded calls could not be read as whole answers and were left out"));
    }
    cases.sort_by(|a, b| (a.call.at_ms, &a.call.id).cmp(&(b.call.at_ms, &b.call.id)));
    Ok(cases)
}

pub(super) fn read(call: Call, references: &References) -> Option<Case> {
    let request = freehold_wire::requests::read(call.api, &call.request).ok()?;
    let recorded = recorded(&call)?;
    let reference = references.of(&call, &recorded)?;
    Some(Case { call, request, recorded, reference })
}

/// Returns the answer that was recorded, where it is whole.
pub(crate) fn recorded(call: &Call) -> Option<Answer> {
    if !call.streamed {
        return freehold_wire::answers::read(call.api, &call.response).ok();
    }
    let mut reader = freehold_wire::stream::Reader::new(call.api);
    reader.push(&call.response);
    let outcome = reader.finish();
    (outcome.is_complete && outcome.error.is_none()).then_some(outcome.answer)
}

/// Returns what a check sees of an answer.
pub(crate) fn output(answer: &Answer) -> Output {
    let calls = answer.tool_calls.iter().map(|call| ToolCall {
        name: call.name.clone(),
        arguments: serde_json::from_str(&call.arguments).unwrap_or_else(|_| call.arguments.clone().into()),
    });
    Output { text: answer.text.clone(), tool_calls: calls.collect() }
}
