//! The hidden command that confines itself and then becomes a check's program: no code of ours runs between the two.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use freehold_engine::confine::set_limits;
use rustix::process::Resource;

/// How the command ends when it cannot become the program.
pub const CANNOT_START: u8 = 126;

const MIB: u64 = 1 << 20;
/// The most bytes of a file that the program may write.
const FILE_BYTES_MAX: u64 = 16 * MIB;
const FILES_MAX: u64 = 256;

/// What a program is confined to.
#[derive(Debug, clap::Args)]
pub struct Confinement {
    /// The most memory.
    #[arg(long)]
    pub memory_mib: u64,
    /// The most time of the processor.
    #[arg(long)]
    pub cpu_s: u64,
    /// The program with its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Sets the limits and becomes the program; returns only where that fails.
#[must_use]
pub fn run(confinement: &Confinement) -> ExitCode {
    let limits = [
        (Resource::Data, confinement.memory_mib.saturating_mul(MIB)),
        (Resource::Cpu, confinement.cpu_s),
        (Resource::Fsize, FILE_BYTES_MAX),
        (Resource::Nofile, FILES_MAX),
        (Resource::Core, 0),
    ];
    if let Err(error) = set_limits(&limits) {
        eprintln!("{error}");
        return ExitCode::from(CANNOT_START);
    }
    let Some((program, arguments)) = confinement.command.split_first() else { return ExitCode::from(CANNOT_START) };
    let error = Command::new(program).args(arguments).exec();
    eprintln!("cannot start {program}: {error}");
    ExitCode::from(CANNOT_START)
}
