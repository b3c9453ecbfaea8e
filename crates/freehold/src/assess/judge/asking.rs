//! Asks the candidate and the judge what is not there yet, and keeps every answer as it comes.

use std::collections::HashMap;

use freehold_store::{Replay, Store};
use freehold_wire::{Api, Usage};
use futures_util::{StreamExt, stream};

use super::super::ask::{Arms, Asked};
use super::super::cases::{Case, Chosen, output};
use super::super::counting::{Progress, Standing};
use super::super::replay::{self, CANDIDATE, Replays};
use super::prompt;
use crate::exit::Fault;
use crate::label::queue;

/// The judge's words with the candidate's answer in the first place, and in the second.
pub(super) const CANDIDATE_FIRST: &str = "judge:candidate_first";
pub(super) const CANDIDATE_SECOND: &str = "judge:candidate_second";

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

/// Returns the questions to the judge: every pair of unlike answers in both orders.
pub(super) fn questions(chosen: &Chosen, replays: &Replays, apis: &[Api]) -> Result<Vec<Task>, Fault> {
    let mut tasks = Vec::new();
    for case in &chosen.cases {
        let Some(answer) = replays.candidate(case).and_then(|replay| replay.answer.as_ref()) else { continue };
        let (candidate, incumbent) = (output(answer), output(&case.recorded));
        if candidate == incumbent {
            continue;
        }
        let input = queue::turns(&case.request);
        let id = &case.call.id;
        for (arm, answers) in
            [(CANDIDATE_FIRST, [&candidate, &incumbent]), (CANDIDATE_SECOND, [&incumbent, &candidate])]
        {
            tasks.push((arm, prompt::as_case(id, &prompt::of(id, &input, answers), apis)?));
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
        let mut verdicts = Verdicts::default();
        for replay in self.store.replays(self.assessment)? {
            verdicts.take(replay);
        }
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
    fn take(&mut self, replay: Replay) {
        let Some(arm) = [CANDIDATE_FIRST, CANDIDATE_SECOND].into_iter().find(|arm| *arm == replay.arm) else { return };
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
