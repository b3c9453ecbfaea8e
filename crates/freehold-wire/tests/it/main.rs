//! What the dialects' readers and writers promise.

mod answers;
mod arbitrary;
mod billing;
mod golden;
mod real_data;
mod requests;
mod rewrite;
mod round_trip;
mod sse;
mod streams;
mod translate_requests;
