//! Starting a worker: spawn, handshake, load, all within one time limit.

use std::sync::Arc;

use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::host::EngineConfig;
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
) -> Result<(WorkerLink, ModelInfo), Error> {
    let began = Instant::now();
    let program = || config.worker.program.clone();
    let mut child = spawner
        .spawn(&config.worker)
        .await
        .map_err(|source| Error::Start { program: program(), source: Arc::new(source) })?;
    let log = LogRing::default();
    let stderr = child.stderr.take().expect("the spawner pipes it");
    let mut link = WorkerLink {
        outbox: Outbox::new(child.stdin.take().expect("the spawner pipes it")),
        inbox: Inbox::new(child.stdout.take().expect("the spawner pipes it")),
        log_task: tracker.spawn(log.clone().follow(stderr)),
        log,
        child,
    };
    match timeout(config.load_timeout, converse(&mut link, spec)).await {
        Ok(Ok(facts)) => Ok((link, describe(spec, facts, began))),
        Ok(Err(Talk::Ended)) => {
            let (how, last_lines) = link.post_mortem().await;
            Err(Error::WorkerDied { model: spec.name.clone(), call: None, how, last_lines })
        }
        Ok(Err(Talk::Wrong(error))) => {
            link.kill().await;
            Err(error)
        }
        Err(_) => {
            link.kill().await;
            Err(Error::LoadTimeout { model: spec.name.clone(), after: config.load_timeout })
        }
    }
}

enum Talk {
    /// The worker closed its output.
    Ended,
    Wrong(Error),
}

async fn converse(link: &mut WorkerLink, spec: &ModelSpec) -> Result<Facts, Talk> {
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
        context_tokens: spec.context_tokens,
        slots: spec.slots,
        threads: spec.threads,
    };
    link.outbox.push(&ToWorker::Hello(Hello::ours()));
    link.outbox.push(&ToWorker::Load(order));
    while !link.outbox.is_empty() {
        // What the worker has to say when it does not listen any more is found in its exit.
        link.outbox.write_some().await.map_err(|_| Talk::Ended)?;
    }
    match receive(link, spec).await? {
        FromWorker::Loaded(facts) => Ok(facts),
        FromWorker::LoadFailed { what } => Err(Talk::Wrong(Error::LoadFailed { model: model(), what })),
        _ => Err(unexpected("message while loading")),
    }
}

async fn receive(link: &mut WorkerLink, spec: &ModelSpec) -> Result<FromWorker, Talk> {
    match link.inbox.next().await {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(Talk::Ended),
        Err(error) => Err(Talk::Wrong(Error::Protocol { model: spec.name.clone(), what: error.to_string() })),
    }
}

fn describe(spec: &ModelSpec, facts: Facts, began: Instant) -> ModelInfo {
    ModelInfo {
        name: spec.name.clone(),
        path: spec.path.clone(),
        backend: spec.backend,
        architecture: facts.architecture,
        parameters: facts.parameters,
        context_tokens: facts.context_tokens,
        slots: facts.slots,
        threads: facts.threads,
        load_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        engine_build: facts.engine_build,
        prompt_style: facts.prompt_style,
        state: ModelState::Serving,
    }
}
