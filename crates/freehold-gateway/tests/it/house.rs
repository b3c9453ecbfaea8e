//! A gateway with everything it needs, in a folder of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use freehold_engine::confine::Confinement;
use freehold_engine::{Engine, EngineConfig, WorkerCommand};
use freehold_gateway::{Gateway, GatewayConfig, Listen, Serving, Upstream};
use freehold_store::{Generation, Recorder, RecorderConfig, Route, Store};
use freehold_wire::{Api, Call};
use tempfile::TempDir;

/// How much memory the engine's models may say that they take.
pub(crate) const MODELS_BYTES_MAX: u64 = 1 << 30;

/// A gateway that serves.
pub(crate) struct House {
    pub gateway: Gateway,
    pub serving: Serving,
    pub addr: SocketAddr,
    pub store: Store,
    pub recorder: Recorder,
    pub engine: Engine,
    pub home: TempDir,
}

/// Runs a test on a runtime of its own; what hangs fails.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs") });
}

/// Returns an upstream of any model at an address.
pub(crate) fn upstream(name: &str, addr: SocketAddr, apis: &[Api]) -> Upstream {
    Upstream::new(name, format!("http://{addr}").parse().unwrap(), apis)
}

/// Returns a configuration on a free port whose answers wait long for their record, so that a test sees it.
pub(crate) fn config(upstreams: Vec<Upstream>) -> GatewayConfig {
    GatewayConfig {
        listen: vec![Listen::Plain("127.0.0.1:0".parse().unwrap())],
        upstreams,
        record_wait: Duration::from_secs(30),
        ..GatewayConfig::default()
    }
}

/// Returns a generation that moves steps: (step, upstream, model).
pub(crate) fn generation(number: u64, moves: &[(&str, &str, &str)]) -> Generation {
    let route = |upstream: &str, model: &str| Route {
        upstream: upstream.into(),
        model: model.into(),
        stage: "owned".into(),
        assessment: None,
        certificate: None,
        despite: None,
    };
    let routes: BTreeMap<String, Route> =
        moves.iter().map(|&(step, upstream, model)| (step.to_owned(), route(upstream, model))).collect();
    Generation { number, routes, ..Generation::default() }
}

impl House {
    pub(crate) async fn new(config: GatewayConfig) -> House {
        House::with_routes(config, generation(0, &[])).await
    }

    pub(crate) async fn with_routes(config: GatewayConfig, initial: Generation) -> House {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let recorder = store.recorder(RecorderConfig::default()).unwrap();
        let worker = WorkerCommand { program: env!("CARGO_BIN_EXE_freehold-gateway-test-worker").into(), args: vec![] };
        let engine = Engine::new(EngineConfig {
            worker,
            restarts_max: 0,
            restart_window: Duration::from_secs(60),
            load_timeout: Duration::from_secs(30),
            hang_timeout: Duration::from_secs(60),
            confinement: Confinement::default(),
            crash_folder: None,
            queue_requests_max: 8,
            memory_bytes_max: Some(MODELS_BYTES_MAX),
        });
        let gateway = Gateway::new(config, recorder.clone(), engine.clone(), initial).unwrap();
        let serving = gateway.bind().await.unwrap();
        House { addr: serving.addr().unwrap(), gateway, serving, store, recorder, engine, home }
    }

    /// Returns a recorded call; its answer must have ended.
    pub(crate) fn recorded(&self, id: &str) -> Call {
        assert!(self.recorder.flush(), "the store takes what is recorded");
        self.store.call(id).unwrap().expect("the call is recorded before its answer ends")
    }

    /// Returns how many calls are being served.
    pub(crate) async fn in_flight(&self) -> u64 {
        let health = crate::caller::get(self.addr, "/healthz").await.json().await;
        health["calls"]["in_flight"].as_u64().unwrap()
    }

    /// Stops everything and returns the store, in which every call now is.
    pub(crate) async fn stop(self, drain: Duration) -> (Store, TempDir) {
        self.serving.shutdown(drain).await;
        self.engine.shutdown().await;
        let recorder = self.recorder;
        tokio::task::spawn_blocking(move || recorder.close()).await.unwrap();
        (self.store, self.home)
    }
}
