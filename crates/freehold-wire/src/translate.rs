//! Carries requests, answers and errors from one dialect to another.
//!
//! What could change the answer is either carried or refused by name; what cannot (marks for a cache, wishes about the
//! service) is left out. `docs/dialects.md` lists which is which.

mod answer;
mod error;
mod request;
mod stream;

pub use answer::answer;
pub use error::{count_tokens_answer, error};
pub use stream::Stream;

use crate::{Api, requests};

/// What to do about a field that cannot be carried faithfully.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// Refuse the request and name the field.
    Refuse,
    /// Leave the field out and list it.
    Accept,
}

/// A request in another dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The body to send.
    pub body: Vec<u8>,
    /// The fields of the original that were left out although they may change the answer; empty unless losses are
    /// accepted.
    pub lost: Vec<String>,
}

/// A request could not be translated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The original could not be read.
    #[error(transparent)]
    Request(#[from] requests::Error),
    /// A field means something that the other dialect cannot say.
    #[error("field {field} of the {from} request cannot be carried to {to}: {why}")]
    Unfaithful {
        /// The dialect of the caller.
        from: Api,
        /// The dialect of the upstream.
        to: Api,
        /// The path of the field in the original, such as `messages[2].content[0]`.
        field: String,
        /// Why it cannot be carried.
        why: &'static str,
    },
}

/// Translates a request body; `model` is the name to ask the upstream for.
///
/// Between equal dialects only the model's name changes.
///
/// # Errors
/// The original is no request of its dialect, an API is none of the three dialects, or, unless losses are accepted,
/// a field cannot be carried faithfully.
pub fn request(from: Api, to: Api, body: &[u8], model: &str, on_loss: OnLoss) -> Result<Translated, Error> {
    if from == to {
        return Ok(Translated { body: requests::with_model(body, model)?, lost: Vec::new() });
    }
    request::translate(from, to, body, model, on_loss)
}
