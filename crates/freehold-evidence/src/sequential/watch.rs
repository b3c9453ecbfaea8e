//! An assessment that may stop at any case: the verdict so far, and limits that hold however often one looks.

use serde::Serialize;

use crate::decision::{Rule, Verdict};
use crate::quantile;

use super::asymptotic::{ASYMPTOTIC_CASES_MIN, Asymptotic};
use super::bettor;
use super::limits::Bets;
use super::moments::Moments;
use super::{Claim, Error, Prior};

/// Share of the bet for a mean of zero, or for one as far on the wrong side as what was seen, that is always laid, so that
/// the limits stay informative on both sides.
const FLOOR_SHARE: f64 = 0.5;
/// Weight of "no difference" in the first bets, as a share of the cases that equal models need: more decides equal models
/// sooner, and large losses later.
const ANCHOR_SHARE: f64 = 1.0 / 6.0;
/// Weight of the prior's variance in cases: little, as a few cases tell it better.
const VARIANCE_CASES_MAX: f64 = 10.0;
/// Power at which the asymptotic sequence is planned to decide between equal models and the margin.
const POWER: f64 = 0.8;

/// Says which sequence watches the differences; settle it by the kind of score, before the first is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sequence {
    /// Bets on each difference: an exact level at every look, for right/wrong scores and any other.
    Betting,
    /// The regularised asymptotic sequence: for graded scores that differ a little on most cases, from 100 cases on. Where they
    /// differ on few cases, it waits until 40 do, and bets take fewer.
    Asymptotic,
}

/// Holds what is known after the cases so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct State {
    /// `betting_sequence` or `asymptotic_sequence`.
    pub method: &'static str,
    /// The verdict, final once it is not `undecided`.
    pub verdict: Verdict,
    /// Differences that the numbers here rest on; none is added once the verdict has fallen.
    pub n: u64,
    /// Number of the difference (counted from 1) that decided; `None` while undecided.
    pub stopped_at: Option<u64>,
    /// Mean of the differences so far; 0 before the first.
    pub difference: f64,
    /// Lower limit of the true mean difference at the rule's one-sided level, whenever one looks.
    pub lower: f64,
    /// Upper limit of the true mean difference at the rule's one-sided level, whenever one looks.
    pub upper: f64,
    /// Logarithm of the evidence for `adequate`, decisive from ln(1 / (1 - confidence)); `None` where no bets are laid.
    pub log_evidence_adequate: Option<f64>,
    /// Logarithm of the evidence for `not_adequate`, decisive from ln(1 / (1 - confidence)); `None` where no bets are laid.
    pub log_evidence_not_adequate: Option<f64>,
}

/// Watches the differences of an assessment one by one and stops at the first that decides.
///
/// It is `adequate` exactly when the lower limit lies above minus the margin and `not_adequate` exactly when the upper one
/// lies below. Each claim is wrong with probability of at most 1 - confidence however often one looks: for
/// [`Sequence::Betting`] at any number of cases (Waudby-Smith and Ramdas 2024, JRSS-B 86:1, aGRAPA bets with a floor, the
/// limits by inverting the same bets), for [`Sequence::Asymptotic`] in the limit of many.
///
/// A prior makes the first bets; those on `adequate` are held near "no difference" for a sixth of the cases that equal
/// models need, which decides them sooner. Bets stay above a floor, so that the limits say something on both sides.
///
/// The unit is what is independent of what came before: where cases come in clusters (runs, users, documents), feed the
/// mean difference of each cluster, in the order in which the clusters were completed. The limits are then those of the
/// mean over clusters, each counting the same whatever its size. Memory grows by 32 bytes with each difference; where it
/// must not, use [`super::Bettor`] or [`super::Grid`].
#[derive(Debug, Clone)]
pub struct Watch {
    rule: Rule,
    level: f64,
    observed: u64,
    sum: f64,
    verdict: Verdict,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Betting(Betting),
    Asymptotic { sequence: Asymptotic, best: (f64, f64) },
}

impl Watch {
    /// Returns a watch that has seen nothing.
    #[must_use]
    pub fn new(sequence: Sequence, rule: &Rule, prior: &Prior) -> Self {
        let level = -(1.0 - rule.confidence()).ln();
        let kind = match sequence {
            Sequence::Betting => Kind::Betting(Betting::new(prior, rule, level)),
            Sequence::Asymptotic => Kind::Asymptotic {
                sequence: Asymptotic::tightest_at(1.0 - rule.confidence(), tightest_cases(rule, prior)),
                best: (-1.0, 1.0),
            },
        };
        Self { rule: *rule, level, observed: 0, sum: 0.0, verdict: Verdict::Undecided, kind }
    }

    /// Takes in the next difference (candidate minus incumbent) and returns the verdict so far.
    ///
    /// Once the verdict has fallen, further differences change nothing.
    ///
    /// # Errors
    /// Refuses a difference outside -1 to 1, and is then as before.
    pub fn observe(&mut self, difference: f64) -> Result<Verdict, Error> {
        let difference = super::check(self.observed, difference)?;
        if self.verdict != Verdict::Undecided {
            return Ok(self.verdict);
        }
        self.observed += 1;
        self.sum += difference;
        self.verdict = match &mut self.kind {
            Kind::Betting(betting) => {
                betting.observe(difference, self.rule.margin(), self.level);
                betting.verdict(self.level)
            }
            Kind::Asymptotic { sequence, best } => {
                let limits = sequence.observe(difference)?;
                *best = (best.0.max(limits.0), best.1.min(limits.1));
                Verdict::of(*best, self.rule.margin())
            }
        };
        Ok(self.verdict)
    }

    /// Returns the verdict so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Returns the logarithms of the evidence for `adequate` and for `not_adequate`; `None` where no bets are laid.
    ///
    /// As in [`Watch::state`], without the limits, which are what takes long there.
    #[must_use]
    pub fn log_evidence(&self) -> Option<[f64; 2]> {
        match &self.kind {
            Kind::Betting(betting) => Some(betting.log_evidence),
            Kind::Asymptotic { .. } => None,
        }
    }

    /// Returns what is known after the cases so far; it takes some 60 passes over them where bets were laid.
    #[must_use]
    pub fn state(&self) -> State {
        let decided = self.verdict != Verdict::Undecided;
        let evidence = self.log_evidence();
        let (method, (lower, upper)) = match &self.kind {
            Kind::Betting(betting) => ("betting_sequence", betting.limits(self.level, self.rule.margin())),
            Kind::Asymptotic { best, .. } => ("asymptotic_sequence", *best),
        };
        State {
            method,
            verdict: self.verdict,
            n: self.observed,
            stopped_at: decided.then_some(self.observed),
            difference: if self.observed == 0 { 0.0 } else { self.sum / self.observed as f64 },
            lower,
            upper,
            log_evidence_adequate: evidence.map(|[adequate, _]| adequate),
            log_evidence_not_adequate: evidence.map(|[_, not_adequate]| not_adequate),
        }
    }
}

/// Returns the state after these differences, in their order, stopping at the first that decides.
///
/// # Errors
/// Refuses a difference outside -1 to 1, also after the one that decides.
pub fn watch(sequence: Sequence, differences: &[f64], rule: &Rule, prior: &Prior) -> Result<State, Error> {
    let mut watch = Watch::new(sequence, rule, prior);
    for (position, difference) in differences.iter().enumerate() {
        super::check(position as u64, *difference)?;
        watch.observe(*difference)?;
    }
    Ok(watch.state())
}

/// Both claims' bets on the same differences.
#[derive(Debug, Clone)]
struct Betting {
    moments: [Moments; 2],
    claims: [Bets; 2],
    log_evidence: [f64; 2],
}

const CLAIMS: [Claim; 2] = [Claim::Above, Claim::Below];

impl Betting {
    /// The bets on `adequate` are held near "no difference" for long, those on `not_adequate` follow the cases at once.
    fn new(prior: &Prior, rule: &Rule, level: f64) -> Self {
        // The cases in which the best bet for equal models gathers `level` in evidence: 2 level V / margin^2.
        let needed = 2.0 * level * prior.variance() / (rule.margin() * rule.margin());
        let variance_cases = prior.cases.min(VARIANCE_CASES_MAX);
        let moments = [needed * ANCHOR_SHARE, 0.0].map(|cases| Moments::weighed(prior, cases, variance_cases));
        Self { moments, claims: CLAIMS.map(Bets::new), log_evidence: [0.0; 2] }
    }

    fn observe(&mut self, difference: f64, margin: f64, level: f64) {
        let floors = CLAIMS.map(|claim| bet_floor(claim, &self.moments[1], margin, level));
        for (number, claim) in CLAIMS.into_iter().enumerate() {
            let seen = &mut self.moments[number];
            let floor = floors[number];
            let bet = bettor::bet(claim, margin, seen).max(floor).min(bettor::bet_max(claim, margin));
            self.log_evidence[number] += bettor::log_factor(claim, bet, difference, -margin);
            self.claims[number].lay(bet, difference);
            seen.observe(difference);
        }
    }

    fn verdict(&self, level: f64) -> Verdict {
        match self.log_evidence {
            [adequate, _] if adequate >= level => Verdict::Adequate,
            [_, not_adequate] if not_adequate >= level => Verdict::NotAdequate,
            _ => Verdict::Undecided,
        }
    }

    fn limits(&self, level: f64, margin: f64) -> (f64, f64) {
        let [above, below] = &self.claims;
        (above.limit(level, margin), below.limit(level, margin))
    }
}

/// Returns the least bet: a share of what a mean of zero, or one as far on the wrong side as what was seen, would suggest;
/// less as cases go by, so that a true mean however near to minus the margin is found out in the end.
fn bet_floor(claim: Claim, seen: &Moments, margin: f64, level: f64) -> f64 {
    let reach = margin.max(-claim.sign() * (seen.mean() + margin));
    let spread = seen.variance() + reach * reach;
    FLOOR_SHARE * reach / spread / (1.0 + seen.cases() * reach * reach / (2.0 * level * spread)).sqrt()
}

/// Returns the number of cases that a fixed test would need for equal models with the prior's spread.
fn tightest_cases(rule: &Rule, prior: &Prior) -> f64 {
    let quantiles = quantile::normal(rule.confidence()) + quantile::normal(POWER);
    (quantiles * quantiles * prior.variance() / (rule.margin() * rule.margin())).max(ASYMPTOTIC_CASES_MIN as f64)
}
