//! Counts cases in their order: one counts only when all before it are in, so that who answers first cannot bias anything.

use freehold_evidence::check::Score;
use freehold_store::Replay;

use super::cases::{Case, Chosen, output};
use super::plan::Plan;
use super::replay::Replays;

/// Told after every replay that is kept.
pub type Progress = dyn Fn(&Standing) + Send + Sync;

/// How far an assessment is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Cases counted.
    pub counted: u64,
    /// Cases that will be counted at most.
    pub cases: u64,
}

/// How one case was scored.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    /// The recorded answer.
    pub(super) recorded: f64,
    /// The incumbent asked again, where it was.
    pub(super) rerun: Option<f64>,
    pub(super) candidate: Score,
}

impl Scores {
    /// Returns the incumbent's score that enters the difference: what it reaches when asked again, where it was.
    pub(super) fn incumbent(&self) -> f64 {
        self.rerun.unwrap_or(self.recorded)
    }

    pub(super) fn difference(&self) -> f64 {
        self.candidate.value - self.incumbent()
    }
}

/// The counting of an assessment's cases.
pub(super) struct Counting<'a> {
    chosen: &'a Chosen,
    plan: &'a Plan,
    progress: &'a Progress,
    units: usize,
    scores: Vec<Scores>,
}

impl<'a> Counting<'a> {
    pub(super) fn new(chosen: &'a Chosen, plan: &'a Plan, progress: &'a Progress) -> Self {
        Counting { chosen, plan, progress, units: 0, scores: Vec::new() }
    }

    /// Counts every unit whose cases are all in, up to the first that is not, or until enough is known.
    pub(super) fn advance(&mut self, replays: &Replays) {
        while let Some(end) = self.next_end().filter(|_| !self.is_over()) {
            let cases = &self.chosen.cases[self.scores.len()..end];
            if !cases.iter().all(|case| self.is_in(case, replays)) {
                break;
            }
            self.scores.extend(cases.iter().map(|case| score(self.plan, case, replays)));
            self.units += 1;
        }
        (self.progress)(&Standing { counted: self.scores.len() as u64, cases: self.chosen.cases.len() as u64 });
    }

    /// Returns whether nothing more is to be counted.
    pub(super) fn is_over(&self) -> bool {
        self.next_end().is_none()
    }

    /// Returns the first place among the cases that may not be asked yet, `ahead` beyond the unit that is next.
    pub(super) fn limit(&self, ahead: usize) -> usize {
        self.next_end().unwrap_or(self.chosen.cases.len()).saturating_add(ahead)
    }

    /// Returns the scores of the cases counted, in their order.
    pub(super) fn into_scores(self) -> Vec<Scores> {
        self.scores
    }

    fn next_end(&self) -> Option<usize> {
        self.chosen.unit_ends.get(self.units).copied()
    }

    fn is_in(&self, case: &Case, replays: &Replays) -> bool {
        replays.candidate(case).is_some() && (!self.plan.has_rerun || replays.rerun(case).is_some())
    }
}

fn score(plan: &Plan, case: &Case, replays: &Replays) -> Scores {
    let check = &plan.check;
    let of_replay = |replay: Option<&Replay>| match replay.and_then(|replay| replay.answer.as_ref()) {
        Some(answer) => check.score(&output(answer), &case.reference),
        None => {
            Score::failed(replay.and_then(|replay| replay.failure.clone()).unwrap_or_else(|| "no answer".to_owned()))
        }
    };
    Scores {
        recorded: check.score(&output(&case.recorded), &case.reference).value,
        rerun: plan.has_rerun.then(|| of_replay(replays.rerun(case)).value),
        candidate: of_replay(replays.candidate(case)),
    }
}
