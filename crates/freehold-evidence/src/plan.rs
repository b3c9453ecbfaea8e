//! Planning: how many cases a comparison needs before anything is spent, and what so many cases can show.
//! For `freehold plan` and for anyone who must name a number; the decision itself knows nothing of plans.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};
use thiserror::Error;

use crate::decision::Rule;
use crate::proportion;
use crate::quantile;

/// Fewest pilot cases from which a discordance is estimated with some use.
pub const PILOT_CASES_MIN: u64 = 50;

/// Says why a plan cannot be made; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The power is out of range.
    #[error("the power is {power}, not between 0 and 1")]
    Power {
        /// The power found.
        power: f64,
    },
    /// No two models can differ so.
    #[error("a difference of {difference} with a discordance of {discordance} cannot occur")]
    Rates {
        /// Share of cases on which the two differ.
        discordance: f64,
        /// True difference supposed.
        difference: f64,
    },
    /// The spread of graded differences is out of range.
    #[error("a standard deviation of {deviation} around a difference of {difference} cannot occur")]
    Deviation {
        /// Standard deviation of one difference.
        deviation: f64,
        /// True difference supposed.
        difference: f64,
    },
    /// The design effect is out of range.
    #[error("the design effect is {effect}, not a finite number of at least 1")]
    DesignEffect {
        /// The design effect found.
        effect: f64,
    },
    /// The supposed truth lies on the margin.
    #[error("a true difference of {difference} lies on minus the margin, where no number of cases decides")]
    OnMargin {
        /// True difference supposed.
        difference: f64,
    },
    /// More cases differ than there are.
    #[error("{differing} of {cases} cases differ")]
    Count {
        /// Cases on which the two differ.
        differing: u64,
        /// Cases seen.
        cases: u64,
    },
}

/// Holds what is supposed of a comparison before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prospect {
    difference: f64,
    variance: f64,
    design_effect: f64,
}

impl Prospect {
    /// Returns the prospect of right/wrong scores: share of cases on which exactly one is right, and true difference.
    ///
    /// The variance of one difference is `discordance - difference^2`.
    ///
    /// # Errors
    /// Refuses a discordance outside 0 to 1 and a difference larger than it.
    pub fn right_wrong(discordance: f64, difference: f64) -> Result<Self, Error> {
        if !((0.0..=1.0).contains(&discordance) && difference.abs() <= discordance) {
            return Err(Error::Rates { discordance, difference });
        }
        let variance = (discordance - difference * difference).max(0.0);
        Ok(Self { difference, variance, design_effect: 1.0 })
    }

    /// Returns the prospect of graded scores: standard deviation of one paired difference, and true difference.
    ///
    /// # Errors
    /// Refuses a difference outside -1 to 1 and a deviation that differences in -1 to 1 cannot have.
    pub fn graded(deviation: f64, difference: f64) -> Result<Self, Error> {
        let variance = deviation * deviation;
        let variance_max = 1.0 - difference * difference;
        if !(difference.abs() <= 1.0 && deviation >= 0.0 && variance <= variance_max + 1e-12) {
            return Err(Error::Deviation { deviation, difference });
        }
        Ok(Self { difference, variance, design_effect: 1.0 })
    }

    /// Returns the prospect with cases in groups that inflate the squared error `effect` times (at least 1).
    ///
    /// # Errors
    /// Refuses an effect below 1 or not finite.
    pub fn clustered(self, effect: f64) -> Result<Self, Error> {
        if !(effect >= 1.0 && effect.is_finite()) {
            return Err(Error::DesignEffect { effect });
        }
        Ok(Self { design_effect: effect, ..self })
    }

    /// Returns the true difference supposed.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.difference
    }

    /// Returns the variance of one difference.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance
    }
}

/// Returns the cases that reach a verdict with chance `power` if the prospect is true.
///
/// n = (z_a + z_b)^2 V / (margin + D)^2, V the variance of one difference (Nam 1997, Biometrics 53:1422, section 4, with
/// the supposed rates), times the design effect. Towards `adequate` never below [`Rule::floor_cases`], which holds even
/// without any disagreement. A difference beyond the margin is planned towards `not_adequate`, where there is no floor.
///
/// # Errors
/// Refuses a power outside 0 to 1, and a difference on minus the margin.
pub fn cases_needed(rule: &Rule, prospect: &Prospect, power: f64) -> Result<u64, Error> {
    if !(power > 0.0 && power < 1.0) {
        return Err(Error::Power { power });
    }
    let gap = rule.margin() + prospect.difference;
    if gap == 0.0 {
        return Err(Error::OnMargin { difference: prospect.difference });
    }
    let by_power = cases_by_power(rule, gap, prospect.variance, power);
    let floor = if gap > 0.0 { rule.floor_cases() as f64 } else { 1.0 };
    Ok((by_power.max(floor) * prospect.design_effect).ceil() as u64)
}

/// Returns (z_a + z_b)^2 V / gap^2, the cases of a one-sided test, not rounded.
pub(crate) fn cases_by_power(rule: &Rule, gap: f64, variance: f64, power: f64) -> f64 {
    let quantiles = (quantile::normal(rule.confidence()) + quantile::normal(power)).max(0.0);
    (quantiles / gap).powi(2) * variance
}

/// Returns the chance, by the same approximation, that `cases` cases end in the verdict the prospect points to.
///
/// 0 below the floor where it points to `adequate`, and at most 1 - confidence where the difference lies on the margin.
#[must_use]
pub fn power(rule: &Rule, prospect: &Prospect, cases: u64) -> f64 {
    let effective = cases as f64 / prospect.design_effect;
    let gap = rule.margin() + prospect.difference;
    if cases == 0 || (gap > 0.0 && effective < rule.floor_cases() as f64) {
        return 0.0;
    }
    let error = (prospect.variance / effective).sqrt();
    if error == 0.0 {
        return if gap == 0.0 { 1.0 - rule.confidence() } else { 1.0 };
    }
    Normal::standard().cdf(gap.abs() / error - quantile::normal(rule.confidence()))
}

/// Holds a plan renewed from the discordance seen so far, the direction of the differences staying unseen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Renewed {
    /// Cases needed at the discordance seen, those seen included; never fewer than were seen.
    pub cases: u64,
    /// Cases needed if the discordance is as low as its lower limit.
    pub cases_low: u64,
    /// Cases needed if the discordance is as high as its upper limit.
    pub cases_high: u64,
    /// Share of cases seen on which the two differ.
    pub discordance: f64,
}

/// Returns the plan for right/wrong scores renewed from how many of the cases seen so far differ.
///
/// It takes the count of differing cases and not which model won them, and keeps the difference that was planned with
/// (`difference`): so re-estimated, the number of cases costs no level (blinded re-estimation; Gould 1992, Statistics in
/// Medicine 11:55). The range comes from Wilson limits of the discordance at the rule's confidence.
///
/// # Errors
/// Refuses more differing cases than cases, no cases, and what [`cases_needed`] refuses.
pub fn renew(rule: &Rule, difference: f64, seen: (u64, u64), power: f64) -> Result<Renewed, Error> {
    let (differing, cases) = seen;
    let share = proportion::of_cases(differing, cases, rule.confidence())
        .filter(|_| differing <= cases)
        .ok_or(Error::Count { differing, cases })?;
    let needed = |discordance: f64| {
        let prospect = Prospect::right_wrong(discordance.max(difference.abs()), difference)?;
        Ok(cases_needed(rule, &prospect, power)?.max(cases))
    };
    Ok(Renewed {
        cases: needed(share.share)?,
        cases_low: needed(share.lower)?,
        cases_high: needed(share.upper)?,
        discordance: share.share,
    })
}
