//! A stream whose bytes change on the way: translated, or without an event that the caller did not ask for.

use hyper::body::Incoming;

use freehold_wire::{stream, translate};

/// What happens to the bytes of a stream.
pub(crate) enum Shaper {
    /// They are told again in another dialect.
    Translated(Box<translate::Stream>),
    /// The event with the usage is left out.
    HidesUsage(Box<stream::UsageEventFilter>),
}

/// A stream on its way through a shaper.
pub(crate) struct Reshaped {
    pub body: Incoming,
    pub shaper: Shaper,
    /// Whether the upstream ends the stream by closing the connection.
    pub is_unframed: bool,
    pub is_over: bool,
}

impl Shaper {
    /// Makes the one that leaves the event with the usage out.
    pub(crate) fn hiding_usage() -> Self {
        Shaper::HidesUsage(Box::default())
    }

    /// Takes a piece and returns what of it goes on.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Shaper::Translated(stream) => stream.push(piece),
            Shaper::HidesUsage(filter) => filter.push(piece),
        }
    }

    /// Ends the stream and returns what is still to go.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        match self {
            Shaper::Translated(stream) => stream.finish(),
            Shaper::HidesUsage(filter) => filter.finish(),
        }
    }

    /// Returns whether a stream that breaks off ends in an error event, as opposed to a broken connection.
    pub(crate) fn tells_of_cuts(&self) -> bool {
        matches!(self, Shaper::Translated(_))
    }
}

impl Reshaped {
    /// Begins with the body of an upstream's answer.
    pub(crate) fn new(body: Incoming, shaper: Shaper) -> Self {
        Reshaped { body, shaper, is_unframed: false, is_over: false }
    }
}
