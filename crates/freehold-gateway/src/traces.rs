//! A span for each call, in the words of OpenTelemetry's conventions for generative AI, joined to the caller's own trace.
//!
//! Spans are handed to a task that sends them in batches; the way of a call never waits for it. What does not fit into its queue is
//! dropped and counted. No prompt, no answer and no credential is in a span.

mod context;
mod export;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use freehold_wire::Call;

use crate::metrics::Cost;
use crate::{Error, Secret};
pub(crate) use context::Context;
use export::Exporter;
use span::Span;

/// The most spans that wait to be sent.
const QUEUE_SPANS_MAX: usize = 8192;
/// How long a stop waits until what is queued has been sent.
const FINISH_WAIT: Duration = Duration::from_secs(3);

/// Where spans go, and which.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// The collector, such as `http://localhost:4318`; `/v1/traces` is added where no path is given.
    pub url: Uri,
    /// What the header `authorization` says to the collector.
    pub authorization: Option<Secret>,
    /// The share of traces that begin here and are sent, from 0 to 1. Where a caller brings a trace, its own decision holds.
    pub sample: f64,
    /// Whether an upstream is told our span as its parent, in the place of the caller's.
    pub reparent: bool,
}

/// What became of spans since the start.
#[derive(Debug, Default)]
pub(crate) struct SpanCounts {
    pub sent: AtomicU64,
    /// Those that found the queue full.
    pub dropped: AtomicU64,
    /// Those that the collector did not take.
    pub failed: AtomicU64,
}

/// Makes spans and hands them to the task that sends them.
pub(crate) struct Tracer {
    config: TraceConfig,
    queue: mpsc::Sender<Span>,
    counts: Arc<SpanCounts>,
    exporter: std::sync::Mutex<Option<Exporter>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Tracer {
    /// Makes a tracer; nothing is sent before it is started.
    pub(crate) fn new(config: TraceConfig) -> Result<Self, Error> {
        let (queue, spans) = mpsc::channel(QUEUE_SPANS_MAX);
        let counts = Arc::new(SpanCounts::default());
        let stop = CancellationToken::new();
        let exporter = Exporter::new(&config, spans, Arc::clone(&counts), stop.clone())?;
        let exporter = std::sync::Mutex::new(Some(exporter));
        Ok(Tracer { config, queue, counts, exporter, tasks: TaskTracker::new(), stop })
    }

    /// Starts the task that sends spans, once.
    pub(crate) fn start(&self) {
        let exporter = self.exporter.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(exporter) = exporter {
            self.tasks.spawn(exporter.run());
        }
    }

    /// Sends what is queued, and ends the task; what cannot be sent soon is left.
    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(FINISH_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some spans could not be sent before the stop");
        }
    }

    /// Returns the counts.
    pub(crate) fn counts(&self) -> &SpanCounts {
        &self.counts
    }

    /// Returns whether upstreams are told our span as their parent.
    pub(crate) fn reparents(&self) -> bool {
        self.config.reparent
    }

    /// Offers the span of a call that has ended; never waits.
    pub(crate) fn offer(&self, call: &Call, caller: Option<Context>, server: Option<&(String, u16)>, cost: Cost) {
        let Some(own) = Context::own(&call.id, caller) else { return };
        if !own.is_sampled(caller.as_ref(), self.config.sample) {
            return;
        }
        let Ok(place) = self.queue.try_reserve() else {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        place.send(Span::of(call, (own, caller), server, cost));
    }
}

#[cfg(test)]
mod tests;
