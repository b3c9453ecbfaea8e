//! What an assessment came to: the row that `--json` prints, the report draws and the store keeps.

mod judge;

use freehold_evidence::Pair;
use serde::{Deserialize, Serialize};

use super::across::Corrected;
use super::adapt::{Adaptation, Values};
use super::halves::Half;
use super::ledger::Look;
use super::serving::Serving;
use crate::report::figures;

pub use self::judge::{Examined, JudgeResult, Judgement};

/// The result of one assessment of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssessmentResult {
    /// The row of the stable contract.
    #[serde(flatten)]
    pub row: Row,
    /// The assessment's id.
    pub id: String,
    /// When it was finished, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Mean scores of the arms.
    pub arms: Arms,
    /// Calls that could not be scored because an arm failed; they are scored 0, never dropped.
    pub failures: Failures,
    /// What the reader must know beside the verdict, in plain sentences.
    pub notes: Vec<String>,
    /// The declared subsets of the cases, each decided apart; empty where none was declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<Subset>,
    /// Every case counted, with its scores and times, in the order of counting.
    pub cases: Vec<CaseResult>,
    /// The worst disagreements, worst first.
    pub disagreements: Vec<Disagreement>,
    /// The ledger: every look at the step before this result, its own last; empty in results from before it was kept.
    #[serde(default)]
    pub looks: Vec<Look>,
    /// The half of the cases that it is about, where one of several candidates was chosen on one half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<Half>,
    /// What correcting for the number of steps came to, where several are corrected together; the row's verdict is corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across: Option<Corrected>,
    /// The judge that compared the answers, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeResult>,
    /// The SHA-256 of the certificate that it ended in; `None` in results from before there were any.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Time and money.
    pub cost: Cost,
    /// The candidate's exact identity, where it is a file of ours.
    pub lock: Option<serde_json::Value>,
    /// The promises that the candidate's server breaks and the step needs, where they stand in the way of a verdict on the model:
    /// one that is not adequate is then one on the serving. `None` where there is none, or where it is adequate all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving_fault: Option<String>,
    /// What was found of the server in front of the candidate; empty where it was not probed.
    #[serde(default)]
    pub serving: Serving,
    /// How the recorded requests were adapted to the candidate; empty where they were asked as is.
    #[serde(default)]
    pub adapted: Vec<Adaptation>,
    /// With which sampling and which budget they were, where that was part of it.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub adapted_with: Values,
    /// What came of the requests as they were recorded, where both forms were asked; it has no part in the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_is: Option<AsIs>,
    /// Whether the incumbent is a simulated vendor.
    pub is_simulated_incumbent: bool,
    /// Wall time of the replay in milliseconds, and how many generations it took.
    pub replay: ReplayFigures,
    /// What was saved because it was decided before all cases were in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<Saved>,
}

/// What the same candidate came to when it was asked the requests as they were recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AsIs {
    /// The assessment, which has a certificate of its own.
    pub assessment: String,
    /// Its row.
    pub row: Row,
    /// Its mean scores.
    pub arms: Arms,
    /// Its failures.
    pub failures: Failures,
    /// The fault of the serving that stands in the way of its verdict, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving_fault: Option<String>,
    /// What the adapting changed; `None` where no case was asked in both forms.
    pub effect: Option<Effect>,
}

/// How much better a candidate did for the adapting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Cases that were asked in both forms.
    pub n: u64,
    /// Adapted minus as is, mean score.
    pub difference: f64,
    /// Its limits at the row's one-sided confidence; `None` where the cases were not fixed beforehand, so that none hold,
    /// or are too few for any.
    pub interval: Option<(f64, f64)>,
}

impl AsIs {
    pub(super) fn of(plain: AssessmentResult, effect: Option<Effect>) -> Self {
        let AssessmentResult { id: assessment, row, arms, failures, serving_fault, .. } = plain;
        Self { assessment, row, arms, failures, serving_fault, effect }
    }
}

fn is_empty(values: &Values) -> bool {
    *values == Values::default()
}

impl AssessmentResult {
    /// Notes whether a fault of the serving stands in the way of a verdict on the model; the last thing that is done to a result.
    pub(super) fn blame(&mut self) {
        let broken: Vec<&str> = self.serving.faults().map(|finding| finding.promise.name()).collect();
        self.serving_fault = (self.row.verdict != "adequate" && !broken.is_empty()).then(|| broken.join(", "));
    }

    /// Returns the outcome in words: the verdict, or the fault of the serving that stands in its way.
    pub fn outcome(&self) -> String {
        match &self.serving_fault {
            Some(broken) => format!("serving fault: {broken}"),
            None => self.row.verdict.replace('_', " "),
        }
    }

    /// Returns the subsets for which the candidate is not adequate although it is on the whole.
    pub fn failing_subsets(&self) -> impl Iterator<Item = &Subset> {
        failing_subsets(&self.row, &self.subsets)
    }
}

/// Returns the subsets for which a candidate is not adequate although it is on the whole.
pub fn failing_subsets<'a>(row: &Row, subsets: &'a [Subset]) -> impl Iterator<Item = &'a Subset> + use<'a> {
    let is_adequate = row.verdict == "adequate";
    subsets.iter().filter(move |subset| is_adequate && subset.verdict == "not_adequate")
}

/// One subset of the cases: all that share a value of what was declared to divide them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subset {
    /// What divides the cases, as declared: `metadata:customer`, `field:category`, `length`.
    pub by: String,
    /// What the cases of this subset share.
    pub value: String,
    /// Cases scored.
    pub n: u64,
    /// Candidate minus incumbent, mean score.
    pub difference: f64,
    /// Lower limit of the difference, at the row's one-sided confidence.
    pub lower: f64,
    /// Upper limit of the difference, at the row's one-sided confidence.
    pub upper: f64,
    /// `adequate`, `not_adequate` or `undecided`, at the row's margin.
    pub verdict: String,
    /// Cases of this subset still needed, when undecided and it can be said.
    pub more_needed: Option<u64>,
}

impl Subset {
    /// Joins a decision with the subset that it is about.
    pub fn of(by: String, value: String, decision: &freehold_evidence::Decision) -> Self {
        Self {
            by,
            value,
            n: decision.n,
            difference: decision.difference,
            lower: decision.lower,
            upper: decision.upper,
            verdict: decision.verdict.to_string(),
            more_needed: decision.more_needed,
        }
    }
}

/// The stable row: one step, one candidate, one decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The step.
    pub step: String,
    /// Who is proposed, as `model` or `upstream/model`.
    pub candidate: String,
    /// Who serves now, as `upstream/model`.
    pub incumbent: String,
    /// The kind of reference: `incumbent`, `label` or `outcome`.
    pub reference: String,
    /// The check's name.
    pub check: String,
    /// Cases scored.
    pub n: u64,
    /// Clusters (runs) they fall into.
    pub clusters: u64,
    /// Candidate minus incumbent, mean score.
    pub difference: f64,
    /// Lower limit of the difference.
    pub lower: f64,
    /// Upper limit of the difference.
    pub upper: f64,
    /// One-sided level of the decision.
    pub confidence: f64,
    /// The largest loss of score that is accepted.
    pub margin: f64,
    /// `adequate`, `not_adequate` or `undecided`.
    pub verdict: String,
    /// Cases still needed, when undecided and it can be said.
    pub more_needed: Option<u64>,
    /// The statistical method.
    pub method: String,
}

/// Mean scores against the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arms {
    /// The incumbent's recorded answers; 1 by construction when they are the reference.
    pub recorded: f64,
    /// The incumbent asked again: the noise floor, where it could be reached.
    pub rerun: Option<f64>,
    /// The candidate.
    pub candidate: f64,
}

/// How many replays failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failures {
    /// Of the candidate.
    pub candidate: u64,
    /// Of the incumbent's rerun.
    pub rerun: u64,
    /// The commonest failure, in words.
    pub example: Option<String>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The recorded call's id.
    pub case: String,
    /// The run it belongs to.
    pub cluster: Option<String>,
    /// The incumbent's score that entered the difference (the rerun's where there is an A/A arm).
    pub incumbent: f64,
    /// The candidate's score.
    pub candidate: f64,
    /// The recorded call's total time in milliseconds; `None` where the recording does not say.
    pub recorded_ms: Option<f64>,
    /// The candidate's total time in milliseconds.
    pub candidate_ms: Option<f64>,
    /// What a judge said of it in both orders, and a person, where a judge compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}

impl CaseResult {
    /// Returns the two scores as the evidence weighs them.
    pub(crate) fn pair(&self) -> Pair {
        let CaseResult { case, cluster, incumbent, candidate, .. } = self.clone();
        Pair { case, incumbent, candidate, cluster }
    }
}

/// One case in which the candidate did worse than the incumbent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The recorded call's id.
    pub case: String,
    /// The last thing said to the model, cut to a readable length.
    pub input: String,
    /// What it was scored against.
    pub reference: String,
    /// What the incumbent answered when asked again, where it was.
    pub rerun: Option<String>,
    /// What the candidate answered.
    pub candidate: String,
    /// The incumbent's score.
    pub incumbent_score: f64,
    /// The candidate's score.
    pub candidate_score: f64,
    /// Why the check gave that score.
    pub reason: Option<String>,
}

/// Time and money of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The incumbent's price of a thousand such calls in US dollars; `None` is unknown, never zero.
    pub incumbent_usd_per_1k: Option<f64>,
    /// The candidate's vendor or host price of a thousand such calls; `None` is unknown.
    pub candidate_usd_per_1k: Option<f64>,
    /// Seconds of this machine a thousand such calls took on our own engine; `None` for upstreams.
    pub candidate_engine_s_per_1k: Option<f64>,
    /// Where the prices come from, or why one is not known.
    pub basis: String,
    /// Mean prompt tokens of the recorded calls, where said.
    pub input_tokens_mean: Option<f64>,
    /// Mean generated tokens of the recorded calls, where said.
    pub output_tokens_mean: Option<f64>,
}

/// What was not asked because enough was known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Cases that would have been asked at most.
    pub cases_max: u64,
    /// Calls of both models that were not made.
    pub calls: u64,
    /// What they would have cost in US dollars; `None` is unknown, never zero. Our own engine's time has no price here.
    pub usd: Option<f64>,
}

impl Saved {
    /// Says it in a sentence.
    pub fn told(&self, counted: usize) -> String {
        let usd = match self.usd {
            Some(usd) => format!(", about {}", figures::usd(Some(usd))),
            None => String::new(),
        };
        format!(
            "decided after {} of {} cases; saved {} calls{usd}",
            figures::count(counted as u64),
            figures::count(self.cases_max),
            figures::count(self.calls)
        )
    }
}

/// What the replay took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayFigures {
    /// Wall time in milliseconds, of this session only when it was resumed.
    pub wall_ms: u64,
    /// Generations asked for in it.
    pub generations: u64,
    /// Replays found done from an earlier, broken-off session.
    pub resumed: u64,
}

/// What a row is about, beside the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The step.
    pub step: String,
    /// The candidate.
    pub candidate: String,
    /// The incumbent.
    pub incumbent: String,
    /// The kind of reference.
    pub reference: String,
    /// The check.
    pub check: String,
}

impl Row {
    /// Joins a decision with what it is about.
    pub fn of(decision: &freehold_evidence::Decision, named: Named) -> Self {
        Row {
            step: named.step,
            candidate: named.candidate,
            incumbent: named.incumbent,
            reference: named.reference,
            check: named.check,
            n: decision.n,
            clusters: decision.clusters,
            difference: decision.difference,
            lower: decision.lower,
            upper: decision.upper,
            confidence: decision.confidence,
            margin: decision.margin,
            verdict: decision.verdict.as_str().to_owned(),
            more_needed: decision.more_needed,
            method: decision.method.clone(),
        }
    }
}
