//! `freehold demo`: the whole story on a sample business.

use std::path::PathBuf;

use crate::demo::{self, Narrator, Options};
use crate::exit::Exit;

/// See the whole story on a sample business, offline, in minutes: watch, find the steps, judge three open models on
/// them, move what is adequate, lose the vendor, and go back.
///
/// The vendor is simulated and says so; the models are really trained and really run. Ends with the report's path.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: freehold demo --folder /tmp/freehold-demo")]
pub(super) struct Arguments {
    /// Where the demo keeps its state and its report.
    #[arg(long, value_name = "DIR", default_value = "freehold-demo")]
    folder: PathBuf,
    /// Tickets of the first morning.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(20..=5000))]
    tickets: u64,
    /// Seed of tickets, vendor and sampling.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let options = Options {
        folder: arguments.folder.clone(),
        tickets: arguments.tickets,
        seed: arguments.seed,
        program: super::this_program()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo::play(&options, &Narrator::of_stderr()))
}
