//! `freehold config`: check and show the configuration.

use std::fmt::Write as _;

use crate::exit::Exit;
use crate::home::Place;
use crate::service;
use crate::stdout;

/// Check or show the configuration, such as `freehold config show --origin`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read everything and say whether it is right.
    Check,
    /// Print every setting; secrets show as ***.
    Show {
        /// Say where each value came from.
        #[arg(long)]
        origin: bool,
    },
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let layers = place.layers()?;
    match arguments.command {
        Command::Check => {
            let settings = layers.settings(&|name| std::env::var(name).ok())?;
            service::check(&settings)?;
            let file = place
                .config_file()
                .map_or_else(|| "the built-in defaults".to_owned(), |file| file.display().to_string());
            let (upstreams, models) = (settings.upstreams.len(), settings.models.len());
            stdout::line(format_args!("{file}: right; {upstreams} upstreams, {models} models"))?;
        }
        Command::Show { origin } => {
            let mut out = String::new();
            for (key, value, from) in layers.lines() {
                let comment = if origin { format!("  # {from}") } else { String::new() };
                writeln!(out, "{key} = {value}{comment}")?;
            }
            stdout::block(out)?;
        }
    }
    Ok(Exit::Done)
}
