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
    if arguments.json {
        stdout::line(serde_json::to_string(&generation)?)?;
    } else {
        stdout::block(moves::shown(&generation))?;
    }
    moves::settle(place, &generation)?;
    Ok(Exit::Done)
}
