//! The vault against files written here, cut, altered and random.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod gguf;
mod honest;
mod hostile;
mod memory;
mod safetensors;
mod signed;
mod signing;
