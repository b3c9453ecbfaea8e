//! The pipe to one worker process: frames in and out, and how it ended.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::confine::{Layer, MEMORY};
use crate::host::death::{Cause, Death, Vitals, signal_of};
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
    pub(crate) vitals: Vitals,
    /// What holds it, as it said itself.
    pub(crate) isolation: Vec<Layer>,
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
    /// Takes note of what holds the worker.
    pub(crate) fn hold(&mut self, layers: Vec<Layer>) {
        let memory = layers.iter().find(|layer| layer.name == MEMORY && layer.is_active);
        self.vitals.memory_bound = memory.map(|layer| layer.how.clone());
        self.isolation = layers;
    }

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

    /// Waits for a worker that has closed its output, and returns how it ended.
    pub(crate) async fn post_mortem(mut self) -> Death {
        let status = match timeout(EXIT_WAIT, self.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return self.bury(Cause::Ended, format!("could not be waited for: {error}")).await,
            Err(_) => {
                return self
                    .put_down(Cause::Ended, "closed its output without ending, and was killed".to_owned())
                    .await;
            }
        };
        let death = self.bury(Cause::Ended, String::new()).await;
        let (cause, how) = death.vitals.explain(status, &death.last_lines);
        Death { cause, how, signal: signal_of(status), status: status.code(), ..death }
    }

    /// Kills a worker for a reason of the host's.
    pub(crate) async fn put_down(mut self, cause: Cause, how: String) -> Death {
        self.kill().await;
        self.bury(cause, how).await
    }

    /// Gathers what a worker that is gone has left.
    async fn bury(mut self, cause: Cause, how: String) -> Death {
        // What a child of its own may wait for.
        drop(self.outbox);
        // The lines are all there once the process is gone, unless a child of its own holds the pipe open.
        timeout(EXIT_WAIT, &mut self.log_task).await.ok();
        let (vitals, isolation, last_lines) = (self.vitals, self.isolation, self.log.lines());
        Death { cause, how, signal: None, status: None, last_lines, vitals, isolation }
    }

    /// Kills the worker at once.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "a worker could not be killed");
        }
    }
}
