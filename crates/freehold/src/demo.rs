//! The whole story on the sample business, offline: watch, find, judge, move, lose the vendor, go back.
//!
//! Nothing is scripted to come out well: the verdicts are what the replays give.

mod chapters;
mod narrator;
mod stand;

pub use narrator::Narrator;

use std::path::PathBuf;
use std::time::Instant;

use crate::exit::Exit;
use crate::stdout;

/// What the demo is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its state and its report go.
    pub folder: PathBuf,
    /// Tickets of the first morning.
    pub tickets: u64,
    /// Seed of tickets, vendor and sampling.
    pub seed: u64,
    /// This binary, of which the engine's workers are copies.
    pub program: PathBuf,
}

/// Plays the whole story and returns the report's path on stdout.
///
/// # Errors
/// The folder cannot be used, a port cannot be bound, or a model cannot be loaded.
pub async fn play(options: &Options, narrator: &Narrator) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    let mut stand = stand::Stand::build(options, narrator).await?;
    chapters::a_morning(&mut stand, options, narrator).await?;
    stand.catch_up().await?;
    chapters::steps(&stand, narrator)?;
    chapters::judge(&mut stand, options, narrator).await?;
    chapters::move_what_can_be(&mut stand, narrator).await?;
    chapters::an_outage(&mut stand, options, narrator).await?;
    chapters::back_again(&mut stand, options, narrator).await?;
    stand.catch_up().await?;
    let report = chapters::report(&stand)?;
    stand.take_down().await?;
    narrator.say(&format!("Done in {} s.", begun.elapsed().as_secs()));
    stdout::line(report.display())?;
    Ok(Exit::Done)
}
