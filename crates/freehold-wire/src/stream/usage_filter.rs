//! Takes the usage chunk out of a Chat Completions stream that the caller did not ask for, and touches no other byte.

use crate::json::Json;

/// The most bytes of one event that are held back to look at it; the usage chunk is far shorter.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// Removes the extra chunk that `stream_options.include_usage` brings (`"choices": []` and a usage) from the bytes of a
/// stream. All other bytes pass as they are, whatever the cuts: an event is held until it is whole.
#[derive(Debug, Default)]
pub struct UsageEventFilter {
    /// The bytes of the event under way.
    held: Vec<u8>,
    /// How many of them have been searched for its end.
    searched: usize,
    /// The event under way is too long to be the usage chunk: its bytes pass.
    is_passing: bool,
    removed: Vec<u8>,
}

impl UsageEventFilter {
    /// Takes a piece and returns the bytes that go on.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        let mut out = Vec::with_capacity(piece.len());
        while let Some(end) = self.event_end() {
            let event: Vec<u8> = self.held.drain(..end).collect();
            self.searched = 0;
            if !std::mem::take(&mut self.is_passing) && is_usage_event(&event) {
                self.removed = event;
            } else {
                out.extend_from_slice(&event);
            }
        }
        if self.is_passing || self.held.len() > HELD_BYTES_MAX {
            self.is_passing = true;
            // What may be the first half of the blank line stays.
            let kept = self.held.len().min(3);
            let going = self.held.len() - kept;
            out.extend(self.held.drain(..going));
            self.searched = 0;
        }
        out
    }

    /// Ends the stream and returns the bytes of an event that lacks its end, unless it is the usage chunk.
    pub fn finish(&mut self) -> Vec<u8> {
        let event = std::mem::take(&mut self.held);
        if !self.is_passing && is_usage_event(&event) {
            self.removed = event;
            return Vec::new();
        }
        event
    }

    /// Returns the bytes of the event that was removed; empty where none was. A reader of the whole stream needs them.
    pub fn removed(&self) -> &[u8] {
        &self.removed
    }

    /// Returns where the event under way ends: behind its blank line, be the lines ended by LF, CRLF or CR.
    fn event_end(&mut self) -> Option<usize> {
        for at in memchr::memchr2_iter(b'\n', b'\r', &self.held[self.searched..]) {
            let at = self.searched + at;
            let rest = &self.held[at..];
            let found = [&b"\r\n\r\n"[..], b"\n\n", b"\r\r", b"\n\r\n"].into_iter().find(|end| rest.starts_with(end));
            if let Some(end) = found {
                return Some(at + end.len());
            }
        }
        self.searched = self.held.len().saturating_sub(3);
        None
    }
}

/// Returns whether an event is the chunk that tells nothing but the usage.
fn is_usage_event(event: &[u8]) -> bool {
    let mut decoder = crate::sse::Decoder::default();
    let told = decoder.push(event).pop().or_else(|| decoder.finish());
    let Some(told) = told.filter(|told| told.data.contains("\"usage\"")) else { return false };
    let Ok(chunk) = Json::parse(told.data.as_bytes()) else { return false };
    let has_no_choices = chunk.get("choices").and_then(Json::as_list).is_some_and(<[_]>::is_empty);
    has_no_choices && chunk.get("usage").is_some()
}
