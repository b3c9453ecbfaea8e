//! What is asked, and the plan that follows: declared before anything is replayed, and kept with the assessment.

use freehold_evidence::Rule;
use freehold_store::{AssessmentHead, Store};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::across::Family;
use super::adapt::Adapting;
use super::ask::Arms;
use super::cases::Chosen;
use super::design::{Design, Looks};
use super::halves::Half;
use super::ledger;
use super::result::{AssessmentResult, Row};
use super::serving::Probing;
use super::subsets::{self, Divided, Divider};
use crate::checks::{Outside, Scorer};
use crate::config::{Model, Settings};
use crate::exit::Fault;
use crate::models;
use crate::names::Target;

/// What is asked of an assessment.
#[derive(Debug, Clone)]
pub struct Question {
    /// The step.
    pub step: String,
    /// The candidate, by name.
    pub candidate: String,
    /// Who is to be beaten, as `upstream/model`; the one with the most calls when not said.
    pub incumbent: Option<String>,
    /// The margin and the confidence.
    pub rule: Rule,
    /// The check; picked from the step's shape when not said.
    pub check: Option<String>,
    /// What answers are compared with; labels where half of the calls have one when not said.
    pub reference: Option<freehold_wire::ReferenceKind>,
    /// The most cases.
    pub cases_max: usize,
    /// The most replays in flight at an upstream.
    pub concurrency: usize,
    /// When the data is looked at.
    pub looks: Looks,
    /// Seed of the sampling and of the order of cases.
    pub seed: u64,
    /// Whether the incumbent is asked again.
    pub rerun: Rerun,
    /// What divides the cases into subsets that are decided apart as well.
    pub subsets: Vec<Divider>,
    /// Whether the server is probed first.
    pub probing: Probing,
    /// Which adaptations to the candidate its requests may take.
    pub adapting: Adapting,
    /// The half of the cases that it is about; all where not said.
    pub half: Option<Half>,
    /// The steps with which its verdict is corrected for their number, where it is.
    pub across: Option<Family>,
    /// The assessment of the same cases whose answers of the incumbent are taken over, where there is one.
    pub beside: Option<String>,
}

impl Question {
    /// Asks for a look at all cases at once and at nothing else: no incumbent again, no probe, requests as they are.
    #[must_use]
    pub fn new(step: &str, candidate: &str, rule: Rule) -> Self {
        Self {
            step: step.to_owned(),
            candidate: candidate.to_owned(),
            incumbent: None,
            rule,
            check: None,
            reference: None,
            cases_max: usize::MAX,
            concurrency: 1,
            looks: Looks::Once,
            seed: 1,
            rerun: Rerun::Never,
            subsets: Vec::new(),
            probing: Probing::Never,
            adapting: Adapting::NONE,
            half: None,
            across: None,
            beside: None,
        }
    }
}

/// Whether the incumbent is asked again, to measure how far it agrees with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rerun {
    /// When it can be reached.
    WherePossible,
    /// Not at all.
    Never,
}

/// What decides about cases, checks and margin. Equal plans go on with each other's replays.
#[derive(Debug)]
pub struct Plan {
    /// The check that is used.
    pub check: Scorer,
    /// The candidate's exact identity, where it is a file of ours.
    pub lock: Option<Value>,
    /// Whether there is an A/A arm.
    pub has_rerun: bool,
    /// The margin and the confidence.
    pub rule: Rule,
    pub(super) design: Design,
    pub(super) divided: Vec<Divided>,
    pub(super) across: Option<Family>,
    whole: Value,
}

impl Plan {
    /// Fixes the plan.
    pub(super) fn of(
        store: &Store,
        question: &Question,
        chosen: &Chosen,
        arms: &Arms,
        (check, lock): (Scorer, Option<Value>),
    ) -> anyhow::Result<Self> {
        let has_rerun = arms.rerun.is_some();
        let design = Design::of(store, question, chosen)?;
        let mut whole = json!({
            "format": 2,
            "cases_sha256": digest(chosen),
            "cases": chosen.cases.len(),
            "units": chosen.unit_ends.len(),
            "order": "random units",
            "seed": question.seed,
            "step_versions": ledger::step_versions(chosen),
            "design": design.declared(),
            "incumbent": chosen.incumbent.to_string(),
            "reference": chosen.reference,
            "check": check.name(),
            "check_version": check.version(),
            "margin": question.rule.margin(),
            "confidence": question.rule.confidence(),
            "rerun": has_rerun,
            "lock": lock,
            "serving": arms.serving.declared(),
            "adapted": arms.adapted,
            "subsets": question.subsets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        arms.values.declare(&mut whole);
        if let Some(half) = &question.half {
            whole["half"] = json!(half);
        }
        if let Some(family) = &question.across {
            family.fits(&question.step, &design)?;
            whole["across"] = json!(family);
        }
        let divided = subsets::divide(&question.subsets, &chosen.cases);
        let across = question.across.clone();
        Ok(Plan { check, lock, has_rerun, rule: question.rule, design, divided, across, whole })
    }

    /// Returns what a reader must know of how it was decided, on `counted` cases.
    pub(super) fn told(&self, row: &Row, counted: usize) -> Vec<String> {
        let mut told: Vec<String> = self.design.note().into_iter().collect();
        if row.n < counted as u64 {
            let why = match &self.across {
                Some(family) if self.divided.is_empty() => {
                    format!("more were asked for evidence that holds beside {} steps", family.steps.len())
                }
                _ => "all were asked because subsets are declared, which are decided on all".to_owned(),
            };
            told.push(format!("the whole was decided after {} cases; {why}", row.n));
        }
        told
    }

    /// Puts a judge in the place of the check.
    pub(super) fn judge(&mut self, check: &str, judge: Value) {
        self.whole["check"] = check.into();
        self.whole["judge"] = judge;
    }

    /// Takes up a plan as it was stored.
    ///
    /// # Errors
    /// It names no check or design that there is.
    pub(super) fn recalled(
        question: &Question,
        chosen: &Chosen,
        stored: &Value,
        outside: Outside<'_>,
    ) -> anyhow::Result<Self> {
        let check = check_of(question, chosen, outside)?;
        let lock = Some(stored["lock"].clone()).filter(|lock| !lock.is_null());
        let (rule, design) = (question.rule, Design::recalled(stored, &question.rule)?);
        let divided = subsets::divide(&question.subsets, &chosen.cases);
        let (has_rerun, across) = (stored["rerun"] == true, Family::of_plan(stored));
        Ok(Plan { check, lock, has_rerun, rule, design, divided, across, whole: stored.clone() })
    }

    /// Returns the result of an equal plan that has come to its end.
    pub(super) fn finished(
        &self,
        store: &Store,
        question: &Question,
    ) -> anyhow::Result<Option<(AssessmentHead, AssessmentResult)>> {
        // Through text, as the store compares plans: a number is equal to itself whatever its spelling.
        let whole: Value = serde_json::from_str(&self.whole.to_string())?;
        let is_equal = |head: &AssessmentHead| {
            (&head.step, &head.candidate, &head.plan) == (&question.step, &question.candidate, &whole)
        };
        let mut found = store.assessments()?.into_iter().filter(|one| is_equal(&one.head));
        let found = found.find_map(|one| Some((one.head, one.result?)));
        found.map(|(head, result)| Ok((head, serde_json::from_value(result)?))).transpose()
    }

    /// Begins the assessment in the store, or finds the equal one that broke off.
    pub(super) fn begin(&self, store: &Store, question: &Question, chosen: &Chosen) -> anyhow::Result<AssessmentHead> {
        if let Some(head) = store.unfinished_assessment(&question.step, &question.candidate, &self.whole)? {
            return Ok(head);
        }
        let head = AssessmentHead {
            id: uuid::Uuid::now_v7().to_string(),
            at_ms: jiff::Timestamp::now().as_millisecond(),
            step: question.step.clone(),
            candidate: question.candidate.clone(),
            incumbent: chosen.incumbent.to_string(),
            plan: self.whole.clone(),
        };
        store.begin_assessment(&head)?;
        Ok(head)
    }
}

/// Returns the check that was asked for, or the one that fits the step's shape.
pub(super) fn check_of(question: &Question, chosen: &Chosen, outside: Outside<'_>) -> Result<Scorer, Fault> {
    match &question.check {
        Some(spec) => Scorer::parse(spec, chosen.schema(), outside),
        None => Ok(chosen.default_check().into()),
    }
}

/// Returns the exact identity of a model of ours; none where it is somebody else's.
///
/// # Errors
/// A file of it cannot be read.
pub(crate) fn lock_of(target: &Target, settings: &Settings) -> Result<Option<Value>, Fault> {
    let Some(model) = target.own_model(settings) else { return Ok(None) };
    if model.backend == freehold_engine::Backend::Scripted {
        return Ok(Some(json!({"backend": "scripted", "path": model.path})));
    }
    let file = freehold_vault::inspect(&model.path).map_err(|error| cannot_use(model, error))?;
    let lock = freehold_vault::lock(&model.path, &file).map_err(|error| cannot_use(model, error))?;
    let mut value = serde_json::to_value(&lock).expect("a lock is JSON");
    models::lock::add_served(&mut value, model, &target.model)?;
    Ok(Some(value))
}

fn cannot_use(model: &Model, error: freehold_vault::Error) -> Fault {
    Fault::input(format!("the model {} cannot be used: {}", model.name, model.path.display()))
        .because(error)
        .hint("check `path` in its [[model]] entry, and fetch the file again if it is damaged")
}

/// Returns the digest of the cases in their order, which it fixes as well.
pub(super) fn digest(chosen: &Chosen) -> String {
    let mut hasher = Sha256::new();
    for case in &chosen.cases {
        hasher.update(case.call.id.as_bytes());
        hasher.update([0]);
        hasher.update(&case.call.request);
        hasher.update([0]);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
