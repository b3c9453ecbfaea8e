//! The gateway from the outside: raw sockets on both sides, so that every byte, cut and pause is the test's own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod caller;
mod cassettes;
mod chaining;
mod engine;
mod every_dialect;
mod failing_over;
mod failures;
mod faults;
mod hardening;
mod house;
mod keys;
mod limits;
mod listening;
mod mock;
mod observing;
mod passage;
mod passing;
mod recording;
mod reloading;
mod routing;
mod stopping;
mod streaming;
mod translating;
