//! Keys, read from the bytes that a terminal sends.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A letter, digit or sign.
    Letter(char),
    /// One line back in what was asked.
    Up,
    /// One line on in what was asked.
    Down,
    /// A page back in the answers.
    PageUp,
    /// A page on in the answers.
    PageDown,
    /// To stop: Ctrl-C, Ctrl-D.
    Stop,
}

/// Returns the keys that the bytes spell, and passes over those that mean nothing here.
pub(super) fn read(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let (key, taken) = match first {
            3 | 4 => (Some(Key::Stop), 1),
            0x1B => escape(rest),
            0x21..0x7F => (Some(Key::Letter(char::from(*first))), 1),
            _ => (None, 1),
        };
        keys.extend(key);
        rest = &rest[taken..];
    }
    keys
}

/// Reads one escape sequence: `ESC [` or `ESC O`, parameters, and a final byte.
fn escape(bytes: &[u8]) -> (Option<Key>, usize) {
    if !matches!(bytes.get(1), Some(b'[' | b'O')) {
        return (None, 1);
    }
    let length = bytes[2..].iter().position(|byte| (0x40..0x7F).contains(byte)).map_or(bytes.len(), |at| at + 3);
    let key = match &bytes[2..length] {
        b"A" => Some(Key::Up),
        b"B" => Some(Key::Down),
        b"5~" => Some(Key::PageUp),
        b"6~" => Some(Key::PageDown),
        _ => None,
    };
    (key, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_terminal_are_keys_and_what_is_unknown_is_passed_over() {
        let letters = |text: &str| text.chars().map(Key::Letter).collect::<Vec<_>>();
        assert_eq!(read(b"12=x"), letters("12=x"));
        assert_eq!(
            read(b"\x1b[A\x1b[B\x1bOA\x1b[5~\x1b[6~"),
            [Key::Up, Key::Down, Key::Up, Key::PageUp, Key::PageDown]
        );
        assert_eq!(read(b"\x1b[200;4~u\r\n\xC3\xA9\x03"), [Key::Letter('u'), Key::Stop]);
        assert_eq!(read(b"\x1b"), []);
        assert_eq!(read(b"\x1b[1;"), []);
    }
}
