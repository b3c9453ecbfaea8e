//! The hot path: a call comes in, its step is found, somebody answers it, and it is recorded.
//!
//! Reading order: `server` → `calls` → `admit` → `identify` → `route` → `dispatch` → `upstream` or `local` → `reply` → `tee` → `record`.
//! Recording, identification and statistics never slow, alter or fail a call; bytes between two sides of one dialect pass unaltered.

mod admit;
mod breaker;
mod budget;
mod calendar;
mod calls;
mod config;
mod current;
mod digest;
mod dispatch;
mod encoding;
mod error;
mod framing;
mod gateway;
mod headers;
mod identify;
mod keys;
mod listener;
mod local;
mod metrics;
mod observe;
mod opaque;
mod outgoing;
mod pause;
mod rate;
mod record;
mod reply;
mod retry;
mod route;
mod routes;
mod secret;
mod server;
mod shaping;
mod socket;
#[doc(hidden)]
pub mod stages;
mod status;
mod tee;
mod tls;
mod told;
mod traces;
mod upstream;

pub use calendar::period_start_ms;
pub use config::{
    Breaker, ENGINE, Error as ConfigError, GatewayConfig, OnRecordFailure, Spelling, StepBudget, Upstream,
};
pub use error::Error;
pub use gateway::Gateway;
pub use keys::{KeysHandle, SECRET_PREFIX, digest};
pub use listener::Listen;
pub use observe::{Observe, Pricing};
pub use routes::RoutesHandle;
pub use secret::Secret;
pub use server::{Drained, Serving};
pub use tls::{Error as TlsError, TlsFiles};
pub use traces::TraceConfig;
