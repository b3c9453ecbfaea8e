//! Both forms of a trial: requests as they were recorded, and adapted. Each is an assessment of its own, decided by itself;
//! what stands beside is how much of the difference the adapting made.

use std::collections::HashMap;

use freehold_evidence::{Pair, decide};
use freehold_store::Store;

use super::adapt::{Adapter, Adapting};
use super::design::Looks;
use super::plan::Question;
use super::replay::RERUN;
use super::result::{AsIs, AssessmentResult, CaseResult, Effect};
use super::{Assessor, Progress, cases, judge};
use crate::exit::Fault;
use crate::names::Target;

impl Assessor<'_> {
    /// Assesses the requests as they were recorded and then adapted, and returns the latter with the former beside it.
    ///
    /// Where nothing is adapted both are the same, and one is made. The incumbent is asked again once, for both.
    ///
    /// # Errors
    /// As for [`Assessor::assess`]; or a judge is to compare.
    pub async fn assess_both(&self, question: &Question, progress: &Progress) -> anyhow::Result<AssessmentResult> {
        if question.check.as_deref().and_then(judge::named).is_some() {
            let told = "a judge compares the answers of one form, so that both cannot stand side by side";
            return Err(Fault::input(told).hint("assess with --as-is, then without").into());
        }
        if !self.adapts(question)? {
            let mut draft = self.draft(question, progress).await?;
            draft.result.notes.push("nothing is to be adapted to this candidate: both forms are the same".to_owned());
            return self.certify(draft);
        }
        let plain = Question { adapting: Adapting::NONE, ..question.clone() };
        let plain = self.certify(self.draft(&plain, progress).await?)?;
        let adapted = Question { beside: Some(plain.id.clone()), ..question.clone() };
        let mut draft = self.draft(&adapted, progress).await?;
        let effect = effect(question, &plain.cases, &draft.result.cases)?;
        draft.result.as_is = Some(AsIs::of(plain, effect));
        self.certify(draft)
    }

    fn adapts(&self, question: &Question) -> anyhow::Result<bool> {
        let target = Target::parse(&question.candidate, self.settings)?;
        let chosen = cases::choose(self.store, question, &target)?;
        Ok(!Adapter::of(question.adapting, &target, self.settings)?.over(&chosen).is_empty())
    }
}

/// Gives an assessment what the incumbent answered in another, so that it is not asked and paid again.
pub(super) fn take_over(store: &Store, from: &str, to: &str) -> anyhow::Result<()> {
    let is_there: Vec<String> =
        store.replays(to)?.into_iter().filter(|replay| replay.arm == RERUN).map(|replay| replay.case).collect();
    let mut found = store.replays(from)?;
    found.retain(|replay| replay.arm == RERUN && !is_there.contains(&replay.case));
    Ok(store.add_replays(to, &found)?)
}

/// Returns how much better the candidate did for the adapting, on the cases that both forms were asked.
///
/// It has an interval where the number of cases was fixed beforehand; one that stopped by what it saw would have none that holds.
fn effect(question: &Question, plain: &[CaseResult], adapted: &[CaseResult]) -> anyhow::Result<Option<Effect>> {
    let before: HashMap<&str, f64> = plain.iter().map(|case| (case.case.as_str(), case.candidate)).collect();
    let pair = |case: &CaseResult| {
        let incumbent = *before.get(case.case.as_str())?;
        Some(Pair { case: case.case.clone(), incumbent, candidate: case.candidate, cluster: case.cluster.clone() })
    };
    let pairs: Vec<Pair> = adapted.iter().filter_map(pair).collect();
    if pairs.is_empty() {
        return Ok(None);
    }
    let found = decide(&pairs, &question.rule)?;
    let is_finite = found.lower.is_finite() && found.upper.is_finite();
    let interval = (question.looks == Looks::Once && is_finite).then_some((found.lower, found.upper));
    Ok(Some(Effect { n: found.n, difference: found.difference, interval }))
}
