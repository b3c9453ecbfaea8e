//! What is told of calls as they end: counts for `/metrics`, a span for the collector, a line for the log.
//!
//! Nothing here waits, and nothing here sees a prompt or an answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};

use freehold_wire::{Call, Usage};

use crate::gateway::Shared;
use crate::metrics::{Cost, Exposition, Kind, Metrics, outcome_word};
use crate::traces::{Context, Tracer};
use crate::{Error, GatewayConfig, TraceConfig, headers};

/// Tells what a call costs in millionths of a US dollar, from upstream, model and tokens; `None` where the price is not known.
pub type Pricing = Arc<dyn Fn(&str, &str, &Usage) -> Option<u64> + Send + Sync>;

/// What is told, and to whom.
#[derive(Clone, Default)]
pub struct Observe {
    /// What calls cost; `None` leaves every cost unknown.
    pub pricing: Option<Pricing>,
    /// Where spans go; `None` makes none.
    pub traces: Option<TraceConfig>,
    /// Whether every call leaves a line in the log.
    pub access_log: bool,
}

/// Tells of calls as they end.
pub(crate) struct Observer {
    metrics: Metrics,
    tracer: Option<Tracer>,
    pricing: Option<Pricing>,
    has_access_log: bool,
    /// Host and port of each upstream, by name.
    servers: HashMap<String, (String, u16)>,
    started: SystemTime,
}

impl fmt::Debug for Observe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Observe");
        shown.field("has_pricing", &self.pricing.is_some()).field("traces", &self.traces);
        shown.field("access_log", &self.access_log).finish()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("has_tracer", &self.tracer.is_some()).finish_non_exhaustive()
    }
}

impl Observer {
    /// Makes an observer.
    pub(crate) fn new(config: &GatewayConfig) -> Result<Self, Error> {
        let server = |upstream: &crate::Upstream| {
            let uri = &upstream.base_url;
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            (upstream.name.clone(), (uri.host().unwrap_or_default().to_owned(), port))
        };
        Ok(Observer {
            metrics: Metrics::default(),
            tracer: config.observe.traces.clone().map(Tracer::new).transpose()?,
            pricing: config.observe.pricing.clone(),
            has_access_log: config.observe.access_log,
            servers: config.upstreams.iter().map(server).collect(),
            started: SystemTime::now(),
        })
    }

    /// Starts what runs beside the calls.
    pub(crate) fn start(&self) {
        if let Some(tracer) = &self.tracer {
            tracer.start();
        }
    }

    /// Lets what runs beside the calls end in order.
    pub(crate) async fn finish(&self) {
        if let Some(tracer) = &self.tracer {
            tracer.finish().await;
        }
    }

    /// Returns the trace that a caller brings, where anybody will want to know.
    pub(crate) fn context(&self, headers: &HeaderMap) -> Option<Context> {
        self.tracer.as_ref()?;
        Context::parse(headers::text(headers, &headers::TRACEPARENT)?)
    }

    /// Returns what an upstream is to be told as its parent, where that is not what the caller said.
    pub(crate) fn parent_for_upstream(&self, call: &str, caller: Option<Context>) -> Option<HeaderValue> {
        self.tracer.as_ref().filter(|tracer| tracer.reparents())?;
        Context::own(call, caller).map(|own| own.header())
    }

    /// Tells of a call that has ended.
    pub(crate) fn ended(&self, call: &Call, caller: Option<Context>) {
        let cost = self.cost(call);
        self.metrics.count(call, cost);
        if let Some(tracer) = &self.tracer {
            tracer.offer(call, caller, self.servers.get(&call.upstream), cost);
        }
        if self.has_access_log {
            log(call, cost);
        }
    }

    fn cost(&self, call: &Call) -> Cost {
        let model = call.served_model.as_deref().unwrap_or(&call.model);
        let priced = || self.pricing.as_ref()?(&call.upstream, model, call.usage.as_ref()?);
        priced().map_or(Cost::Unknown, Cost::Known)
    }
}

fn log(call: &Call, cost: Cost) {
    let usage = call.usage.unwrap_or_default();
    let cost_microusd = match cost {
        Cost::Known(microusd) => Some(microusd),
        Cost::Unknown => None,
    };
    tracing::info!(
        target: "freehold::access",
        call = %call.id,
        step = %call.step,
        upstream = %call.upstream,
        model = %call.served_model.as_deref().unwrap_or(&call.model),
        key = call.key.as_deref(),
        status = call.status,
        outcome = outcome_word(call),
        streamed = call.streamed,
        input_tokens = usage.input,
        output_tokens = usage.output,
        cost_microusd,
        duration_ms = call.timings.total_us / 1000,
        "call"
    );
}

/// Returns the text for `/metrics`.
pub(crate) fn metrics(shared: &Shared) -> String {
    let mut out = Exposition::default();
    let observer = &shared.keeper.observer;
    observer.metrics.expose(&mut out);
    of_the_gate(shared, &mut out);
    of_the_recorder(shared, &mut out);
    if let Some(tracer) = &observer.tracer {
        let name = "freehold_spans_total";
        out.family(name, Kind::Counter, "Spans of calls, by what became of them.");
        let counts = tracer.counts();
        for (outcome, count) in [("sent", &counts.sent), ("dropped", &counts.dropped), ("failed", &counts.failed)] {
            out.sample(name, &[("outcome", outcome)], count.load(Ordering::Relaxed));
        }
    }
    of_the_process(observer, &mut out);
    out.into_text()
}

fn of_the_gate(shared: &Shared, out: &mut Exposition) {
    let in_flight = "Calls being served.";
    out.single(("freehold_calls_in_flight", Kind::Gauge), in_flight, shared.gate.in_flight());
    let turned_away = "Calls turned away because of a limit, before anything of them was recorded.";
    out.single(("freehold_calls_turned_away_total", Kind::Counter), turned_away, shared.gate.turned_away());
    let generation = "The number of the generation of routes in force.";
    out.single(("freehold_generation", Kind::Gauge), generation, shared.routes.current_number());
}

fn of_the_recorder(shared: &Shared, out: &mut Exposition) {
    let stats = shared.keeper.recorder.stats();
    out.single(("freehold_recorder_recorded_total", Kind::Counter), "Calls that are recorded.", stats.recorded);
    out.single(("freehold_recorder_dropped_total", Kind::Counter), "Calls that could not be recorded.", stats.dropped);
    out.single(("freehold_recorder_queued", Kind::Gauge), "Calls that wait to be recorded.", stats.queued);
    let failing = "Whether the last attempt to write the record failed.";
    out.single(("freehold_recorder_failing", Kind::Gauge), failing, u8::from(stats.last_error.is_some()));
}

fn of_the_process(observer: &Observer, out: &mut Exposition) {
    let name = "freehold_build_info";
    out.family(name, Kind::Gauge, "The version; the value is always 1.");
    out.sample(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let started = observer.started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    out.single(("process_start_time_seconds", Kind::Gauge), "When the gateway was made, as a Unix time.", started);
    if let Some(bytes) = resident_bytes() {
        out.single(("process_resident_memory_bytes", Kind::Gauge), "Resident memory.", bytes);
    }
}

/// Returns the resident memory from `/proc`; `None` where there is none.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
