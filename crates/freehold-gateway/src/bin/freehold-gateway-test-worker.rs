//! The engine worker that the gateway's integration tests start; no user meets it.

fn main() -> std::process::ExitCode {
    freehold_engine::worker::run()
}
