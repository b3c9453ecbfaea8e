//! Recognises an event that differs from the one before it in nothing but its text, so that it need not be parsed.

use memchr::memmem;

use super::Event;
use crate::sse;

/// An event around its text, as bytes.
#[derive(Debug)]
pub(super) struct Template {
    /// Everything up to the text, with its opening quote.
    head: Vec<u8>,
    /// Everything after the text, from its closing quote.
    tail: Vec<u8>,
    is_reasoning: bool,
}

impl Template {
    /// Learns from the bytes of a whole event that told one thing, where that was text.
    ///
    /// Without a backslash every string stands in the bytes as it is. So a string that is found once, with its quotes,
    /// is the one that was told.
    pub(super) fn learn(bytes: &[u8], told: &[Event]) -> Option<Self> {
        let (text, is_reasoning) = match told {
            [Event::Text { piece, logprobs }] if logprobs.is_empty() => (piece, false),
            [Event::Reasoning(piece)] => (piece, true),
            _ => return None,
        };
        let quoted = format!("\"{text}\"");
        let at = memmem::find(bytes, quoted.as_bytes())? + 1;
        // Occurrences that overlap count too, as in `"","`.
        let is_only = memmem::find(&bytes[at..], quoted.as_bytes()).is_none();
        if !is_only || text.is_empty() || memchr::memchr(b'\\', bytes).is_some() {
            return None;
        }
        let (head, tail) = (bytes[..at].to_vec(), bytes[at + text.len()..].to_vec());
        Some(Template { head, tail, is_reasoning })
    }

    /// Takes an event of this form from the start of the bytes of a stream; returns what it tells, and the rest.
    pub(super) fn take<'a>(&self, bytes: &'a [u8]) -> Option<(Event, &'a [u8])> {
        let from_text = bytes.strip_prefix(self.head.as_slice())?;
        let (text, _) = from_text.split_at(memchr::memchr(b'"', from_text)?);
        let rest = from_text[text.len()..].strip_prefix(self.tail.as_slice())?;
        let is_plain = !text.is_empty() && text.iter().all(|byte| *byte >= b' ' && *byte != b'\\');
        if !is_plain || bytes.len() - rest.len() > sse::EVENT_BYTES_MAX {
            return None;
        }
        let piece = std::str::from_utf8(text).ok()?.to_owned();
        let event =
            if self.is_reasoning { Event::Reasoning(piece) } else { Event::Text { piece, logprobs: Vec::new() } };
        Some((event, rest))
    }
}
