//! The server-sent events codec, cut at any byte.

/// The most bytes that one event may have; a longer one is dropped and counted.
///
/// The last event of a Responses stream holds the whole answer once more, so this is far above any single piece.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The event's name; empty when not said.
    pub event: String,
    /// The data lines joined by newlines.
    pub data: String,
}

/// Splits a byte stream into events; feed it pieces of any size.
///
/// Follows the parsing rules of the HTML standard, section "server-sent events": lines end with CR, LF or CRLF, a byte
/// order mark at the start and comment lines are skipped, `id` and `retry` are read over.
#[derive(Debug)]
pub struct Decoder {
    /// The line whose end has not come yet.
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last byte was a CR, so that an LF would belong to it.
    after_cr: bool,
    /// No line has ended yet, so that a byte order mark may come.
    at_start: bool,
    /// The event under way is too long; its lines are skipped until it ends.
    is_skipping: bool,
    event_bytes: usize,
    event_bytes_max: usize,
    dropped: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::with_limit(EVENT_BYTES_MAX)
    }
}

impl Decoder {
    /// Begins a stream whose events may have at most this many bytes each.
    pub fn with_limit(event_bytes_max: usize) -> Self {
        Decoder {
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            after_cr: false,
            at_start: true,
            is_skipping: false,
            event_bytes: 0,
            event_bytes_max,
            dropped: 0,
        }
    }

    /// Takes a piece and returns the events it completes.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        self.push_all(piece).into_iter().flatten().collect()
    }

    /// Takes a piece and returns the events it completes; `None` stands where one was dropped.
    pub(crate) fn push_all(&mut self, piece: &[u8]) -> Vec<Option<Event>> {
        let mut events = Vec::new();
        let mut rest = piece;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            self.end_line(&rest[..end], &mut events);
            let is_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if is_cr {
                self.after_cr = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        self.hold(rest);
        events
    }

    /// Ends the stream and returns the event that lacked only its closing blank line.
    ///
    /// The standard would discard it; some servers end a stream without that line.
    pub fn finish(&mut self) -> Option<Event> {
        let mut events = Vec::new();
        self.end_line(&[], &mut events);
        self.end_line(&[], &mut events);
        events.pop().flatten()
    }

    /// Returns whether the next byte begins an event, wherever the stream was cut.
    pub(crate) fn is_between_events(&self) -> bool {
        let is_blank = self.line.is_empty() && self.event_bytes == 0 && !self.has_data && self.event.event.is_empty();
        is_blank && !(self.after_cr || self.at_start || self.is_skipping)
    }

    /// Returns how many events were dropped because they were too long.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn hold(&mut self, rest: &[u8]) {
        if self.fits(rest.len()) {
            self.line.extend_from_slice(rest);
        } else {
            // The rest of the line must stay distinguishable from a blank one, which would end the event.
            self.line = vec![b':'];
        }
    }

    /// Counts bytes of the event under way; where they become too many, the event is given up.
    fn fits(&mut self, bytes: usize) -> bool {
        self.event_bytes = self.event_bytes.saturating_add(bytes);
        if self.event_bytes > self.event_bytes_max && !self.is_skipping {
            self.is_skipping = true;
            self.dropped += 1;
            self.event = Event::default();
            self.line = vec![b':'];
        }
        !self.is_skipping || bytes == 0
    }

    fn end_line(&mut self, tail: &[u8], events: &mut Vec<Option<Event>>) {
        self.hold(tail);
        let mut line = std::mem::take(&mut self.line);
        let starts = std::mem::take(&mut self.at_start);
        let bare = if starts { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        if bare.is_empty() {
            self.end_event(events);
        } else if !self.is_skipping {
            self.field(bare);
        }
        line.clear();
        self.line = line;
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match name {
            b"data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(&value);
                self.has_data = true;
            }
            b"event" => self.event.event = value.into_owned(),
            _ => {}
        }
    }

    fn end_event(&mut self, events: &mut Vec<Option<Event>>) {
        let event = std::mem::take(&mut self.event);
        let has_data = std::mem::take(&mut self.has_data);
        let was_skipping = std::mem::take(&mut self.is_skipping);
        self.event_bytes = 0;
        if was_skipping {
            events.push(None);
        } else if has_data {
            events.push(Some(event));
        }
    }
}

/// Returns the bytes of one event; `name` empty leaves the `event:` line out.
pub fn encode(name: &str, data: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + data.len() + 20);
    if !name.is_empty() {
        bytes.extend_from_slice(b"event: ");
        bytes.extend(name.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        bytes.push(b'\n');
    }
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        bytes.extend_from_slice(b"data: ");
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes.push(b'\n');
    bytes
}
