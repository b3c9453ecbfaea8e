//! What the dialects' readers and writers promise.

mod answers;
mod arbitrary;
mod billing;
mod estimate;
mod golden;
mod hostile;
mod real_answers;
mod real_data;
mod requests;
mod rewrite;
mod round_trip;
mod sse;
mod stream_texts;
mod stream_usage;
mod streams;
mod translate_requests;
mod translated_answers;
mod translated_streams;
