//! Scores the replays with the check and turns the scores into a row.

use freehold_evidence::check::Output;
use freehold_evidence::noise::{self, RecordedCase};
use freehold_evidence::{Decision, Pair, Rule, decide};
use freehold_store::Replay;
use freehold_wire::{Message, ReferenceKind};

use super::cases::{Case, Chosen, output};
use super::counting::{Scores, pair};
use super::design::Design;
use super::plan::{Plan, Question};
use super::replay::Replays;
use super::result::{Arms, CaseResult, Disagreement, Failures, Named, Row, Subset};
use super::sequence::units;
use super::subsets;
use crate::exit::Fault;

/// The most disagreements that are kept, and the most characters of each text in them.
pub(super) const DISAGREEMENTS_MAX: usize = 12;
const SHOWN_CHARS_MAX: usize = 1_200;

/// What the scores came to.
pub(crate) struct Judged {
    pub(crate) row: Row,
    pub(crate) arms: Arms,
    pub(crate) failures: Failures,
    pub(crate) subsets: Vec<Subset>,
    pub(crate) notes: Vec<String>,
    pub(crate) cases: Vec<CaseResult>,
    pub(crate) disagreements: Vec<Disagreement>,
}

/// One case counted, with all that is known of it.
struct Scored<'a> {
    case: &'a Case,
    scores: &'a Scores,
    candidate_replay: Option<&'a Replay>,
    rerun_replay: Option<&'a Replay>,
}

/// Judges the replays.
pub(super) fn judge(
    question: &Question,
    plan: &Plan,
    chosen: &Chosen,
    (scores, replays): (&[Scores], &Replays),
) -> anyhow::Result<Judged> {
    let scored: Vec<Scored<'_>> = chosen
        .cases
        .iter()
        .zip(scores)
        .map(|(case, scores)| Scored {
            case,
            scores,
            candidate_replay: replays.candidate(case),
            rerun_replay: replays.rerun(case).filter(|_| plan.has_rerun),
        })
        .collect();
    let pairs: Vec<Pair> = scored.iter().map(|scored| pair(scored.case, scored.scores)).collect();
    let decision = as_declared(&plan.design, &pairs, &plan.rule)?;
    // Subsets are looked at once, on all cases; where the whole ended it before, by the test that may be looked at then.
    let is_whole = pairs.len() == chosen.cases.len();
    let method = |members: &[Pair]| match &plan.design {
        Design::Planned(planned) if !is_whole => {
            planned.decide_part(members, units(&pairs).len()).map_err(cannot_decide)
        }
        _ if is_whole => once(members, &plan.rule),
        _ => as_declared(&plan.design, members, &plan.rule),
    };
    let subsets = subsets::decide(&plan.divided, &pairs, method)?;
    let named = Named {
        step: question.step.clone(),
        candidate: question.candidate.clone(),
        incumbent: chosen.incumbent.to_string(),
        reference: kind_word(chosen.reference).to_owned(),
        check: plan.check.name().clone(),
    };
    Ok(Judged {
        row: Row::of(&decision, named),
        arms: arms(&scored),
        failures: failures(&scored),
        subsets,
        notes: notes(&decision, plan, chosen, &scored),
        cases: scored.iter().map(case_result).collect(),
        disagreements: disagreements(&scored),
    })
}

/// Decides as the plan declared.
pub(super) fn as_declared(design: &Design, pairs: &[Pair], rule: &Rule) -> Result<Decision, Fault> {
    match design {
        Design::Once { .. } => once(pairs, rule),
        Design::Planned(planned) => planned.decide(pairs).map_err(cannot_decide),
        Design::Always(always) => always.test.decide(pairs, rule).map_err(cannot_decide),
    }
}

fn once(pairs: &[Pair], rule: &Rule) -> Result<Decision, Fault> {
    decide(pairs, rule).map_err(cannot_decide)
}

fn cannot_decide(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::input("no decision can be made on these cases").because(error)
}

pub(super) fn kind_word(kind: ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Incumbent => "incumbent",
        ReferenceKind::Label => "label",
        ReferenceKind::Outcome => "outcome",
    }
}

fn arms(scored: &[Scored<'_>]) -> Arms {
    let mean = |value: &dyn Fn(&Scored<'_>) -> f64| scored.iter().map(value).sum::<f64>() / scored.len().max(1) as f64;
    let has_rerun = scored.iter().any(|case| case.scores.rerun.is_some());
    Arms {
        recorded: mean(&|case| case.scores.recorded),
        rerun: has_rerun.then(|| mean(&|case| case.scores.rerun.unwrap_or(0.0))),
        candidate: mean(&|case| case.scores.candidate.value),
    }
}

fn failures(scored: &[Scored<'_>]) -> Failures {
    let failed = |replay: Option<&Replay>| replay.is_none_or(|replay| replay.answer.is_none());
    let reason = |scored: &Scored<'_>| scored.candidate_replay.and_then(|replay| replay.failure.clone());
    Failures {
        candidate: scored.iter().filter(|case| failed(case.candidate_replay)).count() as u64,
        rerun: scored.iter().filter(|case| case.scores.rerun.is_some() && failed(case.rerun_replay)).count() as u64,
        example: scored.iter().find_map(reason),
    }
}

fn notes(decision: &Decision, plan: &Plan, chosen: &Chosen, scored: &[Scored<'_>]) -> Vec<String> {
    let mut notes = decision.notes.clone();
    notes.extend(plan.check.warnings().into_iter().map(|warning| format!("the deciding check: {warning}")));
    let normalised = plan.check.normalisations();
    if !normalised.is_empty() {
        notes.push(format!("the check {} looks past: {}", plan.check.name(), normalised.join("; ")));
    }
    let failed = failures(scored).candidate;
    if failed > 0 {
        notes.push(format!(
            "{failed} of {} replays got no answer from the candidate and score 0: look whether it is the serving (context length, \
             limits, crashes) before the model is blamed",
            scored.len()
        ));
    }
    if chosen.reference == ReferenceKind::Incumbent {
        notes.extend(noise_note(plan, scored));
    }
    notes
}

/// Says how large the incumbent's own noise is, or what follows from not knowing it.
///
/// Nothing where the cases ended when they sufficed: the limits of the noise hold for a number of cases fixed beforehand.
fn noise_note(plan: &Plan, scored: &[Scored<'_>]) -> Option<String> {
    let recorded = |scored: &Scored<'_>| RecordedCase {
        case: scored.case.call.id.clone(),
        candidate: scored.scores.candidate.value,
        rerun: scored.scores.rerun,
        cluster: scored.case.call.run.clone(),
    };
    let is_fixed = matches!(plan.design, Design::Once { .. });
    let cases: Vec<RecordedCase> = scored.iter().map(recorded).collect();
    let noise = noise::incumbent_noise(&cases, plan.rule.confidence());
    (noise.is_none() || is_fixed).then(|| noise::sentence(noise.as_ref()))
}

fn case_result(scored: &Scored<'_>) -> CaseResult {
    let recorded_us = scored.case.call.timings.total_us;
    CaseResult {
        case: scored.case.call.id.clone(),
        cluster: scored.case.call.run.clone(),
        incumbent: scored.scores.incumbent(),
        candidate: scored.scores.candidate.value,
        recorded_ms: (recorded_us > 0).then_some(recorded_us as f64 / 1e3),
        candidate_ms: scored.candidate_replay.map(|replay| replay.total_us as f64 / 1e3),
        judgement: None,
    }
}

fn disagreements(scored: &[Scored<'_>]) -> Vec<Disagreement> {
    let mut worse: Vec<&Scored<'_>> = scored.iter().filter(|case| case.scores.difference() < 0.0).collect();
    worse.sort_by(|a, b| {
        let by_time = (a.case.call.at_ms, &a.case.call.id).cmp(&(b.case.call.at_ms, &b.case.call.id));
        a.scores.difference().total_cmp(&b.scores.difference()).then(by_time)
    });
    worse.into_iter().take(DISAGREEMENTS_MAX).map(disagreement).collect()
}

fn disagreement(scored: &Scored<'_>) -> Disagreement {
    let told = |replay: Option<&Replay>| {
        let answer = replay.and_then(|replay| replay.answer.as_ref());
        answer.map(|answer| shown(&output(answer)))
    };
    Disagreement {
        case: scored.case.call.id.clone(),
        input: cut(&scored.case.request.messages.last().map(Message::text).unwrap_or_default()),
        reference: shown(&scored.case.reference),
        rerun: told(scored.rerun_replay),
        candidate: told(scored.candidate_replay).unwrap_or_else(|| "no answer".to_owned()),
        incumbent_score: scored.scores.incumbent(),
        candidate_score: scored.scores.candidate.value,
        reason: scored.scores.candidate.reason.clone(),
    }
}

pub(super) fn shown(output: &Output) -> String {
    let calls = output.tool_calls.iter().map(|call| format!("{}({})", call.name, call.arguments));
    let text = Some(output.text.clone()).filter(|text| !text.is_empty());
    cut(&text.into_iter().chain(calls).collect::<Vec<_>>().join("\n"))
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
