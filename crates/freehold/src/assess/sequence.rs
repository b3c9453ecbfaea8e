//! The decision of a test that is looked at after every unit: on pairs in the order in which they were counted.

use freehold_evidence::plan::{Prospect, cases_needed};
use freehold_evidence::sequential::{Prior, Sequence, State, Watch};
use freehold_evidence::{Decision, Pair, Rule, Verdict};

/// Chance of a decision that the cases still needed are planned for.
const POWER: f64 = 0.8;
/// More cases than this are not a plan.
const CASES_MAX: f64 = 1_000_000.0;

/// A test that may be looked at after every unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequential {
    pub(super) sequence: Sequence,
    pub(super) prior: Prior,
}

impl Sequential {
    pub(super) fn watch(&self, rule: &Rule) -> Watch {
        Watch::new(self.sequence, rule, &self.prior)
    }

    /// Returns the decision on these pairs, whose cases of one cluster stand together; it rests on those up to the one that
    /// decided, and on none after it.
    pub(super) fn decide(&self, pairs: &[Pair], rule: &Rule) -> Result<Decision, freehold_evidence::sequential::Error> {
        let mut watch = self.watch(rule);
        let (mut used, mut verdict) = (0, Verdict::Undecided);
        let mut units = Vec::new();
        for unit in pairs.chunk_by(|a, b| a.cluster.is_some() && a.cluster == b.cluster) {
            if verdict != Verdict::Undecided {
                break;
            }
            let difference = mean(unit);
            verdict = watch.observe(difference)?;
            units.push(difference);
            used += unit.len();
        }
        Ok(decision(&watch.state(), &pairs[..used], &units, rule))
    }
}

/// Returns where each unit ends among pairs whose cases of one cluster stand together.
pub(super) fn units(pairs: &[Pair]) -> Vec<usize> {
    let units = pairs.chunk_by(|a, b| a.cluster.is_some() && a.cluster == b.cluster);
    let ends = units.scan(0, |end, unit| {
        *end += unit.len();
        Some(*end)
    });
    ends.collect()
}

/// Returns the mean difference of every unit, in their order.
pub(super) fn unit_means(pairs: &[Pair]) -> Vec<f64> {
    pairs.chunk_by(|a, b| a.cluster.is_some() && a.cluster == b.cluster).map(mean).collect()
}

/// Returns the mean difference of a unit, the same in whatever order its cases are.
pub(super) fn mean(unit: &[Pair]) -> f64 {
    unit.iter().map(|pair| pair.candidate - pair.incumbent).sum::<f64>() / unit.len() as f64
}

fn decision(state: &State, pairs: &[Pair], units: &[f64], rule: &Rule) -> Decision {
    let clustered = units.len() < pairs.len();
    let more = (state.verdict == Verdict::Undecided).then(|| more_needed(state, units, rule)).flatten();
    let mut notes = Vec::new();
    if clustered {
        notes.push(format!(
            "the cases of one run count together: the difference is the mean over {} runs, each counting the same",
            units.len()
        ));
    }
    if state.verdict == Verdict::Undecided && more.is_none() {
        notes.push(
            "the observed difference lies too near minus the margin to say how many more cases would decide".to_owned(),
        );
    }
    let differing = pairs.iter().filter(|pair| pair.candidate != pair.incumbent).count();
    Decision {
        n: pairs.len() as u64,
        clusters: units.len() as u64,
        difference: state.difference,
        lower: state.lower,
        upper: state.upper,
        confidence: rule.confidence(),
        margin: rule.margin(),
        verdict: state.verdict,
        more_needed: more.map(|units_more| scaled(units_more, pairs.len(), units.len())),
        method: format!("{}{}", state.method, if clustered { "_clustered" } else { "" }),
        design_effect: 1.0,
        discordance: differing as f64 / pairs.len().max(1) as f64,
        floor_cases: rule.floor_cases(),
        notes,
    }
}

fn scaled(units_more: f64, cases: usize, units: usize) -> u64 {
    (units_more * cases as f64 / units.max(1) as f64).ceil() as u64
}

/// Returns how many more units would decide: what a fixed test of power 0.8 lacks, or if more, what the limits lack at the pace
/// at which they narrow (with the root of the units); `None` where the difference is too near minus the margin to say.
fn more_needed(state: &State, units: &[f64], rule: &Rule) -> Option<f64> {
    let count = units.len() as f64;
    let deviation = (units.iter().map(|unit| (unit - state.difference).powi(2)).sum::<f64>() / count).sqrt();
    let prospect = Prospect::graded(deviation, state.difference).ok()?;
    let lacking = cases_needed(rule, &prospect, POWER).ok()? as f64 - count;
    let share = share_of_way(state, rule);
    Some(lacking.max(count * (1.0 / share.powi(2) - 1.0)).max(1.0)).filter(|more| *more < CASES_MAX)
}

/// Returns how far the limits have closed in on a decision: the distance of the difference from minus the margin, as a share of
/// the half-width of the limits on that side.
pub(super) fn share_of_way(state: &State, rule: &Rule) -> f64 {
    let gap = state.difference + rule.margin();
    let half = if gap > 0.0 { state.difference - state.lower } else { state.upper - state.difference };
    (gap.abs() / half).clamp(0.0, 1.0)
}
