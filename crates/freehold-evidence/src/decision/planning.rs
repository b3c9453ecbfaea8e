//! How many more cases an undecided comparison needs, if the rates stay as observed.

use crate::plan;

use super::evidence::Evidence;
use super::{Rule, Verdict};

/// Chance of a decision that the number of cases is planned for.
const POWER: f64 = 0.8;
/// More cases than this are not a plan.
const CASES_MAX: f64 = 1_000_000.0;
/// A difference nearer to minus the margin than this share of its standard error does not even show a direction.
const GAP_IN_ERRORS_MIN: f64 = 0.1;

/// What can be said about the cases still needed.
pub(super) enum Plan {
    More(u64),
    TooNear,
}

/// Returns the cases still needed: the largest of three numbers, less what is there.
///
/// The sample size (z_a + z_b)^2 V / (margin + D)^2 of a one-sided test (V the variance of one difference; Nam 1997,
/// section 4, with the observed rates); the floor without any disagreement where the difference points to adequate;
/// and the cases at which the interval itself, its rates unchanged, would decide. The first two grow with the design
/// effect.
pub(super) fn plan(evidence: &Evidence, rule: &Rule) -> Plan {
    let (cases, variance) = (evidence.cases(), evidence.variance().max(0.0));
    let gap = rule.margin() + evidence.difference();
    let error = (variance * evidence.design_effect() / cases).sqrt();
    if gap == 0.0 || gap.abs() < GAP_IN_ERRORS_MIN * error {
        return Plan::TooNear;
    }
    let by_power = plan::cases_by_power(rule, gap, variance, POWER) * evidence.design_effect();
    let floor = if gap > 0.0 { rule.floor_cases() as f64 * evidence.design_effect() } else { 0.0 };
    let Some(by_interval) = deciding_cases(evidence, rule) else {
        return Plan::TooNear;
    };
    let needed = by_power.max(floor).max(by_interval).ceil();
    if needed > CASES_MAX { Plan::TooNear } else { Plan::More(((needed - cases) as u64).max(1)) }
}

/// Returns the fewest cases at which the observed rates would decide; `None` beyond the largest number planned for.
fn deciding_cases(evidence: &Evidence, rule: &Rule) -> Option<f64> {
    let cases = evidence.cases();
    let decides = |count: f64| {
        Verdict::of(evidence.limits(rule.confidence(), count / cases), rule.margin()) != Verdict::Undecided
    };
    let (mut too_few, mut enough) = (cases, cases * 2.0);
    while !decides(enough) {
        if enough > CASES_MAX {
            return None;
        }
        too_few = enough;
        enough *= 2.0;
    }
    while enough - too_few > 1.0 {
        let middle = f64::midpoint(too_few, enough).floor();
        if middle <= too_few {
            break;
        }
        if decides(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(enough)
}
