//! What is told of calls as they end: counts for `/metrics`, a span for the collector, a line for the log.
//!
//! Nothing here waits, and nothing here sees a prompt or an answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue};

use freehold_wire::{Call, Usage};

use crate::gateway::Shared;
use crate::metrics::{Cost, Exposition, Kind, Metrics, outcome_word};
use crate::traces::{Context, Tracer};
use crate::{Error, GatewayConfig, TraceConfig, Upstream, headers};

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
    terms: ArcSwap<Terms>,
    started: SystemTime,
}

/// What a new configuration changes.
struct Terms {
    pricing: Option<Pricing>,
    has_access_log: bool,
    /// Host and port of each upstream, by name.
    servers: HashMap<String, (String, u16)>,
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
        Ok(Observer {
            metrics: Metrics::default(),
            tracer: config.observe.traces.clone().map(Tracer::new).transpose()?,
            terms: ArcSwap::from_pointee(Terms::of(config)),
            started: SystemTime::now(),
        })
    }

    /// Takes up another configuration: prices, upstreams and the access log change, the collector of traces stays.
    pub(crate) fn reload(&self, config: &GatewayConfig) {
        self.terms.store(Arc::new(Terms::of(config)));
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
        let terms = self.terms.load();
        let cost = terms.cost(call);
        self.metrics.count(call, cost);
        if let Some(tracer) = &self.tracer {
            tracer.offer(call, caller, terms.servers.get(&call.upstream), cost);
        }
        if terms.has_access_log {
            log(call, cost);
        }
    }
}

impl Terms {
    fn of(config: &GatewayConfig) -> Self {
        let server = |upstream: &Upstream| {
            let uri = &upstream.base_url;
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            (upstream.name.clone(), (uri.host().unwrap_or_default().to_owned(), port))
        };
        Terms {
            pricing: config.observe.pricing.clone(),
            has_access_log: config.observe.access_log,
            servers: config.upstreams.iter().map(server).collect(),
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
    of_the_upstreams(shared, &mut out);
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

/// Says of each upstream whether it is asked.
fn of_the_upstreams(shared: &Shared, out: &mut Exposition) {
    let name = "freehold_upstream_breaker";
    out.family(
        name,
        Kind::Gauge,
        "Whether an upstream is asked: 0 yes, 1 one call is finding out, 2 no, it failed too often in a row.",
    );
    let (current, now) = (shared.current.load(), Instant::now());
    for (upstream, breaker) in current.config.upstreams.iter().zip(&current.breakers) {
        let value = match breaker.health(now).word {
            "closed" => 0,
            "half_open" => 1,
            _ => 2,
        };
        out.sample(name, &[("upstream", &upstream.name)], value);
    }
}

fn of_the_recorder(shared: &Shared, out: &mut Exposition) {
    let stats = shared.keeper.recorder.stats();
    out.single(("freehold_recorder_recorded_total", Kind::Counter), "Calls that are recorded.", stats.recorded);
    out.single(("freehold_recorder_dropped_total", Kind::Counter), "Calls that could not be recorded.", stats.dropped);
    out.single(("freehold_recorder_queued", Kind::Gauge), "Calls that wait for the log.", stats.queued);
    out.single(
        ("freehold_recorder_indexed_total", Kind::Counter),
        "Calls moved from the log into the tables.",
        stats.indexed,
    );
    let lag = "Calls that are in the log and not yet in the tables.";
    out.single(("freehold_recorder_index_lag", Kind::Gauge), lag, stats.index_lag_calls);
    out.single(("freehold_recorder_log_bytes", Kind::Gauge), "Bytes of the log's files.", stats.log_bytes);
    let sync = "How long it last took to bring the log to the disk.";
    out.single(("freehold_recorder_last_sync_seconds", Kind::Gauge), sync, stats.last_sync_us as f64 / 1e6);
    let failures = "How often the log could not be brought to the disk.";
    out.single(("freehold_recorder_sync_failures_total", Kind::Counter), failures, stats.sync_failures);
    let failing = "Whether the last attempt to write the log or the tables failed.";
    let is_failing = stats.last_error.is_some() || stats.index_error.is_some();
    out.single(("freehold_recorder_failing", Kind::Gauge), failing, u8::from(is_failing));
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
