//! The configuration: defaults, then `freehold.toml`, then the environment, then flags; checked before anything starts.

pub mod layers;
mod settings;

pub use layers::{Layers, Origin};
pub use settings::{Assess, Engine, LogFormat, Model, Observe, OnFailure, Record, Server, Settings, Upstream};
