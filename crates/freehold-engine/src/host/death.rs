//! How a worker ended, and what is known of why.

use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::confine::{Layer, machine};

/// What a process says, in any language, when it is given no more memory.
const MEMORY_WORDS: [&str; 5] =
    ["memory allocation of", "bad_alloc", "failed to allocate", "out of memory", "cannot allocate memory"];

/// Why a worker ended, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A signal that its own fault raised, or that somebody sent.
    Signal,
    /// It ended by itself.
    Ended,
    /// It reached the limit of its memory.
    MemoryLimit,
    /// The kernel ended it because the machine, or its container, had no more memory.
    KernelMemory,
    /// It had work and did nothing, so it was killed.
    Hang,
    /// It did not load in time, so it was killed.
    LoadTimeout,
    /// It said what no worker says, so it was killed.
    Protocol,
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    pub(crate) cause: Cause,
    pub(crate) how: String,
    pub(crate) signal: Option<i32>,
    pub(crate) status: Option<i32>,
    pub(crate) last_lines: Vec<String>,
    pub(crate) vitals: Vitals,
    pub(crate) isolation: Vec<Layer>,
}

/// A worker is no more: what its calls are told, and what is known of the death where it was one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) death: Option<Box<Death>>,
}

impl Failure {
    /// Returns the failure that a death is.
    pub(crate) fn died(model: &str, death: Death) -> Failure {
        let (how, last_lines) = (death.how.clone(), death.last_lines.clone());
        let error = Error::WorkerDied { model: model.to_owned(), call: None, how, last_lines };
        Failure { error, death: Some(Box::new(death)) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, death: None }
    }
}

/// What is seen of a worker while it lives.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    pub(crate) process: Option<u32>,
    pub(crate) memory_peak_kib: Option<u64>,
    /// What bounds its memory, in words.
    pub(crate) memory_bound: Option<String>,
    ended_for_memory: Option<u64>,
}

impl Vitals {
    /// Begins to look at a process.
    pub(crate) fn of(process: Option<u32>) -> Vitals {
        let ended_for_memory = machine::ended_for_memory();
        Vitals { process, memory_peak_kib: None, memory_bound: None, ended_for_memory }
    }

    /// Looks again; a process that has ended leaves what was last seen.
    pub(crate) fn look(&mut self) {
        let peak = self.process.and_then(|process| machine::status_kib(process, "VmHWM"));
        self.memory_peak_kib = peak.or(self.memory_peak_kib);
    }

    /// Tells why and how the process ended, by its status and what it said last.
    pub(crate) fn explain(&self, status: ExitStatus, last_lines: &[String]) -> (Cause, String) {
        let since = || Some(machine::ended_for_memory()?.saturating_sub(self.ended_for_memory?));
        let (cause, how) = match signal_of(status) {
            Some(9) => killed(since()),
            Some(signal) => (Cause::Signal, format!("was killed by signal {signal}{}", signal_name(signal))),
            None => (
                Cause::Ended,
                status.code().map_or_else(|| format!("ended: {status}"), |code| format!("ended with status {code}")),
            ),
        };
        match &self.memory_bound {
            Some(bound) if cause != Cause::KernelMemory && speaks_of_memory(last_lines) => {
                (Cause::MemoryLimit, format!("ran out of memory ({bound}) and {how}"))
            }
            _ => (cause, how),
        }
    }
}

/// Explains a kill by how many processes the kernel has ended for want of memory since the worker began, where it says so.
fn killed(ended_for_memory: Option<u64>) -> (Cause, String) {
    match ended_for_memory {
        Some(0) => (Cause::Signal, "was killed by signal 9 (killed by somebody, not for want of memory)".to_owned()),
        Some(ended) => (
            Cause::KernelMemory,
            format!(
                "was killed by signal 9, most likely for want of memory: the kernel ended {ended} for it meanwhile"
            ),
        ),
        None => (Cause::Signal, "was killed by signal 9 (killed, perhaps for want of memory)".to_owned()),
    }
}

fn speaks_of_memory(lines: &[String]) -> bool {
    lines.iter().any(|line| {
        let line = line.to_lowercase();
        MEMORY_WORDS.iter().any(|words| line.contains(words))
    })
}

#[cfg(unix)]
pub(crate) fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
pub(crate) fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (aborted)",
        7 => " (bus error)",
        8 => " (arithmetic fault)",
        11 => " (segmentation fault)",
        15 => " (terminated)",
        25 => " (wrote to a file)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_is_explained_by_what_the_kernel_counted() {
        assert_eq!(killed(Some(0)).0, Cause::Signal);
        let (cause, how) = killed(Some(2));
        assert!(cause == Cause::KernelMemory && how.contains("the kernel ended 2"), "{how}");
        assert!(killed(None).1.contains("perhaps"));
    }

    #[test]
    fn want_of_memory_is_heard_in_several_languages() {
        for line in ["terminate called after throwing: std::bad_alloc", "memory allocation of 8 bytes failed"] {
            assert!(speaks_of_memory(&["a line before".into(), line.into()]));
        }
        assert!(!speaks_of_memory(&["the model has 3 layers".into()]));
    }
}
