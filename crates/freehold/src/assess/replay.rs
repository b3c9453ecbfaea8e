//! Runs the arms over the cases in their order with bounded concurrency, keeps every replay as it comes, and stops as
//! soon as the counting says that enough is known.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use freehold_store::{Replay, Store};
use freehold_wire::Answer;
use futures_util::future::{self, Either};
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, watch};

use super::ask::{Arms, Asked, Asking};
use super::busy::Busy;
use super::cases::{Case, Chosen};
use super::counting::Counting;

pub(crate) const CANDIDATE: &str = "candidate";
pub(super) const RERUN: &str = "rerun";

/// Replays that wait to be kept.
const UNKEPT_MAX: usize = 256;

/// How many cases an arm may be ahead of what is counted, as a multiple of what is in flight at once.
///
/// The faster arm would else run to the end while the slower one decides; twice leaves nobody idle for one slow answer.
const AHEAD: usize = 2;

/// All replays of an assessment, by case.
#[derive(Debug, Default)]
pub(super) struct Replays {
    candidate: HashMap<String, Replay>,
    rerun: HashMap<String, Replay>,
    /// Generations asked for now, of the candidate and of the incumbent; those in flight when it was decided included.
    pub(super) asked: [u64; 2],
    /// Replays found done, of the candidate and of the incumbent.
    pub(super) resumed: [u64; 2],
    /// Time in which the candidate had something to do, and the cases it answered in it; only what was asked for now.
    pub(super) candidate_busy: Option<(std::time::Duration, u64)>,
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

    /// Takes a replay in.
    pub(super) fn put(&mut self, replay: Replay) {
        let arm = match replay.arm.as_str() {
            CANDIDATE => &mut self.candidate,
            RERUN => &mut self.rerun,
            // A judge's words are no answers to the case.
            _ => return,
        };
        arm.insert(replay.case.clone(), replay);
    }
}

/// What is replayed for which assessment.
pub(super) struct Course<'a> {
    pub(super) store: &'a Store,
    pub(super) assessment: &'a str,
    pub(super) chosen: &'a Chosen,
    pub(super) arms: &'a Arms,
}

/// Replays what is not there yet, until the counting has come to an end.
pub(super) async fn run(course: &Course<'_>, counting: &mut Counting<'_>) -> anyhow::Result<Replays> {
    let mut replays = Replays::default();
    for replay in course.store.replays(course.assessment)? {
        replays.put(replay);
    }
    replays.resumed = [replays.candidate.len() as u64, replays.rerun.len() as u64];
    counting.advance(&replays)?;
    if counting.is_over() {
        return Ok(replays);
    }
    let (busy, asked) = (Busy::default(), [AtomicU64::new(0), AtomicU64::new(0)]);
    ask_and_keep(course, counting, &mut replays, (&busy, &asked)).await?;
    replays.asked = asked.map(AtomicU64::into_inner);
    replays.candidate_busy = busy.figures();
    Ok(replays)
}

async fn ask_and_keep(
    course: &Course<'_>,
    counting: &mut Counting<'_>,
    replays: &mut Replays,
    (busy, asked): (&Busy, &[AtomicU64; 2]),
) -> anyhow::Result<()> {
    let (gate, open) = watch::channel(counting.limit(course.ahead()));
    let (sender, receiver) = mpsc::channel(UNKEPT_MAX);
    let lane = |arm, asked, busy| Lane { arm, asked, busy, open: open.clone(), sender: sender.clone() };
    let (candidate, rerun) = (lane(CANDIDATE, &asked[0], Some(busy)), lane(RERUN, &asked[1], None));
    drop((sender, open));
    let candidate = candidate.ask(&course.arms.candidate, course.left(|case| replays.candidate(case).is_none()));
    let rerun_left = course.left(|case| replays.rerun(case).is_none());
    let rerun = async {
        if let Some(asked) = &course.arms.rerun {
            rerun.ask(asked, rerun_left).await;
        }
    };
    let asking = pin!(future::join(candidate, rerun));
    let keeping = pin!(keep(course, counting, replays, (receiver, gate)));
    match future::select(asking, keeping).await {
        Either::Left((_, keeping)) => keeping.await,
        // Decided, or not to be kept: what is in flight is dropped with its future, which cancels it.
        Either::Right((kept, _)) => kept,
    }
}

impl Course<'_> {
    fn left(&self, is_left: impl Fn(&Case) -> bool) -> Vec<(usize, &Case)> {
        self.chosen.cases.iter().enumerate().filter(|(_, case)| is_left(case)).collect()
    }

    fn ahead(&self) -> usize {
        let rerun = self.arms.rerun.as_ref().map_or(0, Asked::concurrency);
        AHEAD * self.arms.candidate.concurrency().max(rerun)
    }
}

/// One arm on its way through the cases.
struct Lane<'a> {
    arm: &'static str,
    asked: &'a AtomicU64,
    busy: Option<&'a Busy>,
    /// The first place among the cases that may not be asked yet.
    open: watch::Receiver<usize>,
    sender: mpsc::Sender<Replay>,
}

impl Lane<'_> {
    async fn ask(self, asked: &Asked, cases: Vec<(usize, &Case)>) {
        let lane = &self;
        let mut asking = stream::iter(cases)
            .map(|(place, case)| async move { (case, lane.ask_one(asked, place, case).await) })
            .buffer_unordered(asked.concurrency());
        while let Some((case, asking)) = asking.next().await {
            if lane.sender.send(replay(case, lane.arm, asking)).await.is_err() {
                return;
            }
        }
    }

    async fn ask_one(&self, asked: &Asked, place: usize, case: &Case) -> Asking {
        // A closed gate has nobody behind it who counts any more; this future is about to be dropped.
        let _closed = self.open.clone().wait_for(|limit| place < *limit).await.is_err();
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _at_work = self.busy.map(Busy::begin);
        asked.ask(case).await
    }
}

/// Returns what came of asking as it is kept.
pub(super) fn replay(case: &Case, arm: &str, asking: Asking) -> Replay {
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

/// Writes replays on a thread that may block, and counts those that are written.
async fn keep(
    course: &Course<'_>,
    counting: &mut Counting<'_>,
    replays: &mut Replays,
    (mut receiver, gate): (mpsc::Receiver<Replay>, watch::Sender<usize>),
) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, UNKEPT_MAX).await > 0 {
        let (store, assessment) = (course.store.clone(), course.assessment.to_owned());
        let written = std::mem::take(&mut batch);
        let written =
            tokio::task::spawn_blocking(move || store.add_replays(&assessment, &written).map(|()| written)).await??;
        written.into_iter().for_each(|replay| replays.put(replay));
        counting.advance(replays)?;
        if counting.is_over() {
            return Ok(());
        }
        gate.send_replace(counting.limit(course.ahead()));
    }
    Ok(())
}
