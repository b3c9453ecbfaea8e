//! Verifies a certificate: the signature, whose key it is, whether it has expired, and every figure that can be found again.

use freehold_evidence::Pair;
use freehold_store::Store;
use freehold_vault::PublicKey;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Certificate;
use super::body::{self, Findings, Terms};
use super::compare::{self, Absent};
use crate::assess::ballot::{self, Ballot, Belief};
use crate::assess::result::{CaseResult, Examined, Named, Row};
use crate::assess::{CaseSeal, Corrected, Grounds, Look, corrected_again, recall};
use crate::checks::Outside;

pub use super::compare::{Field, State};

/// What nothing but the signature vouches for.
const STATED: [&str; 4] = ["format", "made_by", "expires_at", "expires_because"];

/// The keys that are trusted here, and where each comes from.
#[derive(Debug, Clone, Default)]
pub struct Trusted {
    /// That of this home, where something was signed here.
    pub home: Option<PublicKey>,
    /// One that the caller gives.
    pub given: Option<PublicKey>,
}

/// Whose signature it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// That of this home's key.
    Home,
    /// That of the key that was given.
    Given,
    /// Right, of a key that nobody here knows.
    UnknownKey,
    /// Of none: the certificate was changed, or not signed by the key in it.
    Wrong,
}

/// From what the figures were found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Beside {
    /// From everything that the store recorded.
    Store,
    /// From what is left: the bodies of some cases are no longer kept.
    StoreInPart {
        /// How many are gone.
        cases_gone: usize,
    },
    /// From the scores in the certificate alone, because the assessment is in no store here.
    Itself,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// Whether the certificate holds: signed by a trusted key, not expired, and nothing differs.
    pub holds: bool,
    /// Why it does not.
    pub faults: Vec<String>,
    /// The digest by which it is named.
    pub sha256: String,
    /// Whose signature it is.
    pub signature: Signature,
    /// The SHA-256 of the key that is said to have signed it.
    pub key_sha256: String,
    /// When it expires.
    pub expires_at: String,
    /// From what the figures were found again.
    pub recomputed: Beside,
    /// Every field.
    pub fields: Vec<Field>,
}

/// Verifies a certificate, beside a store where there is one.
///
/// # Errors
/// The store cannot be read, or holds a plan that this version cannot take up.
pub fn verify(
    certificate: &Certificate,
    trusted: &Trusted,
    store: Option<(&Store, Outside<'_>)>,
    now: Timestamp,
) -> anyhow::Result<Verification> {
    let head = &certificate.head;
    let signature = signature(certificate, trusted);
    let (recomputed, fields) = match store.map(|store| beside(store, certificate)).transpose()?.flatten() {
        Some(found) => found,
        None => (Beside::Itself, alone(certificate)),
    };
    let mut faults = Vec::new();
    match signature {
        Signature::Wrong => faults.push("the signature is wrong: it was changed after it was signed".to_owned()),
        Signature::UnknownKey => faults.push("it is signed by a key that nobody here knows".to_owned()),
        Signature::Home | Signature::Given => {}
    }
    if head.expires_at.0 <= now {
        faults.push(format!("it expired at {} ({})", head.expires_at.0, head.expires_because));
    }
    let differing = fields.iter().filter(|field| field.state == State::Differs);
    faults.extend(differing.map(|field| field.found.clone().unwrap_or_else(|| field.field.clone())));
    Ok(Verification {
        holds: faults.is_empty(),
        faults,
        sha256: certificate.sha256(),
        signature,
        key_sha256: certificate.public_key().fingerprint(),
        expires_at: head.expires_at.0.to_string(),
        recomputed,
        fields,
    })
}

fn signature(certificate: &Certificate, trusted: &Trusted) -> Signature {
    let is_by = |key: &Option<PublicKey>| key.as_ref() == Some(certificate.public_key());
    match certificate.is_signed() {
        false => Signature::Wrong,
        true if is_by(&trusted.given) => Signature::Given,
        // A key that the caller gives is the one it is held against, and no other.
        true if trusted.given.is_none() && is_by(&trusted.home) => Signature::Home,
        true => Signature::UnknownKey,
    }
}

/// Finds everything again in the store of the assessment; `None` where this is another one.
fn beside(
    (store, outside): (&Store, Outside<'_>),
    certificate: &Certificate,
) -> anyhow::Result<Option<(Beside, Vec<Field>)>> {
    let head = &certificate.head;
    let Some(stored) = store.assessment(&head.assessment)? else { return Ok(None) };
    let Some(finished_ms) = stored.finished_ms else { return Ok(None) };
    let booked: Vec<String> = head.cases.iter().map(|seal| seal.case.clone()).collect();
    let recalled = recall::recall((store, outside), &stored.head, &booked, finished_ms)?;
    let Some(decided) = recalled.decided else {
        let again = json!({"cases": in_part(&head.cases, recalled.cases)});
        let beside = Beside::StoreInPart { cases_gone: recalled.missing.len() };
        return Ok(Some((beside, compare::fields(certificate.body(), &again, Absent::NotChecked, &STATED))));
    };
    let mut looks = as_booked(decided.looks, certificate.body());
    let judged = &decided.judged;
    let pairs: Vec<Pair> = judged.cases.iter().map(CaseResult::pair).collect();
    let ballots: Vec<Ballot> = judged.cases.iter().filter_map(Ballot::of_case).collect();
    let grounds = match &decided.examined {
        Some(examined) => Grounds::Ballots(&ballots, Belief::of(&examined.refusals)),
        None => Grounds::Scores(&pairs),
    };
    let mut row = judged.row.clone();
    let across = corrected(certificate, &stored.head.plan, (&mut row, &grounds))?;
    if let Some(own) = looks.last_mut().filter(|_| across.is_some()) {
        own.verdict = Some(row.verdict.clone());
    }
    let findings = Findings {
        plan: &recalled.plan,
        check_version: decided.check_version.clone(),
        row: &row,
        examined: decided.examined.as_ref(),
        across: across.as_ref(),
        arms: &judged.arms,
        failures: &judged.failures,
        subsets: &judged.subsets,
        cases: &recalled.cases,
        looks: &looks,
    };
    let made_at = Timestamp::from_millisecond(finished_ms).unwrap_or_default();
    let (expires_at, expires_because) = (head.expires_at.0, head.expires_because.clone());
    let terms = Terms { made_by: String::new(), made_at, expires_at, expires_because };
    let again = body::of(&stored.head, &findings, &terms);
    Ok(Some((Beside::Store, compare::fields(certificate.body(), &again, Absent::Differs, &STATED))))
}

/// Corrects the row for the number of steps, where the plan declares it, and returns what that came to.
fn corrected(
    certificate: &Certificate,
    declared: &Value,
    (row, grounds): (&mut Row, &Grounds<'_>),
) -> anyhow::Result<Option<Corrected>> {
    let assessment = &certificate.head.assessment;
    let found = corrected_again((certificate.body(), assessment), declared, (row, grounds))?;
    if let Some(found) = &found {
        found.take_back(assessment, row);
    }
    Ok(found)
}

/// Puts what is left of the cases in the places that the certificate has them in; what cannot be told stays out.
fn in_part(certified: &[CaseSeal], found: Vec<CaseSeal>) -> Vec<Value> {
    let mut found = found.into_iter().peekable();
    let of_case = |said: &CaseSeal| {
        let Some(seal) = found.next_if(|seal| seal.case == said.case) else { return json!({"case": said.case}) };
        let mut members = json!({
            "case": seal.case, "request_sha256": seal.request_sha256, "recorded_sha256": seal.recorded_sha256,
            "reference_sha256": seal.reference_sha256,
        });
        if said.candidate.is_some() {
            members["candidate_sha256"] = seal.candidate_sha256.into();
            members["rerun_sha256"] = seal.rerun_sha256.into();
        }
        members
    };
    certified.iter().map(of_case).collect()
}

/// Gives a look that was broken off the answers that it had when the certificate was made: it may have gone on since.
fn as_booked(mut looks: Vec<Look>, certified: &Value) -> Vec<Look> {
    let said: Vec<Look> = serde_json::from_value(certified["looks"].clone()).unwrap_or_default();
    for look in looks.iter_mut().filter(|look| look.verdict.is_none()) {
        let before = said.iter().find(|said| said.assessment == look.assessment && said.asked <= look.asked);
        if let Some(before) = before {
            (look.asked, look.shared, look.is_retry) = (before.asked, before.shared, before.is_retry);
        }
    }
    looks
}

/// Decides on the scores that the certificate holds.
fn alone(certificate: &Certificate) -> Vec<Field> {
    let head = &certificate.head;
    let pairs: Vec<Pair> = head.cases.iter().filter_map(sealed_pair).collect();
    let found = row_alone(certificate, &pairs).and_then(|found| Ok((found, judge_alone(certificate)?)));
    let ((row, across), figures) = match found {
        Ok(found) => found,
        Err(error) => {
            let found = Some(format!("no decision can be made on the scores in it: {error:#}"));
            return vec![Field { field: "result".to_owned(), state: State::Differs, found }];
        }
    };
    let mean = |value: fn(&Pair) -> f64| pairs.iter().map(value).sum::<f64>() / pairs.len().max(1) as f64;
    let mut again = json!({"result": {
        "n": row.n, "clusters": row.clusters, "difference": row.difference, "lower": row.lower,
        "upper": row.upper, "confidence": row.confidence, "margin": row.margin,
        "verdict": row.verdict, "more_needed": row.more_needed, "method": row.method,
        "score_candidate": mean(|pair| pair.candidate),
    }});
    if let Some(across) = across {
        again["across"] = json!(across);
    }
    if let Some(figures) = figures {
        again["judge"] = json!({"examined": {"figures": figures}});
    }
    compare::fields(certificate.body(), &again, Absent::NotChecked, &STATED)
}

/// Decides on the scores of a certificate as it declares, corrected for the number of steps where it declares that too.
fn row_alone(certificate: &Certificate, pairs: &[Pair]) -> anyhow::Result<(Row, Option<Corrected>)> {
    let head = &certificate.head;
    let ballots: Vec<Ballot> = head.cases.iter().filter_map(sealed_ballot).collect();
    let (grounds, decision) = match judged(certificate) {
        Some(examined) => (
            Grounds::Ballots(&ballots, Belief::of(&examined.refusals)),
            recall::judge_alone(&head.declared, &ballots, &examined)?,
        ),
        None => (Grounds::Scores(pairs), recall::decide_alone(&head.declared, pairs)?),
    };
    let named = Named {
        step: head.step.clone(),
        candidate: head.candidate.clone(),
        incumbent: String::new(),
        reference: String::new(),
        check: String::new(),
    };
    let mut row = Row::of(&decision, named);
    let across = corrected(certificate, &head.declared, (&mut row, &grounds))?;
    Ok((row, across))
}

/// Returns what a certificate says of how its judge was examined, where one compared.
fn judged(certificate: &Certificate) -> Option<Examined> {
    serde_json::from_value(certificate.body()["judge"]["examined"].clone()).ok()
}

/// Returns the figures of the judge as far as they follow from what it said of each case; lengths of answers are not in there.
fn judge_alone(certificate: &Certificate) -> anyhow::Result<Option<Value>> {
    if judged(certificate).is_none() {
        return Ok(None);
    }
    let judgements = certificate.head.cases.iter().filter_map(|seal| seal.judgement.as_ref());
    let confidence = certificate.head.declared["confidence"].as_f64().unwrap_or(f64::NAN);
    let mut figures = serde_json::to_value(ballot::figures(judgements, &[], confidence)?)?;
    figures.as_object_mut().and_then(|figures| figures.remove("length_adjusted"));
    Ok(Some(figures))
}

fn sealed_pair(seal: &CaseSeal) -> Option<Pair> {
    Some(Pair {
        case: seal.case.clone(),
        incumbent: seal.incumbent?,
        candidate: seal.candidate?,
        cluster: seal.cluster.map(|number| number.to_string()),
    })
}

fn sealed_ballot(seal: &CaseSeal) -> Option<Ballot> {
    Some(Ballot { pair: sealed_pair(seal)?, judgement: seal.judgement? })
}
