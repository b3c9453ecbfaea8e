//! `freehold verdict`: the same decision on scores from anyone's harness.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use freehold_evidence::{Decision, Pair, Rule, Tally, strata};

use crate::assess::result::{Row, Subset};
use crate::exit::{Exit, Fault};
use crate::report;
use crate::stdout;

/// Decide on paired scores from any harness: a CSV with the columns case,incumbent,candidate[,cluster][,subset], scores in [0,1].
///
/// A file of any length is read once; with a column `subset` each subset is decided apart as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: freehold verdict scores.csv --margin 0.02\n\n\
    Ends with 0 when adequate, 1 when not adequate, 3 when undecided.")]
pub(super) struct Arguments {
    /// The scores; `-` reads standard input.
    #[arg(value_name = "PAIRS.csv")]
    file: PathBuf,
    /// The largest loss of score that is accepted; decide it before you look at the scores.
    #[arg(long)]
    margin: f64,
    /// The one-sided level of the decision.
    #[arg(long, default_value_t = 0.95)]
    confidence: f64,
    /// How the candidate is called in the output.
    #[arg(long, default_value = "candidate")]
    candidate: String,
    /// How the incumbent is called in the output.
    #[arg(long, default_value = "incumbent")]
    incumbent: String,
    /// Print the row as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(serde::Deserialize)]
struct Scores {
    case: String,
    incumbent: f64,
    candidate: f64,
    #[serde(default)]
    cluster: Option<String>,
    #[serde(default)]
    subset: Option<String>,
}

/// The scores summed up, on the whole and by subset.
#[derive(Default)]
struct Tallies {
    whole: Tally,
    subsets: BTreeMap<String, Tally>,
}

/// The row, with the subsets where the file names any.
#[derive(serde::Serialize)]
struct Outcome {
    #[serde(flatten)]
    row: Row,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subsets: Vec<Subset>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let rule = Rule::new(arguments.margin, arguments.confidence)
        .map_err(|error| Fault::input("the rule cannot be used").because(error))?;
    let tallies = read(&arguments.file)?;
    let cannot = |error| Fault::input(format!("no decision on {}", arguments.file.display())).because(error);
    let decision = tallies.whole.decide(&rule).map_err(cannot)?;
    let mut outcome = Outcome { row: row(arguments, &decision), subsets: Vec::with_capacity(tallies.subsets.len()) };
    for (name, tally) in tallies.subsets {
        let decision = strata::decide_subset(&tally, &rule).map_err(cannot)?;
        outcome.subsets.push(Subset::of("subset".to_owned(), name, &decision));
    }
    if arguments.json {
        stdout::line(serde_json::to_string(&outcome)?)?;
    } else {
        print(&outcome, &decision)?;
    }
    Ok(exit_of(&outcome.row))
}

fn print(outcome: &Outcome, decision: &Decision) -> anyhow::Result<()> {
    stdout::block(report::terminal(std::slice::from_ref(&outcome.row), report::Style::of_stdout()))?;
    if !outcome.subsets.is_empty() {
        stdout::block(report::subsets(&outcome.row, &outcome.subsets))?;
    }
    for note in &decision.notes {
        stdout::line(format_args!("  {note}"))?;
    }
    Ok(())
}

/// Returns how a command ends whose outcome is this row.
pub(super) fn exit_of(row: &Row) -> Exit {
    match row.verdict.as_str() {
        "adequate" => Exit::Done,
        "not_adequate" => Exit::NotAdequate,
        _ => Exit::Undecided,
    }
}

fn read(file: &PathBuf) -> Result<Tallies, Fault> {
    let cannot = |error: std::io::Error| Fault::input(format!("cannot read {}", file.display())).because(error);
    let input: Box<dyn Read> =
        if file.as_os_str() == "-" { Box::new(std::io::stdin()) } else { Box::new(File::open(file).map_err(cannot)?) };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let mut tallies = Tallies::default();
    for (index, row) in reader.deserialize::<Scores>().enumerate() {
        let fault = || Fault::input(format!("row {} of {}", index + 1, file.display()));
        let row = row.map_err(|error| {
            fault().because(error).hint(
                "the columns are case,incumbent,candidate and, when cases come in groups or kinds, cluster and subset",
            )
        })?;
        let cluster = row.cluster.filter(|cluster| !cluster.is_empty());
        let pair = Pair { case: row.case, incumbent: row.incumbent, candidate: row.candidate, cluster };
        tallies.whole.add(&pair).map_err(|error| fault().because(error))?;
        if let Some(subset) = row.subset {
            tallies.subsets.entry(subset).or_default().add(&pair).map_err(|error| fault().because(error))?;
        }
    }
    Ok(tallies)
}

fn row(arguments: &Arguments, decision: &Decision) -> Row {
    Row::of(
        decision,
        crate::assess::result::Named {
            step: arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
            candidate: arguments.candidate.clone(),
            incumbent: arguments.incumbent.clone(),
            reference: "given".to_owned(),
            check: "given".to_owned(),
        },
    )
}
