//! The self-contained HTML page: turns a report into the words and figures that the template sets.
//! Recorded text is hostile: everything is escaped by the template but the figures, which escape their own labels.

use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::{Report, StepLine, Verdict, by_step, figures, plots, reservation};
use crate::assess::result::{AssessmentResult, Row};

mod caveats;
mod judge_lines;
mod methods;
mod result_view;
mod words;

use result_view::ResultView;

/// Renders the report as one HTML page that needs nothing but itself.
pub fn html(report: &Report) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the default ones"));
    environment
        .add_template("page.html", include_str!("page.html"))
        .and_then(|()| environment.get_template("page.html"))
        .and_then(|template| template.render(page(report)))
        .expect("the template is compiled in and its fields are ours")
}

fn page(report: &Report) -> Value {
    let results = &report.results;
    let steps: Vec<Value> = by_step(results)
        .into_iter()
        .map(|(step, members)| {
            let views: Vec<ResultView> =
                members.into_iter().map(|index| ResultView::new(index + 1, &results[index])).collect();
            context! { name => step, results => Value::from(Serde(views)) }
        })
        .collect();
    let plot = |layout| Value::from_safe_string(plots::forest(results, layout));
    context! {
        css => Value::from_safe_string(include_str!("page.css").to_owned()),
        title => report.title.as_str(),
        generated => figures::date(report.generated_at_ms),
        simulated => report.is_simulated(),
        headline => words::headline(results),
        caveats => caveats::of(report),
        methods => Value::from(Serde(methods::of(results))),
        tally => tally(results),
        level => levels(results),
        forest_wide => plot(plots::Layout::Wide),
        forest_narrow => plot(plots::Layout::Narrow),
        table => Value::from(Serde(Table::of(results))),
        events => events(report),
        step_lines => Value::from(Serde(report.steps.iter().map(StepView::new).collect::<Vec<_>>())),
        steps,
    }
}

fn tally(results: &[AssessmentResult]) -> Vec<Value> {
    let count = |verdict| results.iter().filter(|result| Verdict::of_result(result) == verdict).count();
    [Verdict::NotAdequate, Verdict::Undecided, Verdict::Adequate, Verdict::ServingFault]
        .into_iter()
        .filter(|verdict| *verdict != Verdict::ServingFault || count(*verdict) > 0)
        .map(|verdict| context! { class => verdict.class(), words => verdict.words(), count => count(verdict) })
        .collect()
}

/// Names the levels of the intervals drawn; they may differ between results.
fn levels(results: &[AssessmentResult]) -> String {
    let mut levels: Vec<String> = Vec::new();
    for result in results {
        let level = figures::interval_level(result.row.confidence);
        if !levels.contains(&level) {
            levels.push(level);
        }
    }
    levels.join(" or ")
}

fn events(report: &Report) -> Vec<Value> {
    let start = report.dependence.first().map_or(0, |event| event.at_ms);
    let since = |at_ms: i64| figures::duration_ms((at_ms - start) as f64);
    report
        .dependence
        .iter()
        .map(|event| {
            let since = if event.at_ms > start { format!("+{}", since(event.at_ms)) } else { String::new() };
            context! { clock => figures::clock(event.at_ms), since, text => event.text.as_str() }
        })
        .collect()
}

/// The table of rows; what all rows share is said once above it.
#[derive(Serialize)]
struct Table {
    shared: Vec<(&'static str, String)>,
    heads: Vec<(&'static str, &'static str)>,
    rows: Vec<TableRow>,
}

#[derive(Serialize)]
struct TableRow {
    anchor: usize,
    step: String,
    candidate: String,
    is_simulated: bool,
    class: &'static str,
    verdict: String,
    cells: Vec<(&'static str, String)>,
}

/// A column of the row contract: its name, the class of its cells, how it is printed.
type Column = (&'static str, &'static str, fn(&Row) -> String);

const NUMBERS: [Column; 6] = [
    ("more needed", "number", |row| row.more_needed.map_or_else(|| "–".to_owned(), figures::count)),
    ("difference", "number", |row| figures::points(row.difference)),
    ("lower", "number", |row| figures::limit(row.lower, row.margin)),
    ("upper", "number", |row| figures::limit(row.upper, row.margin)),
    ("n", "number", |row| figures::count(row.n)),
    ("clusters", "number", |row| figures::count(row.clusters)),
];

const SETTINGS: [Column; 6] = [
    ("margin", "number", |row| figures::setting(row.margin)),
    ("incumbent", "name", |row| row.incumbent.clone()),
    ("reference", "", |row| row.reference.clone()),
    ("check", "", |row| row.check.clone()),
    ("confidence", "number", |row| figures::setting(row.confidence)),
    ("method", "wrap", |row| row.method.clone()),
];

impl Table {
    fn of(results: &[AssessmentResult]) -> Self {
        let is_shared = |column: &Column| {
            results.len() > 1 && results.iter().all(|result| column.2(&result.row) == column.2(&results[0].row))
        };
        let (shared, differing): (Vec<Column>, Vec<Column>) = SETTINGS.into_iter().partition(is_shared);
        // Where every case is a cluster of its own, their number says nothing that `n` does not.
        let is_told =
            |column: &Column| column.0 != "clusters" || results.iter().any(|one| one.row.clusters != one.row.n);
        let columns: Vec<Column> = NUMBERS.into_iter().filter(is_told).chain(differing).collect();
        let rows = results.iter().enumerate().map(|(index, result)| {
            let row = &result.row;
            let verdict = Verdict::of_result(result);
            TableRow {
                anchor: index + 1,
                step: row.step.clone(),
                candidate: row.candidate.clone(),
                is_simulated: result.is_simulated_incumbent,
                class: verdict.class(),
                verdict: format!("{}{}", words::outcome(result), reservation(result)),
                cells: columns.iter().map(|(_, class, print)| (*class, print(row))).collect(),
            }
        });
        Self {
            shared: shared.iter().map(|(name, _, print)| (*name, print(&results[0].row))).collect(),
            rows: rows.collect(),
            heads: columns.iter().map(|(name, class, _)| (*name, *class)).collect(),
        }
    }
}

#[derive(Serialize)]
struct StepView<'a> {
    step: &'a str,
    calls: String,
    tokens: String,
    usd: String,
    retirement: &'a str,
    stage: &'a str,
    verdict: String,
    class: &'static str,
}

impl<'a> StepView<'a> {
    fn new(line: &'a StepLine) -> Self {
        let verdict = match line.serving_fault {
            Some(_) => Some(Verdict::ServingFault),
            None => line.verdict.as_deref().map(Verdict::of),
        };
        let words = verdict.map_or("not assessed", Verdict::words);
        Self {
            step: &line.step,
            calls: figures::count(line.calls),
            tokens: line.tokens.map_or_else(|| "unknown".to_owned(), figures::count),
            usd: figures::usd(line.usd),
            retirement: line.retirement.as_deref().unwrap_or("unknown"),
            stage: &line.stage,
            verdict: line
                .serving_fault
                .as_ref()
                .map_or_else(|| words.to_owned(), |broken| format!("{words}: {broken}")),
            class: verdict.map_or("quiet", Verdict::class),
        }
    }
}
