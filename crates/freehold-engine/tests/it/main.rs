//! The engine with real worker processes: scripted ones always, llama.cpp ones with its feature.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[cfg(feature = "llama")]
mod adapters;
mod calls;
mod deaths;
mod impostors;
mod isolation;
#[cfg(feature = "llama")]
mod llama;
#[cfg(feature = "llama")]
mod llama_output;
#[cfg(feature = "llama")]
mod prefixes;
mod residence;
mod shop;
