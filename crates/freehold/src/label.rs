//! Labels: people say which of two answers is better, without knowing whose they are, or what the right answer is.

pub mod exchange;
pub mod queue;

pub use queue::{Item, Queue};
