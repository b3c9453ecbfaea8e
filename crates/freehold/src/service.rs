//! Builds store, engine and gateway from checked settings, in that order, and takes them down again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use freehold_engine::{Engine, EngineConfig, ModelInfo, ModelSpec, WorkerCommand};
use freehold_gateway::{Gateway, GatewayConfig, RoutesHandle, Serving};
use freehold_store::{Recorder, RecorderConfig, Store};
use tokio::task::JoinHandle;

use crate::config::{Model, OnFailure, Settings};
use crate::exit::Fault;
use crate::facts::{Facts, PriceBook};
use crate::home::RunningGateway;

/// How often the running gateway looks whether the store has a new generation.
const GENERATION_POLL: Duration = Duration::from_millis(50);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A running gateway with everything below it.
pub struct Service {
    home: PathBuf,
    recorder: Recorder,
    engine: Engine,
    serving: Serving,
    follower: JoinHandle<()>,
    /// The models that our engine serves.
    pub models: Vec<ModelInfo>,
}

impl Service {
    /// Starts everything; `program` is this binary, of which the engine's workers are copies.
    ///
    /// # Errors
    /// The store cannot be opened, a model cannot be loaded, or the port cannot be bound.
    pub async fn start(settings: &Settings, home: &Path, program: PathBuf) -> anyhow::Result<Self> {
        let store = Store::open(home)?;
        let engine = engine(settings, program);
        let models = load_all(&engine, &settings.models).await?;
        let recorder = store.recorder(recorder_config(settings))?;
        let generation = store.generation()?;
        let gateway = Gateway::new(gateway_config(settings)?, recorder.clone(), engine.clone(), generation)
            .map_err(|error| gateway_fault(&settings.server.listen, error))?;
        let routes = gateway.routes();
        let serving = gateway.bind().await.map_err(|error| gateway_fault(&settings.server.listen, error))?;
        RunningGateway { pid: std::process::id(), address: serving.addr }.write(home)?;
        let follower = follow(store, routes);
        Ok(Service { home: home.to_owned(), recorder, engine, serving, follower, models })
    }

    /// Returns the address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.serving.addr
    }

    /// Stops taking calls, lets those in flight end within `drain`, and closes the record.
    ///
    /// # Errors
    /// What waited for the record could not be written.
    pub async fn stop(self, drain: Duration) -> anyhow::Result<()> {
        if let Err(error) = std::fs::remove_file(RunningGateway::file(&self.home)) {
            tracing::debug!(%error, "the word of the running gateway was gone");
        }
        self.serving.shutdown(drain).await;
        self.follower.abort();
        self.engine.shutdown().await;
        let recorder = self.recorder;
        tokio::task::spawn_blocking(move || recorder.close()).await?;
        Ok(())
    }
}

/// Builds the engine without loading anything.
pub fn engine(settings: &Settings, program: PathBuf) -> Engine {
    Engine::new(EngineConfig {
        worker: WorkerCommand { program, args: vec!["engine-worker".into()] },
        restarts_max: settings.engine.restarts_max,
        restart_window: Duration::from_secs(settings.engine.restart_window_s),
        load_timeout: Duration::from_secs(settings.engine.load_timeout_s),
        queue_requests_max: settings.engine.queue_requests_max,
    })
}

/// Inspects a model's file, refuses what cannot work, and loads it.
///
/// # Errors
/// The file is missing, damaged, too large for this machine's memory, or refused by the backend.
pub async fn load(engine: &Engine, model: &Model) -> anyhow::Result<ModelInfo> {
    if model.backend == freehold_engine::Backend::Llama {
        inspect(model)?;
    }
    let spec = ModelSpec {
        name: model.name.clone(),
        path: model.path.clone(),
        backend: model.backend,
        context_tokens: model.context_tokens,
        slots: model.slots,
        threads: model.threads,
    };
    let loaded = engine.load(spec).await;
    Ok(loaded.map_err(|error| Fault::upstream(format!("cannot load the model {}", model.name)).because(error))?)
}

async fn load_all(engine: &Engine, models: &[Model]) -> anyhow::Result<Vec<ModelInfo>> {
    let mut loaded = Vec::new();
    for model in models {
        loaded.push(load(engine, model).await?);
    }
    Ok(loaded)
}

fn inspect(model: &Model) -> Result<(), Fault> {
    let path = model.path.display();
    let file = freehold_vault::inspect(&model.path).map_err(|error| {
        Fault::input(format!("the model {} cannot be used: {path}", model.name))
            .because(error)
            .hint("check `path` in its [[model]] entry, and fetch the file again if it is damaged")
    })?;
    let wanted = file.memory_bytes(model.context_tokens, model.slots);
    let Some(free) = available_memory_bytes() else { return Ok(()) };
    if wanted > free {
        return Err(Fault::input(format!(
            "the model {} does not fit in memory: it wants about {} MiB and {} MiB are free",
            model.name,
            wanted / MIB as u64,
            free / MIB as u64
        ))
        .hint("lower context_tokens or slots of its [[model]] entry, or take a smaller quantisation"));
    }
    Ok(())
}

/// Returns the memory that can still be had, from `/proc/meminfo`; `None` where there is none.
fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn recorder_config(settings: &Settings) -> RecorderConfig {
    RecorderConfig {
        queue_calls_max: settings.record.queue_calls_max,
        queue_bytes_max: settings.record.queue_mib_max * MIB,
        commit_window: Duration::from_millis(settings.record.commit_window_ms),
    }
}

fn gateway_config(settings: &Settings) -> anyhow::Result<GatewayConfig> {
    let server = &settings.server;
    let mut config = GatewayConfig { listen: server.listen, ..GatewayConfig::default() };
    config.body_bytes_max = server.body_mib_max * MIB;
    config.header_bytes_max = server.header_kib_max * KIB;
    config.calls_max = server.calls_max;
    config.connect_timeout = Duration::from_millis(server.connect_timeout_ms);
    config.first_byte_timeout = Duration::from_secs(server.first_byte_timeout_s);
    config.idle_timeout = Duration::from_secs(server.idle_timeout_s);
    config.record_wait = Duration::from_millis(settings.record.wait_ms_max);
    config.on_record_failure = match settings.record.on_failure {
        OnFailure::Serve => freehold_gateway::OnRecordFailure::Serve,
        OnFailure::Refuse => freehold_gateway::OnRecordFailure::Refuse,
    };
    for upstream in &settings.upstreams {
        config.upstreams.push(gateway_upstream(upstream)?);
    }
    config.observe = observe(settings)?;
    Ok(config)
}

fn gateway_upstream(upstream: &crate::config::Upstream) -> Result<freehold_gateway::Upstream, Fault> {
    let base_url = upstream.base_url.parse().map_err(|error: http::uri::InvalidUri| {
        Fault::input(format!("base_url of the upstream {}: {:?}", upstream.name, upstream.base_url))
            .because(error)
            .hint("write an address such as https://api.openai.com, without /v1")
    })?;
    Ok(freehold_gateway::Upstream {
        key: upstream.key.clone(),
        models: upstream.models.clone(),
        simulated: upstream.simulated,
        accept_loss: upstream.accept_loss,
        retries_max: upstream.retries_max,
        fallback: upstream.fallback.clone(),
        usage_in_streams: upstream.usage_in_streams,
        breaker: freehold_gateway::Breaker {
            failures_max: upstream.breaker_failures_max,
            pause: Duration::from_millis(upstream.breaker_pause_ms),
        },
        ..freehold_gateway::Upstream::new(&upstream.name, base_url, &upstream.apis)
    })
}

/// Builds what is told of calls as they end: their cost from the vendor facts, and where spans go.
fn observe(settings: &Settings) -> anyhow::Result<freehold_gateway::Observe> {
    let facts = Arc::new(Facts::load_or_embedded(settings.facts.path.as_deref())?);
    let book = PriceBook::new(facts, settings.sellers());
    let observe = &settings.observe;
    if !(0.0..=1.0).contains(&observe.trace_sample) {
        return Err(Fault::input(format!(
            "trace_sample of [observe] is {}, not a share from 0 to 1",
            observe.trace_sample
        ))
        .into());
    }
    let traces = observe.otlp_url.as_ref().map(|url| {
        let parsed = url.parse().map_err(|error: http::uri::InvalidUri| {
            Fault::input(format!("otlp_url of [observe]: {url:?}"))
                .because(error)
                .hint("write the address of a collector that takes OTLP over HTTP, such as http://localhost:4318")
        })?;
        Ok::<_, Fault>(freehold_gateway::TraceConfig {
            url: parsed,
            authorization: observe.otlp_authorization.clone(),
            sample: observe.trace_sample,
            reparent: observe.trace_reparent,
        })
    });
    Ok(freehold_gateway::Observe {
        pricing: Some(book.into_pricing(SystemTime::now)),
        traces: traces.transpose()?,
        access_log: observe.access_log,
    })
}

fn gateway_fault(listen: &SocketAddr, error: freehold_gateway::Error) -> Fault {
    Fault::input(format!("cannot serve on {listen}"))
        .because(error)
        .hint("is another freehold running? choose another port with --listen 127.0.0.1:PORT, or 127.0.0.1:0 for any free one")
}

/// Watches the store for new generations, off the async threads, and swaps the gateway's routes.
fn follow(store: Store, routes: RoutesHandle) -> JoinHandle<()> {
    let watch = async move {
        let mut seen = None;
        let mut tick = tokio::time::interval(GENERATION_POLL);
        loop {
            tick.tick().await;
            let store = store.clone();
            let looked = tokio::task::spawn_blocking(move || look(&store, seen)).await;
            match looked {
                Ok(Ok((token, Some(generation)))) => {
                    seen = Some(token);
                    if generation.number != routes.current_number() {
                        routes.set(generation);
                    }
                }
                Ok(Ok((token, None))) => seen = Some(token),
                Ok(Err(error)) => tracing::warn!(%error, "cannot look for new generations; the last one stays"),
                Err(error) => tracing::warn!(%error, "looking for new generations broke off"),
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the service keeps the handle and ends the task itself")]
    tokio::spawn(watch)
}

type Looked = Result<(i64, Option<freehold_store::Generation>), freehold_store::Error>;

fn look(store: &Store, seen: Option<i64>) -> Looked {
    let token = store.change_token()?;
    if seen == Some(token) {
        return Ok((token, None));
    }
    Ok((token, Some(store.generation()?)))
}
