//! The `freehold` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call takes and gives back some two hundred small pieces of memory; the system's allocator costs it a tenth of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    freehold::cli::main()
}
