//! The gateway as a whole: what every call shares, and its way from configuration to service.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio_util::task::TaskTracker;

use freehold_engine::Engine;
use freehold_store::{Generation, Recorder};

use crate::admit::Gate;
use crate::observe::Observer;
use crate::record::Keeper;
use crate::upstream::Pool;
use crate::{Error, GatewayConfig, RoutesHandle, Serving, server};

/// The gateway, ready to be bound; clones share everything.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What every call shares.
pub(crate) struct Shared {
    pub config: GatewayConfig,
    pub routes: RoutesHandle,
    pub keeper: Arc<Keeper>,
    pub engine: Engine,
    pub pool: Pool,
    pub gate: Gate,
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
            keeper: Arc::new(keeper),
            engine,
            pool: Pool::new(&config)?,
            gate: Gate::new(config.calls_max),
            config,
        };
        Ok(Gateway { shared: Arc::new(shared) })
    }

    /// Listens on the configured address and serves until the returned handle is told to stop.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(&self) -> Result<Serving, Error> {
        self.shared.keeper.observer.start();
        server::bind(Arc::clone(&self.shared)).await
    }

    /// Returns the handle by which routes are swapped while the gateway serves.
    pub fn routes(&self) -> RoutesHandle {
        self.shared.routes.clone()
    }
}
