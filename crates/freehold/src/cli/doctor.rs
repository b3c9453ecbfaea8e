//! `freehold doctor`: what works here, what does not, and what holds the workers.

use std::fmt::Write as _;

use serde_json::json;

use crate::doctor::{self, Finding, State};
use crate::exit::Exit;
use crate::home::Place;
use crate::stdout;

/// Say what this installation can do here: engine, home, isolation of workers, machine, accelerators, crashes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(doctor::examine(place, super::this_program()?));
    if arguments.json {
        stdout::line(json!({"version": env!("CARGO_PKG_VERSION"), "findings": findings}))?;
    } else {
        stdout::block(table(&findings)?)?;
    }
    Ok(doctor::exit(&findings))
}

fn table(findings: &[Finding]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let mut topic = "";
    for finding in findings {
        if finding.topic != topic {
            topic = finding.topic;
            writeln!(out, "{topic}")?;
        }
        let state = match finding.state {
            State::Ok => "ok",
            State::Absent => "-",
            State::Bad => "BAD",
        };
        writeln!(out, "  {state:<3}  {:<14} {}", finding.name, finding.detail)?;
    }
    Ok(out)
}
