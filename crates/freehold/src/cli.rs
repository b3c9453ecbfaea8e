//! The command line: one file per command, flags that all share, and the way from an error to an exit code.

mod assess;
mod certificate;
mod chat;
mod check;
mod config;
mod costs;
#[cfg(feature = "llama")]
mod demo;
mod doctor;
mod export;
mod import;
mod keys;
mod label;
mod models;
mod move_step;
mod plan;
mod probe;
mod rollback;
mod step_changes;
pub(crate) mod step_lines;
mod steps;
mod up;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::checks::confined;
use crate::config::LogFormat;
use crate::exit::{self, Exit};
use crate::home::Place;
use crate::logs;

/// The way off rented intelligence: watch the LLM calls you make, judge open models on them, move what can be moved,
/// and keep a way back.
#[derive(Debug, Parser)]
#[command(name = "freehold", version, arg_required_else_help = true, max_term_width = 120)]
#[command(after_help = after_help())]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How the log on stderr is written [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

/// Returns the last words of the help; a build without the engine has no demonstration to begin with.
fn after_help() -> String {
    let begin = if cfg!(feature = "llama") {
        "Begin with `freehold demo`: the whole story on a sample business, offline, in minutes.\n\n"
    } else {
        ""
    };
    format!(
        "{begin}Exit codes: 0 done or adequate, 1 not adequate, 2 usage or input error, 3 undecided,\n\
         4 upstream or engine failure, 5 internal error."
    )
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "llama")]
    Demo(demo::Arguments),
    Up(up::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Steps(steps::Arguments),
    Costs(costs::Arguments),
    Plan(plan::Arguments),
    Probe(probe::Arguments),
    Assess(assess::Arguments),
    Label(label::Arguments),
    Check(check::Arguments),
    Verdict(verdict::Arguments),
    Certificate(certificate::Arguments),
    Move(move_step::Arguments),
    Rollback(rollback::Arguments),
    Models(models::Arguments),
    Chat(chat::Arguments),
    Keys(keys::Arguments),
    Config(config::Arguments),
    Doctor(doctor::Arguments),
    Completions(Completions),
    #[command(hide = true)]
    EngineWorker,
    #[command(hide = true)]
    CheckProgram(confined::Confinement),
}

/// Print a completion script for a shell, such as `freehold completions bash > ~/.local/share/bash-completion/completions/freehold`.
#[derive(Debug, clap::Args)]
struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    if matches!(arguments.command, Command::EngineWorker) {
        return freehold_engine::worker::run();
    }
    if let Command::CheckProgram(confinement) = &arguments.command {
        return confined::run(confinement);
    }
    logs::start(&arguments.place, arguments.log_format);
    match run(arguments) {
        Ok(exit) => exit.into(),
        Err(error) => {
            exit::print(&error);
            exit::of(&error).into()
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    let place = arguments.place;
    match arguments.command {
        #[cfg(feature = "llama")]
        Command::Demo(command) => demo::run(&command),
        Command::Up(command) => up::run(&place, &command),
        Command::Import(command) => import::run(&place, &command),
        Command::Export(command) => export::run(&place, &command),
        Command::Steps(command) => steps::run(&place, &command),
        Command::Costs(command) => costs::run(&place, &command),
        Command::Plan(command) => plan::run(&place, &command),
        Command::Probe(command) => probe::run(&place, &command),
        Command::Assess(command) => assess::run(&place, &command),
        Command::Label(command) => label::run(&place, &command),
        Command::Check(command) => check::run(&place, &command),
        Command::Verdict(command) => verdict::run(&command),
        Command::Certificate(command) => certificate::run(&place, &command),
        Command::Move(command) => move_step::run(&place, &command),
        Command::Rollback(command) => rollback::run(&place, &command),
        Command::Chat(command) => chat::run(&place, &command),
        Command::Models(command) => models::run(&place, &command),
        Command::Keys(command) => keys::run(&place, &command),
        Command::Config(command) => config::run(&place, &command),
        Command::Doctor(command) => doctor::run(&place, &command),
        Command::Completions(command) => {
            clap_complete::generate(command.shell, &mut Arguments::command(), "freehold", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Command::EngineWorker | Command::CheckProgram(_) => Ok(Exit::Done),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    let wants_help = !error.use_stderr();
    if let Err(failed) = error.print() {
        eprintln!("error: cannot print: {failed}");
    }
    if wants_help { Exit::Done.into() } else { Exit::Input.into() }
}

/// Returns the path of the running program, for starting workers of the same binary.
fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| exit::Fault::internal("cannot find the running program").because(error).into())
}
