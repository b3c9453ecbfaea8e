//! `freehold steps`: what was found in the calls.

use freehold_store::Store;

use super::step_lines::{self, StepLine};
use crate::exit::Exit;
use crate::facts::PriceBook;
use crate::home::Place;
use crate::stdout;

/// List the steps found in the recorded calls, or show one: `freehold steps triage`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A step, or the beginning of its name.
    step: Option<String>,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let book = PriceBook::load(settings.facts.path.as_deref(), settings.sellers())?;
    let store = place.store()?;
    let mut lines = step_lines::lines(&store, &book, jiff::Zoned::now().date())?;
    if let Some(wanted) = &arguments.step {
        let step = step_lines::find(&store, wanted)?;
        lines.retain(|line| line.step == step);
    }
    if arguments.json {
        for line in &lines {
            stdout::line(serde_json::to_string(line)?)?;
        }
    } else if lines.is_empty() {
        eprintln!("no calls yet: point an application at `freehold up`, or `freehold import FILE`");
    } else {
        stdout::block(step_lines::table(&lines))?;
        if arguments.step.is_some() {
            stdout::block(details(&lines[0]))?;
        }
        gaps(&store)?;
    }
    Ok(Exit::Done)
}

fn details(line: &StepLine) -> String {
    let served = line.served_by.clone().unwrap_or_else(|| "the upstream that its model belongs to".to_owned());
    let retirement = line.retirement.clone().unwrap_or_else(|| "no date is known".to_owned());
    format!(
        "\n  found by       {}\n  failures       {}\n  without cost   {} calls\n  retirement     {retirement}\n  served by      {served}\n",
        line.found_by, line.failures, line.calls_without_cost
    )
}

fn gaps(store: &Store) -> anyhow::Result<()> {
    let missing: u64 = store.gaps()?.iter().map(|gap| gap.calls).sum();
    if missing > 0 {
        eprintln!("{missing} calls could not be recorded and are in none of these figures");
    }
    Ok(())
}
