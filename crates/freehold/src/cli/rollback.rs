//! `freehold rollback`: goes back to an older generation of routes.

use crate::exit::Exit;
use crate::home::Place;
use crate::moves;
use crate::stdout;

/// Go back to the generation before, or to a numbered one: `freehold rollback 3`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The generation to go back to.
    generation: Option<u64>,
    /// Print the new generation as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = place.store()?;
    let generation = moves::back(&store, arguments.generation)?;
    let told = if arguments.json { serde_json::to_string(&generation)? + "\n" } else { moves::shown(&generation) };
    stdout::block(told)?;
    moves::settle(place, &generation)?;
    Ok(Exit::Done)
}
