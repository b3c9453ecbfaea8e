//! The gateway as a whole: what every call shares, and its way from configuration to service.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio_util::task::TaskTracker;

use freehold_engine::Engine;
use freehold_store::{Generation, Recorder};
use freehold_workflow::Steps;

use crate::admit::Gate;
use crate::config::{self, Upstream};
use crate::current::Current;
use crate::observe::Observer;
use crate::record::Keeper;
use crate::{Error, GatewayConfig, KeysHandle, RoutesHandle, Serving, server};

/// The gateway, ready to be bound; clones share everything.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What every call shares.
pub(crate) struct Shared {
    /// The configuration of the start, for what cannot change while the gateway serves.
    pub config: GatewayConfig,
    /// Everything that can.
    pub current: ArcSwap<Current>,
    pub routes: RoutesHandle,
    pub keeper: Arc<Keeper>,
    pub engine: Engine,
    pub gate: Gate,
    /// What was learned of steps, where somebody learns.
    pub steps: ArcSwapOption<Steps>,
}

impl Gateway {
    /// Makes a gateway that begins with the routes of `initial`.
    ///
    /// # Errors
    /// The configuration cannot be used, or the system's root certificates are needed and cannot be read.
    pub fn new(
        config: GatewayConfig,
        recorder: Recorder,
        engine: Engine,
        initial: Generation,
    ) -> Result<Gateway, Error> {
        config.check()?;
        let keeper = Keeper {
            recorder,
            observer: Observer::new(&config)?,
            tracker: TaskTracker::new(),
            record_bytes_max: config.record_bytes_max,
            is_stopping: AtomicBool::new(false),
        };
        let shared = Shared {
            routes: RoutesHandle::new(initial),
            current: ArcSwap::from_pointee(Current::new(config.clone(), None)?),
            keeper: Arc::new(keeper),
            engine,
            gate: Gate::new(&config),
            steps: ArcSwapOption::empty(),
            config,
        };
        Ok(Gateway { shared: Arc::new(shared) })
    }

    /// Puts another configuration in force for all calls that begin from now on; calls in flight keep theirs.
    ///
    /// Upstreams, time limits, the size of bodies and what happens to unrecorded calls change at once. What belongs to the
    /// start stays as it is: connections, heads of requests, calls at once, and the copy for the record.
    ///
    /// # Errors
    /// The configuration cannot be used, or names another address to listen on; the one in force stays.
    pub fn reload(&self, config: GatewayConfig) -> Result<(), Error> {
        config.check()?;
        let started = &self.shared.config;
        let fixed = [
            ("listen", config.listen != started.listen || config.tls != started.tls || config.http2 != started.http2),
            ("require_keys", config.require_keys != started.require_keys),
            ("budget", config.budgets != started.budgets),
        ];
        if let Some((name, _)) = fixed.into_iter().find(|(_, has_changed)| *has_changed) {
            let found = "cannot change while the gateway serves; start it anew";
            return Err(config::Error::Setting { name, found }.into());
        }
        let next = Current::new(config, Some(&self.shared.current.load()))?;
        let names: Vec<&str> = next.config.upstreams.iter().map(|upstream: &Upstream| upstream.name.as_str()).collect();
        tracing::info!(upstreams = ?names, "another configuration is in force");
        self.shared.keeper.observer.reload(&next.config);
        self.shared.current.store(Arc::new(next));
        Ok(())
    }

    /// Listens on the configured address and serves until the returned handle is told to stop.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(&self) -> Result<Serving, Error> {
        self.shared.keeper.observer.start();
        server::bind(Arc::clone(&self.shared)).await
    }

    /// Finds the steps of calls with what is learned from now on, and puts down what there is to be learned: somebody must
    /// call [`Steps::learn`]. Before, steps are found by the exact head.
    pub fn learn_with(&self, steps: Arc<Steps>) {
        self.shared.steps.store(Some(steps));
    }

    /// Returns what every call shares.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns the handle by which keys are put in force while the gateway serves.
    pub fn keys(&self) -> KeysHandle {
        self.shared.gate.keys().clone()
    }

    /// Returns the handle by which routes are swapped while the gateway serves.
    pub fn routes(&self) -> RoutesHandle {
        self.shared.routes.clone()
    }
}
