//! The sentences of the page: what was found, in words a reader without statistics can repeat.

use freehold_evidence::ppi::LABELS_FEW;

use crate::{
    assess::result::AssessmentResult,
    report::{Verdict, by_step, figures, figures::counted},
};

/// Says in one or two sentences what all assessments together came to.
pub(super) fn headline(results: &[AssessmentResult]) -> String {
    match results {
        [] => "Nothing has been assessed yet.".to_owned(),
        [only] => sentence(only),
        _ => {
            let groups = by_step(results);
            let of = |verdict| results.iter().filter(move |result| Verdict::of_result(result) == verdict);
            let mut carried: Vec<&str> = Vec::new();
            for result in of(Verdict::Adequate) {
                if !carried.contains(&result.row.step.as_str()) {
                    carried.push(&result.row.step);
                }
            }
            let stopped = match of(Verdict::ServingFault).count() {
                0 => String::new(),
                count => format!(" {count} say nothing of the model, because of a fault of its serving."),
            };
            let counts = format!(
                "Of {} over {}, {} came out not adequate, {} undecided and {} adequate.{stopped}",
                counted(results.len() as u64, "assessment", "assessments"),
                counted(groups.len() as u64, "step", "steps"),
                of(Verdict::NotAdequate).count(),
                of(Verdict::Undecided).count(),
                of(Verdict::Adequate).count()
            );
            let missed: Vec<&str> =
                groups.iter().map(|(step, _)| *step).filter(|step| !carried.contains(step)).collect();
            match (missed.as_slice(), carried.as_slice()) {
                (_, []) => format!("{counts} No step has an adequate candidate so far."),
                ([], steps) => format!("{counts} An adequate candidate was found for {}.", listed(steps)),
                (none, steps) => format!(
                    "{counts} No adequate candidate was found for {}; for {} there is one.",
                    listed(none),
                    listed(steps)
                ),
            }
        }
    }
}

/// Says what a result came to, as short as a cell.
pub(super) fn outcome(result: &AssessmentResult) -> String {
    match result.serving_fault {
        Some(_) => result.outcome(),
        None => Verdict::of(&result.row.verdict).words().to_owned(),
    }
}

/// Says one result in plain words.
pub(super) fn sentence(result: &AssessmentResult) -> String {
    let row = &result.row;
    let (step, candidate, margin) = (&row.step, &row.candidate, figures::setting(row.margin));
    if row.n == 0 || !row.difference.is_finite() {
        return format!("No case of {step} could be scored, so nothing can be said about {candidate}.");
    }
    let verdict = match Verdict::of_result(result) {
        Verdict::ServingFault => format!(
            "{candidate} cannot be judged for {step} as it is served: its server breaks {}, which the step needs",
            result.serving_fault.as_deref().unwrap_or_default()
        ),
        Verdict::Adequate => format!("{candidate} is adequate for {step} at margin {margin}"),
        Verdict::NotAdequate => format!("{candidate} is not adequate for {step} at margin {margin}"),
        Verdict::Undecided => format!("Whether {candidate} is adequate for {step} at margin {margin} is undecided"),
    };
    let clusters = match row.clusters {
        clusters if clusters > 0 && clusters < row.n => format!(" in {}", counted(clusters, "run", "runs")),
        _ => String::new(),
    };
    let more = match (Verdict::of_result(result), row.more_needed) {
        (Verdict::Undecided, Some(more)) => format!(" About {} more would be needed.", counted(more, "case", "cases")),
        _ => String::new(),
    };
    let interval = match row.lower.is_finite() && row.upper.is_finite() {
        true => {
            format!(
                "{} interval {}",
                figures::interval_level(row.confidence),
                figures::limits((row.lower, row.upper), row.margin)
            )
        }
        false => "no interval".to_owned(),
    };
    format!(
        "{verdict}: difference {} points, {interval}, n\u{a0}=\u{a0}{}{clusters}.{more} Reference: {}.",
        figures::points(row.difference),
        figures::count(row.n),
        reference(&row.reference)
    )
}

/// Names the subsets that fail although the whole is adequate; `None` where there are none.
pub(super) fn failing_subsets(result: &AssessmentResult) -> Option<String> {
    let names: Vec<String> = result.failing_subsets().map(|subset| format!("{} {}", subset.by, subset.value)).collect();
    (!names.is_empty()).then(|| listed(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Says which margins would have given which verdict, and how far a verdict in favour is from falling.
pub(super) fn what_would_change(result: &AssessmentResult) -> Option<String> {
    let row = &result.row;
    if result.serving_fault.is_some() {
        return Some("Mend the server, as the notes say, and assess again.".to_owned());
    }
    if let Some(words) = besides_the_margin(result) {
        return Some(words);
    }
    if ![row.lower, row.upper, row.margin].iter().all(|value| value.is_finite()) || row.n == 0 {
        return None;
    }
    let accepted = |limit: f64| figures::setting(((-limit).max(0.0) * 1e3).ceil() / 1e3);
    let words = match Verdict::of(&row.verdict) {
        Verdict::Adequate => {
            let cases = ((row.lower + row.margin) * row.n as f64).floor().max(0.0) as u64;
            let held = match row.lower < 0.0 {
                true => format!("The same interval is adequate down to a margin of {}.", accepted(row.lower)),
                false => "The same interval is adequate at any margin.".to_owned(),
            };
            format!(
                "{held} With {} more of the {} wholly lost it would be undecided, perhaps with fewer.",
                figures::count(cases + 1),
                counted(row.n, "case", "cases")
            )
        }
        Verdict::NotAdequate => format!(
            "Only who accepts a loss above {} could call it adequate; below {} it stays not adequate.",
            accepted(row.lower),
            figures::setting(((-row.upper).max(0.0) * 1e3).floor() / 1e3)
        ),
        Verdict::Undecided if row.upper < 0.0 => format!(
            "It would be adequate at a margin above {} and not adequate below {}; these cases cannot tell in between.",
            accepted(row.lower),
            figures::setting(((-row.upper).max(0.0) * 1e3).floor() / 1e3)
        ),
        Verdict::Undecided | Verdict::ServingFault => {
            format!("It would be adequate at a margin above {}; no margin makes it not adequate.", accepted(row.lower))
        }
    };
    Some(words)
}

/// Says what an undecided result lacks that no margin would make up for; `None` where it is a matter of the margin.
fn besides_the_margin(result: &AssessmentResult) -> Option<String> {
    if Verdict::of(&result.row.verdict) != Verdict::Undecided {
        return None;
    }
    let judge = result.judge.as_ref().filter(|judge| judge.examined.weight.is_none());
    if let Some(judge) = judge {
        return Some(match judge.examined.refusals.as_slice() {
            [] => format!(
                "At least {LABELS_FEW} labels of people on cases drawn at random; by a judge’s word alone no margin makes it adequate."
            ),
            _ => "A judge that is believed, and labels of people beside it; with this one no margin makes it adequate."
                .to_owned(),
        });
    }
    let is_taken_back = result.across.as_ref().is_some_and(|across| across.verdict_alone == "adequate");
    is_taken_back.then(|| {
        "More cases: by itself it is adequate at this margin, and beside the other steps the evidence is too weak."
            .to_owned()
    })
}

/// Says what the noise floor is, or that there is none, beside the scores of both arms.
pub(super) fn noise_floor(result: &AssessmentResult) -> String {
    let (incumbent, candidate) = (&result.row.incumbent, &result.row.candidate);
    let [recorded, candidate_score] = [result.arms.recorded, result.arms.candidate].map(figures::score);
    match (result.arms.rerun.map(figures::score), result.row.reference.as_str()) {
        _ if result.row.n == 0 => String::new(),
        (Some(rerun), "incumbent") => format!(
            "Noise floor: asked again, {incumbent} scored {rerun} against its own recorded answers; \
             {candidate} scored {candidate_score}."
        ),
        (Some(rerun), _) => format!(
            "Noise floor: {incumbent} scored {recorded} as recorded and {rerun} when asked again; \
             {candidate} scored {candidate_score}."
        ),
        (None, "incumbent") => format!(
            "Noise floor: not measured, because {incumbent} was not asked again; {candidate} scored {candidate_score}."
        ),
        (None, _) => format!(
            "Noise floor: not measured, because {incumbent} was not asked again; \
             it scored {recorded} as recorded, {candidate} {candidate_score}."
        ),
    }
}

pub(super) fn reference(kind: &str) -> &str {
    match kind {
        "incumbent" => "the incumbent’s answers",
        "label" => "human labels",
        "outcome" => "business outcomes",
        other => other,
    }
}

pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
