//! Corrects the verdicts of several steps for their number, so that separate cut-overs are together as rarely wrong as stated.
//! Only `adequate` is taken back. A claim that all steps are adequate needs no correction (Berger 1982).

use freehold_evidence::sequential::{Error as WatchError, Watch};
use freehold_evidence::{Pair, Rule, Verdict, decision, multiplicity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::design::{Always, Design};
use super::judge::ballot::{self, Ballot, Belief};
use super::result::{AssessmentResult, CaseResult, Row};
use super::sequence::unit_means;
use crate::exit::Fault;

/// How verdicts of several steps are corrected for their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Correction {
    /// Holm: that any step is wrongly adequate is as rare as the level says; decided once (--fixed).
    Holm,
    /// Benjamini-Hochberg: the expected share of wrong ones among those called adequate; decided once (--fixed).
    Bh,
    /// e-BH: the same share, for steps that are looked at after every case, whatever depends on what.
    Ebh,
}

/// The steps whose verdicts are corrected together, as the plan of each declares them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// How.
    pub correction: Correction,
    /// The steps, sorted by name.
    pub steps: Vec<String>,
}

/// What correcting came to, as every result of the family carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Corrected {
    /// How.
    pub correction: Correction,
    /// The level of the family: 1 minus the confidence.
    pub level: f64,
    /// The step's verdict by itself.
    pub verdict_alone: String,
    /// Every step's claim to be adequate.
    pub claims: Vec<Claim>,
}

/// One step's claim to be adequate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The step.
    pub step: String,
    /// Who is proposed.
    pub candidate: String,
    /// The assessment.
    pub assessment: String,
    /// The smallest level at which it would hold by itself; `None` for evidence of bets.
    pub p_value: Option<f64>,
    /// The p-value corrected for the number of steps.
    pub adjusted: Option<f64>,
    /// The natural logarithm of the evidence that bets gathered; `None` for p-values.
    pub log_evidence: Option<f64>,
    /// Whether it holds beside the others.
    pub holds: bool,
}

/// What the verdict of a step was decided on.
pub(crate) enum Grounds<'a> {
    /// Scores by a check, in the order in which they were counted.
    Scores(&'a [Pair]),
    /// The words of a judge, believed or not, beside labels of people.
    Ballots(&'a [Ballot], Belief),
}

impl Correction {
    /// Returns its name in sentences.
    fn words(self) -> &'static str {
        match self {
            Correction::Holm => "Holm's method",
            Correction::Bh => "Benjamini and Hochberg's method",
            Correction::Ebh => "e-BH",
        }
    }

    /// Returns what is as rare as the level says.
    pub fn promise(self) -> &'static str {
        match self {
            Correction::Holm => "that any of them is wrongly adequate is as rare as the level says",
            Correction::Bh => {
                "the expected share of wrong ones among those called adequate is at most the level, where steps are \
                 independent or err together"
            }
            Correction::Ebh => "the expected share of wrong ones among those called adequate is at most the level",
        }
    }
}

impl Family {
    /// Takes the family of a stored plan.
    pub(super) fn of_plan(plan: &Value) -> Option<Self> {
        serde_json::from_value(plan["across"].clone()).ok()
    }

    /// Refuses a design whose evidence this correction cannot weigh.
    ///
    /// # Errors
    /// It says why, and what to do.
    pub(super) fn fits(&self, step: &str, design: &Design) -> Result<(), Fault> {
        match (self.correction, design) {
            (Correction::Ebh, Design::Always(_)) | (Correction::Holm | Correction::Bh, Design::Once { .. }) => Ok(()),
            (Correction::Ebh, _) => Err(Fault::input(format!(
                "e-BH weighs the evidence of bets, and the step {step} is decided without them"
            ))
            .hint(
                "it has too few cases for a test that may stop on the way: take --across holm --fixed for all steps",
            )),
            (correction, _) => Err(Fault::input(format!(
                "{} weighs p-values, which hold only where the number of cases is fixed beforehand",
                correction.words()
            ))
            .hint("add --fixed, or take --across ebh for steps that are looked at after every case")),
        }
    }

    /// Returns the watch that says when a step's evidence would hold whatever the other steps show.
    pub(super) fn watch(&self, always: &Always, rule: &Rule) -> Option<Watch> {
        (self.correction == Correction::Ebh).then(|| always.test.watch(&self.strictest(rule)))
    }

    fn strictest(&self, rule: &Rule) -> Rule {
        let level = (1.0 - rule.confidence()) / self.steps.len().max(1) as f64;
        Rule::new(rule.margin(), 1.0 - level).expect("a smaller level than that of a rule is one")
    }

    /// Returns the p-value or the evidence of what a step was decided on.
    fn weigh(
        &self,
        (design, rule): (&Design, &Rule),
        grounds: &Grounds<'_>,
    ) -> anyhow::Result<(Option<f64>, Option<f64>)> {
        let pairs = match grounds {
            Grounds::Scores(pairs) => pairs,
            Grounds::Ballots(ballots, belief) => return Ok((Some(ballot::p_value(ballots, rule, *belief)?), None)),
        };
        let watch = match design {
            Design::Always(always) => self.watch(always, rule),
            _ => None,
        };
        let Some(mut watch) = watch else { return Ok((Some(decision::p_value(pairs, rule.margin())?), None)) };
        unit_means(pairs).into_iter().try_for_each(|mean| -> Result<(), WatchError> {
            if watch.verdict() == Verdict::Undecided {
                watch.observe(mean)?;
            }
            Ok(())
        })?;
        // Rounded, so that another machine's logarithm finds the same.
        Ok((None, watch.log_evidence().map(|[log, _]| (log * 1e6).round() / 1e6)))
    }

    fn claim(&self, result: &AssessmentResult, declared: &Value) -> anyhow::Result<Claim> {
        let rule = Rule::new(result.row.margin, result.row.confidence)?;
        let pairs: Vec<Pair> = result.cases.iter().map(CaseResult::pair).collect();
        let ballots: Vec<Ballot> = result.cases.iter().filter_map(Ballot::of_case).collect();
        let grounds = match &result.judge {
            Some(judge) => Grounds::Ballots(&ballots, Belief::of(&judge.examined.refusals)),
            None => Grounds::Scores(&pairs),
        };
        let (p_value, log_evidence) = self.weigh((&Design::recalled(declared, &rule)?, &rule), &grounds)?;
        Ok(Claim {
            step: result.row.step.clone(),
            candidate: result.row.candidate.clone(),
            assessment: result.id.clone(),
            p_value,
            adjusted: None,
            log_evidence,
            holds: false,
        })
    }
}

/// Corrects these results together; each is given with its plan.
///
/// # Errors
/// They do not declare one family, or their evidence cannot be weighed together.
pub(super) fn correct(results: &mut [(&mut AssessmentResult, &Value)]) -> anyhow::Result<()> {
    let Some(family) = results.first().and_then(|(_, plan)| Family::of_plan(plan)) else { return Ok(()) };
    let level = results.iter().map(|(result, _)| 1.0 - result.row.confidence).fold(f64::INFINITY, f64::min);
    // As it was declared, not as its complement came out in binary.
    let level = (level * 1e9).round() / 1e9;
    let claims: anyhow::Result<Vec<Claim>> = results.iter().map(|(result, plan)| family.claim(result, plan)).collect();
    let claims = weighed(family.correction, level, claims?)?;
    for (result, _) in results {
        let corrected = Corrected {
            correction: family.correction,
            level,
            verdict_alone: result.row.verdict.clone(),
            claims: claims.clone(),
        };
        corrected.take_back(&result.id, &mut result.row);
        if let Some(last) = result.looks.last_mut() {
            last.verdict = Some(result.row.verdict.clone());
        }
        result.notes.insert(0, corrected.note(&result.id));
        result.across = Some(corrected);
    }
    Ok(())
}

/// Corrects once more what a certificate says, with the own evidence found again from these grounds.
///
/// What other steps showed is as stated in it: their own certificates vouch for that.
///
/// # Errors
/// They cannot be weighed.
pub(crate) fn again(
    (certified, assessment): (&Value, &str),
    declared: &Value,
    (row, grounds): (&Row, &Grounds<'_>),
) -> anyhow::Result<Option<Corrected>> {
    let Some(family) = Family::of_plan(declared) else { return Ok(None) };
    let Ok(Corrected { level, mut claims, .. }) = serde_json::from_value(certified["across"].clone()) else {
        return Ok(None);
    };
    let rule = Rule::new(row.margin, row.confidence)?;
    let (p_value, log_evidence) = family.weigh((&Design::recalled(declared, &rule)?, &rule), grounds)?;
    for own in claims.iter_mut().filter(|claim| claim.assessment == assessment) {
        (own.p_value, own.log_evidence) = (p_value, log_evidence);
    }
    let claims = weighed(family.correction, level, claims)?;
    let verdict_alone = row.verdict.clone();
    Ok(Some(Corrected { correction: family.correction, level, verdict_alone, claims }))
}

/// Returns the claims with what becomes of each beside the others.
fn weighed(correction: Correction, level: f64, mut claims: Vec<Claim>) -> anyhow::Result<Vec<Claim>> {
    let p_values: Vec<f64> = claims.iter().filter_map(|claim| claim.p_value).collect();
    let evidence: Vec<f64> = claims.iter().filter_map(|claim| claim.log_evidence).collect();
    let adjusted = match correction {
        Correction::Ebh if evidence.len() == claims.len() => None,
        Correction::Holm if p_values.len() == claims.len() => Some(multiplicity::holm(&p_values)?),
        Correction::Bh if p_values.len() == claims.len() => Some(multiplicity::benjamini_hochberg(&p_values)?),
        _ => {
            return Err(Fault::input("p-values and the evidence of bets cannot be weighed together")
                .hint("assess all steps with --fixed, or none")
                .into());
        }
    };
    let holds: Vec<bool> = match &adjusted {
        Some(adjusted) => adjusted.iter().map(|value| *value <= level).collect(),
        None => multiplicity::e_bh(&evidence, level)?,
    };
    for (place, claim) in claims.iter_mut().enumerate() {
        claim.adjusted = adjusted.as_ref().map(|adjusted| adjusted[place]);
        claim.holds = holds[place];
    }
    Ok(claims)
}

impl Corrected {
    fn own(&self, assessment: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.assessment == assessment)
    }

    /// Takes an `adequate` back that does not hold beside the other steps.
    pub(crate) fn take_back(&self, assessment: &str, row: &mut Row) {
        let holds = self.own(assessment).is_some_and(|claim| claim.holds);
        if row.verdict == Verdict::Adequate.as_str() && !holds {
            row.verdict = Verdict::Undecided.to_string();
        }
    }

    fn note(&self, assessment: &str) -> String {
        let (steps, how) = (self.claims.len(), self.correction.words());
        let figures = self.own(assessment).map_or(String::new(), |claim| match (claim.p_value, claim.adjusted) {
            (Some(p_value), Some(adjusted)) => format!("p {p_value:.4}, corrected {adjusted:.4}, level {}", self.level),
            _ => {
                let evidence = claim.log_evidence.unwrap_or_default().exp();
                format!(
                    "evidence {evidence:.1}, where {:.0} would hold by itself among {steps}",
                    steps as f64 / self.level
                )
            }
        });
        let alone = self.verdict_alone.replace('_', " ");
        let holds = self.own(assessment).is_some_and(|claim| claim.holds);
        let outcome = match self.verdict_alone.as_str() {
            "adequate" if holds => "adequate by itself and beside the other steps".to_owned(),
            "adequate" => "adequate by itself, and not beside the other steps: undecided".to_owned(),
            _ => format!("{alone} by itself, which is not corrected"),
        };
        format!("{outcome}; corrected over {steps} steps by {how} ({figures})")
    }
}
