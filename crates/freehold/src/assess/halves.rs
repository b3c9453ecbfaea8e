//! Chooses one of several candidates on one random half of the cases and leaves the other half to decide on it.
//! What made it look best is then no part of what it is judged by.

use freehold_evidence::multiplicity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cases::{self, Case};
use super::design::Looks;
use super::plan::{Question, Rerun};
use super::result::AssessmentResult;
use super::{Assessor, Draft, Progress, judge};
use crate::exit::Fault;
use crate::names::Target;

/// The half of the cases that an assessment looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "half", rename_all = "snake_case")]
pub enum Half {
    /// The half on which one of several candidates is chosen; it decides nothing.
    Choosing,
    /// The other half, on which the chosen one is decided at the full level.
    Deciding {
        /// Every candidate as it did on the half on which one was chosen.
        tried: Vec<Contender>,
    },
}

/// A candidate on the half on which one was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contender {
    /// Who.
    pub candidate: String,
    /// The assessment in which its answers are kept.
    pub assessment: String,
    /// Cases it was asked.
    pub n: u64,
    /// Its mean score.
    pub score: f64,
}

impl Half {
    /// Returns the name of the half that a plan declares; `None` where it is about all cases.
    pub(super) fn of_plan(plan: &Value) -> Option<String> {
        plan["half"]["half"].as_str().map(str::to_owned)
    }

    /// Says what a reader must know of it.
    fn note(&self) -> String {
        match self {
            Half::Choosing => {
                "this half of the cases only chooses among candidates; nothing is decided on it".to_owned()
            }
            Half::Deciding { tried } => {
                let scores: Vec<String> =
                    tried.iter().map(|one| format!("{} {:.3}", one.candidate, one.score)).collect();
                let cases = tried.first().map_or(0, |one| one.n);
                format!(
                    "chosen as the best of {} on {cases} cases, one random half ({}); decided on the other half, which \
                     took no part in the choice, at the full level",
                    tried.len(),
                    scores.join(", ")
                )
            }
        }
    }
}

/// Says in a result which half it is about, and takes back what a choosing half seems to decide.
pub(super) fn tell(half: Option<&Half>, result: &mut AssessmentResult) {
    let Some(half) = half else { return };
    if *half == Half::Choosing {
        result.row.verdict = "undecided".to_owned();
        result.row.more_needed = None;
    }
    result.notes.insert(0, half.note());
    result.half = Some(half.clone());
}

/// Keeps one half of the units, which are in random order: the first for the choice, the rest for the decision.
pub(super) fn cut(
    (mut cases, mut ends): (Vec<Case>, Vec<usize>),
    half: Option<&Half>,
) -> Result<(Vec<Case>, Vec<usize>), Fault> {
    let Some(half) = half else { return Ok((cases, ends)) };
    let units = ends.len() / 2;
    let Some(middle) = units.checked_sub(1).map(|last| ends[last]) else {
        return Err(Fault::input("the cases are of one run, which cannot be halved")
            .hint("record more runs, or take --choose sequence"));
    };
    match half {
        Half::Choosing => {
            cases.truncate(middle);
            ends.truncate(units);
        }
        Half::Deciding { .. } => {
            cases.drain(..middle);
            ends = ends[units..].iter().map(|end| end - middle).collect();
        }
    }
    Ok((cases, ends))
}

/// Chooses one of the candidates of these questions, which are alike in all else, and decides on it.
///
/// # Errors
/// As for [`Assessor::assess`]; the candidates are held against different incumbents; or a judge is to compare.
pub(super) async fn assess(
    assessor: &Assessor<'_>,
    questions: &[Question],
    progress: &Progress,
) -> anyhow::Result<Draft> {
    if questions.iter().any(|question| question.check.as_deref().and_then(judge::named).is_some()) {
        return Err(Fault::input(
            "a judge's word is held against labels of one candidate, so it cannot choose among them",
        )
        .hint("choose with another check, or name the candidates in an order with --choose sequence")
        .into());
    }
    let incumbent = incumbent(assessor, questions)?;
    let mut tried = Vec::with_capacity(questions.len());
    for question in questions {
        let question = Question {
            incumbent: Some(incumbent.clone()),
            half: Some(Half::Choosing),
            looks: Looks::Once,
            rerun: Rerun::Never,
            subsets: Vec::new(),
            across: None,
            ..question.clone()
        };
        let AssessmentResult { id, row, arms, .. } = assessor.assess(&question, progress).await?;
        tried.push(Contender { candidate: row.candidate, assessment: id, n: row.n, score: arms.candidate });
    }
    let scores: Vec<f64> = tried.iter().map(|one| one.score).collect();
    let best = multiplicity::chosen(&scores).ok_or_else(|| Fault::input("there is no candidate to choose"))?;
    let half = Some(Half::Deciding { tried });
    let question = Question { incumbent: Some(incumbent), half, ..questions[best].clone() };
    assessor.draft(&question, progress).await
}

/// Returns the one incumbent that all are held against.
fn incumbent(assessor: &Assessor<'_>, questions: &[Question]) -> anyhow::Result<String> {
    let mut found: Vec<String> = Vec::new();
    for question in questions {
        let target = Target::parse(&question.candidate, assessor.settings)?;
        let incumbent = cases::choose(assessor.store, question, &target)?.incumbent.to_string();
        if !found.contains(&incumbent) {
            found.push(incumbent);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Fault::input(format!(
            "the candidates would be held against different incumbents: {}",
            found.join(", ")
        ))
        .hint("name one with --incumbent UPSTREAM/MODEL")
        .into()),
    }
}
