//! The configuration: defaults, then `freehold.toml`, then the environment, then flags; checked before anything starts.

pub mod layers;
mod server;
mod settings;

pub use layers::{Layers, Origin};
pub(crate) use server::microusd;
pub use server::{Server, StepBudget};
pub use settings::{
    Assess, BodiesKept, Engine, LogFormat, Model, Observe, OnFailure, Record, RecordMode, Settings, StepKept, Upstream,
};
