//! What stands in a certificate. Issuing and verifying build it here, from what was found and from what is found again.

use freehold_store::AssessmentHead;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::FORMAT;
use crate::assess::result::{Arms, Examined, Failures, Row, Subset};
use crate::assess::{CaseSeal, Corrected, Look};

/// What an assessment came to, as far as a certificate tells it.
pub(crate) struct Findings<'a> {
    pub(crate) plan: &'a Value,
    pub(crate) check_version: String,
    pub(crate) row: &'a Row,
    pub(crate) examined: Option<&'a Examined>,
    pub(crate) across: Option<&'a Corrected>,
    pub(crate) arms: &'a Arms,
    pub(crate) failures: &'a Failures,
    pub(crate) subsets: &'a [Subset],
    pub(crate) cases: &'a [CaseSeal],
    pub(crate) looks: &'a [Look],
}

/// When a certificate is made, by what, and how long it is good.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) made_by: String,
    pub(crate) made_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) expires_because: String,
}

impl Terms {
    /// Sets the end after so many days, or when the candidate is retired if that is earlier.
    pub(crate) fn of(made_at: Timestamp, days: u32, retirement: Option<(Timestamp, String)>) -> Self {
        let end = made_at.checked_add((24 * i64::from(days)).hours()).unwrap_or(Timestamp::MAX);
        let retirement = retirement.filter(|(at, _)| (made_at..end).contains(at));
        let (expires_at, expires_because) = retirement.unwrap_or_else(|| (end, format!("{days} days")));
        let made_by = concat!("freehold ", env!("CARGO_PKG_VERSION")).to_owned();
        Terms { made_by, made_at, expires_at, expires_because }
    }
}

/// Builds the body.
pub(crate) fn of(head: &AssessmentHead, findings: &Findings<'_>, terms: &Terms) -> Value {
    let mut declared = findings.plan.clone();
    let mut take = |member: &str| declared.as_object_mut().and_then(|plan| plan.remove(member)).unwrap_or_default();
    let (lock, judge, step_versions) = (take("lock"), take("judge"), take("step_versions"));
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
    declared["at"] = at(head.at_ms).into();
    let mut body = json!({
        "format": FORMAT,
        "made_by": terms.made_by,
        "made_at": terms.made_at.to_string(),
        "expires_at": terms.expires_at.to_string(),
        "expires_because": terms.expires_because,
        "assessment": head.id,
        "step": head.step,
        "step_versions": step_versions,
        "candidate": head.candidate,
        "lock": lock,
        "incumbent": head.incumbent,
        "reference": findings.row.reference,
        "judge": judge,
        "declared": declared,
        "checks": [{"check": findings.row.check, "version": findings.check_version}],
        "result": result(findings),
        "subsets": findings.subsets,
        "looks": findings.looks,
        "cases": findings.cases,
    });
    if let Some(examined) = findings.examined {
        body["judge"]["examined"] = json!(examined);
    }
    if let Some(corrected) = findings.across {
        body["across"] = json!(corrected);
    }
    body
}

fn result(findings: &Findings<'_>) -> Value {
    let Row { n, clusters, difference, lower, upper, verdict, more_needed, method, .. } = findings.row;
    let retries: Vec<&Look> = findings.looks.iter().filter(|look| look.is_retry).collect();
    let error = |confidence: f64| 1.0 - confidence;
    let errors = retries.iter().map(|look| error(look.confidence)).sum::<f64>() + error(findings.row.confidence);
    json!({
        "n": n, "clusters": clusters, "difference": difference, "lower": lower, "upper": upper,
        "confidence": findings.row.confidence, "margin": findings.row.margin,
        "verdict": verdict, "more_needed": more_needed, "method": method,
        "score_recorded": findings.arms.recorded, "score_rerun": findings.arms.rerun,
        "score_candidate": findings.arms.candidate,
        "failures_candidate": findings.failures.candidate, "failures_rerun": findings.failures.rerun,
        "tries": retries.len() + 1,
        "tries_error_max": errors.min(1.0),
    })
}
