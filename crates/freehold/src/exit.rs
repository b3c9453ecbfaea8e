//! The one place where an error becomes an exit code. The codes are a stable contract.

use std::error::Error as StdError;
use std::process::ExitCode;

/// How a command ended; the numbers are documented and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or adequate.
    Done = 0,
    /// Not adequate, or a drill failed.
    NotAdequate = 1,
    /// A usage or input error.
    Input = 2,
    /// Undecided.
    Undecided = 3,
    /// An upstream or the engine failed.
    Upstream = 4,
    /// An internal error.
    Internal = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// An error of a command: what was attempted and found, whose fault it is, and the next step.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    exit: Exit,
    message: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Fault {
    /// Returns an error that the caller of the command can mend.
    pub fn input(message: impl Into<String>) -> Self {
        Fault::new(Exit::Input, message)
    }

    /// Returns an error of an upstream or the engine.
    pub fn upstream(message: impl Into<String>) -> Self {
        Fault::new(Exit::Upstream, message)
    }

    /// Returns an error that is ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Fault::new(Exit::Internal, message)
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Fault { exit, message: message.into(), hint: None, source: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

/// Returns how a command that failed with this error ends.
pub fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(classify).map_or(Exit::Internal, |(exit, _)| exit)
}

/// Prints an error with its causes and the next step on stderr.
pub fn print(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    if let Some(hint) = error.chain().find_map(|cause| classify(cause).and_then(|(_, hint)| hint)) {
        eprintln!("  next: {hint}");
    }
}

fn classify(cause: &(dyn StdError + 'static)) -> Option<(Exit, Option<String>)> {
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return Some((fault.exit, fault.hint.clone()));
    }
    if let Some(error) = cause.downcast_ref::<freehold_store::Error>() {
        let exit = match error.kind() {
            freehold_store::ErrorKind::User => Exit::Input,
            freehold_store::ErrorKind::Busy => Exit::Upstream,
            freehold_store::ErrorKind::Internal => Exit::Internal,
        };
        return Some((exit, error.hint()));
    }
    if let Some(error) = cause.downcast_ref::<crate::facts::Error>() {
        return Some((Exit::Input, Some(error.hint().to_owned())));
    }
    None
}
