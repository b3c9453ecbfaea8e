//! The pipe to one worker process: frames in and out, and how it ended.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::host::log_ring::LogRing;
use crate::protocol::frames::{self, FrameBuffer, FrameError};
use crate::protocol::{FromWorker, ToWorker};

/// How long a worker that was told to go, or that closed its output, may take to end.
const EXIT_WAIT: Duration = Duration::from_secs(3);

/// A running worker.
pub(crate) struct WorkerLink {
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) log: LogRing,
    pub(crate) log_task: JoinHandle<()>,
    pub(crate) child: Child,
}

/// Bytes on their way to the worker. What may wait here is bounded by the requests that are admitted.
pub(crate) struct Outbox {
    pub(crate) stdin: ChildStdin,
    waiting: Vec<u8>,
    sent: usize,
}

/// Bytes from the worker.
pub(crate) struct Inbox {
    stdout: ChildStdout,
    buffer: FrameBuffer,
}

impl Outbox {
    pub(crate) fn new(stdin: ChildStdin) -> Outbox {
        Outbox { stdin, waiting: Vec::new(), sent: 0 }
    }

    pub(crate) fn push(&mut self, message: &ToWorker) {
        frames::encode(message, &mut self.waiting).expect("a message without a request is small");
    }

    pub(crate) fn push_frame(&mut self, frame: &[u8]) {
        self.waiting.extend_from_slice(frame);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes some of what waits; cancel-safe.
    pub(crate) async fn write_some(&mut self) -> io::Result<()> {
        self.sent += self.stdin.write(&self.waiting[self.sent..]).await?;
        if self.sent == self.waiting.len() {
            self.waiting.clear();
            self.sent = 0;
        }
        Ok(())
    }
}

impl Inbox {
    pub(crate) fn new(stdout: ChildStdout) -> Inbox {
        Inbox { stdout, buffer: FrameBuffer::default() }
    }

    /// Returns the next message, or `None` when the worker has closed its output; cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<FromWorker>, FrameError> {
        loop {
            if let Some(message) = self.buffer.next()? {
                return Ok(Some(message));
            }
            let tail = self.buffer.tail();
            tail.reserve(16 << 10);
            if self.stdout.read_buf(tail).await.map_err(FrameError::Read)? == 0 {
                return if self.buffer.is_cut() { Err(FrameError::Cut) } else { Ok(None) };
            }
        }
    }
}

impl WorkerLink {
    /// Tells the worker to go, and makes sure that it does.
    pub(crate) async fn dismiss(mut self) {
        self.outbox.push(&ToWorker::Bye);
        let leave = async {
            while !self.outbox.is_empty() {
                if self.outbox.write_some().await.is_err() {
                    break;
                }
            }
            self.child.wait().await
        };
        if timeout(EXIT_WAIT, leave).await.is_err() {
            self.kill().await;
        }
    }

    /// Waits for a worker that has closed its output, and returns how it ended and the last lines it wrote.
    pub(crate) async fn post_mortem(mut self) -> (String, Vec<String>) {
        let how = match timeout(EXIT_WAIT, self.child.wait()).await {
            Ok(Ok(status)) => describe(status),
            Ok(Err(error)) => format!("could not be waited for: {error}"),
            Err(_) => {
                self.kill().await;
                "closed its output without ending, and was killed".to_owned()
            }
        };
        // The lines are all there once the process is gone, unless a child of its own holds the pipe open.
        timeout(EXIT_WAIT, &mut self.log_task).await.ok();
        (how, self.log.lines())
    }

    /// Kills the worker at once.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "a worker could not be killed");
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was killed by signal {signal}{}", signal_name(signal));
    }
    match status.code() {
        Some(code) => format!("ended with status {code}"),
        None => format!("ended: {status}"),
    }
}

#[cfg(unix)]
fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (aborted)",
        7 => " (bus error)",
        8 => " (arithmetic fault)",
        9 => " (killed, perhaps for want of memory)",
        11 => " (segmentation fault)",
        15 => " (terminated)",
        _ => "",
    }
}
