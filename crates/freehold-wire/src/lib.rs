//! One call and the dialects that spell it.
//!
//! Pure: no IO, no clock, no randomness, no async. Bodies that are passed on are never rebuilt from these types;
//! they are views of a copy, read for the record, for identification and for our own engine.

mod answer;
mod api;
mod call;
mod error_body;
mod json;
mod request;

pub mod answers;
pub mod estimate;
pub mod requests;
pub mod sse;
pub mod stream;
pub mod translate;
pub mod write;

pub use answer::{Answer, Finish, ToolCall, Usage};
pub use api::{Api, Dialect, UnknownApi};
pub use call::{Attempt, Call, Digest, Failure, Instead, Kept, Reference, ReferenceKind, Timings};
pub use error_body::{ErrorKind, VendorError, error_body, error_body_blaming};
pub use request::{Message, Part, Request, ResponseFormat, Role, Sampling, Tool, ToolChoice};
