//! Runs the arms over the cases with bounded concurrency, and keeps every replay as it comes.

use std::collections::HashMap;

use freehold_store::{Replay, Store};
use freehold_wire::Answer;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;

use super::ask::{Arms, Asked, Asking};
use super::cases::{Case, Chosen};

pub(super) const CANDIDATE: &str = "candidate";
pub(super) const RERUN: &str = "rerun";

/// Replays that wait to be kept.
const UNKEPT_MAX: usize = 256;

/// Told after every replay: how many are done, and of how many.
pub type Progress = dyn Fn(u64, u64) + Send + Sync;

/// All replays of an assessment, by case.
#[derive(Debug, Default)]
pub(super) struct Replays {
    candidate: HashMap<String, Replay>,
    rerun: HashMap<String, Replay>,
    /// Generations asked for now.
    pub(super) asked: u64,
    /// Replays found done.
    pub(super) resumed: u64,
    /// Wall time of the candidate's arm, and the cases in it; only what was asked for now.
    pub(super) candidate_wall: Option<(std::time::Duration, usize)>,
}

impl Replays {
    pub(super) fn candidate(&self, case: &Case) -> Option<&Replay> {
        self.candidate.get(&case.call.id)
    }

    pub(super) fn rerun(&self, case: &Case) -> Option<&Replay> {
        self.rerun.get(&case.call.id)
    }

    /// Returns the candidate's answers.
    pub(super) fn candidate_answers(&self) -> impl Iterator<Item = &Answer> {
        self.candidate.values().filter_map(|replay| replay.answer.as_ref())
    }

    fn put(&mut self, replay: Replay) {
        let arm = if replay.arm == RERUN { &mut self.rerun } else { &mut self.candidate };
        arm.insert(replay.case.clone(), replay);
    }
}

/// Replays what is not there yet.
pub(super) async fn run(
    store: &Store,
    assessment: &str,
    chosen: &Chosen,
    arms: &Arms,
    progress: &Progress,
) -> anyhow::Result<Replays> {
    let mut replays = Replays::default();
    for replay in store.replays(assessment)? {
        replays.put(replay);
    }
    replays.resumed = (replays.candidate.len() + replays.rerun.len()) as u64;
    let candidate_left: Vec<&Case> = chosen.cases.iter().filter(|case| replays.candidate(case).is_none()).collect();
    let rerun_left: Vec<&Case> = match arms.rerun {
        Some(_) => chosen.cases.iter().filter(|case| replays.rerun(case).is_none()).collect(),
        None => Vec::new(),
    };
    replays.asked = (candidate_left.len() + rerun_left.len()) as u64;
    let (sender, receiver) = mpsc::channel(UNKEPT_MAX);
    let count = candidate_left.len();
    let asking = async {
        let begun = std::time::Instant::now();
        let candidate = async {
            ask_all(&arms.candidate, CANDIDATE, candidate_left, sender.clone()).await;
            begun.elapsed()
        };
        let rerun = async {
            if let Some(asked) = &arms.rerun {
                ask_all(asked, RERUN, rerun_left, sender.clone()).await;
            }
        };
        let (wall, ()) = tokio::join!(candidate, rerun);
        drop(sender);
        wall
    };
    let keeping = keep(
        store,
        assessment,
        receiver,
        Bar { progress, done: replays.resumed, all: replays.resumed + replays.asked },
    );
    let (wall, kept) = tokio::join!(asking, keeping);
    for replay in kept? {
        replays.put(replay);
    }
    replays.candidate_wall = (count > 0).then_some((wall, count));
    Ok(replays)
}

async fn ask_all(asked: &Asked, arm: &str, cases: Vec<&Case>, sender: mpsc::Sender<Replay>) {
    let mut asking = stream::iter(cases)
        .map(|case| async move { (case, asked.ask(case).await) })
        .buffer_unordered(asked.concurrency());
    while let Some((case, asking)) = asking.next().await {
        if sender.send(replay(case, arm, asking)).await.is_err() {
            return;
        }
    }
}

fn replay(case: &Case, arm: &str, asking: Asking) -> Replay {
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (answer, failure) = match asking.answer {
        Ok(answer) => (Some(answer), None),
        Err(failure) => (None, Some(failure)),
    };
    Replay {
        case: case.call.id.clone(),
        arm: arm.to_owned(),
        answer,
        failure,
        total_us: us(asking.total),
        first_byte_us: asking.first_byte.map(us),
    }
}

struct Bar<'a> {
    progress: &'a Progress,
    done: u64,
    all: u64,
}

/// Writes replays on a thread that may block, and returns them all at the end.
async fn keep(
    store: &Store,
    assessment: &str,
    mut receiver: mpsc::Receiver<Replay>,
    mut bar: Bar<'_>,
) -> anyhow::Result<Vec<Replay>> {
    let mut kept = Vec::new();
    let mut batch = Vec::new();
    (bar.progress)(bar.done, bar.all);
    while receiver.recv_many(&mut batch, UNKEPT_MAX).await > 0 {
        let (store, assessment) = (store.clone(), assessment.to_owned());
        let written = std::mem::take(&mut batch);
        bar.done += written.len() as u64;
        let written =
            tokio::task::spawn_blocking(move || store.add_replays(&assessment, &written).map(|()| written)).await??;
        kept.extend(written);
        (bar.progress)(bar.done, bar.all);
    }
    Ok(kept)
}
