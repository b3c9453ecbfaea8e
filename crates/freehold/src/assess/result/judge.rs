//! What a result says of a judge: how it was examined, and what it said of each case.

use freehold_evidence::judge::Comparison;
use serde::{Deserialize, Serialize};

/// A judge, how far it can be believed, and the labels that it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeResult {
    /// Who judged, as `model` or `upstream/model`.
    pub judge: String,
    /// The judge's exact identity, where it is a file of ours.
    pub lock: Option<serde_json::Value>,
    /// Version of the words around request and answers.
    pub prompt: u32,
    /// Their digest.
    pub prompt_sha256: String,
    /// How it was examined.
    #[serde(flatten)]
    pub examined: Examined,
    /// Verdicts asked for now.
    pub asked: u64,
    /// Verdicts found from an earlier, broken-off session.
    pub resumed: u64,
    /// Times that the judge could not be asked.
    pub failures: u64,
    /// Tokens of all verdicts, where said.
    pub input_tokens: u64,
    /// Generated tokens of all verdicts, where said.
    pub output_tokens: u64,
    /// What the verdicts cost in US dollars; `None` is unknown.
    pub usd: Option<f64>,
}

/// How a judge was examined, and on how many labels; all of it follows from what was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examined {
    /// Pairs put before the judge, unreadable verdicts, consistency, first slot, agreement with people and with itself, planted
    /// pairs, length.
    pub figures: serde_json::Value,
    /// Digest of everything that the judge said, word by word.
    #[serde(default)]
    pub words_sha256: String,
    /// Why the judge is not believed; empty where it is.
    pub refusals: Vec<String>,
    /// Pairs that were not put before the judge because both answers are the same.
    pub same: u64,
    /// Labels of people on cases drawn at random, about these answers.
    pub labels: u64,
    /// Digest of those labels: what each says, of which two answers, and who said it.
    #[serde(default)]
    pub labels_sha256: String,
    /// Labels left out: of cases that were not drawn in their order, or of other answers.
    pub labels_left_out: u64,
    /// How many people gave the labels.
    pub people: u64,
    /// Seed of the order in which cases were drawn for people.
    pub labels_seed: Option<u64>,
    /// How far the judge's word entered the decision beside the labels, 0 to 1; `None` where the labels did not enter.
    pub weight: Option<f64>,
}

/// What a judge said of one case, with the place of the answer that it chose, and what a person said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// In both orders; `None` where both answers are the same, or the candidate gave none.
    pub asked: Option<Comparison>,
    /// In both orders once more, where it was asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Comparison>,
    /// In both orders of the incumbent's answer and a planted bad one, which stands in the candidate's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<Comparison>,
    /// Candidate minus incumbent, -1, 0 or 1, as a person said; 0 as well where the case was drawn and both answers are the
    /// same. `None` where nobody did.
    pub person: Option<f64>,
}
