//! `freehold steps`: what was found in the calls, and what people say of it.

use freehold_store::Store;

use super::step_changes::{self, Change};
use super::step_lines::{self, StepLine};
use crate::exit::Exit;
use crate::facts::PriceBook;
use crate::home::Place;
use crate::stdout;

/// List the steps found in the recorded calls, or show one: `freehold steps triage`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    change: Option<Change>,
    /// A step, or the beginning of its name.
    step: Option<String>,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    if let Some(change) = &arguments.change {
        return step_changes::run(&place.store()?, change);
    }
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
            stdout::block(details(&lines[0], &store.other_ids(&lines[0].step)?))?;
        }
        gaps(&store)?;
    }
    Ok(Exit::Done)
}

/// How many other ids of a step are shown.
const IDS_SHOWN: usize = 5;

fn details(line: &StepLine, other_ids: &[String]) -> String {
    let served = line.served_by.clone().unwrap_or_else(|| "the upstream that its model belongs to".to_owned());
    let retirement = line.retirement.clone().unwrap_or_else(|| "no date is known".to_owned());
    let shown: Vec<&str> = other_ids.iter().take(IDS_SHOWN).map(String::as_str).collect();
    let ids = match (shown.is_empty(), other_ids.len().saturating_sub(IDS_SHOWN)) {
        (true, _) => line.step.clone(),
        (false, 0) => format!("{}; also {}", line.step, shown.join(", ")),
        (false, more) => format!("{}; also {} and {more} more", line.step, shown.join(", ")),
    };
    format!(
        "\n  id             {ids}\n  found by       {}\n  failures       {}\n  without cost   {} calls\n  retirement     {retirement}\n  served by      {served}\n",
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
