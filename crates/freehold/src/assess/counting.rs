//! Counts cases in their order: one counts only when all before it are in, so that who answers first cannot bias anything.

use freehold_evidence::check::Score;
use freehold_evidence::sequential::{self, Watch};
use freehold_evidence::{Pair, Rule, Verdict};
use freehold_store::Replay;

use super::cases::{Case, Chosen, output};
use super::design::Design;
use super::plan::Plan;
use super::replay::Replays;
use super::sequence::share_of_way;

/// Told after every replay that is kept.
pub type Progress = dyn Fn(&Standing) + Send + Sync;

/// How far an assessment is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Cases counted.
    pub counted: u64,
    /// Cases that will be counted at most.
    pub cases: u64,
    /// The evidence so far, as shares of what decides; `None` where it is looked at only in the end.
    pub evidence: Option<Evidence>,
}

/// How near a decision is: 1 decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// For adequate.
    pub adequate: f64,
    /// For not adequate.
    pub not_adequate: f64,
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
    watching: Option<Watching>,
    /// The verdict of the last planned look.
    looked: Verdict,
}

/// What is watched on the way.
struct Watching {
    rule: Rule,
    whole: Watch,
    /// Stops when the evidence holds beside other steps, where the verdict is corrected for their number.
    beside: Option<Watch>,
}

impl<'a> Counting<'a> {
    pub(super) fn new(chosen: &'a Chosen, plan: &'a Plan, progress: &'a Progress) -> Self {
        let watching = match &plan.design {
            Design::Once { .. } | Design::Planned(_) => None,
            Design::Always(always) => Some(Watching {
                rule: plan.rule,
                whole: always.test.watch(&plan.rule),
                beside: plan.across.as_ref().and_then(|family| family.watch(always, &plan.rule)),
            }),
        };
        Counting { chosen, plan, progress, units: 0, scores: Vec::new(), watching, looked: Verdict::Undecided }
    }

    /// Counts every unit whose cases are all in, up to the first that is not, or until enough is known.
    pub(super) fn advance(&mut self, replays: &Replays) -> anyhow::Result<()> {
        while let Some(end) = self.next_end().filter(|_| !self.is_over()) {
            let begin = self.scores.len();
            let cases = &self.chosen.cases[begin..end];
            if !cases.iter().all(|case| self.is_in(case, replays)) {
                break;
            }
            self.scores.extend(cases.iter().map(|case| score(self.plan, case, replays)));
            self.units += 1;
            if let Some(watching) = &mut self.watching {
                watching.observe(mean(&self.scores[begin..]))?;
            }
            self.look()?;
        }
        (self.progress)(&Standing {
            counted: self.scores.len() as u64,
            cases: self.chosen.cases.len() as u64,
            evidence: self.watching.as_ref().map(Watching::evidence),
        });
        Ok(())
    }

    /// Looks, where it was planned for this number of units.
    fn look(&mut self) -> anyhow::Result<()> {
        if let Design::Planned(planned) = &self.plan.design
            && planned.at().contains(&self.units)
        {
            let pairs: Vec<Pair> = self.chosen.cases.iter().zip(&self.scores).map(|(case, s)| pair(case, s)).collect();
            self.looked = planned.decide(&pairs)?.verdict;
        }
        Ok(())
    }

    /// Returns whether nothing more is to be counted: where subsets are declared, which are decided on all cases, only
    /// `not_adequate` ends it before; where the verdict must hold beside other steps, `adequate` waits until it does.
    pub(super) fn is_over(&self) -> bool {
        let verdict = self.watching.as_ref().map_or(self.looked, |watching| watching.whole.verdict());
        let is_decided = match verdict {
            Verdict::NotAdequate => true,
            Verdict::Adequate => {
                self.plan.divided.is_empty() && self.watching.as_ref().is_none_or(Watching::holds_beside)
            }
            Verdict::Undecided => false,
        };
        self.next_end().is_none() || is_decided
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

impl Watching {
    fn observe(&mut self, difference: f64) -> Result<(), sequential::Error> {
        self.whole.observe(difference)?;
        self.beside.as_mut().map(|watch| watch.observe(difference)).transpose()?;
        Ok(())
    }

    fn holds_beside(&self) -> bool {
        self.beside.as_ref().is_none_or(|watch| watch.verdict() != Verdict::Undecided)
    }

    fn evidence(&self) -> Evidence {
        let state = self.whole.state();
        let level = -(1.0 - self.rule.confidence()).ln();
        let share = |log: f64| (log / level).clamp(0.0, 1.0);
        match (state.log_evidence_adequate, state.log_evidence_not_adequate) {
            (Some(adequate), Some(not_adequate)) => {
                Evidence { adequate: share(adequate), not_adequate: share(not_adequate) }
            }
            _ => {
                let way = share_of_way(&state, &self.rule);
                let is_above = state.difference > -self.rule.margin();
                Evidence { adequate: if is_above { way } else { 0.0 }, not_adequate: if is_above { 0.0 } else { way } }
            }
        }
    }
}

/// Returns the pair of scores that enters the decision.
pub(super) fn pair(case: &Case, scores: &Scores) -> Pair {
    Pair {
        case: case.call.id.clone(),
        incumbent: scores.incumbent(),
        candidate: scores.candidate.value,
        cluster: case.call.run.clone(),
    }
}

fn mean(unit: &[Scores]) -> f64 {
    unit.iter().map(Scores::difference).sum::<f64>() / unit.len() as f64
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
