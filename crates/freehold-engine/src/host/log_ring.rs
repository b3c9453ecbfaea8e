//! The last lines of a worker's error output, so that a death can be explained.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::ChildStderr;

/// The most lines kept.
const LINES_MAX: usize = 12;
/// The most bytes kept of a line.
const LINE_BYTES_MAX: u64 = 400;

/// The last lines, shared by the task that reads them and whoever explains.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogRing {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl LogRing {
    /// Reads until the worker closes its error output.
    pub(crate) async fn follow(self, stderr: ChildStderr) {
        let mut input = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A longer line is kept in pieces, so that memory stays bounded.
            match (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => self.push(String::from_utf8_lossy(&line).trim()),
            }
        }
    }

    fn push(&self, line: &str) {
        if line.is_empty() {
            return;
        }
        tracing::debug!(target: "freehold::worker", "{line}");
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// Returns the lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
