//! What an assessment would take, before anything is spent on it: cases, calls, money, time.

use freehold_evidence::Rule;
use freehold_evidence::plan::{Prospect, cases_needed};
use freehold_evidence::proportion;
use freehold_evidence::sequential::Sequence;
use freehold_wire::{ReferenceKind, Usage};
use serde::Serialize;

use super::cases::{self, Chosen};
use super::design::{self, Pilot};
use super::expect::{Truth, median_cases};
use super::plan::{Question, Rerun, check_of};
use super::result::AssessmentResult;
use super::sequence::Sequential;
use super::{Assessor, money};
use crate::names::Target;

/// Chance of a verdict that the fixed number of cases is planned for.
const POWER: f64 = 0.8;
/// Discordances that are shown when none is known.
const DISCORDANCES: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.3];
/// How much worse than equal a clearly bad candidate is supposed to be, in margins.
const WORSE_MARGINS: f64 = 3.0;

/// What an assessment would take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// The step.
    pub step: String,
    /// The candidate, where one was named.
    pub candidate: Option<String>,
    /// Who is to be beaten.
    pub incumbent: String,
    /// The kind of reference.
    pub reference: String,
    /// The check.
    pub check: String,
    /// The margin.
    pub margin: f64,
    /// The one-sided level of the decision.
    pub confidence: f64,
    /// Cases that are there, up to the most that would be asked.
    pub cases: u64,
    /// Cases needed for `adequate` when decided once, even if the two never differ.
    pub floor_cases: u64,
    /// The same when looked at after every case.
    pub floor_cases_always: u64,
    /// Models that are asked for each case: the candidate, and the incumbent again where it is.
    pub arms: u64,
    /// Where the discordance comes from, in words.
    pub basis: String,
    /// What it takes, by how often the two differ.
    pub lines: Vec<OutlookLine>,
}

/// What it takes at one discordance; `None` is not known, never zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutlookLine {
    /// Share of cases on which the two differ (for graded scores the mean squared difference).
    pub discordance: f64,
    /// Cases for a verdict with chance 0.8 if the two are equal, looking once.
    pub fixed: u64,
    /// Median of cases if the two are equal, looking after every case.
    pub equal: Option<u64>,
    /// Median of cases if the candidate is three margins worse, looking after every case.
    pub worse: Option<u64>,
    /// Calls of both models for the median if equal, within the cases that are there.
    pub calls: u64,
    /// What they cost in US dollars.
    pub usd: Option<f64>,
    /// How long they take, in seconds.
    pub seconds: Option<f64>,
}

impl Assessor<'_> {
    /// Says what an assessment would take; asks no model.
    ///
    /// # Errors
    /// The step has no cases, the check cannot be used, or the store cannot be read.
    pub fn outlook(&self, question: &Question, target: Option<&Target>) -> anyhow::Result<Outlook> {
        let nobody = Target { upstream: String::new(), model: String::new() };
        let chosen = cases::choose(self.store, question, target.unwrap_or(&nobody))?;
        let check = check_of(question, &chosen, self.outside())?;
        let pilot = design::pilot(self.store, question, &chosen)?;
        let test = design::test_with(pilot.as_ref())?;
        let has_rerun = question.rerun == Rerun::WherePossible
            && chosen.reference == ReferenceKind::Incumbent
            && chosen.incumbent.upstream(self.settings).is_some();
        let each = self.each(question, target, &chosen, has_rerun.then_some(&chosen.incumbent))?;
        let (discordances, basis) = discordances(pilot.as_ref(), question.rule.confidence());
        let lines = discordances.into_iter().map(|discordance| line(&question.rule, &test, discordance, &each));
        let lines = lines.collect::<anyhow::Result<Vec<OutlookLine>>>()?;
        Ok(Outlook {
            step: question.step.clone(),
            candidate: target.map(|_| question.candidate.clone()),
            incumbent: chosen.incumbent.to_string(),
            reference: super::score::kind_word(chosen.reference).to_owned(),
            check: check.name().clone(),
            margin: question.rule.margin(),
            confidence: question.rule.confidence(),
            cases: each.cases,
            floor_cases: question.rule.floor_cases(),
            floor_cases_always: design::units_without_disagreement(&test, &question.rule) as u64,
            arms: each.arms,
            basis,
            lines,
        })
    }

    /// Works out what one case takes.
    fn each(
        &self,
        question: &Question,
        target: Option<&Target>,
        chosen: &Chosen,
        rerun: Option<&Target>,
    ) -> anyhow::Result<Each> {
        let usages: Vec<Usage> =
            chosen.cases.iter().filter_map(|case| case.recorded.usage.or(case.call.usage)).collect();
        let usd = |target: &Target| {
            money::usd_per_1k(self.prices.current(&target.upstream, &target.model), &usages).map(|usd| usd / 1e3)
        };
        let of_candidate = match target {
            Some(target) if target.own_model(self.settings).is_some() => Some(0.0),
            Some(target) => usd(target),
            None => None,
        };
        let of_rerun = rerun.map_or(Some(0.0), usd);
        let recorded: Vec<f64> =
            chosen.cases.iter().map(|case| case.call.timings.total_us as f64 / 1e6).filter(|s| *s > 0.0).collect();
        let at_once = question.concurrency.max(1) as f64;
        let rerun_s = rerun.map_or(Some(0.0), |_| mean(&recorded).map(|seconds| seconds / at_once));
        let candidate_s = match target {
            Some(_) => self.candidate_seconds(question, at_once)?,
            None => None,
        };
        Ok(Each {
            cases: chosen.cases.len() as u64,
            arms: 1 + u64::from(rerun.is_some()),
            usd: of_candidate.zip(of_rerun).map(|(candidate, rerun)| candidate + rerun).filter(|usd| *usd > 0.0),
            seconds: candidate_s.zip(rerun_s).map(|(candidate, rerun)| candidate.max(rerun)),
        })
    }

    /// Returns the seconds that a case took the candidate when it was last assessed, for this step or another.
    fn candidate_seconds(&self, question: &Question, at_once: f64) -> anyhow::Result<Option<f64>> {
        for assessment in self.store.assessments()? {
            if assessment.head.candidate != question.candidate {
                continue;
            }
            let Some(Ok(result)) = assessment.result.map(serde_json::from_value::<AssessmentResult>) else { continue };
            if let Some(seconds) = result.cost.candidate_engine_s_per_1k {
                return Ok(Some(seconds / 1e3));
            }
            let seconds: Vec<f64> =
                result.cases.iter().filter_map(|case| case.candidate_ms).map(|ms| ms / 1e3).collect();
            if let Some(mean) = mean(&seconds) {
                return Ok(Some(mean / at_once));
            }
        }
        Ok(None)
    }
}

/// What one case takes.
struct Each {
    cases: u64,
    arms: u64,
    usd: Option<f64>,
    seconds: Option<f64>,
}

fn line(rule: &Rule, test: &Sequential, discordance: f64, each: &Each) -> anyhow::Result<OutlookLine> {
    let prospect = match test.sequence {
        Sequence::Betting => Prospect::right_wrong(discordance, 0.0)?,
        Sequence::Asymptotic => Prospect::graded(discordance.sqrt(), 0.0)?,
    };
    let truth = |difference: f64| Truth { difference, discordance: discordance.max(difference.abs()) };
    let equal = median_cases(test, rule, truth(0.0));
    let asked = equal.unwrap_or(u64::MAX).min(each.cases);
    Ok(OutlookLine {
        discordance,
        fixed: cases_needed(rule, &prospect, POWER)?,
        equal,
        worse: median_cases(test, rule, truth((-WORSE_MARGINS * rule.margin()).max(-1.0))),
        calls: asked * each.arms,
        usd: each.usd.map(|usd| usd * asked as f64),
        seconds: each.seconds.map(|seconds| seconds * asked as f64),
    })
}

/// Returns the discordances to plan with: the pilot's with its limits, else a small table.
fn discordances(pilot: Option<&Pilot>, confidence: f64) -> (Vec<f64>, String) {
    match pilot {
        Some(pilot) => {
            let (lower, upper) = proportion::wilson(pilot.discordance, pilot.cases as f64, confidence);
            let basis = format!(
                "an earlier assessment of this step on {} cases: {:.1} %, at least {:.1} and at most {:.1} %",
                pilot.cases,
                pilot.discordance * 100.0,
                lower * 100.0,
                upper * 100.0
            );
            (vec![lower, pilot.discordance, upper], basis)
        }
        None => (
            DISCORDANCES.to_vec(),
            "nobody knows yet how often the two differ: a first assessment of 50 to 100 cases tells (2 to 5 % is usual for \
             easy extraction, 15 to 30 % for hard work)"
                .to_owned(),
        ),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
