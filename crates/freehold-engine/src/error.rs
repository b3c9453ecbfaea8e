//! What can go wrong between a request and its answer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Whose fault an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller asked for something that cannot be had.
    User,
    /// The model's queue is full; the same request may succeed later.
    Busy,
    /// A worker or a model failed.
    Engine,
    /// A broken invariant of ours.
    Internal,
}

/// The engine could not do what was asked. Holds no prompt text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No model of this name is loaded.
    #[error("no model named {model:?} is loaded in the engine (loaded: {})", listed(loaded))]
    UnknownModel {
        /// The name that was asked for.
        model: String,
        /// The names that would have done.
        loaded: Vec<String>,
    },
    /// A model of this name is loaded already.
    #[error("a model named {model:?} is loaded already")]
    AlreadyLoaded {
        /// The name.
        model: String,
    },
    /// The model's slots and its queue are taken.
    #[error("model {model:?} is busy: {running_max} requests run and {queue_requests_max} wait at most")]
    Busy {
        /// The model.
        model: String,
        /// Its slots.
        running_max: u32,
        /// The length of its queue.
        queue_requests_max: usize,
    },
    /// The model made room for others, and those are all busy.
    #[error("model {model:?} is not in memory, and those that are there are all busy")]
    NoRoom {
        /// The model.
        model: String,
    },
    /// The model takes more memory than all models together may.
    #[error("model {model:?} takes {wanted_bytes} bytes of memory, and all models together may take {budget_bytes}")]
    TooLarge {
        /// The model.
        model: String,
        /// What it takes.
        wanted_bytes: u64,
        /// The budget.
        budget_bytes: u64,
    },
    /// The model cannot take this request.
    #[error("model {model:?} cannot take the request: {what}")]
    Refused {
        /// The model.
        model: String,
        /// What is in the way, with the numbers.
        what: String,
    },
    /// The worker process could not be started.
    #[error("cannot start the worker {}", program.display())]
    Start {
        /// The program that was to be run.
        program: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The worker speaks another version of the protocol, or comes from another build.
    #[error("the worker of model {model:?} is {theirs}, the host is {ours}; they must be the same build")]
    VersionMismatch {
        /// The model.
        model: String,
        /// The host's protocol and build.
        ours: String,
        /// The worker's protocol and build.
        theirs: String,
    },
    /// The worker wrote something that is not part of the protocol.
    #[error("the worker of model {model:?} broke the protocol: {what}")]
    Protocol {
        /// The model.
        model: String,
        /// What was found.
        what: String,
    },
    /// The model could not be loaded.
    #[error("model {model:?} could not be loaded: {what}")]
    LoadFailed {
        /// The model.
        model: String,
        /// Why not.
        what: String,
    },
    /// The worker took too long to start and load.
    #[error("model {model:?} was not loaded within {after:?}")]
    LoadTimeout {
        /// The model.
        model: String,
        /// How long was waited.
        after: Duration,
    },
    /// The worker process ended while it was needed.
    #[error("the worker of model {model:?} {how}{}{}", during(*call), quoted(last_lines))]
    WorkerDied {
        /// The model.
        model: String,
        /// The call that was running, by the engine's own number.
        call: Option<u64>,
        /// How it ended.
        how: String,
        /// The last lines that it wrote to its error output, oldest first.
        last_lines: Vec<String>,
    },
    /// The worker is up, but this call failed in it.
    #[error("call {call} of model {model:?} failed: {what}")]
    CallFailed {
        /// The model.
        model: String,
        /// The call, by the engine's own number.
        call: u64,
        /// Why.
        what: String,
    },
    /// The model's worker died too often and is not started again by itself.
    #[error("model {model:?} is down: {reason}")]
    Down {
        /// The model.
        model: String,
        /// How its worker ended last.
        reason: String,
    },
    /// The model was unloaded, or the engine was shut down, before the call ended.
    #[error("model {model:?} was unloaded before the call ended")]
    Unloaded {
        /// The model.
        model: String,
    },
}

impl Error {
    /// Returns whose fault this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::UnknownModel { .. }
            | Error::AlreadyLoaded { .. }
            | Error::Refused { .. }
            | Error::TooLarge { .. } => ErrorKind::User,
            Error::Busy { .. } | Error::NoRoom { .. } => ErrorKind::Busy,
            Error::Start { .. }
            | Error::LoadFailed { .. }
            | Error::LoadTimeout { .. }
            | Error::WorkerDied { .. }
            | Error::CallFailed { .. }
            | Error::Down { .. }
            | Error::Unloaded { .. } => ErrorKind::Engine,
            Error::VersionMismatch { .. } | Error::Protocol { .. } => ErrorKind::Internal,
        }
    }

    /// Returns the same error, naming the call that it hit.
    pub(crate) fn of_call(&self, call: u64) -> Error {
        match self {
            Error::WorkerDied { model, how, last_lines, .. } => Error::WorkerDied {
                model: model.clone(),
                call: Some(call),
                how: how.clone(),
                last_lines: last_lines.clone(),
            },
            other => other.clone(),
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn during(call: Option<u64>) -> String {
    call.map_or_else(String::new, |call| format!(" during call {call}"))
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("; it last wrote: {}", lines.join(" | ")) }
}
