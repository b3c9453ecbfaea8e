//! What is remembered from one attempt to the next.

use http::Response;
use hyper::body::Incoming;

use crate::breaker::Others;
use crate::route::Hop;

use super::request::Sent;

/// The attempts of one call.
pub(crate) struct Attempts {
    /// Draws the waits.
    pub seed: u64,
    /// Whether somebody else can be asked after the one who is asked now.
    pub others: Others,
    /// The last answer that was an error, in case that nobody else has a better one.
    pub kept: Option<(Hop, Sent, Response<Incoming>)>,
}

impl Attempts {
    /// Begins with none.
    pub(crate) fn new(seed: u64) -> Self {
        Attempts { seed, others: Others::None, kept: None }
    }
}

/// Returns a number drawn from the id of a call, whose last digits are random.
pub(crate) fn seed(id: &str) -> u64 {
    let digits = id.bytes().rev().filter(u8::is_ascii_hexdigit).take(12);
    digits.fold(0, |seed, digit| (seed << 4) | u64::from(char::from(digit).to_digit(16).unwrap_or(0)))
}
