//! Takes a finished assessment up again from what the store kept, and decides again by the way that decided first.

use std::collections::BTreeSet;

use freehold_evidence::{Pair, Rule};
use freehold_store::{AssessmentHead, Store};
use freehold_wire::ReferenceKind;
use serde_json::Value;

use super::cases::{self, Case, Chosen};
use super::counting::Counting;
use super::design::Design;
use super::judge;
use super::judge::ballot::{self, Ballot, Belief};
use super::ledger::{self, Look, Looked};
use super::plan::{self, Plan, Question};
use super::reference::References;
use super::replay::Replays;
use super::result::Examined;
use super::score::{self, Judged};
use super::seals::{self, CaseSeal};
use crate::checks::Outside;
use crate::exit::Fault;
use crate::names::Target;

/// What the store still says of an assessment.
pub(crate) struct Recalled {
    /// The plan, with what follows from the cases worked out anew.
    pub(crate) plan: Value,
    /// The cases that are still there, sealed anew; without scores where others are gone.
    pub(crate) cases: Vec<CaseSeal>,
    /// The cases whose bodies are gone.
    pub(crate) missing: Vec<String>,
    /// The decision made again, with the ledger; `None` where cases are gone.
    pub(crate) decided: Option<Decided>,
}

/// A decision made again.
pub(crate) struct Decided {
    pub(crate) judged: Judged,
    pub(crate) looks: Vec<Look>,
    pub(crate) check_version: String,
    /// How the judge was examined, where one compared.
    pub(crate) examined: Option<Examined>,
}

/// Takes up the assessment that booked these cases in this order and was finished at `at_ms`.
///
/// # Errors
/// The store cannot be read, or the stored plan is not one of this version.
pub(crate) fn recall(
    (store, outside): (&Store, Outside<'_>),
    head: &AssessmentHead,
    booked: &[String],
    at_ms: i64,
) -> anyhow::Result<Recalled> {
    let reference: ReferenceKind = serde_json::from_value(head.plan["reference"].clone())?;
    let references = References::recalled(store, &head.step, (reference, at_ms))?;
    let mut replays = Replays::default();
    store.replays(&head.id)?.into_iter().for_each(|replay| replays.put(replay));
    let (mut found, mut missing) = (Vec::with_capacity(booked.len()), Vec::new());
    for id in booked {
        match store.call(id)?.and_then(|call| cases::read(call, &references)) {
            Some(case) => found.push(case),
            None => missing.push(id.clone()),
        }
    }
    if !missing.is_empty() || found.is_empty() {
        let cases = found.iter().map(|case| seals::of_case(case, Some(&replays))).collect();
        return Ok(Recalled { plan: head.plan.clone(), cases, missing, decided: None });
    }
    let unit_ends = unit_ends(&found);
    let chosen = Chosen { cases: found, unit_ends, incumbent: target(&head.incumbent), reference, notes: Vec::new() };
    decide_again((store, outside), (head, at_ms), &chosen, &replays)
}

fn decide_again(
    (store, outside): (&Store, Outside<'_>),
    (head, at_ms): (&AssessmentHead, i64),
    chosen: &Chosen,
    replays: &Replays,
) -> anyhow::Result<Recalled> {
    let question = question(head)?;
    if head.plan["judge"].is_object() {
        let (judged, examined) = judge::recall(store, (head, at_ms), chosen, &question.rule)?;
        let decided = (judged, judge::check_version(&head.plan), Some(examined));
        return recalled(store, (head, at_ms), (chosen, replays), decided);
    }
    let plan = Plan::recalled(&question, chosen, &head.plan, outside)?;
    let silent = |_: &super::Standing| {};
    let mut counting = Counting::new(chosen, &plan, &silent);
    counting.advance(replays)?;
    plan.check.fault()?;
    let judged = score::judge(&question, &plan, chosen, (&counting.into_scores(), replays))?;
    recalled(store, (head, at_ms), (chosen, replays), (judged, plan.check.version(), None))
}

fn recalled(
    store: &Store,
    (head, at_ms): (&AssessmentHead, i64),
    (chosen, replays): (&Chosen, &Replays),
    (judged, check_version, examined): (Judged, String, Option<Examined>),
) -> anyhow::Result<Recalled> {
    let own = Looked { step: &head.step, assessment: &head.id, verdict: &judged.row.verdict, at_ms };
    let (looks, _) = ledger::looks(store, chosen, &own)?;
    let mut declared = head.plan.clone();
    declared["cases_sha256"] = plan::digest(chosen).into();
    declared["step_versions"] = serde_json::to_value::<BTreeSet<String>>(ledger::step_versions(chosen))?;
    let cases = seals::of(chosen, replays, &judged.cases);
    let decided = Decided { judged, looks, check_version, examined };
    Ok(Recalled { plan: declared, cases, missing: Vec::new(), decided: Some(decided) })
}

/// Decides on scores alone, as the plan declared.
///
/// # Errors
/// The plan is not one of this version, or the scores cannot be decided on.
pub(crate) fn decide_alone(declared: &Value, pairs: &[Pair]) -> anyhow::Result<freehold_evidence::Decision> {
    let rule = rule(declared)?;
    Ok(score::as_declared(&Design::recalled(declared, &rule)?, pairs, &rule)?)
}

/// Decides on what a judge and people are said to have said alone, as the plan declared; `examined` says whether it is believed.
///
/// # Errors
/// As for [`decide_alone`].
pub(crate) fn judge_alone(
    declared: &Value,
    ballots: &[Ballot],
    examined: &Examined,
) -> anyhow::Result<freehold_evidence::Decision> {
    let belief = Belief::of(&examined.refusals);
    Ok(ballot::decide_on(ballots, &rule(declared)?, belief)?.admitted(belief))
}

fn question(head: &AssessmentHead) -> anyhow::Result<Question> {
    let plan = &head.plan;
    Ok(Question {
        check: plan["check"].as_str().map(str::to_owned),
        seed: plan["seed"].as_u64().unwrap_or_default(),
        subsets: serde_json::from_value(plan["subsets"].clone())?,
        ..Question::new(&head.step, &head.candidate, rule(plan)?)
    })
}

fn rule(plan: &Value) -> Result<Rule, Fault> {
    let number = |member: &str| plan[member].as_f64().unwrap_or(f64::NAN);
    Rule::new(number("margin"), number("confidence"))
        .map_err(|error| Fault::input("the declared margin or confidence cannot be used").because(error))
}

/// Returns where each unit ends: the cases of one run stand together.
fn unit_ends(cases: &[Case]) -> Vec<usize> {
    let units = cases.chunk_by(|a, b| a.call.run.is_some() && a.call.run == b.call.run);
    let ends = units.scan(0, |end, unit| {
        *end += unit.len();
        Some(*end)
    });
    ends.collect()
}

fn target(incumbent: &str) -> Target {
    let (upstream, model) = incumbent.split_once('/').unwrap_or(("", incumbent));
    Target { upstream: upstream.to_owned(), model: model.to_owned() }
}
