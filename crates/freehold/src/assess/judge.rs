//! A model as the judge of an assessment: it compares both answers of each case in both orders, and is held against people.
//!
//! It decides on a fixed sample, that of the labels where there are some, and never alone that a candidate is adequate.

mod asking;
pub(crate) mod ballot;
mod draw;
mod found;
mod prompt;
mod remarks;
mod weigh;

use std::time::Instant;

use freehold_engine::Engine;
use freehold_evidence::Rule;
use freehold_evidence::judge::Gate;
use freehold_store::{AssessmentHead, Store};
use freehold_wire::{Api, ReferenceKind, Usage};
use serde_json::{Value, json};

use self::asking::Verdicts;
use self::draw::Draw;
use self::found::Found;
use super::ask::{self, Arms, Asked};
use super::cases::{self, Chosen};
use super::design::Looks;
use super::plan::{self, Plan, Question, Rerun};
use super::replay::Replays;
use super::result::{Examined, JudgeResult};
use super::score::Judged;
use super::{Assessor, Draft, Progress, Took, Trial, ledger, result_of, seals};
use crate::certificate::Signer;
use crate::exit::Fault;
use crate::names::Target;

/// Returns the name of the judge that a check names.
pub(super) fn named(check: &str) -> Option<&str> {
    check.strip_prefix("judge:")
}

/// Assesses one candidate by a judge, up to the verdict of this step by itself.
pub(super) async fn draft(
    assessor: &Assessor<'_>,
    question: &Question,
    judge: &str,
    progress: &Progress,
) -> anyhow::Result<Draft> {
    let target = Target::parse(&question.candidate, assessor.settings)?;
    let who = Target::parse(judge, assessor.settings)?;
    if question.reference.is_some_and(|kind| kind != ReferenceKind::Incumbent) {
        return Err(Fault::input("a judge compares two answers and takes no reference")
            .hint("leave --reference out; labels of pairs are taken where there are some")
            .into());
    }
    let draw = Draw::of(assessor.store, &question.step, &question.candidate)?;
    let drawn = draw.as_ref().map(|draw| draw.cases(assessor.store)).transpose()?;
    let question = &Question {
        check: None,
        reference: Some(ReferenceKind::Incumbent),
        rerun: Rerun::Never,
        looks: Looks::Once,
        cases_max: drawn.as_ref().map_or(question.cases_max, |cases| cases.len().max(1)),
        ..question.clone()
    };
    let chosen = cases::choose_among(assessor.store, question, &target, drawn.as_ref())?;
    refuse_party(&who, &target, &chosen.incumbent)?;
    let engine = assessor.engine();
    let bench = Bench { assessor, trial: Trial { question, target: &target, chosen: &chosen }, who: &who, draw };
    let done = bench.sit(&engine, progress).await;
    engine.shutdown().await;
    done
}

/// Returns the version of a judge's check, as a plan declares it.
pub(super) fn check_version(plan: &Value) -> String {
    format!("prompt {}", plan["judge"]["prompt"])
}

/// Decides again on what was recorded of an assessment by a judge that was finished at `at_ms`.
pub(super) fn recall(
    store: &Store,
    (head, at_ms): (&AssessmentHead, i64),
    chosen: &Chosen,
    rule: &Rule,
) -> anyhow::Result<(Judged, Examined)> {
    let mut replays = Replays::default();
    store.replays(&head.id)?.into_iter().for_each(|replay| replays.put(replay));
    let verdicts = Verdicts::kept(store, &head.id)?;
    let heard = Heard { replays, verdicts, notes: Vec::new(), wall: std::time::Duration::ZERO };
    let draw = Draw::recalled(store, &head.plan, at_ms)?;
    let found = Found::of(head, chosen, &heard, (draw.as_ref(), rule))?;
    Ok((found.judged(head, chosen, &heard), found.examined(draw.as_ref(), &heard)?))
}

/// A judge of its own cause is none.
fn refuse_party(who: &Target, candidate: &Target, incumbent: &Target) -> Result<(), Fault> {
    let party = [(candidate, "candidate"), (incumbent, "incumbent")];
    match party.into_iter().find(|(party, _)| party.model == who.model) {
        None => Ok(()),
        Some((_, word)) => Err(Fault::input(format!("{who} is the {word} and cannot judge its own answers"))
            .hint("take a judge of neither family")),
    }
}

/// Everything that sits in judgement.
struct Bench<'a> {
    assessor: &'a Assessor<'a>,
    trial: Trial<'a>,
    who: &'a Target,
    draw: Option<Draw>,
}

/// What was answered and said.
struct Heard {
    replays: Replays,
    verdicts: Verdicts,
    notes: Vec<String>,
    wall: std::time::Duration,
}

impl Bench<'_> {
    async fn sit(&self, engine: &Engine, progress: &Progress) -> anyhow::Result<Draft> {
        let Trial { question, target, chosen } = self.trial;
        let settings = self.assessor.settings;
        // Before anything is spent: a key that cannot be used is known now.
        Signer::beside(self.assessor.store)?;
        let (lock, judge_lock) = (plan::lock_of(target, settings)?, plan::lock_of(self.who, settings)?);
        let arms = Arms::prepare(self.assessor, self.trial, engine).await?;
        let client = ask::client(self.assessor)?;
        let judge = Asked::named(self.assessor, self.who, (&client, engine), question.concurrency).await?;
        let mut plan = Plan::of(self.assessor.store, question, chosen, &arms, (chosen.default_check().into(), lock))?;
        let drawn = self.draw.as_ref().map(Draw::declared);
        let identity = json!({"drawn": drawn, "who": self.who.to_string(), "lock": judge_lock, "prompt": prompt::VERSION, "prompt_sha256": prompt::sha256(), "temperature": 0, "again": asking::AGAIN_MAX, "planted": asking::PLANTED_MAX, "gate": Gate::default()});
        plan.judge(&format!("judge:{}", self.who_word()), identity);
        let head = plan.begin(self.assessor.store, question, chosen)?;
        let heard = self.hear(&head, (&arms, &judge), &plan, progress).await?;
        // People may have gone on labelling meanwhile: what they had said by now counts, and can be found again.
        let at_ms = jiff::Timestamp::now().as_millisecond();
        let drawn = self.draw.as_ref().map(|draw| (draw.head.clone(), draw.seed));
        let draw = drawn.map(|drawn| Draw::as_of(self.assessor.store, drawn, at_ms)).transpose()?;
        let found = Found::of(&head, chosen, &heard, (draw.as_ref(), &question.rule))?;
        let told = self.told(&judge_lock, found.examined(draw.as_ref(), &heard)?, &heard.verdicts);
        let mut judged = found.judged(&head, chosen, &heard);
        judged.notes.extend(remarks::of((self.who, &self.who_word()), self.trial, draw.as_ref(), &found));
        judged.notes.extend(heard.notes.iter().cloned());
        let took = Took { wall: heard.wall, replays: &heard.replays, chosen, arms: &arms };
        let mut result = result_of(self.assessor, &head, &plan, judged, &took);
        (result.judge, result.at_ms) = (Some(told), at_ms);
        ledger::tell(self.assessor.store, chosen, &mut result)?;
        let cases = seals::of(chosen, &heard.replays, &result.cases);
        let check_version = check_version(&head.plan);
        Ok(Draft { head, target: target.clone(), check_version, result, cases })
    }

    /// Has the candidate answer and the judge say what it thinks, as far as that is not there yet.
    async fn hear(
        &self,
        head: &AssessmentHead,
        (arms, judge): (&Arms, &Asked),
        plan: &Plan,
        progress: &Progress,
    ) -> anyhow::Result<Heard> {
        let begun = Instant::now();
        let chosen = self.trial.chosen;
        let store = self.assessor.store;
        let mut notes = Vec::new();
        let taken = self.draw.as_ref().map(|draw| draw.take_over(store, head, (chosen, plan))).transpose()?;
        if let Some(taken) = taken.flatten() {
            notes.push(format!(
                "{taken} answers of the candidate are those that people labelled, from the assessment {}",
                self.draw.as_ref().map_or("", |draw| &draw.head.id)
            ));
        }
        let course = asking::Course { store, assessment: &head.id, progress };
        let replays = course.candidate(chosen, arms).await?;
        let apis = self.who.upstream(self.assessor.settings).map_or(&[Api::OpenAiChat][..], |upstream| &upstream.apis);
        let questions = asking::questions(chosen, &replays, apis)?;
        let verdicts = course.verdicts(judge, questions).await?;
        if verdicts.failures > 0 && verdicts.texts.is_empty() {
            let cause = verdicts.failure.unwrap_or_default();
            return Err(Fault::upstream(format!("the judge {} could not be asked: {cause}", self.who)).into());
        }
        Ok(Heard { replays, verdicts, notes, wall: begun.elapsed() })
    }

    /// The name as the user gave it: a model of ours without `engine/`.
    fn who_word(&self) -> String {
        match self.who.own_model(self.assessor.settings) {
            Some(_) => self.who.model.clone(),
            None => self.who.to_string(),
        }
    }

    fn told(&self, lock: &Option<Value>, examined: Examined, verdicts: &Verdicts) -> JudgeResult {
        let usd = |usages: &[Usage]| {
            let tariff = self.assessor.prices.current(&self.who.upstream, &self.who.model)?;
            let costs: Option<Vec<u64>> = usages.iter().map(|usage| tariff.cost_microusd(usage)).collect();
            costs.filter(|costs| !costs.is_empty()).map(|costs| costs.iter().sum::<u64>() as f64 / 1e6)
        };
        JudgeResult {
            judge: self.who_word(),
            lock: lock.clone(),
            prompt: prompt::VERSION,
            prompt_sha256: prompt::sha256(),
            examined,
            asked: verdicts.asked,
            resumed: verdicts.resumed,
            failures: verdicts.failures,
            input_tokens: verdicts.usages.iter().map(|usage| usage.input).sum(),
            output_tokens: verdicts.usages.iter().map(|usage| usage.output).sum(),
            usd: usd(&verdicts.usages),
        }
    }
}
