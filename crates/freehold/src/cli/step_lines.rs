//! What is known about every step, as lines for the table, for JSON and for the report.

use freehold_store::{Generation, StepSummary, Store, Traffic};
use freehold_wire::Usage;
use serde::Serialize;

use crate::assess::{AssessmentResult, Half};
use crate::exit::Fault;
use crate::facts::{Precision, PriceBook, microusd};
use crate::report::{self, Align};

/// One step with everything known about it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct StepLine {
    pub(crate) step: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) found_by: String,
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) runs: u64,
    pub(crate) models: Vec<String>,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// Dollars for the calls whose usage and price are known; `None` when none is.
    pub(crate) usd: Option<f64>,
    /// Calls whose cost is not in `usd`.
    pub(crate) calls_without_cost: u64,
    /// The earliest retirement among the models that are asked for.
    pub(crate) retirement: Option<String>,
    /// `exact`, or `earliest` where the vendor only promises not to retire it before.
    pub(crate) retirement_is: Option<&'static str>,
    pub(crate) days_left: Option<i64>,
    pub(crate) stage: String,
    pub(crate) served_by: Option<String>,
    /// The best verdict among the newest of every candidate, and whose it is.
    pub(crate) verdict: Option<String>,
    pub(crate) verdict_of: Option<String>,
    /// The fault of the serving that stands in the way of a verdict on the model, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serving_fault: Option<String>,
}

impl StepLine {
    /// Says when the first of the models retires, where that is known.
    fn retires(&self) -> Option<String> {
        let days = self.days_left?;
        let is_exact = self.retirement_is == Some(Precision::Exact.as_str());
        Some(match days {
            1.. if is_exact => format!("in {days} days"),
            1.. => format!("in {days} days or later"),
            _ if !is_exact => "any day".to_owned(),
            0 => "today".to_owned(),
            _ => format!("{} days ago", -days),
        })
    }
}

/// Returns the id of the step that `wanted` is the name or an id of; what is neither stays as it is.
pub(crate) fn id_of(store: &Store, wanted: &str) -> anyhow::Result<String> {
    let named = store.step_rules()?.names.into_iter().find(|(_, name)| name == wanted).map(|(step, _)| step);
    Ok(named.or(store.step_now(wanted)?).unwrap_or_else(|| wanted.to_owned()))
}

/// Returns the one step that `wanted` is the name, an id, or the beginning of the id of.
pub(crate) fn find(store: &Store, wanted: &str) -> anyhow::Result<String> {
    let steps: Vec<String> = store.steps()?.into_iter().map(|summary| summary.step).collect();
    let id = id_of(store, wanted)?;
    if steps.contains(&id) {
        return Ok(id);
    }
    let begun: Vec<&String> = steps.iter().filter(|step| step.starts_with(wanted)).collect();
    match begun.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Fault::input(format!("no step is called {wanted:?}")).hint(known(&steps, wanted)).into()),
        many => Err(Fault::input(format!("{wanted:?} begins {} steps", many.len()))
            .hint(format!("write more of one: {}", many.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ")))
            .into()),
    }
}

fn known(steps: &[String], wanted: &str) -> String {
    let names: Vec<&str> = steps.iter().map(String::as_str).collect();
    match crate::config::layers::nearest(wanted, &names) {
        Some(nearest) => format!("did you mean {nearest}? `freehold steps` lists all"),
        None => "`freehold steps` lists all".to_owned(),
    }
}

/// Returns a line for every step, those with the most calls first.
pub(crate) fn lines(store: &Store, book: &PriceBook, today: jiff::civil::Date) -> anyhow::Result<Vec<StepLine>> {
    let generation = store.generation()?;
    let assessments = newest(store)?;
    let names = store.step_rules()?.names;
    let mut lines = Vec::new();
    for summary in store.steps()? {
        let judged = best(&assessments, &summary.step);
        let line = line(&summary, book, today, &generation, judged);
        lines.push(StepLine { name: names.get(&summary.step).cloned(), ..line });
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.calls));
    Ok(lines)
}

fn line(
    summary: &StepSummary,
    book: &PriceBook,
    today: jiff::civil::Date,
    generation: &Generation,
    judged: Option<&AssessmentResult>,
) -> StepLine {
    let route = generation.routes.get(&summary.step);
    let mut models: Vec<String> = summary.traffic.iter().map(|traffic| traffic.model.clone()).collect();
    models.dedup();
    let retirement = models.iter().filter_map(|model| book.facts().retirement(model)).min_by_key(|found| found.date);
    let mut usd = None;
    let mut calls_without_cost = 0;
    for traffic in &summary.traffic {
        let tariff = book.current(&traffic.upstream, &traffic.model);
        let cost = tariff.and_then(|tariff| tariff.sum(&sums(traffic))).map(|parts| microusd(parts.total()));
        match cost.filter(|_| traffic.usage_calls > 0) {
            Some(cost) => {
                *usd.get_or_insert(0.0) += cost as f64 / 1e6;
                calls_without_cost += traffic.calls - traffic.usage_calls;
            }
            None => calls_without_cost += traffic.calls,
        }
    }
    StepLine {
        step: summary.step.clone(),
        name: None,
        found_by: summary.step_by.clone(),
        calls: summary.calls,
        failures: summary.failures,
        runs: summary.runs,
        models,
        input_tokens: summary.traffic.iter().map(|traffic| traffic.input).sum(),
        output_tokens: summary.traffic.iter().map(|traffic| traffic.output).sum(),
        usd,
        calls_without_cost,
        retirement: retirement.as_ref().map(|found| found.date.to_string()),
        retirement_is: retirement.as_ref().map(|found| found.precision.as_str()),
        days_left: retirement.as_ref().map(|found| i64::from((found.date - today).get_days())),
        stage: route.map_or_else(|| "leased".to_owned(), |route| route.stage.clone()),
        served_by: route.map(|route| format!("{}/{}", route.upstream, route.model)),
        verdict: judged.map(|result| result.row.verdict.clone()),
        verdict_of: judged.map(|result| result.row.candidate.clone()),
        serving_fault: judged.and_then(|result| result.serving_fault.clone()),
    }
}

/// Returns the tokens of a traffic's calls together.
fn sums(traffic: &Traffic) -> Usage {
    Usage {
        input: traffic.input,
        cache_read: traffic.cache_read,
        cache_write: traffic.cache_write,
        output: traffic.output,
        reasoning: traffic.reasoning,
    }
}

/// Returns the lines as a table for the terminal.
pub(crate) fn table(lines: &[StepLine]) -> String {
    let headers = [
        ("STEP", Align::Left),
        ("CALLS", Align::Right),
        ("RUNS", Align::Right),
        ("MODEL", Align::Left),
        ("TOKENS IN/OUT", Align::Right),
        ("COST", Align::Right),
        ("RETIRES", Align::Right),
        ("STAGE", Align::Left),
        ("VERDICT", Align::Left),
    ];
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            vec![
                line.name.as_ref().unwrap_or(&line.step).clone(),
                report::figures::count(line.calls),
                report::figures::count(line.runs),
                line.models.join(", "),
                format!("{}/{}", report::figures::count(line.input_tokens), report::figures::count(line.output_tokens)),
                report::figures::usd(line.usd),
                line.retires().unwrap_or_else(|| "unknown".to_owned()),
                line.stage.clone(),
                judged(line),
            ]
        })
        .collect();
    report::table(&headers, &rows)
}

fn judged(line: &StepLine) -> String {
    match (&line.verdict, &line.verdict_of) {
        (Some(_), Some(candidate)) if line.serving_fault.is_some() => {
            format!("serving fault: {} ({candidate})", line.serving_fault.as_deref().unwrap_or_default())
        }
        (Some(verdict), Some(candidate)) => format!("{} ({candidate})", verdict.replace('_', " ")),
        _ => "not assessed".to_owned(),
    }
}

/// Returns the newest finished assessment of every step and candidate; a half that only chose among candidates hides none.
fn newest(store: &Store) -> anyhow::Result<Vec<AssessmentResult>> {
    let mut results: Vec<AssessmentResult> = Vec::new();
    for assessment in store.assessments()? {
        let Some(result) = assessment.result else { continue };
        let result: AssessmentResult = serde_json::from_value(result)?;
        let about = |result: &AssessmentResult| {
            (result.row.step.clone(), result.row.candidate.clone(), result.half == Some(Half::Choosing))
        };
        let is_same = |newer: &AssessmentResult| about(newer) == about(&result);
        if !results.iter().any(is_same) {
            results.push(result);
        }
    }
    Ok(results)
}

/// Returns the assessment that speaks best for a step: adequate before undecided (and what a fault of the serving keeps from
/// being decided) before not adequate, then the newest.
fn best<'a>(assessments: &'a [AssessmentResult], step: &str) -> Option<&'a AssessmentResult> {
    let rank = |result: &&AssessmentResult| match result.row.verdict.as_str() {
        "adequate" => 0,
        "undecided" => 1,
        _ if result.serving_fault.is_some() => 1,
        _ => 2,
    };
    assessments.iter().filter(|result| result.row.step == step).min_by_key(rank)
}

/// Returns the report of everything in the store: every step, and the newest assessment of each step and candidate.
pub(crate) fn report_of(store: &Store, book: &PriceBook) -> anyhow::Result<report::Report> {
    let lines = lines(store, book, jiff::Zoned::now().date())?;
    let mut results = newest(store)?;
    results.sort_by(|a, b| (&a.row.step, a.at_ms).cmp(&(&b.row.step, b.at_ms)));
    say_how_many_were_tried(&mut results);
    Ok(report::Report {
        title: "Freehold: which steps an open model can carry".to_owned(),
        generated_at_ms: jiff::Timestamp::now().as_millisecond(),
        simulated_vendor: results.iter().any(|result| result.is_simulated_incumbent),
        results,
        dependence: Vec::new(),
        steps: lines.iter().map(report_line).collect(),
    })
}

/// Each verdict stands alone at its level; whoever picks among several must know that one of them passes by luck more often.
fn say_how_many_were_tried(results: &mut [AssessmentResult]) {
    let steps: Vec<String> = results.iter().map(|result| result.row.step.clone()).collect();
    for result in results {
        let tried = steps.iter().filter(|step| **step == result.row.step).count();
        if tried > 1 {
            let each = (1.0 - result.row.confidence) * 100.0;
            result.notes.push(format!(
                "{tried} candidates were tried for this step, each at its own level: the chance that one which is not adequate \
                 passes is at most {each:.0} % for each, and up to {:.0} % for all of them together",
                (each * tried as f64).min(100.0)
            ));
        }
    }
}

fn report_line(line: &StepLine) -> report::StepLine {
    let tokens = line.input_tokens + line.output_tokens;
    report::StepLine {
        step: line.step.clone(),
        calls: line.calls,
        tokens: (tokens > 0).then_some(tokens),
        usd: line.usd,
        retirement: line.retires(),
        stage: line.stage.clone(),
        verdict: line.verdict.clone(),
        serving_fault: line.serving_fault.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retirements_are_told_as_surely_as_the_vendor_told_them() {
        for (days, precision, told) in [
            (129, Precision::Exact, "in 129 days"),
            (129, Precision::Earliest, "in 129 days or later"),
            (0, Precision::Exact, "today"),
            (-30, Precision::Exact, "30 days ago"),
            (-30, Precision::Earliest, "any day"),
        ] {
            let line =
                StepLine { days_left: Some(days), retirement_is: Some(precision.as_str()), ..StepLine::default() };
            assert_eq!(line.retires().as_deref(), Some(told));
        }
        assert_eq!(StepLine::default().retires(), None);
    }
}
