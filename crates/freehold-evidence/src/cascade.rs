//! Cascades: the open model answers, and where its confidence is too low the incumbent answers instead.
//! Finds how low is too low, with a bound on the risk that holds whatever the confidence is made of.

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};
use thiserror::Error;

/// Holds one case that both models answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Case {
    /// Confidence in the candidate's answer: mean token log-probability, agreement of several samples, a check's score, a
    /// judge's. Any number but NaN; only its order counts.
    pub confidence: f64,
    /// The incumbent's score, 0 to 1.
    pub incumbent: f64,
    /// The candidate's score, 0 to 1.
    pub candidate: f64,
}

impl Case {
    /// What is lost by keeping the candidate's answer; a gain is not credited.
    fn loss(&self) -> f64 {
        (self.incumbent - self.candidate).max(0.0)
    }
}

/// Holds what is promised of a cascade.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Promise {
    risk: f64,
    confidence: f64,
}

impl Promise {
    /// Returns the promise that the mean loss over all cases is at most `risk`, with probability `confidence`.
    ///
    /// # Errors
    /// Refuses a risk outside 0 to 1 and a confidence outside 0.5 to 1, the ends excluded.
    pub fn new(risk: f64, confidence: f64) -> Result<Self, Error> {
        if !(risk > 0.0 && risk < 1.0) {
            return Err(Error::Risk { risk });
        }
        if !(confidence > 0.5 && confidence < 1.0) {
            return Err(Error::Confidence { confidence });
        }
        Ok(Self { risk, confidence })
    }

    /// Returns the fewest cases that can keep the promise for any threshold at all: ln(1 - confidence) / ln(1 - risk).
    #[must_use]
    pub fn floor_cases(&self) -> u64 {
        ((1.0 - self.confidence).ln() / (-self.risk).ln_1p()).ceil() as u64
    }
}

/// Says why no threshold can be sought; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no cases.
    #[error("no cases to find a threshold on")]
    NoCases,
    /// There are no thresholds.
    #[error("no thresholds to choose from")]
    NoThresholds,
    /// A threshold is not a number.
    #[error("a threshold is not a number")]
    Threshold,
    /// A confidence is not a number.
    #[error("the confidence of case {case} is not a number")]
    CaseConfidence {
        /// Place of the case, counted from 1.
        case: usize,
    },
    /// A score is not a number from 0 to 1.
    #[error("a score of case {case} is {score}, not a number from 0 to 1")]
    Score {
        /// Place of the case, counted from 1.
        case: usize,
        /// The score found.
        score: f64,
    },
    /// The risk is out of range.
    #[error("the risk is {risk}, not between 0 and 1")]
    Risk {
        /// The risk found.
        risk: f64,
    },
    /// The confidence of the promise is out of range.
    #[error("the confidence is {confidence}, not between 0.5 and 1")]
    Confidence {
        /// The confidence found.
        confidence: f64,
    },
}

/// Holds what one threshold came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// Answers with at least this confidence are kept.
    pub threshold: f64,
    /// Share of the cases that are kept.
    pub kept: f64,
    /// Mean loss over all cases, those handed on losing nothing.
    pub risk: f64,
    /// Mean score of kept and handed-on answers together.
    pub score: f64,
    /// Chance of losing so little if the true risk were above the promised one, or an upper bound of it.
    pub p_value: f64,
}

/// Holds a calibrated cascade.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cascade {
    /// The lowest threshold that keeps the promise; `None` where none does, and every case goes to the incumbent.
    pub chosen: Option<Step>,
    /// Risk if every answer of the candidate were kept.
    pub risk_alone: f64,
    /// Share of the cases that must be handed on by any method, if the candidate's risk is what was observed.
    pub escalate_min: f64,
    /// The same if the promised risk were to hold among the kept answers, not over all cases.
    pub escalate_min_among_kept: f64,
    /// Mean score of the incumbent on the same cases.
    pub incumbent_score: f64,
    /// Number of cases.
    pub cases: u64,
    /// Every threshold tested, from the strictest to the first that failed.
    pub tested: Vec<Step>,
}

/// Returns the lowest threshold at which the promise holds, testing from the strictest down to the first that fails.
///
/// Learn then Test with a fixed sequence: Angelopoulos, Bates, Candès, Jordan and Lei (2021, arXiv 2110.01052). The chance
/// that the risk of the chosen threshold exceeds the promised one is at most 1 - confidence, for any confidence measure and
/// however the loss moves with the threshold. It asks for independent cases (one of a run), for thresholds that were fixed
/// without these cases ([`thresholds`] on others), and for traffic like theirs afterwards. Losses that are all 0 or 1 are
/// tested exactly, others by [`hoeffding_bentkus`]. A case loses at most 1, so that of a candidate with risk m above the
/// promised e at least m - e of the cases must be handed on, and (m - e)/(1 - e) for a risk e among the kept ones.
///
/// # Errors
/// Refuses empty lists, scores outside 0 to 1, and confidences and thresholds that are not numbers.
pub fn calibrate(cases: &[Case], thresholds: &[f64], promise: &Promise) -> Result<Cascade, Error> {
    check(cases, thresholds)?;
    let mut strictest_first = thresholds.to_vec();
    strictest_first.sort_by(|one, other| other.total_cmp(one));
    strictest_first.dedup();
    let mut sorted: Vec<Case> = cases.to_vec();
    sorted.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    let mut sums = Sums::new(&sorted);
    let (mut tested, mut chosen) = (Vec::new(), None);
    for threshold in strictest_first {
        let step = sums.down_to(threshold, promise.risk);
        tested.push(step);
        if step.p_value > 1.0 - promise.confidence {
            break;
        }
        chosen = Some(step);
    }
    let risk_alone = cases.iter().map(Case::loss).sum::<f64>() / cases.len() as f64;
    Ok(Cascade {
        chosen,
        risk_alone,
        escalate_min: (risk_alone - promise.risk).max(0.0),
        escalate_min_among_kept: ((risk_alone - promise.risk) / (1.0 - promise.risk)).max(0.0),
        incumbent_score: cases.iter().map(|case| case.incumbent).sum::<f64>() / cases.len() as f64,
        cases: cases.len() as u64,
        tested,
    })
}

fn check(cases: &[Case], thresholds: &[f64]) -> Result<(), Error> {
    if cases.is_empty() {
        return Err(Error::NoCases);
    }
    if thresholds.is_empty() {
        return Err(Error::NoThresholds);
    }
    if thresholds.iter().any(|threshold| threshold.is_nan()) {
        return Err(Error::Threshold);
    }
    for (place, case) in cases.iter().enumerate() {
        if case.confidence.is_nan() {
            return Err(Error::CaseConfidence { case: place + 1 });
        }
        for score in [case.incumbent, case.candidate] {
            if !(0.0..=1.0).contains(&score) {
                return Err(Error::Score { case: place + 1, score });
            }
        }
    }
    Ok(())
}

/// Running sums over cases in falling order of confidence.
struct Sums<'a> {
    cases: &'a [Case],
    kept: usize,
    loss: f64,
    score: f64,
    is_right_or_wrong: bool,
}

impl<'a> Sums<'a> {
    fn new(cases: &'a [Case]) -> Self {
        let is_right_or_wrong = cases.iter().all(|case| matches!(case.loss(), 0.0 | 1.0));
        let score = cases.iter().map(|case| case.incumbent).sum();
        Self { cases, kept: 0, loss: 0.0, score, is_right_or_wrong }
    }

    fn down_to(&mut self, threshold: f64, risk: f64) -> Step {
        while let Some(case) = self.cases.get(self.kept).filter(|case| case.confidence >= threshold) {
            self.loss += case.loss();
            self.score += case.candidate - case.incumbent;
            self.kept += 1;
        }
        let cases = self.cases.len();
        let observed = self.loss / cases as f64;
        let p_value = if self.is_right_or_wrong {
            at_most(self.loss as u64, cases as u64, risk)
        } else {
            hoeffding_bentkus(observed, cases as u64, risk)
        };
        let share = |sum: f64| sum / cases as f64;
        Step { threshold, kept: share(self.kept as f64), risk: observed, score: share(self.score), p_value }
    }
}

/// P(Bin(cases, risk) <= losses): the exact p-value of losses of 0 or 1.
fn at_most(losses: u64, cases: u64, risk: f64) -> f64 {
    let binomial = Binomial::new(risk, cases).expect("a promise has a risk between 0 and 1");
    binomial.cdf(losses)
}

/// Returns an upper bound of the chance of a mean loss of `observed` or less over `cases` losses in 0..=1 of mean `risk`.
///
/// The smaller of Hoeffding's exp(-n h(min(R, e), e)), h the relative entropy of two Bernoulli variables, and Bentkus'
/// e P(Bin(n, e) <= ceil(nR)). Source: Bates, Angelopoulos, Lei, Malik and Jordan (2021, arXiv 2101.02703), section 3.1.
/// `risk` lies between 0 and 1, the ends excluded; otherwise the bound is 1.
#[must_use]
pub fn hoeffding_bentkus(observed: f64, cases: u64, risk: f64) -> f64 {
    if !(risk > 0.0 && risk < 1.0 && observed >= 0.0) {
        return 1.0;
    }
    let x = observed.min(risk);
    let term = |share: f64, of: f64| if share > 0.0 { share * (share / of).ln() } else { 0.0 };
    let entropy = term(x, risk) + term(1.0 - x, 1.0 - risk);
    let hoeffding = (-(cases as f64) * entropy).exp();
    // A product a hair above a whole number is that number, not the next.
    let losses = (cases as f64 * observed - 1e-9).ceil().max(0.0) as u64;
    let bentkus = std::f64::consts::E * at_most(losses, cases, risk);
    hoeffding.min(bentkus).min(1.0)
}

/// Returns up to `count` thresholds that cut these confidences into equal shares, from the strictest down.
///
/// Take the confidences from other cases than those that are calibrated on (recorded traffic needs no scores): a threshold
/// that was chosen on the same cases is not covered by the promise. Numbers that are NaN are passed over.
#[must_use]
pub fn thresholds(confidences: &[f64], count: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = confidences.iter().copied().filter(|confidence| !confidence.is_nan()).collect();
    sorted.sort_by(|one, other| other.total_cmp(one));
    let at = |part: usize| sorted.get((sorted.len() * part).div_ceil(count.max(1)).saturating_sub(1)).copied();
    let mut cuts: Vec<f64> = (1..=count).filter_map(at).collect();
    cuts.dedup();
    cuts
}

/// Returns the share of answers that must be kept for a cascade to cost no more than the incumbent alone.
///
/// Costs are of one case, in any one unit; `checker` is what the confidence costs beyond the candidate's answer. A case handed on pays
/// for both models. Above 1 no cascade pays; `None` where the incumbent costs nothing.
#[must_use]
pub fn break_even_share(candidate: f64, checker: f64, incumbent: f64) -> Option<f64> {
    (incumbent > 0.0).then(|| (candidate + checker) / incumbent)
}
