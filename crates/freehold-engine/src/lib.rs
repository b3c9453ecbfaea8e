//! Runs GGUF models in worker processes, one per model, and hands their answers out as streams of events.
//!
//! The host side ([`Engine`]) lives in the gateway's process and never touches weights; the worker side ([`worker::run`])
//! is the same binary started under a hidden subcommand. A fault in a model ends its worker, never the host.

mod error;
mod host;
mod model;
mod protocol;

pub mod confine;
pub mod script;
pub mod worker;

pub use error::{Error, ErrorKind};
pub use host::{CRASH_REPORTS_MAX, Cause, CrashReport, CrashedCall, Doing, crash_reports};
pub use host::{Engine, EngineConfig, Event, Generation, WorkerCommand};
pub use model::{AdapterSpec, Backend, ModelInfo, ModelSpec, ModelState, PromptStyle};

/// Returns which build of the engine this is; host and worker must share it.
pub fn build() -> &'static str {
    protocol::BUILD
}
