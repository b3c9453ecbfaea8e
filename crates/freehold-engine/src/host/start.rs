//! Starting a worker: spawn, handshake, load, all within one time limit.

use std::sync::Arc;

use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::confine::Confinement;
use crate::host::EngineConfig;
use crate::host::death::{Cause, Failure, Vitals};
use crate::host::log_ring::LogRing;
use crate::host::spawner::Spawner;
use crate::host::worker_link::{Inbox, Outbox, WorkerLink};
use crate::protocol::{Facts, FromWorker, Hello, LoadOrder, ToWorker};
use crate::{Error, ModelInfo, ModelSpec, ModelState};

/// Starts a worker and loads `spec` into it.
pub(crate) async fn start(
    spec: &ModelSpec,
    config: &EngineConfig,
    spawner: &Spawner,
    tracker: &TaskTracker,
) -> Result<(WorkerLink, ModelInfo), Failure> {
    let began = Instant::now();
    let mut link = connect(config, spawner, tracker).await?;
    let failure = match timeout(config.load_timeout, converse(&mut link, spec, config)).await {
        Ok(Ok(facts)) => {
            link.vitals.look();
            let info = describe(spec, facts, &link, began);
            return Ok((link, info));
        }
        Ok(Err(Talk::Ended)) => Failure::died(&spec.name, link.post_mortem().await),
        Ok(Err(Talk::Wrong(error @ Error::Protocol { .. }))) => {
            let death = link.put_down(Cause::Protocol, error.to_string()).await;
            Failure { error, death: Some(Box::new(death)) }
        }
        Ok(Err(Talk::Wrong(error))) => {
            link.kill().await;
            error.into()
        }
        Err(_) => {
            let error = Error::LoadTimeout { model: spec.name.clone(), after: config.load_timeout };
            let death = link.put_down(Cause::LoadTimeout, error.to_string()).await;
            Failure { error, death: Some(Box::new(death)) }
        }
    };
    Err(failure)
}

/// Starts a worker and takes hold of its pipes.
async fn connect(config: &EngineConfig, spawner: &Spawner, tracker: &TaskTracker) -> Result<WorkerLink, Error> {
    let mut child = spawner.spawn(&config.worker).await.map_err(|source| {
        let program = config.worker.program.clone();
        Error::Start { program, source: Arc::new(source) }
    })?;
    let log = LogRing::default();
    let stderr = child.stderr.take().expect("the spawner pipes it");
    Ok(WorkerLink {
        outbox: Outbox::new(child.stdin.take().expect("the spawner pipes it")),
        inbox: Inbox::new(child.stdout.take().expect("the spawner pipes it")),
        log_task: tracker.spawn(log.clone().follow(stderr)),
        log,
        vitals: Vitals::of(child.id()),
        isolation: Vec::new(),
        child,
    })
}

enum Talk {
    /// The worker closed its output.
    Ended,
    Wrong(Error),
}

async fn converse(link: &mut WorkerLink, spec: &ModelSpec, config: &EngineConfig) -> Result<Facts, Talk> {
    let model = || spec.name.clone();
    let unexpected = |what: &str| Talk::Wrong(Error::Protocol { model: model(), what: format!("unexpected {what}") });
    match receive(link, spec).await? {
        FromWorker::Hello(theirs) if theirs.is_compatible() => {}
        FromWorker::Hello(theirs) => {
            let (ours, theirs) = (Hello::ours().describe(), theirs.describe());
            return Err(Talk::Wrong(Error::VersionMismatch { model: model(), ours, theirs }));
        }
        _ => return Err(unexpected("message before the handshake")),
    }
    let order = LoadOrder {
        path: spec.path.clone(),
        backend: spec.backend,
        adapters: spec.adapters.clone(),
        context_tokens: spec.context_tokens,
        slots: spec.slots,
        threads: spec.threads,
        processors: processors(&config.confinement),
        confinement: config.confinement.clone(),
    };
    link.outbox.push(&ToWorker::Hello(Hello::ours()));
    link.outbox.push(&ToWorker::Load(order));
    while !link.outbox.is_empty() {
        // What the worker has to say when it does not listen any more is found in its exit.
        link.outbox.write_some().await.map_err(|_| Talk::Ended)?;
    }
    loop {
        match receive(link, spec).await? {
            FromWorker::Confined(layers) => link.hold(layers),
            FromWorker::Loaded(facts) => return Ok(facts),
            FromWorker::LoadFailed { what } => return Err(Talk::Wrong(Error::LoadFailed { model: model(), what })),
            _ => return Err(unexpected("message while loading")),
        }
    }
}

async fn receive(link: &mut WorkerLink, spec: &ModelSpec) -> Result<FromWorker, Talk> {
    match link.inbox.next().await {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(Talk::Ended),
        Err(error) => Err(Talk::Wrong(Error::Protocol { model: spec.name.clone(), what: error.to_string() })),
    }
}

/// Returns how many processors a worker may use.
fn processors(confinement: &Confinement) -> u32 {
    let all = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    match u32::try_from(confinement.cpus.len()) {
        Ok(some @ 1..) => some.min(all),
        _ => all,
    }
}

fn describe(spec: &ModelSpec, facts: Facts, link: &WorkerLink, began: Instant) -> ModelInfo {
    ModelInfo {
        name: spec.name.clone(),
        path: spec.path.clone(),
        base: None,
        backend: spec.backend,
        architecture: facts.architecture,
        parameters: facts.parameters,
        context_tokens: facts.context_tokens,
        slots: facts.slots,
        threads: facts.threads,
        load_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        engine_build: facts.engine_build,
        prompt_style: facts.prompt_style,
        isolation: link.isolation.clone(),
        state: ModelState::Serving,
    }
}
