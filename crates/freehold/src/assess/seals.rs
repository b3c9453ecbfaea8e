//! What a certificate says of each case: digests of what was asked and answered, and the scores. No text of either.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use freehold_evidence::check::Output;
use freehold_store::Replay;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cases::{Case, Chosen, output};
use super::replay::Replays;
use super::result::{CaseResult, Judgement};

/// One case in a certificate; digests are SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseSeal {
    /// The recorded call's id.
    pub case: String,
    /// Which cases belong together: those of one run have the same number.
    pub cluster: Option<u64>,
    /// The digest of the recorded request, byte for byte.
    pub request_sha256: String,
    /// The digest of the recorded response, byte for byte.
    pub recorded_sha256: String,
    /// The digest of what answers are compared with: `{"text","tool_calls"}` in canonical JSON.
    pub reference_sha256: String,
    /// The digest of the candidate's answer, spelled so; `None` where there was none or it was not counted.
    pub candidate_sha256: Option<String>,
    /// The digest of the incumbent's answer when asked again; `None` where it was not, or without an answer.
    pub rerun_sha256: Option<String>,
    /// The incumbent's score that entered the difference; `None` where the case was booked and not counted.
    pub incumbent: Option<f64>,
    /// The candidate's score; `None` where the case was booked and not counted.
    pub candidate: Option<f64>,
    /// What a judge said of it, and a person, where a judge compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}

/// Seals every case that was booked, in its order; `counted` are the first of them.
pub(super) fn of(chosen: &Chosen, replays: &Replays, counted: &[CaseResult]) -> Vec<CaseSeal> {
    let clusters = clusters(&chosen.cases);
    let seal = |(place, case): (usize, &Case)| {
        let scores = counted.get(place);
        let cluster = clusters[place];
        let seal = of_case(case, scores.map(|_| replays));
        CaseSeal {
            cluster,
            incumbent: scores.map(|scores| scores.incumbent),
            candidate: scores.map(|scores| scores.candidate),
            judgement: scores.and_then(|scores| scores.judgement),
            ..seal
        }
    };
    chosen.cases.iter().enumerate().map(seal).collect()
}

/// Seals one case with its answers, without scores.
pub(super) fn of_case(case: &Case, replays: Option<&Replays>) -> CaseSeal {
    let answered = |replay: Option<&Replay>| replay?.answer.as_ref().map(|answer| of_output(&output(answer)));
    CaseSeal {
        case: case.call.id.clone(),
        cluster: None,
        request_sha256: of_bytes(&case.call.request),
        recorded_sha256: of_bytes(&case.call.response),
        reference_sha256: of_output(&case.reference),
        candidate_sha256: replays.and_then(|replays| answered(replays.candidate(case))),
        rerun_sha256: replays.and_then(|replays| answered(replays.rerun(case))),
        incumbent: None,
        candidate: None,
        judgement: None,
    }
}

/// Numbers the runs in the order in which they first occur; a case without a run has no number.
fn clusters(cases: &[Case]) -> Vec<Option<u64>> {
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    cases
        .iter()
        .map(|case| {
            let next = numbers.len() as u64;
            case.call.run.as_deref().map(|run| *numbers.entry(run).or_insert(next))
        })
        .collect()
}

fn of_output(output: &Output) -> String {
    of_value(&serde_json::to_value(output).expect("an answer is JSON"))
}

/// Returns the digest of a value in canonical JSON.
pub(super) fn of_value(value: &serde_json::Value) -> String {
    of_bytes(freehold_vault::canonical(value).as_bytes())
}

fn of_bytes(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
