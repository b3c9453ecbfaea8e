//! Frames: four bytes of length, little endian, then that many bytes of JSON.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest frame, in bytes; a larger length is not a frame at all.
pub(crate) const FRAME_BYTES_MAX: usize = 32 << 20;

/// Bytes that are no frame, or a message that does not fit into one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {found} bytes was announced, the limit is {FRAME_BYTES_MAX} (the bytes were {start:?})")]
    TooLarge { found: usize, start: String },
    #[error("a frame does not hold a message of this protocol")]
    Message(#[source] serde_json::Error),
    #[error("the input ended within a frame")]
    Cut,
    #[error("the input could not be read")]
    Read(#[source] io::Error),
}

/// Appends a message to `out` as a frame.
pub(crate) fn encode(message: &impl Serialize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend([0; 4]);
    serde_json::to_writer(&mut *out, message).map_err(FrameError::Message)?;
    let length = out.len() - start - 4;
    if length > FRAME_BYTES_MAX {
        out.truncate(start);
        return Err(FrameError::TooLarge { found: length, start: String::new() });
    }
    let prefix = u32::try_from(length).expect("the limit fits into four bytes");
    out[start..start + 4].copy_from_slice(&prefix.to_le_bytes());
    Ok(())
}

fn announced(prefix: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(prefix) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { found: length, start: prefix.escape_ascii().to_string() });
    }
    Ok(length)
}

/// Collects bytes and gives out whole messages.
#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    bytes: Vec<u8>,
    read: usize,
}

impl FrameBuffer {
    /// Returns the buffer to append received bytes to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        if self.read > 0 && self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        } else if self.read > self.bytes.len() / 2 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        &mut self.bytes
    }

    /// Returns the next message, or `None` when more bytes are needed.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.bytes[self.read..];
        let Some((prefix, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = announced(*prefix)?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(body).map_err(FrameError::Message)?;
        self.read += 4 + length;
        Ok(Some(message))
    }

    /// Returns whether a frame has begun and not ended.
    pub(crate) fn is_cut(&self) -> bool {
        self.read < self.bytes.len()
    }
}

/// Reads one message from a blocking input; `None` when the input has ended between two frames.
pub(crate) fn read<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut prefix = [0; 4];
    let mut have = 0;
    while have < prefix.len() {
        match input.read(&mut prefix[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Cut),
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Read(error)),
        }
    }
    let mut body = vec![0; announced(prefix)?];
    input.read_exact(&mut body).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Cut,
        _ => FrameError::Read(error),
    })?;
    serde_json::from_slice(&body).map(Some).map_err(FrameError::Message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ToWorker;

    fn frames(messages: &[ToWorker]) -> Vec<u8> {
        let mut out = Vec::new();
        messages.iter().for_each(|message| encode(message, &mut out).unwrap());
        out
    }

    /// Whatever the pieces in which bytes arrive, the same messages come out.
    #[test]
    fn messages_survive_any_split() {
        let bytes = frames(&[ToWorker::Cancel { id: 7 }, ToWorker::Bye, ToWorker::Cancel { id: u64::MAX }]);
        for size in 1..=bytes.len() {
            let mut buffer = FrameBuffer::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(size) {
                buffer.tail().extend(piece);
                while let Some(message) = buffer.next::<ToWorker>().unwrap() {
                    seen.push(format!("{message:?}"));
                }
            }
            assert_eq!(seen, ["Cancel { id: 7 }", "Bye", "Cancel { id: 18446744073709551615 }"]);
            assert!(!buffer.is_cut());
        }
    }

    #[test]
    fn blocking_reader_tells_an_end_from_a_cut() {
        let bytes = frames(&[ToWorker::Bye]);
        let mut input = bytes.as_slice();
        assert!(matches!(read(&mut input), Ok(Some(ToWorker::Bye))));
        assert!(matches!(read::<ToWorker>(&mut input), Ok(None)));
        for length in 1..bytes.len() {
            assert!(matches!(read::<ToWorker>(&mut &bytes[..length]), Err(FrameError::Cut)));
        }
    }

    #[test]
    fn oversize_announcement_is_refused_at_once() {
        let mut buffer = FrameBuffer::default();
        buffer.tail().extend(b"Segmentation fault");
        let error = buffer.next::<ToWorker>().unwrap_err();
        assert!(error.to_string().contains("\"Segm\""), "{error}");
    }

    #[test]
    fn oversize_message_is_not_sent() {
        let mut out = vec![1, 2, 3];
        let text = "x".repeat(FRAME_BYTES_MAX);
        assert!(matches!(encode(&text, &mut out), Err(FrameError::TooLarge { .. })));
        assert_eq!(out, [1, 2, 3]);
    }
}
