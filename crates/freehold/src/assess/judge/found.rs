//! What a judge's recorded words and people's labels came to: worked out when an assessment ends, and again to verify it.

use freehold_evidence::Rule;
use freehold_evidence::judge::Gate;
use freehold_store::AssessmentHead;
use serde_json::{Value, json};

use super::super::cases::{Case, Chosen, output};
use super::super::replay::Replays;
use super::super::result::{Arms, CaseResult, Disagreement, Examined, Failures, Judgement, Named, Row};
use super::super::score::{self, Judged};
use super::super::seals;
use super::super::subsets::{self, Divider};
use super::draw::{self, Counted, Draw};
use super::weigh::{self, Weighed, Weight, Word};
use super::{Heard, asking};
use crate::label::queue;

/// Everything that follows from what was answered, judged and labelled.
pub(super) struct Found {
    pub(super) weighed: Vec<Weighed>,
    pub(super) counted: Counted,
    pub(super) weight: Weight,
}

/// Returns the gate that a plan declares.
fn gate(plan: &Value) -> anyhow::Result<Gate> {
    match &plan["judge"]["gate"] {
        Value::Null => Ok(Gate::default()),
        declared => Ok(serde_json::from_value(declared.clone())?),
    }
}

impl Found {
    /// Works it out, by the gate that the plan declares.
    pub(super) fn of(
        head: &AssessmentHead,
        chosen: &Chosen,
        heard: &Heard,
        (draw, rule): (Option<&Draw>, &Rule),
    ) -> anyhow::Result<Self> {
        let pair = |case: &Case| draw::Pair {
            case: case.call.id.clone(),
            about: [queue::sha256(&output(&case.recorded)), queue::sha256(&answer_of(case, &heard.replays))],
        };
        let pairs: Vec<draw::Pair> = chosen.cases.iter().map(pair).collect();
        let counted = draw.map(|draw| draw.counted(&pairs)).unwrap_or_default();
        let weighed: Vec<Weighed> = chosen.cases.iter().map(|case| weighed(case, heard, &counted)).collect();
        let dividers: Vec<Divider> = serde_json::from_value(head.plan["subsets"].clone())?;
        let divided = subsets::divide(&dividers, &chosen.cases);
        let weight = weigh::weigh(&weighed, &divided, rule, &gate(&head.plan)?)?;
        Ok(Found { weighed, counted, weight })
    }

    /// Returns how the judge was examined, and by how many labels.
    pub(super) fn examined(&self, draw: Option<&Draw>, heard: &Heard) -> anyhow::Result<Examined> {
        Ok(Examined {
            figures: serde_json::to_value(&self.weight.figures)?,
            words_sha256: heard.verdicts.digest(),
            refusals: self.weight.refusals.clone(),
            same: self.weighed.iter().filter(|one| one.word == Word::Same).count() as u64,
            labels: self.counted.said.len() as u64,
            labels_sha256: draw.map_or_else(|| seals::of_value(&json!([])), |draw| self.counted.digest(draw)),
            labels_left_out: self.counted.left_out as u64,
            people: self.counted.people.len() as u64,
            labels_seed: draw.map(|draw| draw.seed),
            weight: self.weight.weight,
        })
    }

    /// Returns the decision with its row, scores and disagreements.
    pub(super) fn judged(&self, head: &AssessmentHead, chosen: &Chosen, heard: &Heard) -> Judged {
        let named = Named {
            step: head.step.clone(),
            candidate: head.candidate.clone(),
            incumbent: chosen.incumbent.to_string(),
            reference: if self.weight.weight.is_some() { "label" } else { "incumbent" }.to_owned(),
            check: head.plan["check"].as_str().unwrap_or_default().to_owned(),
        };
        let scores: Vec<(f64, f64)> = self.weighed.iter().map(Weighed::scores).collect();
        let mean = |value: fn(&(f64, f64)) -> f64| scores.iter().map(value).sum::<f64>() / scores.len().max(1) as f64;
        let failed = |case: &&Case| heard.replays.candidate(case).is_none_or(|replay| replay.answer.is_none());
        let failures = Failures {
            candidate: chosen.cases.iter().filter(failed).count() as u64,
            rerun: 0,
            example: chosen.cases.iter().find_map(|case| heard.replays.candidate(case)?.failure.clone()),
        };
        Judged {
            row: Row::of(&self.weight.decision, named),
            arms: Arms { recorded: mean(|pair| pair.0), rerun: None, candidate: mean(|pair| pair.1) },
            failures,
            subsets: self.weight.subsets.clone(),
            notes: self.weight.decision.notes.clone(),
            cases: chosen.cases.iter().zip(&self.weighed).map(|(case, one)| case_result(case, one, heard)).collect(),
            disagreements: disagreements(chosen, &scores, heard),
        }
    }
}

/// Returns what the candidate answered, or what stands in its place, as people were shown it.
fn answer_of(case: &Case, replays: &Replays) -> freehold_evidence::Output {
    queue::candidate_answer(replays.candidate(case).and_then(|replay| replay.answer.as_ref()))
}

fn weighed(case: &Case, heard: &Heard, counted: &Counted) -> Weighed {
    let (incumbent, candidate) = (output(&case.recorded), answer_of(case, &heard.replays));
    let texts = (score::shown(&candidate), score::shown(&incumbent));
    let is_answered = heard.replays.candidate(case).is_some_and(|replay| replay.answer.is_some());
    let said = |arms| heard.verdicts.comparison(&case.call.id, arms);
    let asked = said(asking::ASKED);
    let word = if !is_answered {
        Word::NoAnswer
    } else if incumbent == candidate {
        Word::Same
    } else {
        Word::Asked(asked.unwrap_or_else(|| weigh::comparison(None, None)))
    };
    let lengths = (texts.0.chars().count() as f64, texts.1.chars().count() as f64);
    let judgement = Judgement {
        asked: match word {
            Word::Asked(comparison) => Some(comparison),
            Word::Same | Word::NoAnswer => None,
        },
        again: said(asking::AGAIN),
        planted: said(asking::PLANTED),
        person: counted.person(&case.call.id, word),
    };
    Weighed { case: case.call.id.clone(), cluster: case.call.run.clone(), word, judgement, lengths, texts }
}

fn case_result(case: &Case, one: &Weighed, heard: &Heard) -> CaseResult {
    let (incumbent, candidate) = one.scores();
    let recorded_us = case.call.timings.total_us;
    CaseResult {
        case: case.call.id.clone(),
        cluster: case.call.run.clone(),
        incumbent,
        candidate,
        recorded_ms: (recorded_us > 0).then_some(recorded_us as f64 / 1e3),
        candidate_ms: heard.replays.candidate(case).map(|replay| replay.total_us as f64 / 1e3),
        judgement: Some(one.judgement),
    }
}

fn disagreements(chosen: &Chosen, scores: &[(f64, f64)], heard: &Heard) -> Vec<Disagreement> {
    let mut worse: Vec<(&Case, (f64, f64))> =
        chosen.cases.iter().zip(scores.iter().copied()).filter(|(_, scores)| scores.1 < scores.0).collect();
    worse.sort_by(|one, other| one.1.1.total_cmp(&other.1.1));
    let told = |(case, (incumbent, candidate)): (&Case, (f64, f64))| Disagreement {
        case: case.call.id.clone(),
        input: score::cut(&case.request.messages.last().map(freehold_wire::Message::text).unwrap_or_default()),
        reference: score::shown(&output(&case.recorded)),
        rerun: None,
        candidate: score::shown(&answer_of(case, &heard.replays)),
        incumbent_score: incumbent,
        candidate_score: candidate,
        reason: heard.verdicts.texts.get(&(case.call.id.clone(), asking::ASKED[0])).map(|text| score::cut(text)),
    };
    worse.into_iter().take(score::DISAGREEMENTS_MAX).map(told).collect()
}
