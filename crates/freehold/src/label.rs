//! Labels: people say which of two answers is better, without knowing whose they are, or what the right answer is.

mod draw;
mod editor;
pub mod exchange;
mod keys;
pub mod queue;
mod session;
mod terminal;
#[cfg(test)]
mod tests;

pub use queue::{Item, Queue};
pub use session::Session;
pub use terminal::ask;
