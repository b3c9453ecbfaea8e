//! The worker side: one process, one model.
//!
//! A thread reads frames from the input; the main thread owns the model and steps it. Standard output belongs to the
//! protocol: whatever else prints is sent to the error output. The process never outlives its owner.

mod backend;
#[cfg(any(feature = "llama", test))]
mod chat;
#[cfg(feature = "llama")]
mod llama;
mod output;
mod scripted;
mod session;

use std::fs::File;
use std::io;
use std::process::ExitCode;
use std::sync::mpsc;

use crate::confine::confine;
use crate::protocol::frames;
use crate::protocol::{FromWorker, Hello, ToWorker};

/// Why a worker ended without being told to.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("cannot set up the worker's process")]
    SetUp(#[source] io::Error),
    #[error("the host is {theirs}, the worker is {ours}; they must be the same build")]
    VersionMismatch { ours: String, theirs: String },
    #[error("the host that started this worker is gone")]
    Orphaned,
    #[error("expected {expected} from the host")]
    Unexpected { expected: &'static str },
    #[error("cannot speak to the host")]
    Frame(#[from] frames::FrameError),
    #[error("cannot write to the host")]
    Write(#[source] io::Error),
}

/// Serves one host over standard input and output until it says goodbye or is gone.
///
/// Returns a failure when the host is another build or breaks the protocol; says why on the error output.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), WorkerError> {
    die_with_parent().map_err(WorkerError::SetUp)?;
    let output = take_stdout().map_err(WorkerError::SetUp)?;
    let mut host = session::Host::new(output);
    host.send(&FromWorker::Hello(Hello::ours()))?;
    host.flush()?;
    let Some(ToWorker::Hello(theirs)) = hear()? else {
        return Err(WorkerError::Unexpected { expected: "a handshake" });
    };
    if !theirs.is_compatible() {
        return Err(WorkerError::VersionMismatch { ours: Hello::ours().describe(), theirs: theirs.describe() });
    }
    // The parent may have died before it was asked to take this process along.
    if parent_process() != Some(theirs.process) {
        return Err(WorkerError::Orphaned);
    }
    let Some(ToWorker::Load(order)) = hear()? else {
        return Err(WorkerError::Unexpected { expected: "a model to load" });
    };
    // Before there is a second thread, and before a byte of the model is read.
    match confine(&order.confinement, &order.files()) {
        Ok(layers) => host.send(&FromWorker::Confined(layers))?,
        Err(error) => {
            host.send(&FromWorker::LoadFailed { what: error.to_string() })?;
            return host.flush();
        }
    }
    let messages = start_reader().map_err(WorkerError::SetUp)?;
    session::serve(&order, &mut host, &messages)
}

/// Waits for what the host says; `None` when it is gone.
fn hear() -> Result<Option<ToWorker>, WorkerError> {
    Ok(frames::read(&mut io::stdin().lock())?)
}

/// Reads frames on a thread of its own, so that the end of the input is seen whatever the model is doing.
fn start_reader() -> io::Result<mpsc::Receiver<ToWorker>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            match frames::read(&mut input) {
                Ok(Some(ToWorker::Bye)) => {
                    // The main thread may have failed already; then there is nobody to tell.
                    sender.send(ToWorker::Bye).ok();
                    return;
                }
                Ok(Some(message)) => {
                    if sender.send(message).is_err() {
                        return;
                    }
                }
                Ok(None) => die(),
                Err(error) => {
                    eprintln!("cannot read from the host: {error}");
                    die();
                }
            }
        }
    })?;
    Ok(receiver)
}

/// Ends the process at once, even amid a computation; there is nothing in it worth saving.
fn die() -> ! {
    #[cfg(unix)]
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    std::process::abort();
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// Elsewhere the end of the input is the only sign.
#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn parent_process() -> Option<u32> {
    rustix::process::getppid().and_then(|parent| u32::try_from(parent.as_raw_nonzero().get()).ok())
}

/// Keeps the standard output for frames and lets everything else that prints go to the error output.
#[cfg(unix)]
fn take_stdout() -> io::Result<File> {
    let output = rustix::io::dup(io::stdout())?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(output))
}
