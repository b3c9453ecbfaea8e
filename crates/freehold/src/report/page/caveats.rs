//! What speaks against the good news, gathered from all results: the first thing that the page says.

use crate::{
    assess::result::AssessmentResult,
    report::{Report, Verdict, by_step, figures, figures::counted},
};

use super::words;

/// Returns the sentences, the gravest first; empty where nothing was assessed.
pub(super) fn of(report: &Report) -> Vec<String> {
    let results = &report.results;
    let mut told = Vec::new();
    told.extend(results.iter().filter_map(failing_subsets));
    told.extend(without_adequate(results));
    told.extend(failures(results));
    told.extend(agreement_only(results));
    told.extend(tried_again(results));
    if report.is_simulated() && !results.is_empty() {
        told.push("The vendor is simulated: its errors, prices and delays are declared, not measured.".to_owned());
    }
    told
}

fn failing_subsets(result: &AssessmentResult) -> Option<String> {
    let failing = words::failing_subsets(result)?;
    let (candidate, step) = (&result.row.candidate, &result.row.step);
    Some(format!("{candidate} is adequate for {step} only on the whole: it is not adequate for {failing}."))
}

fn without_adequate(results: &[AssessmentResult]) -> Option<String> {
    let verdict = |index: &usize| Verdict::of_result(&results[*index]);
    let groups = by_step(results);
    let (mut lost, mut open) = (Vec::new(), Vec::new());
    for (step, members) in &groups {
        if members.iter().all(|index| verdict(index) == Verdict::NotAdequate) {
            lost.push(*step);
        } else if members.iter().all(|index| verdict(index) != Verdict::Adequate) {
            open.push(*step);
        }
    }
    let lost = (!lost.is_empty())
        .then(|| format!("No candidate can carry {}: the vendor is needed there.", words::listed(&lost)));
    let open = (!open.is_empty())
        .then(|| format!("Nothing is decided in favour of any candidate for {}.", words::listed(&open)));
    (lost.is_some() || open.is_some()).then(|| lost.into_iter().chain(open).collect::<Vec<_>>().join(" "))
}

fn failures(results: &[AssessmentResult]) -> Option<String> {
    let of = |result: &AssessmentResult| format!("{} for {}", result.row.candidate, result.row.step);
    let failed: u64 = results.iter().map(|result| result.failures.candidate).sum();
    let names: Vec<String> = results.iter().filter(|result| result.failures.candidate > 0).map(of).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    (failed > 0).then(|| {
        format!(
            "{} got no answer from the candidate and count as a score of 0 ({}); the serving may be at fault, not the model.",
            counted(failed, "replay", "replays"),
            words::listed(&names)
        )
    })
}

fn agreement_only(results: &[AssessmentResult]) -> Option<String> {
    let against_incumbent = results.iter().filter(|result| result.row.reference == "incumbent" && result.row.n > 0);
    let (mut agreement, mut unmeasured) = (0_u64, 0_u64);
    for result in against_incumbent {
        agreement += 1;
        unmeasured += u64::from(result.arms.rerun.is_none());
    }
    if agreement == 0 {
        return None;
    }
    let all = if agreement == results.len() as u64 { "All".to_owned() } else { figures::count(agreement) };
    let noise = match unmeasured {
        0 => String::new(),
        count => format!(
            " In {} of them the incumbent’s own noise is not known, which speaks against the candidate.",
            figures::count(count)
        ),
    };
    Some(format!(
        "{all} of these verdicts are about agreement with the incumbent’s recorded answers, not about truth.{noise}"
    ))
}

fn tried_again(results: &[AssessmentResult]) -> Option<String> {
    let retries = |result: &AssessmentResult| result.looks.iter().filter(|look| look.is_retry).count() as u64;
    let again: Vec<String> = results
        .iter()
        .filter(|result| retries(result) > 0)
        .map(|result| format!("{} for {} ({} times)", result.row.candidate, result.row.step, retries(result) + 1))
        .collect();
    let names: Vec<&str> = again.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Tried more than once, so that a lucky verdict is likelier than the stated confidence says: {}.",
            words::listed(&names)
        )
    })
}
