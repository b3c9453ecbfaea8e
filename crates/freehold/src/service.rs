//! Builds store, engine and gateway from checked settings, in that order, and takes them down again.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use freehold_engine::confine::Confinement;
use freehold_engine::{Engine, EngineConfig, ModelInfo, ModelSpec, WorkerCommand};
use freehold_gateway::{Gateway, GatewayConfig, KeysHandle, Listen, RoutesHandle, Serving};
use freehold_store::{Acknowledge, Limits, Recorder, RecorderConfig, Retention, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Model, OnFailure, RecordMode, Settings, StepBudget};
use crate::exit::Fault;
use crate::facts::{Facts, PriceBook};
use crate::home::{self, RunningGateway};
use crate::learning::Learning;
use crate::models::adapters;
use crate::{engines, keeping, restart};

/// How often the running gateway looks whether the store has a new generation or a changed key.
const STORE_POLL: Duration = Duration::from_millis(50);
/// After how many of these looks it keeps what was spent: once a second.
const SPENT_TICKS: u32 = 20;
const MIB: usize = 1 << 20;

/// A running gateway with everything below it.
pub struct Service {
    home: PathBuf,
    store: Store,
    recorder: Recorder,
    engine: Engine,
    serving: Serving,
    gateway: Gateway,
    follower: JoinHandle<()>,
    expiry: JoinHandle<()>,
    retention: watch::Sender<Retention>,
    started: Settings,
    in_force: InForce,
    /// The keys that were not revoked when it started.
    pub keys_good: usize,
    /// The models that our engine serves.
    pub models: Vec<ModelInfo>,
}

impl Service {
    /// Starts everything; `program` is this binary, of which the engine's workers are copies.
    ///
    /// # Errors
    /// The store cannot be opened, a model cannot be loaded, or the port cannot be bound.
    pub async fn start(settings: &Settings, home: &Path, program: PathBuf) -> anyhow::Result<Self> {
        let seal = keeping::seal(settings.record.encrypt_key.expose())?;
        let store = Store::open_sealed(home, Limits::default(), seal)?;
        let engine = engine(settings, program, home);
        let models = load_all(&engine, &settings.models).await?;
        let recorder = store.recorder_keeping(recorder_config(settings), keeping::keeping(settings)?)?;
        let generation = store.generation()?;
        let gateway = Gateway::new(gateway_config(settings)?, recorder.clone(), engine.clone(), generation)
            .map_err(gateway_fault)?;
        let learning = Learning::begin(&store, settings)?;
        gateway.learn_with(learning.steps());
        let in_force = InForce { routes: gateway.routes(), keys: gateway.keys(), learning };
        let keys = store.keys()?;
        let keys_good = keys.iter().filter(|key| key.revoked_ms.is_none()).count();
        in_force.keys.restore(&store.spent()?);
        in_force.keys.set(keys);
        let serving = gateway.bind().await.map_err(gateway_fault)?;
        if let Err(fault) = RunningGateway::new(&serving.listening).write(home) {
            // It serves all the same, on a full disk too.
            tracing::warn!("other commands will not see that this gateway runs: {fault}");
        }
        let follower = follow(store.clone(), in_force.clone());
        let (retention, kept_for) = watch::channel(keeping::retention(settings));
        let expiry = keeping::expire(store.clone(), kept_for);
        Ok(Service {
            home: home.to_owned(),
            store,
            recorder,
            engine,
            serving,
            gateway,
            follower,
            expiry,
            retention,
            started: settings.clone(),
            in_force,
            models,
            keys_good,
        })
    }

    /// Returns every place that is listened on.
    pub fn listening(&self) -> &[Listen] {
        &self.serving.listening
    }

    /// Puts other settings in force for the calls that begin from now on: upstreams, the limits of `[server]` that the gateway can
    /// change while it serves, and what is kept of calls and for how long. Returns the names of those that take a restart.
    ///
    /// # Errors
    /// The settings cannot be used; those in force stay.
    pub fn reload(&self, settings: &Settings) -> anyhow::Result<Vec<&'static str>> {
        let kept = keeping::keeping(settings)?;
        self.gateway.reload(gateway_config(settings)?)?;
        self.recorder.keep(kept);
        self.retention.send_replace(keeping::retention(settings));
        Ok(restart::needed(&self.started, settings))
    }

    /// Waits until every call that was answered so far can be read from the store.
    ///
    /// # Errors
    /// The store takes no calls.
    pub async fn catch_up(&self) -> anyhow::Result<()> {
        let recorder = self.recorder.clone();
        let is_there = tokio::task::spawn_blocking(move || recorder.flush()).await?;
        anyhow::ensure!(is_there, "the store takes no calls from the log");
        Ok(())
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
        self.expiry.abort();
        self.engine.shutdown().await;
        let (recorder, store, in_force) = (self.recorder, self.store, self.in_force);
        tokio::task::spawn_blocking(move || {
            recorder.close();
            in_force.learning.keep(&store)?;
            keep_spent(&store, &in_force.keys)
        })
        .await??;
        Ok(())
    }
}

/// Checks everything about the settings that can be checked without serving.
///
/// # Errors
/// The gateway would not start with them.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    keeping::keeping(settings)?;
    keeping::seal(settings.record.encrypt_key.expose())?;
    Ok(gateway_config(settings)?.check().map_err(|error| gateway_fault(error.into()))?)
}

/// Builds the engine without loading anything.
pub fn engine(settings: &Settings, program: PathBuf, home: &Path) -> Engine {
    Engine::new(EngineConfig {
        worker: WorkerCommand { program, args: vec!["engine-worker".into()] },
        restarts_max: settings.engine.restarts_max,
        restart_window: Duration::from_secs(settings.engine.restart_window_s),
        load_timeout: Duration::from_secs(settings.engine.load_timeout_s),
        hang_timeout: Duration::from_secs(settings.engine.hang_timeout_s.get()),
        confinement: Confinement {
            policy: settings.engine.isolation,
            memory_mib_max: Some(settings.engine.memory_mib_max).filter(|mib| *mib > 0),
            nice: settings.engine.nice.get(),
            cpus: settings.engine.cpus.clone(),
        },
        crash_folder: Some(home::crashes(home)),
        queue_requests_max: settings.engine.queue_requests_max,
        memory_bytes_max: NonZeroU64::new(settings.engine.models_mib_max)
            .map(|mib| mib.get().saturating_mul(MIB as u64)),
    })
}

/// Inspects a model's file, refuses what cannot work, and loads it.
///
/// # Errors
/// The file is missing, damaged, too large for this machine's memory, or refused by the backend.
pub async fn load(engine: &Engine, model: &Model) -> anyhow::Result<ModelInfo> {
    let memory_bytes = match model.backend {
        freehold_engine::Backend::Llama => inspect(engine, model)?,
        freehold_engine::Backend::Scripted => 0,
    };
    let spec = ModelSpec {
        name: model.name.clone(),
        path: model.path.clone(),
        backend: model.backend,
        adapters: model.adapters.clone(),
        context_tokens: model.context_tokens,
        slots: model.slots,
        threads: model.threads,
        memory_bytes,
    };
    let loaded = engine.load(spec).await;
    Ok(loaded.map_err(|error| Fault::upstream(format!("cannot load the model {}", model.name)).because(error))?)
}

/// Loads all models, each at least once, so that a bad one is found at the start. Where memory is bounded the last to be loaded
/// stay, which are the first in the list.
async fn load_all(engine: &Engine, models: &[Model]) -> anyhow::Result<Vec<ModelInfo>> {
    for model in models.iter().rev() {
        load(engine, model).await?;
    }
    Ok(engine.models())
}

/// Returns how much memory a model takes, in bytes, after a look at its file.
fn inspect(engine: &Engine, model: &Model) -> Result<u64, Fault> {
    let unusable = || {
        Fault::input(format!("the model {} cannot be used: {}", model.name, model.path.display()))
            .hint("check `path` in its [[model]] entry, and fetch the file again if it is damaged")
    };
    let file = freehold_vault::describe(&model.path).map_err(|error| unusable().because(error))?;
    if file.format != freehold_vault::Format::Gguf {
        return Err(unusable()
            .hint("our engine reads GGUF files; serve this one with an engine of its own, as an [[upstream]]"));
    }
    let serving = freehold_vault::Serving {
        context_tokens: model.context_tokens.into(),
        slots: model.slots.into(),
        cache: freehold_vault::CacheType::default(),
    };
    let wanted = file.memory(&serving).likely().saturating_add(adapters::check(model, &file)?);
    let Some(free) = available_memory_bytes() else { return Ok(wanted) };
    let free = free.saturating_add(engine.given_up_for(wanted));
    if wanted > free {
        return Err(Fault::input(format!(
            "the model {} does not fit in memory: it wants about {} MiB and {} MiB are free",
            model.name,
            wanted / MIB as u64,
            free / MIB as u64
        ))
        .hint("lower context_tokens or slots of its [[model]] entry, or take a smaller quantisation"));
    }
    Ok(wanted)
}

/// Returns the memory that can still be had, from `/proc/meminfo`; `None` where there is none.
pub(crate) fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn recorder_config(settings: &Settings) -> RecorderConfig {
    RecorderConfig {
        queue_calls_max: settings.record.queue_calls_max,
        queue_bytes_max: settings.record.queue_mib_max * MIB,
        acknowledge: match settings.record.mode {
            RecordMode::Kernel => Acknowledge::Kernel,
            RecordMode::Strict => Acknowledge::Disk,
        },
        sync_window: Duration::from_millis(settings.record.window_ms),
        log_bytes_max: settings.record.log_mib_max * MIB as u64,
        ..RecorderConfig::default()
    }
}

fn gateway_config(settings: &Settings) -> anyhow::Result<GatewayConfig> {
    let mut config = GatewayConfig::default();
    settings.server.apply(&mut config)?;
    config.budgets = settings.budgets.iter().map(StepBudget::gateway).collect::<Result<_, _>>()?;
    let (sellers, names) = (settings.sellers(), settings.upstreams.iter().map(|upstream| &upstream.name));
    config.unbilled = names.filter(|name| sellers.is_own(name)).cloned().collect();
    config.record_wait = Duration::from_millis(settings.record.wait_ms_max);
    config.on_record_failure = match settings.record.on_failure {
        OnFailure::Serve => freehold_gateway::OnRecordFailure::Serve,
        OnFailure::Refuse => freehold_gateway::OnRecordFailure::Refuse,
    };
    for upstream in &settings.upstreams {
        config.upstreams.push(gateway_upstream(upstream)?);
    }
    config.observe = observe(settings)?;
    config.retirements = retirements(settings)?;
    Ok(config)
}

/// Returns the dates on which models retire: under the names they were published for, and under those configured.
fn retirements(settings: &Settings) -> Result<BTreeMap<String, String>, Fault> {
    let facts = Facts::load_or_embedded(settings.facts.path.as_deref())
        .map_err(|error| Fault::input("the facts about vendors cannot be read").because(error))?;
    let listed = settings.upstreams.iter().flat_map(|upstream| &upstream.models);
    let known = listed.filter_map(|model| Some((model.clone(), facts.retirement(model)?)));
    let published = facts.retirements().map(|found| (found.model.clone(), found));
    Ok(published.chain(known).map(|(model, found)| (model, found.date.to_string())).collect())
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
        spelling: upstream.engine.map(|kind| freehold_gateway::Spelling { reasoning: engines::reasoning_field(kind) }),
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

fn gateway_fault(error: freehold_gateway::Error) -> Fault {
    let fault = Fault::input("cannot serve");
    match &error {
        freehold_gateway::Error::Bind { place, .. } => Fault::input(format!("cannot serve on {place}")).hint(
            "is another freehold running? choose another port with --listen 127.0.0.1:PORT, or 127.0.0.1:0 for any free one",
        ),
        freehold_gateway::Error::Tls(_) => fault.hint("check tls_cert and tls_key below [server]"),
        _ => fault.hint("mend freehold.toml; `freehold config check` tells when it is right"),
    }
    .because(error)
}

/// What the running gateway takes from the store.
#[derive(Clone)]
struct InForce {
    routes: RoutesHandle,
    keys: KeysHandle,
    learning: Arc<Learning>,
}

/// What was last seen of the store.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    token: Option<i64>,
    keys_version: Option<i64>,
}

/// Watches the store for new generations and keys, off the async threads, and keeps what keys and steps have spent.
fn follow(store: Store, in_force: InForce) -> JoinHandle<()> {
    let watch = async move {
        let mut seen = Seen::default();
        let mut tick = tokio::time::interval(STORE_POLL);
        let mut ticks: u32 = 0;
        loop {
            tick.tick().await;
            ticks = ticks.wrapping_add(1);
            let (store, in_force) = (store.clone(), in_force.clone());
            let keeps = ticks.is_multiple_of(SPENT_TICKS);
            let looked = tokio::task::spawn_blocking(move || {
                if keeps {
                    keep_spent(&store, &in_force.keys)?;
                }
                in_force.learning.learn(&store)?;
                look(&store, &in_force, seen)
            });
            match looked.await {
                Ok(Ok(now)) => seen = now,
                Ok(Err(error)) => tracing::warn!(%error, "cannot look for new generations and keys"),
                Err(error) => tracing::warn!(%error, "looking for new generations and keys broke off"),
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the service keeps the handle and ends the task itself")]
    tokio::spawn(watch)
}

fn look(store: &Store, in_force: &InForce, seen: Seen) -> Result<Seen, freehold_store::Error> {
    let token = store.change_token()?;
    if seen.token == Some(token) {
        return Ok(seen);
    }
    let generation = store.generation()?;
    in_force.learning.rely_on(store, &generation)?;
    if generation.number != in_force.routes.current_number() {
        in_force.routes.set(generation);
    }
    let keys_version = store.keys_version()?;
    if seen.keys_version != Some(keys_version) {
        in_force.keys.set(store.keys()?);
    }
    Ok(Seen { token: Some(token), keys_version: Some(keys_version) })
}

fn keep_spent(store: &Store, keys: &KeysHandle) -> Result<(), freehold_store::Error> {
    let spent = keys.take_spent();
    if spent.is_empty() {
        return Ok(());
    }
    store.keep_spent(&spent).inspect_err(|_| keys.restore_changed(&spent))
}
