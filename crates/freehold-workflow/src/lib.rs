//! From calls to steps and runs.
//!
//! Pure, no IO, bounded memory. The requested model is never part of a step's identity.

pub mod identify;

pub use identify::{Alias, Figures, Heads, Identity, Marks, StateError, StepBy, Steps, head_sha256, identify};
