//! The ledger of looks: every assessment of a step, finished or broken off, booked with its plan before an answer is seen.
//! Who looks again until the verdict pleases must say so; this says it for them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use data_encoding::HEXLOWER;
use freehold_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::across::Family;
use super::cases::Chosen;
use super::halves::Half;
use super::result::AssessmentResult;

/// The most looks that a result carries, the newest; the sentence about them counts all.
const LOOKS_MAX: usize = 100;

const ORDINALS: [&str; 10] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

/// One look at the cases of a step, as it was booked before the first answer, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The assessment's id.
    pub assessment: String,
    /// When it was booked, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who was proposed.
    pub candidate: String,
    /// The versions of the step's prompt among its cases; empty where it was booked before they were kept.
    #[serde(default)]
    pub step_versions: Vec<String>,
    /// The digest of its cases in their order.
    pub cases_sha256: String,
    /// The cases that were booked.
    pub cases: u64,
    /// The cases that the candidate was asked.
    pub asked: u64,
    /// Those of the cases it asked that are cases of the assessment which this is told with.
    pub shared: u64,
    /// The check.
    pub check: String,
    /// The margin.
    pub margin: f64,
    /// The one-sided level of the decision.
    pub confidence: f64,
    /// The seed.
    pub seed: u64,
    /// The verdict; `None` for a look that was broken off.
    pub verdict: Option<String>,
    /// `choosing` or `deciding`, where it was about one half of the cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<String>,
    /// The steps with which its verdict is corrected for their number, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across: Option<Family>,
    /// Whether it is one more try at the same claim: the same candidate, on cases it was asked before or with the same lock
    /// and prompt.
    pub is_retry: bool,
}

/// Returns the versions of the step's prompt that the cases were made with, as digests of their heads.
pub(super) fn step_versions(chosen: &Chosen) -> BTreeSet<String> {
    let heads = chosen.cases.iter().map(|case| freehold_workflow::head_sha256(&case.request));
    heads.map(|head| HEXLOWER.encode(&head)).collect()
}

/// Who looks: an assessment that has come to a verdict.
pub(super) struct Looked<'a> {
    pub(super) step: &'a str,
    pub(super) assessment: &'a str,
    pub(super) verdict: &'a str,
    pub(super) at_ms: i64,
}

/// Adds to a result every look at its step, its own last, and what a reader must know of those before it.
pub(super) fn tell(store: &Store, chosen: &Chosen, result: &mut AssessmentResult) -> anyhow::Result<()> {
    let (step, verdict) = (&result.row.step, &result.row.verdict);
    let own = Looked { step, assessment: &result.id, verdict, at_ms: result.at_ms };
    let (looks, note) = looks(store, chosen, &own)?;
    result.looks = looks;
    result.notes.extend(note);
    Ok(())
}

/// Returns every look at a step that was booked when `own` was finished, as it stood then and `own` last; and what is to be
/// said of them.
pub(super) fn looks(store: &Store, chosen: &Chosen, own: &Looked<'_>) -> anyhow::Result<(Vec<Look>, Option<String>)> {
    let booked = store.looks(own.step)?;
    let (mine, earlier): (Vec<_>, Vec<_>) =
        booked.iter().filter(|look| look.head.at_ms <= own.at_ms).partition(|look| look.head.id == own.assessment);
    let Some(mine) = mine.first().copied() else { return Ok((Vec::new(), None)) };
    let cases: Vec<&str> = chosen.cases.iter().map(|case| case.call.id.as_str()).collect();
    let asked = store.asked_before(own.step, &cases)?;
    let shared = |look: &freehold_store::Look| asked.get(&look.head.id).map_or(0, Vec::len) as u64;
    let tell_earlier = |look: &freehold_store::Look| {
        let is_retry = look.asked > 0 && is_retry(look, mine, shared(look));
        let was_finished = look.finished_ms.is_some_and(|finished_ms| finished_ms <= own.at_ms);
        told(look, look.verdict.clone().filter(|_| was_finished), (shared(look), is_retry))
    };
    let mut looks: Vec<Look> = earlier.into_iter().map(tell_earlier).collect();
    looks.push(told(mine, Some(own.verdict.to_owned()), (shared(mine), false)));
    let note = note(&looks, &asked);
    looks.drain(..looks.len().saturating_sub(LOOKS_MAX));
    Ok((looks, note))
}

/// Returns whether an earlier look tried the claim of a later one: the same candidate, on cases that both asked for or with
/// the same lock and prompt. A half that only chose among candidates claimed nothing, and counts by its cases alone.
fn is_retry(earlier: &freehold_store::Look, later: &freehold_store::Look, shared: u64) -> bool {
    let only_chose = Half::of_plan(&earlier.head.plan).as_deref() == Some("choosing");
    let same = |member: &str| earlier.head.plan[member] == later.head.plan[member];
    earlier.head.candidate == later.head.candidate
        && (shared > 0 || (!only_chose && same("lock") && same("step_versions")))
}

fn told(look: &freehold_store::Look, verdict: Option<String>, (shared, is_retry): (u64, bool)) -> Look {
    let plan = &look.head.plan;
    let text = |member: &str| plan[member].as_str().unwrap_or_default().to_owned();
    let number = |member: &str| plan[member].as_f64().unwrap_or_default();
    let count = |member: &str| plan[member].as_u64().unwrap_or_default();
    let versions = plan["step_versions"].as_array().into_iter().flatten();
    Look {
        assessment: look.head.id.clone(),
        at_ms: look.head.at_ms,
        candidate: look.head.candidate.clone(),
        step_versions: versions.filter_map(Value::as_str).map(str::to_owned).collect(),
        cases_sha256: text("cases_sha256"),
        cases: count("cases"),
        asked: look.asked,
        shared,
        check: text("check"),
        margin: number("margin"),
        confidence: number("confidence"),
        seed: count("seed"),
        verdict,
        half: Half::of_plan(plan),
        across: Family::of_plan(plan),
        is_retry,
    }
}

/// Says how often the claim was tried before, on how many of the same cases, and what that makes of the confidence.
///
/// By the union bound, k looks that err with probability a each are wrongly adequate at least once with at most k a.
fn note(looks: &[Look], asked: &HashMap<String, Vec<String>>) -> Option<String> {
    let (own, earlier) = looks.split_last()?;
    let earlier: Vec<&Look> = earlier.iter().filter(|look| look.is_retry).collect();
    if earlier.is_empty() {
        return None;
    }
    let shared: HashSet<&String> = earlier.iter().filter_map(|look| asked.get(&look.assessment)).flatten().collect();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for look in &earlier {
        *outcomes.entry(look.verdict.as_deref().unwrap_or("broken_off").replace('_', " ")).or_default() += 1;
    }
    let outcomes: Vec<String> = outcomes.into_iter().map(|(outcome, times)| format!("{times} {outcome}")).collect();
    let number = earlier.len() + 1;
    let nth = ORDINALS.get(number - 1).map_or_else(|| format!("{number}th"), |&word| word.to_owned());
    let error: f64 = earlier.iter().map(|look| 1.0 - look.confidence).sum::<f64>() + 1.0 - own.confidence;
    Some(format!(
        "{nth} look at {} for this step: {} of its {} cases were in earlier looks, which came out {}. The confidence is that \
         of one look; that any of the {number} says adequate wrongly has a chance of up to {:.0} %",
        own.candidate,
        shared.len(),
        own.cases,
        outcomes.join(", "),
        (100.0 * error).min(100.0)
    ))
}
