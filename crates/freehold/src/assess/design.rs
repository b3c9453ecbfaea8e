//! When an assessment looks at what it has: declared with the plan, before any answer is seen.

use freehold_evidence::sequential::{Prior, Sequence};
use freehold_evidence::{Rule, Verdict};
use freehold_store::{Assessment, Store};
use serde_json::{Value, json};

use super::cases::Chosen;
use super::plan::Question;
use super::planned::Planned;
use super::result::{AssessmentResult, CaseResult};
use super::sequence::Sequential;
use crate::exit::Fault;

/// What a pilot's discordance weighs against the first cases, in cases.
const PRIOR_CASES: f64 = 50.0;
/// How often the two are expected to differ where no pilot tells.
const PRIOR_DISCORDANCE: f64 = 0.2;
/// Fewest cases of an earlier assessment that make it a pilot.
const PILOT_CASES_MIN: usize = 50;
/// A test that may stop anywhere is taken when there are this many times the units it needs without any disagreement.
const UNITS_TIMES_MIN: usize = 2;

/// When the user wants the data to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// After every case, to stop as soon as it is known.
    Always,
    /// So many times, at numbers of cases that are fixed beforehand.
    Planned(u32),
    /// Once, when all cases are in.
    Once,
}

/// How an assessment is decided.
#[derive(Debug, Clone)]
pub(super) enum Design {
    /// On all cases, once.
    Once {
        /// Why not on the way, where that was asked for.
        because: Option<String>,
    },
    /// At some numbers of units.
    Planned(Planned),
    /// After every unit, by a test that allows it.
    Always(Always),
}

/// A test that is looked at after every unit, and what its bets begin with.
#[derive(Debug, Clone)]
pub(super) struct Always {
    pub(super) test: Sequential,
    pilot: Option<Pilot>,
}

/// An earlier assessment of the step that says how often a candidate and the incumbent differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pilot {
    assessment: String,
    pub(super) cases: usize,
    pub(super) discordance: f64,
}

impl Design {
    /// Settles the design from what is known before anything is replayed.
    pub(super) fn of(store: &Store, question: &Question, chosen: &Chosen) -> anyhow::Result<Self> {
        match question.looks {
            Looks::Once => return Ok(Design::Once { because: None }),
            Looks::Planned(looks) => return planned(question, looks, chosen.unit_ends.len()),
            Looks::Always => {}
        }
        let pilot = pilot(store, question, chosen)?;
        let test = test_with(pilot.as_ref())?;
        let floor = units_without_disagreement(&test, &question.rule);
        let units = chosen.unit_ends.len();
        if units < UNITS_TIMES_MIN * floor {
            return Ok(Design::Once {
                because: Some(format!(
                    "decided once, when all cases were in: a test that may stop on the way needs {floor} cases even without any \
                     disagreement, too near the {units} that there are"
                )),
            });
        }
        Ok(Design::Always(Always { test, pilot }))
    }

    /// Returns what the plan keeps of it.
    pub(super) fn declared(&self) -> Value {
        match self {
            Design::Once { .. } => json!({"looks": "once"}),
            Design::Planned(planned) => json!({"looks": planned.at(), "spending": "o_brien_fleming"}),
            Design::Always(always) => json!({
                "looks": "always",
                "sequence": always.test.sequence,
                "prior_cases": PRIOR_CASES,
                "prior_discordance": discordance(always.pilot.as_ref()),
                "pilot": always.pilot.as_ref().map(|pilot| &pilot.assessment),
            }),
        }
    }

    /// Takes up the design of a stored plan.
    ///
    /// # Errors
    /// The plan declares one that is not known here.
    pub(super) fn recalled(plan: &Value, rule: &Rule) -> Result<Self, Fault> {
        let design = &plan["design"];
        let unknown = || Fault::input(format!("the declared design {design} is not known to this version"));
        let number = |member: &str| design[member].as_f64().unwrap_or(f64::NAN);
        if let Some(at) = design["looks"].as_array() {
            let units = at.last().and_then(Value::as_u64).and_then(|units| usize::try_from(units).ok());
            let looks = u32::try_from(at.len()).map_err(|_| unknown())?;
            let planned = Planned::new(rule, looks, units.ok_or_else(unknown)?);
            return planned.map(Design::Planned).map_err(|error| unknown().because(error));
        }
        match design["looks"].as_str() {
            None if design.is_null() => Ok(Design::Once { because: None }),
            Some("once") => Ok(Design::Once { because: None }),
            Some("always") => {
                let known = [Sequence::Betting, Sequence::Asymptotic];
                let sequence = known.into_iter().find(|known| json!(known) == design["sequence"]);
                let prior = Prior::new(number("prior_cases"), 0.0, number("prior_discordance"));
                let prior = prior.map_err(|error| unknown().because(error))?;
                let test = Sequential { sequence: sequence.ok_or_else(unknown)?, prior };
                Ok(Design::Always(Always { test, pilot: None }))
            }
            _ => Err(unknown()),
        }
    }

    /// Returns what a reader must know of it.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            Design::Once { because } => because.clone(),
            Design::Planned(planned) => {
                let at: Vec<String> = planned.at().iter().map(ToString::to_string).collect();
                Some(format!("looked at when {} cases or runs were in, as planned beforehand", at.join(", ")))
            }
            Design::Always(always) => {
                let test = match always.test.sequence {
                    Sequence::Betting => "bets on the paired differences",
                    Sequence::Asymptotic => "an asymptotic confidence sequence",
                };
                let prior = always.pilot.as_ref().map(|pilot| {
                    format!(
                        "; how often the two differ was expected from {} cases of an earlier assessment ({:.0} %)",
                        pilot.cases,
                        pilot.discordance * 100.0
                    )
                });
                Some(format!(
                    "looked at after every case, by {test} that hold however often one looks{}",
                    prior.unwrap_or_default()
                ))
            }
        }
    }
}

fn planned(question: &Question, looks: u32, units: usize) -> anyhow::Result<Design> {
    let planned = Planned::new(&question.rule, looks, units)
        .map_err(|error| Fault::input(format!("{looks} looks at {units} cases cannot be planned")).because(error))?;
    Ok(Design::Planned(planned))
}

/// Returns the test, its bets sized by the pilot where there is one.
///
/// Bets keep their level whatever the scores are; on graded ones too they need fewer cases than the asymptotic sequence
/// where the two differ on few of them, and hardly more elsewhere.
pub(super) fn test_with(pilot: Option<&Pilot>) -> anyhow::Result<Sequential> {
    Ok(Sequential { sequence: Sequence::Betting, prior: Prior::new(PRIOR_CASES, 0.0, discordance(pilot))? })
}

fn discordance(pilot: Option<&Pilot>) -> f64 {
    pilot.map_or(PRIOR_DISCORDANCE, |pilot| pilot.discordance)
}

/// Returns after how many units the sequence is decided if the two never differ.
pub(super) fn units_without_disagreement(test: &Sequential, rule: &Rule) -> usize {
    const NEVER: usize = 100_000;
    let mut watch = test.watch(rule);
    (1..NEVER).find(|_| watch.observe(0.0).is_ok_and(|verdict| verdict != Verdict::Undecided)).unwrap_or(NEVER)
}

/// Returns the newest earlier assessment of the step on other cases, or failing that of another candidate.
///
/// Only how often the two differ is taken from it, never who was better, so that it cannot lean to either side.
pub(super) fn pilot(store: &Store, question: &Question, chosen: &Chosen) -> anyhow::Result<Option<Pilot>> {
    let mut of_another = None;
    let all = store.assessments()?;
    let of_step = |assessment: &&Assessment| assessment.head.step == question.step;
    // One that broke off goes on with the pilot that it began with.
    let is_open =
        |assessment: &&Assessment| assessment.result.is_none() && assessment.head.candidate == question.candidate;
    let open_ms = all.iter().filter(of_step).find(is_open).map_or(i64::MAX, |assessment| assessment.head.at_ms);
    let earlier = |assessment: &&Assessment| assessment.finished_ms.is_some_and(|finished_ms| finished_ms < open_ms);
    for assessment in all.iter().filter(of_step).filter(earlier).cloned() {
        let Some(Ok(result)) = assessment.result.map(serde_json::from_value::<AssessmentResult>) else { continue };
        let is_new = |case: &&CaseResult| !chosen.cases.iter().any(|mine| mine.call.id == case.case);
        let others: Vec<f64> = result.cases.iter().filter(is_new).map(squared_difference).collect();
        if others.len() >= PILOT_CASES_MIN {
            return Ok(Some(Pilot::of(result.id, &others)));
        }
        if of_another.is_none() && result.row.candidate != question.candidate && result.cases.len() >= PILOT_CASES_MIN {
            let all: Vec<f64> = result.cases.iter().map(squared_difference).collect();
            of_another = Some(Pilot::of(result.id, &all));
        }
    }
    Ok(of_another)
}

fn squared_difference(case: &CaseResult) -> f64 {
    (case.candidate - case.incumbent).powi(2)
}

impl Pilot {
    fn of(assessment: String, squares: &[f64]) -> Self {
        // Laplace's rule, so that a pilot without any disagreement does not promise that there is none.
        let discordance = (squares.iter().sum::<f64>() + 1.0) / (squares.len() as f64 + 2.0);
        Pilot { assessment, cases: squares.len(), discordance }
    }
}
