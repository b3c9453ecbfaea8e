//! A check tried on one recorded case: what was answered, by whom, and what each answer scores.

use std::collections::HashSet;

use freehold_evidence::Output;
use freehold_evidence::check::{Check, Shape};
use freehold_store::Store;
use freehold_wire::{Answer, Call, ReferenceKind, Request, ResponseFormat};
use serde::Serialize;

use super::cases::{output, recorded};
use super::reference::References;
use crate::checks::{Outside, Scorer};
use crate::exit::Fault;

/// Recorded answers of the step that are looked at to choose its check.
const LOOKED_AT_MAX: usize = 40;

/// What one case came to.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// The step.
    pub step: String,
    /// The case.
    pub case: String,
    /// The check.
    pub check: String,
    /// Its version.
    pub check_version: String,
    /// The kind of the reference.
    pub reference_kind: ReferenceKind,
    /// The reference.
    pub reference: Output,
    /// The answers: the recorded one, then the newest of each candidate.
    pub answers: Vec<TriedAnswer>,
    /// What the check looks past.
    pub normalisations: Vec<String>,
    /// What to beware of.
    pub warnings: Vec<String>,
}

/// One answer and its score.
#[derive(Debug, Serialize)]
pub struct TriedAnswer {
    /// Who answered.
    pub by: String,
    /// What; `None` where no answer came.
    pub output: Option<Output>,
    /// From 0 to 1.
    pub score: f64,
    /// Why, where it is not plain.
    pub reason: Option<String>,
}

/// Tries the check of a spec, or the one that fits the step, on a case.
///
/// # Errors
/// There is no such case, it holds no whole answer, or the check cannot be used.
pub fn try_case(
    store: &Store,
    (step, id): (&str, &str),
    spec: Option<&str>,
    outside: Outside<'_>,
) -> anyhow::Result<Tried> {
    let call = store.call(id)?.ok_or_else(|| {
        Fault::input(format!("no call has the id {id:?}"))
            .hint("the worst disagreements of `freehold assess` name some")
    })?;
    if call.step != step {
        return Err(Fault::input(format!("the call {id} belongs to another step than {step}")).into());
    }
    let unreadable = || Fault::input(format!("the call {id} has no whole answer that can be read"));
    let request = freehold_wire::requests::read(call.api, &call.request).map_err(|_| unreadable())?;
    let answer = recorded(&call).ok_or_else(unreadable)?;
    let references = References::of_case(store, step, &call)?;
    let reference = references.of(&call, &answer).unwrap_or_else(|| output(&answer));
    let scorer = match spec {
        Some(spec) => Scorer::parse(spec, schema(&request), outside)?,
        None => fitting(store, step, &request, &reference)?.into(),
    };
    let answers = answers(store, step, &call, &answer)?.into_iter().map(|(by, given)| {
        let scored = given.map(|output| (scorer.score(&output, &reference), output));
        match scored {
            Ok((score, output)) => TriedAnswer { by, output: Some(output), score: score.value, reason: score.reason },
            Err(failure) => TriedAnswer { by, output: None, score: 0.0, reason: Some(failure) },
        }
    });
    let answers = answers.collect();
    scorer.fault()?;
    Ok(Tried {
        step: step.to_owned(),
        case: id.to_owned(),
        check: scorer.name(),
        check_version: scorer.version(),
        reference_kind: references.kind,
        reference,
        answers,
        normalisations: scorer.normalisations(),
        warnings: scorer.warnings(),
    })
}

type Given = (String, Result<Output, String>);

/// The recorded answer, then what the newest assessment of each candidate got for the case.
fn answers(store: &Store, step: &str, call: &Call, answer: &Answer) -> anyhow::Result<Vec<Given>> {
    let recorded_by = format!("{}/{} (recorded)", call.upstream, call.model);
    let mut answers = vec![(recorded_by, Ok(output(answer)))];
    let mut seen = HashSet::new();
    for assessment in store.assessments()?.into_iter().filter(|assessment| assessment.head.step == step) {
        for replay in store.replays(&assessment.head.id)?.into_iter().filter(|replay| replay.case == call.id) {
            let by = if replay.arm == super::replay::CANDIDATE {
                assessment.head.candidate.clone()
            } else {
                format!("{} (asked again)", assessment.head.incumbent)
            };
            if seen.insert(by.clone()) {
                let failure = replay.failure.unwrap_or_else(|| "no answer".to_owned());
                answers.push((by, replay.answer.map(|answer| output(&answer)).ok_or(failure)));
            }
        }
    }
    Ok(answers)
}

fn schema(request: &Request) -> Option<&serde_json::Value> {
    match &request.response_format {
        ResponseFormat::JsonSchema(schema) => Some(schema),
        _ => None,
    }
}

/// The check that an assessment would choose, from some recorded answers of the step.
fn fitting(store: &Store, step: &str, request: &Request, reference: &Output) -> anyhow::Result<Check> {
    let mut references = vec![reference.clone()];
    for key in store.cases(step)?.iter().take(LOOKED_AT_MAX) {
        let answer = store.call(&key.id)?.and_then(|call| recorded(&call));
        references.extend(answer.map(|answer| output(&answer)));
    }
    let has_tools = !request.tools.is_empty();
    Ok(Check::default_for(&Shape { schema: schema(request), has_tools, references: &references }))
}
