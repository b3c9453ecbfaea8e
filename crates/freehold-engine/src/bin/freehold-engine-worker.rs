//! The worker alone, for the tests of this crate; the product's binary runs it under a hidden subcommand.

fn main() -> std::process::ExitCode {
    freehold_engine::worker::run()
}
