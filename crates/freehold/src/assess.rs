//! Replays a step's cases on a candidate and decides, with statistics, whether it is adequate.
//!
//! Tools are never executed: a replay is the recorded request, sent again, and its answer is only compared.

mod across;
mod adapt;
mod ask;
mod busy;
mod cases;
mod counting;
mod design;
mod expect;
mod forms;
mod halves;
mod judge;
mod ledger;
mod money;
mod order;
mod plan;
mod planned;
mod prospect;
pub(crate) mod recall;
mod reference;
mod replay;
pub mod result;
mod score;
mod seals;
mod sequence;
mod serving;
mod subsets;
mod tried;

use std::path::PathBuf;
use std::time::Instant;

use freehold_store::{AssessmentHead, Store};

pub use across::{Claim, Corrected, Correction, Family};
pub(crate) use across::{Grounds, again as corrected_again};
pub use adapt::{Adaptation, Adapting, Card, Values};
pub(crate) use cases::{output, recorded};
pub use counting::{Evidence, Progress, Standing};
pub use design::Looks;
pub use halves::{Contender, Half};
pub(crate) use judge::ballot;
pub use ledger::Look;
pub(crate) use plan::lock_of;
pub use plan::{Plan, Question, Rerun};
pub use prospect::{Outlook, OutlookLine};
pub(crate) use replay::CANDIDATE;
pub use result::AssessmentResult;
pub use seals::CaseSeal;
pub use serving::{Probing, Serving};
pub use subsets::Divider;
pub use tried::{Tried, TriedAnswer, try_case};

use crate::certificate::Signer;
use crate::certificate::body::{self, Findings, Terms};
use crate::checks::Outside;
use crate::config::Settings;
use crate::facts::PriceBook;
use crate::names::Target;
use crate::service;

/// What an assessment works with.
pub struct Assessor<'a> {
    /// Where the calls are, and where the assessment is kept.
    pub store: &'a Store,
    /// The upstreams and models.
    pub settings: &'a Settings,
    /// Prices.
    pub prices: &'a PriceBook,
    /// This binary, of which the engine's workers are copies.
    pub program: PathBuf,
}

impl Assessor<'_> {
    /// Assesses one candidate for one step; goes on where an equal assessment broke off.
    ///
    /// # Errors
    /// The step has no cases, the candidate cannot be reached at all, or the store cannot be used.
    pub async fn assess(&self, question: &Question, progress: &Progress) -> anyhow::Result<AssessmentResult> {
        self.certify(self.draft(question, progress).await?)
    }

    /// Chooses one of several candidates on one random half of the cases and decides on it by the other half.
    ///
    /// The questions differ in the candidate alone. Nothing is certified yet: [`Assessor::certify`] ends it.
    ///
    /// # Errors
    /// As for [`Assessor::assess`]; the candidates are held against different incumbents; or a judge is to compare.
    pub async fn draft_of_best(&self, questions: &[Question], progress: &Progress) -> anyhow::Result<Draft> {
        halves::assess(self, questions, progress).await
    }

    /// Assesses one candidate for one step, up to the verdict of this step by itself.
    ///
    /// # Errors
    /// As for [`Assessor::assess`].
    pub async fn draft(&self, question: &Question, progress: &Progress) -> anyhow::Result<Draft> {
        if let Some(judge) = question.check.as_deref().and_then(judge::named) {
            return judge::draft(self, question, judge, progress).await;
        }
        let target = Target::parse(&question.candidate, self.settings)?;
        let chosen = cases::choose(self.store, question, &target)?;
        let engine = self.engine();
        let done = self.judge(Trial { question, target: &target, chosen: &chosen }, &engine, progress).await;
        engine.shutdown().await;
        done
    }

    /// Corrects the verdicts of several steps for their number, as their plans declare it; does nothing where they do not.
    ///
    /// # Errors
    /// Their evidence cannot be weighed together.
    pub fn correct(&self, drafts: &mut [Draft]) -> anyhow::Result<()> {
        let mut results: Vec<_> = drafts.iter_mut().map(|draft| (&mut draft.result, &draft.head.plan)).collect();
        across::correct(&mut results)
    }

    /// Ends an assessment: signs its certificate and keeps both. A half that only chose among candidates ends in none.
    ///
    /// # Errors
    /// The key or the store cannot be used.
    pub fn certify(&self, draft: Draft) -> anyhow::Result<AssessmentResult> {
        let Draft { head, target, check_version, mut result, cases } = draft;
        result.blame();
        if result.half == Some(Half::Choosing) {
            self.store.finish_assessment(&head.id, result.at_ms, &serde_json::to_value(&result)?)?;
            return Ok(result);
        }
        let body = self.body(&target, (&head, check_version), &result, &cases);
        let certificate = Signer::beside(self.store)?.issue(&body)?;
        result.certificate = Some(certificate.sha256());
        self.store.certify_assessment(&head.id, result.at_ms, &serde_json::to_value(&result)?, &certificate.kept())?;
        Ok(result)
    }

    /// Returns an engine without models.
    fn engine(&self) -> freehold_engine::Engine {
        let home = self.store.path().parent().expect("the database lies in the home");
        service::engine(self.settings, self.program.clone(), home)
    }

    fn outside(&self) -> Outside<'_> {
        Outside { settings: self.settings, program: &self.program }
    }

    async fn judge(
        &self,
        trial: Trial<'_>,
        engine: &freehold_engine::Engine,
        progress: &Progress,
    ) -> anyhow::Result<Draft> {
        let Trial { question, target, chosen } = trial;
        // Before anything is spent: a key that cannot be used is known now.
        Signer::beside(self.store)?;
        let lock = lock_of(target, self.settings)?;
        let check = plan::check_of(question, chosen, self.outside())?;
        let arms = ask::Arms::prepare(self, trial, engine).await?;
        let plan = Plan::of(self.store, question, chosen, &arms, (check, lock))?;
        let check_version = plan.check.version();
        // The choice among candidates stands once it is made: asked again, another answer could choose another.
        if question.half == Some(Half::Choosing)
            && let Some((head, result)) = plan.finished(self.store, question)?
        {
            return Ok(Draft { head, target: target.clone(), check_version, result, cases: Vec::new() });
        }
        let head = plan.begin(self.store, question, chosen)?;
        if let Some(other) = &question.beside {
            forms::take_over(self.store, other, &head.id)?;
        }
        let begun = Instant::now();
        let mut counting = counting::Counting::new(chosen, &plan, progress);
        let course = replay::Course { store: self.store, assessment: &head.id, chosen, arms: &arms };
        let replays = replay::run(&course, &mut counting).await?;
        plan.check.fault()?;
        let wall = begun.elapsed();
        let judged = score::judge(question, &plan, chosen, (&counting.into_scores(), &replays))?;
        let mut result = result_of(self, &head, &plan, judged, &Took { wall, replays: &replays, chosen, arms: &arms });
        halves::tell(question.half.as_ref(), &mut result);
        ledger::tell(self.store, chosen, &mut result)?;
        let cases = seals::of(chosen, &replays, &result.cases);
        Ok(Draft { head, target: target.clone(), check_version, result, cases })
    }

    fn body(
        &self,
        target: &Target,
        (head, check_version): (&AssessmentHead, String),
        result: &AssessmentResult,
        cases: &[CaseSeal],
    ) -> serde_json::Value {
        let findings = Findings {
            plan: &head.plan,
            check_version,
            row: &result.row,
            examined: result.judge.as_ref().map(|judge| &judge.examined),
            across: result.across.as_ref(),
            arms: &result.arms,
            failures: &result.failures,
            subsets: &result.subsets,
            cases,
            looks: &result.looks,
        };
        let made_at = jiff::Timestamp::from_millisecond(result.at_ms).unwrap_or_default();
        let rented = Some(target).filter(|target| !self.prices.is_own(&target.upstream));
        let retirement = rented.and_then(|target| self.prices.facts().retirement(&target.model)).and_then(|found| {
            let day = found.date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some((day.timestamp(), format!("{} is retired by {} then", found.model, found.vendor)))
        });
        body::of(head, &findings, &Terms::of(made_at, self.settings.assess.certificate_days.get(), retirement))
    }
}

/// An assessment with its verdict by itself, not certified and kept yet.
pub struct Draft {
    /// The result so far.
    pub result: AssessmentResult,
    head: AssessmentHead,
    target: Target,
    check_version: String,
    cases: Vec<CaseSeal>,
}

/// What is tried: the question, who is proposed, and the cases.
#[derive(Clone, Copy)]
struct Trial<'a> {
    question: &'a Question,
    target: &'a Target,
    chosen: &'a cases::Chosen,
}

struct Took<'a> {
    wall: std::time::Duration,
    replays: &'a replay::Replays,
    chosen: &'a cases::Chosen,
    arms: &'a ask::Arms,
}

fn result_of(
    assessor: &Assessor<'_>,
    head: &AssessmentHead,
    plan: &Plan,
    judged: score::Judged,
    took: &Took<'_>,
) -> AssessmentResult {
    let cost = money::cost(assessor, took.chosen, took.arms, took.replays);
    let saved = money::saved(took.chosen, took.arms, took.replays, &cost);
    let notes = notes(plan, &judged, saved.as_ref(), took);
    AssessmentResult {
        row: judged.row,
        id: head.id.clone(),
        at_ms: jiff::Timestamp::now().as_millisecond(),
        arms: judged.arms,
        failures: judged.failures,
        notes,
        subsets: judged.subsets,
        cases: judged.cases,
        disagreements: judged.disagreements,
        looks: Vec::new(),
        half: None,
        across: None,
        judge: None,
        certificate: None,
        cost,
        lock: plan.lock.clone(),
        serving_fault: None,
        serving: took.arms.serving.clone(),
        adapted: took.arms.adapted.clone(),
        adapted_with: took.arms.values.clone(),
        as_is: None,
        is_simulated_incumbent: took.arms.incumbent_is_simulated,
        replay: result::ReplayFigures {
            wall_ms: u64::try_from(took.wall.as_millis()).unwrap_or(u64::MAX),
            generations: took.replays.asked.iter().sum(),
            resumed: took.replays.resumed.iter().sum(),
        },
        saved,
    }
}

/// Returns what a reader must know: how it was decided, the serving, the cases, the statistics, and what was adapted.
fn notes(plan: &Plan, judged: &score::Judged, saved: Option<&result::Saved>, took: &Took<'_>) -> Vec<String> {
    let mut notes = plan.told(&judged.row, judged.cases.len());
    notes.extend(saved.map(|saved| saved.told(judged.cases.len())));
    notes.extend(took.arms.serving.told(&judged.row.verdict));
    notes.extend(took.chosen.notes.iter().chain(&took.arms.notes).chain(&judged.notes).cloned());
    notes.extend(adapt::told(&took.arms.adapted, &took.arms.values));
    notes
}
