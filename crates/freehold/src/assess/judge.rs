//! A model as the judge of an assessment: it compares both answers of each case in both orders, and is held against people.
//!
//! It decides on a fixed sample, that of the labels where there are some, and never alone that a candidate is adequate.

mod asking;
mod draw;
mod prompt;
mod weigh;

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use freehold_engine::Engine;
use freehold_evidence::ppi::LABELS_FEW;
use freehold_store::AssessmentHead;
use freehold_wire::{Api, ReferenceKind, Usage};
use serde_json::{Value, json};

use self::asking::Verdicts;
use self::draw::{Counted, Draw};
use self::weigh::{Weighed, Weight, Word};
use super::ask::{self, Arms, Asked};
use super::cases::{self, Case, Chosen, output};
use super::design::Looks;
use super::plan::{self, Plan, Question, Rerun};
use super::replay::Replays;
use super::result::{self, AssessmentResult, CaseResult, Disagreement, Failures, JudgeResult, Named, Row};
use super::score::{self, Judged};
use super::{Assessor, Progress, Took, Trial, ledger, result_of};
use crate::exit::Fault;
use crate::label::queue;
use crate::names::Target;
use crate::report::figures::score as share;

/// Returns the name of the judge that a check names.
pub(super) fn named(check: &str) -> Option<&str> {
    check.strip_prefix("judge:")
}

/// Assesses one candidate by a judge.
pub(super) async fn assess(
    assessor: &Assessor<'_>,
    question: &Question,
    judge: &str,
    progress: &Progress,
) -> anyhow::Result<AssessmentResult> {
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
    async fn sit(&self, engine: &Engine, progress: &Progress) -> anyhow::Result<AssessmentResult> {
        let Trial { question, target, chosen } = self.trial;
        let settings = self.assessor.settings;
        let (lock, judge_lock) = (plan::lock_of(target, settings)?, plan::lock_of(self.who, settings)?);
        let arms = Arms::prepare(self.assessor, self.trial, engine).await?;
        let client = ask::client(self.assessor)?;
        let judge = Asked::named(self.assessor, self.who, (&client, engine), question.concurrency).await?;
        let mut plan = Plan::of(self.assessor.store, question, chosen, &arms, (chosen.default_check().into(), lock))?;
        let identity = json!({"who": self.who.to_string(), "lock": judge_lock, "prompt": prompt::VERSION, "prompt_sha256": prompt::sha256(), "temperature": 0});
        plan.judge(&format!("judge:{}", self.who_word()), identity);
        let head = plan.begin(self.assessor.store, question, chosen)?;
        let heard = self.hear(&head, (&arms, &judge), &plan, progress).await?;
        let weighed: Vec<Weighed> = chosen.cases.iter().map(|case| weighed(case, &heard)).collect();
        let counted = self.counted(&heard);
        let weight = weigh::weigh(&weighed, &counted, &question.rule)?;
        let told = self.told(&judge_lock, (&weight, &counted), (&weighed, &heard.verdicts))?;
        let judged = self.judged((&weight, &counted), &weighed, &heard);
        let took = Took { wall: heard.wall, replays: &heard.replays, chosen, arms: &arms };
        let mut result = result_of(self.assessor, &head, &plan, judged, &took);
        result.judge = Some(told);
        ledger::tell(self.assessor.store, chosen, &mut result)?;
        result.blame();
        self.assessor.store.finish_assessment(&head.id, result.at_ms, &serde_json::to_value(&result)?)?;
        Ok(result)
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

    fn counted(&self, heard: &Heard) -> Counted {
        let pair = |case: &Case| draw::Pair {
            case: case.call.id.clone(),
            about: [queue::sha256(&output(&case.recorded)), queue::sha256(&answer_of(case, &heard.replays))],
        };
        let pairs: Vec<draw::Pair> = self.trial.chosen.cases.iter().map(pair).collect();
        self.draw.as_ref().map(|draw| draw.counted(&pairs)).unwrap_or_default()
    }

    /// The name as the user gave it: a model of ours without `engine/`.
    fn who_word(&self) -> String {
        match self.who.own_model(self.assessor.settings) {
            Some(_) => self.who.model.clone(),
            None => self.who.to_string(),
        }
    }

    fn told(
        &self,
        lock: &Option<Value>,
        (weight, counted): (&Weight, &Counted),
        (weighed, verdicts): (&[Weighed], &Verdicts),
    ) -> anyhow::Result<JudgeResult> {
        let usd = |usages: &[Usage]| {
            let tariff = self.assessor.prices.current(&self.who.upstream, &self.who.model)?;
            let costs: Option<Vec<u64>> = usages.iter().map(|usage| tariff.cost_microusd(usage)).collect();
            costs.filter(|costs| !costs.is_empty()).map(|costs| costs.iter().sum::<u64>() as f64 / 1e6)
        };
        Ok(JudgeResult {
            judge: self.who_word(),
            lock: lock.clone(),
            prompt: prompt::VERSION,
            prompt_sha256: prompt::sha256(),
            figures: serde_json::to_value(&weight.figures)?,
            refusals: weight.refusals.clone(),
            same: weighed.iter().filter(|one| one.word == Word::Same).count() as u64,
            labels: counted.said.len() as u64,
            labels_left_out: counted.left_out as u64,
            people: counted.people.len() as u64,
            labels_seed: self.draw.as_ref().map(|draw| draw.seed),
            weight: weight.weight,
            asked: verdicts.asked,
            resumed: verdicts.resumed,
            failures: verdicts.failures,
            input_tokens: verdicts.usages.iter().map(|usage| usage.input).sum(),
            output_tokens: verdicts.usages.iter().map(|usage| usage.output).sum(),
            usd: usd(&verdicts.usages),
        })
    }

    fn judged(&self, (weight, counted): (&Weight, &Counted), weighed: &[Weighed], heard: &Heard) -> Judged {
        let Trial { question, chosen, .. } = self.trial;
        let named = Named {
            step: question.step.clone(),
            candidate: question.candidate.clone(),
            incumbent: chosen.incumbent.to_string(),
            reference: if weight.by_people { "label" } else { "incumbent" }.to_owned(),
            check: format!("judge:{}", self.who_word()),
        };
        let scores: Vec<(f64, f64)> = weighed.iter().map(|one| weigh::scores(one.word.difference())).collect();
        let mean = |value: fn(&(f64, f64)) -> f64| scores.iter().map(value).sum::<f64>() / scores.len().max(1) as f64;
        let mut notes = weight.decision.notes.clone();
        notes.extend(self.remarks(weight, counted));
        notes.extend(heard.notes.iter().cloned());
        let failed = |case: &&Case| heard.replays.candidate(case).is_none_or(|replay| replay.answer.is_none());
        let failures = Failures {
            candidate: chosen.cases.iter().filter(failed).count() as u64,
            rerun: 0,
            example: chosen.cases.iter().find_map(|case| heard.replays.candidate(case)?.failure.clone()),
        };
        Judged {
            row: Row::of(&weight.decision, named),
            arms: result::Arms { recorded: mean(|pair| pair.0), rerun: None, candidate: mean(|pair| pair.1) },
            failures,
            subsets: Vec::new(),
            notes,
            cases: chosen.cases.iter().zip(&scores).map(|(case, scores)| case_result(case, *scores, heard)).collect(),
            disagreements: disagreements(chosen, &scores, heard),
        }
    }

    /// What must be known of the judge beside its figures.
    fn remarks(&self, weight: &Weight, counted: &Counted) -> Vec<String> {
        let Trial { question, target, chosen } = self.trial;
        let mut notes = vec![told_figures(&self.who_word(), weight)];
        let labels = counted.said.len();
        if labels < LABELS_FEW {
            notes.push(format!(
                "there are {labels} labels of people on cases drawn at random, and a judge makes a candidate adequate only \
                 beside {LABELS_FEW}: freehold label {} --candidate {}",
                question.step, question.candidate
            ));
        }
        if self.draw.as_ref().is_some_and(|draw| draw.is_of_a_part(chosen.cases.len())) {
            notes.push(
                "people were asked about cases of an assessment that stopped as soon as it was decided, which leans towards \
                 what it found; one with --fixed does not"
                    .to_owned(),
            );
        }
        if counted.left_out > 0 {
            notes.push(format!(
                "{} labels are left out: their cases were not drawn in the random order, or they are about other answers",
                counted.left_out
            ));
        }
        for (party, word) in [(target, "candidate"), (&chosen.incumbent, "incumbent")] {
            if let Some(family) = same_family(&self.who.model, &party.model) {
                notes.push(format!(
                    "the judge and the {word} are both of the family {family}; judges favour their own family"
                ));
            }
        }
        if !question.subsets.is_empty() {
            notes.push("subsets are not decided apart by a judge".to_owned());
        }
        notes
    }
}

/// Returns the figures of a judge as a sentence.
fn told_figures(who: &str, weight: &Weight) -> String {
    let figures = &weight.figures;
    let percent = |name: &str, of: Option<freehold_evidence::proportion::Share>| {
        of.map_or(String::new(), |of| {
            format!(", {name} {} ({} to {})", share(of.share), share(of.lower), share(of.upper))
        })
    };
    let people = figures.people.map_or(String::new(), |people| {
        let kappa = people.kappa.map_or(String::new(), |kappa| format!(", kappa {kappa:.2}"));
        format!("{}{kappa}", percent("agreement with people", Some(people.share)))
    });
    let length = figures.length_adjusted.filter(|length| !length.is_extrapolated).map_or(String::new(), |length| {
        format!(
            "; its rate of wins for the candidate is {} as it came and {} at equal lengths",
            share(length.raw),
            share(length.rate)
        )
    });
    format!(
        "the judge {who} saw {} pairs in both orders, {} verdicts could not be read{}{}{people}{length}",
        figures.pairs,
        figures.unreadable,
        percent("same answer in both orders", figures.consistency),
        percent("first place preferred", figures.first_slot)
    )
}

/// Returns the family that both models belong to, by the first word of their names.
fn same_family<'a>(one: &'a str, other: &str) -> Option<&'a str> {
    let family = |name: &'a str| family_of(name);
    let found = family(one)?;
    (Some(found.to_lowercase()) == family_of(other).map(str::to_lowercase)).then_some(found)
}

fn family_of(name: &str) -> Option<&str> {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(|letter: char| !letter.is_alphabetic()).find(|word| !word.is_empty())
}

/// Returns what the candidate answered, or what stands in its place, as people were shown it.
fn answer_of(case: &Case, replays: &Replays) -> freehold_evidence::Output {
    queue::candidate_answer(replays.candidate(case).and_then(|replay| replay.answer.as_ref()))
}

fn weighed(case: &Case, heard: &Heard) -> Weighed {
    let (incumbent, candidate) = (output(&case.recorded), answer_of(case, &heard.replays));
    let texts = (score::shown(&candidate), score::shown(&incumbent));
    let is_answered = heard.replays.candidate(case).is_some_and(|replay| replay.answer.is_some());
    let word = if !is_answered {
        Word::NoAnswer
    } else if incumbent == candidate {
        Word::Same
    } else {
        let said = |arm| heard.verdicts.texts.get(&(case.call.id.clone(), arm)).map(String::as_str);
        Word::Asked(weigh::comparison(said(asking::CANDIDATE_FIRST), said(asking::CANDIDATE_SECOND)))
    };
    let lengths = (texts.0.chars().count() as f64, texts.1.chars().count() as f64);
    Weighed { case: case.call.id.clone(), cluster: case.call.run.clone(), word, lengths, texts }
}

fn case_result(case: &Case, (incumbent, candidate): (f64, f64), heard: &Heard) -> CaseResult {
    let recorded_us = case.call.timings.total_us;
    CaseResult {
        case: case.call.id.clone(),
        cluster: case.call.run.clone(),
        incumbent,
        candidate,
        recorded_ms: (recorded_us > 0).then_some(recorded_us as f64 / 1e3),
        candidate_ms: heard.replays.candidate(case).map(|replay| replay.total_us as f64 / 1e3),
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
        reason: heard.verdicts.texts.get(&(case.call.id.clone(), asking::CANDIDATE_FIRST)).map(|text| score::cut(text)),
    };
    worse.into_iter().take(score::DISAGREEMENTS_MAX).map(told).collect()
}

impl Draw {
    /// Returns the cases that people were asked about or could have been.
    fn cases(&self, store: &freehold_store::Store) -> anyhow::Result<HashSet<String>> {
        let replays = store.replays(&self.head.id)?.into_iter();
        Ok(replays.filter(|replay| replay.arm == super::CANDIDATE).map(|replay| replay.case).collect())
    }

    /// Returns whether the assessment ended before all of its cases were in.
    fn is_of_a_part(&self, cases: usize) -> bool {
        self.head.plan["cases"].as_u64().is_some_and(|planned| (cases as u64) < planned)
    }

    /// Takes over the answers that people saw, where they are of the same candidate; returns how many.
    fn take_over(
        &self,
        store: &freehold_store::Store,
        head: &AssessmentHead,
        (chosen, plan): (&Chosen, &Plan),
    ) -> anyhow::Result<Option<usize>> {
        if self.head.plan.get("lock") != Some(&plan.lock.clone().unwrap_or_default()) {
            return Ok(None);
        }
        let there: HashSet<String> = store.replays(&head.id)?.into_iter().map(|replay| replay.case).collect();
        let wanted: HashMap<&str, ()> = chosen.cases.iter().map(|case| (case.call.id.as_str(), ())).collect();
        let mut taken = store.replays(&self.head.id)?;
        taken.retain(|replay| {
            let is_wanted = wanted.contains_key(replay.case.as_str()) && !there.contains(&replay.case);
            is_wanted && replay.arm == super::CANDIDATE && replay.answer.is_some()
        });
        if !taken.is_empty() {
            store.add_replays(&head.id, &taken)?;
        }
        Ok(Some(taken.len()))
    }
}
