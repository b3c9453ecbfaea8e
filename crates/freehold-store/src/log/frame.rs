//! A frame of the log: what holds one call, and how it is told from old bytes, torn ones and chance.
//!
//! A segment is used again and again without being wiped. The number of its use is part of every checksum, so that a
//! frame of an earlier use never passes for one of this use.

/// What stands before the content: its length, its checksum, its sequence number, the checksum of all of these.
pub(crate) const HEAD_BYTES: usize = 24;
/// Frames begin at multiples of this, so that a search for them need not look at every byte.
const ALIGNMENT: usize = 8;
/// A search after damage takes no frame whose number is further ahead than this.
const AHEAD_MAX: u64 = 1 << 24;

/// Where a frame lies in the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its number; the next frame has the next one.
    pub(crate) sequence: u64,
    /// Where its content begins.
    pub(crate) begin: usize,
    /// How long its content is.
    pub(crate) length: usize,
    /// Where the next frame begins.
    pub(crate) end: usize,
}

/// Why there is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// The head is none of this use of the segment.
    NoFrame,
    /// The head is good, and the bytes end before the frame does, at this length.
    Short(usize),
    /// The head is good, and the content is not what was written.
    Torn,
}

/// Begins a frame in an empty buffer: room for its head.
pub(crate) fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(HEAD_BYTES, 0);
}

/// Ends a frame whose content follows the room for its head: fills in what does not depend on where it is written.
///
/// Returns false where the content is too long for any frame.
pub(crate) fn finish(frame: &mut Vec<u8>) -> bool {
    let content = &frame[HEAD_BYTES..];
    let Ok(length) = u32::try_from(content.len()) else { return false };
    let checksum = crc32fast::hash(content);
    frame[0..4].copy_from_slice(&length.to_le_bytes());
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    frame.resize(frame.len().next_multiple_of(ALIGNMENT), 0);
    true
}

/// Gives a finished frame its number in this use of a segment.
pub(crate) fn number(frame: &mut [u8], segment: u64, sequence: u64) {
    frame[8..16].copy_from_slice(&sequence.to_le_bytes());
    let checksum = head_checksum(&frame[..16], segment);
    frame[16..20].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the frame that begins at `at`.
pub(crate) fn read(bytes: &[u8], at: usize, segment: u64) -> Result<Frame, Absent> {
    let head = bytes.get(at..).and_then(<[u8]>::first_chunk::<HEAD_BYTES>).ok_or(Absent::Short(HEAD_BYTES))?;
    let word = |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
    if word(16) != head_checksum(&head[..16], segment) {
        return Err(Absent::NoFrame);
    }
    let length = word(0) as usize;
    let begin = at + HEAD_BYTES;
    let end = (begin + length).next_multiple_of(ALIGNMENT);
    let content = bytes.get(begin..begin + length).filter(|_| end <= bytes.len());
    let content = content.ok_or(Absent::Short(end - at))?;
    if crc32fast::hash(content) != word(4) {
        return Err(Absent::Torn);
    }
    Ok(Frame { sequence: sequence(head), begin, length, end })
}

/// Returns where after `from` a whole frame begins whose number follows `after`, as is looked for where one is damaged.
pub(crate) fn find(bytes: &[u8], from: usize, segment: u64, after: u64) -> Option<usize> {
    let first = from.next_multiple_of(ALIGNMENT);
    (first..bytes.len().saturating_sub(HEAD_BYTES)).step_by(ALIGNMENT).find(|at| {
        let ahead = bytes[*at..].first_chunk().map_or(0, |head| sequence(head).wrapping_sub(after));
        (1..=AHEAD_MAX).contains(&ahead) && read(bytes, *at, segment).is_ok()
    })
}

fn sequence(head: &[u8; HEAD_BYTES]) -> u64 {
    head[8..16].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn head_checksum(head: &[u8], segment: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(head);
    hasher.finalize()
}
