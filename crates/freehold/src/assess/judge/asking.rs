//! Asks the candidate and the judge what is not there yet, and keeps every answer as it comes.

use std::collections::HashMap;

use freehold_evidence::Output;
use freehold_evidence::judge::Comparison;
use freehold_store::{Replay, Store};
use freehold_wire::{Api, Usage};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::super::ask::{Arms, Asked};
use super::super::cases::{Case, Chosen, output};
use super::super::counting::{Progress, Standing};
use super::super::replay::{self, CANDIDATE, Replays};
use super::super::seals;
use super::{prompt, weigh};
use crate::exit::Fault;
use crate::label::queue;

/// The judge's words with the candidate's answer in the first place, and in the second.
pub(super) const ASKED: [&str; 2] = ["judge:candidate_first", "judge:candidate_second"];
/// The same when it is asked all over again.
pub(super) const AGAIN: [&str; 2] = ["judge:again_first", "judge:again_second"];
/// Its words on a planted pair, in which the answer that is known to be bad stands in the candidate's place.
pub(super) const PLANTED: [&str; 2] = ["judge:planted_first", "judge:planted_second"];

/// Pairs that it is asked about again, and planted pairs; all are the first of the random order.
pub(super) const AGAIN_MAX: usize = 30;
pub(super) const PLANTED_MAX: usize = 20;

/// Answers that are written in one transaction.
const BATCH_MAX: usize = 64;

/// What is asked for which assessment.
pub(super) struct Course<'a> {
    pub(super) store: &'a Store,
    pub(super) assessment: &'a str,
    pub(super) progress: &'a Progress,
}

/// What the judge said.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// Its words, by case and order.
    pub(super) texts: HashMap<(String, &'static str), String>,
    pub(super) usages: Vec<Usage>,
    pub(super) asked: u64,
    pub(super) resumed: u64,
    pub(super) failures: u64,
    /// The first failure, in words.
    pub(super) failure: Option<String>,
}

/// One thing to ask, and under which name the answer is kept.
pub(super) type Task = (&'static str, Case);

/// Returns the questions to the judge, each in both orders: every pair of unlike answers, some of them again, and some pairs
/// of the incumbent's answer and one that is known to be bad.
pub(super) fn questions(chosen: &Chosen, replays: &Replays, apis: &[Api]) -> Result<Vec<Task>, Fault> {
    let (mut tasks, planted, mut again) = (Vec::new(), prompt::planted(), 0);
    let mut ask = |case: &Case, arms: [&'static str; 2], answers: [&Output; 2]| -> Result<(), Fault> {
        let (id, input, [one, other]) = (&case.call.id, queue::turns(&case.request), answers);
        for (arm, answers) in arms.into_iter().zip([[one, other], [other, one]]) {
            tasks.push((arm, prompt::as_case(id, &prompt::of(id, &input, answers), apis)?));
        }
        Ok(())
    };
    for case in chosen.cases.iter().take(PLANTED_MAX) {
        ask(case, PLANTED, [&planted, &output(&case.recorded)])?;
    }
    for case in &chosen.cases {
        let Some(answer) = replays.candidate(case).and_then(|replay| replay.answer.as_ref()) else { continue };
        let (candidate, incumbent) = (output(answer), output(&case.recorded));
        if candidate == incumbent {
            continue;
        }
        ask(case, ASKED, [&candidate, &incumbent])?;
        if again < AGAIN_MAX {
            ask(case, AGAIN, [&candidate, &incumbent])?;
            again += 1;
        }
    }
    Ok(tasks)
}

impl Course<'_> {
    /// Has the candidate answer the cases that it has not answered yet.
    pub(super) async fn candidate(&self, chosen: &Chosen, arms: &Arms) -> anyhow::Result<Replays> {
        let mut replays = Replays::default();
        for replay in self.store.replays(self.assessment)?.into_iter().filter(|replay| replay.arm == CANDIDATE) {
            replays.put(replay);
            replays.resumed[0] += 1;
        }
        let left: Vec<Task> = chosen
            .cases
            .iter()
            .filter(|case| replays.candidate(case).is_none())
            .map(|case| (CANDIDATE, case.clone()))
            .collect();
        replays.asked[0] = left.len() as u64;
        for replay in self.ask_all(&arms.candidate, left).await? {
            replays.put(replay);
        }
        Ok(replays)
    }

    /// Has the judge say what it has not said yet.
    pub(super) async fn verdicts(&self, judge: &Asked, mut tasks: Vec<Task>) -> anyhow::Result<Verdicts> {
        let mut verdicts = Verdicts::kept(self.store, self.assessment)?;
        verdicts.resumed = verdicts.texts.len() as u64;
        tasks.retain(|(arm, case)| !verdicts.texts.contains_key(&(case.call.id.clone(), *arm)));
        verdicts.asked = tasks.len() as u64;
        for replay in self.ask_all(judge, tasks).await? {
            verdicts.take(replay);
        }
        Ok(verdicts)
    }

    async fn ask_all(&self, asked: &Asked, tasks: Vec<Task>) -> anyhow::Result<Vec<Replay>> {
        let all = tasks.len() as u64;
        let mut asking = stream::iter(tasks)
            .map(|(arm, case)| async move { replay::replay(&case, arm, asked.ask(&case).await) })
            .buffer_unordered(asked.concurrency())
            .ready_chunks(BATCH_MAX);
        let mut replays = Vec::new();
        while let Some(batch) = asking.next().await {
            let (store, assessment) = (self.store.clone(), self.assessment.to_owned());
            // A judge that could not be asked is asked again when the assessment goes on.
            let kept: Vec<Replay> =
                batch.iter().filter(|replay| replay.arm == CANDIDATE || replay.answer.is_some()).cloned().collect();
            tokio::task::spawn_blocking(move || store.add_replays(&assessment, &kept)).await??;
            replays.extend(batch);
            (self.progress)(&Standing { counted: replays.len() as u64, cases: all, evidence: None });
        }
        Ok(replays)
    }
}

impl Verdicts {
    /// Returns what was kept of an assessment.
    pub(super) fn kept(store: &Store, assessment: &str) -> anyhow::Result<Self> {
        let mut verdicts = Verdicts::default();
        store.replays(assessment)?.into_iter().for_each(|replay| verdicts.take(replay));
        Ok(verdicts)
    }

    /// Returns what the judge said under two names, one for each order; `None` where it was not asked.
    pub(super) fn comparison(&self, case: &str, arms: [&'static str; 2]) -> Option<Comparison> {
        let [first, second] = arms.map(|arm| self.texts.get(&(case.to_owned(), arm)).map(String::as_str));
        (first.is_some() || second.is_some()).then(|| weigh::comparison(first, second))
    }

    /// Returns the digest of all its words: of their canonical JSON, a list of `[case, order, words]` sorted by both.
    pub(super) fn digest(&self) -> String {
        let mut said: Vec<_> = self.texts.iter().map(|((case, arm), text)| (case, *arm, text)).collect();
        said.sort_unstable();
        seals::of_value(&json!(said))
    }

    fn take(&mut self, replay: Replay) {
        let mut arms = ASKED.into_iter().chain(AGAIN).chain(PLANTED);
        let Some(arm) = arms.find(|arm| *arm == replay.arm) else { return };
        match replay.answer {
            Some(answer) => {
                self.usages.extend(answer.usage);
                self.texts.insert((replay.case, arm), answer.text);
            }
            None => {
                self.failures += 1;
                self.failure = self.failure.take().or(replay.failure);
            }
        }
    }
}
