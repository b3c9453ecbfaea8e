//! Finds where a JSON value ends while it is still being written.

/// How far into a value one is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    in_scalar: bool,
}

impl Extent {
    /// Returns the place within an object or array that is open already.
    pub(super) fn within_one() -> Extent {
        Extent { depth: 1, ..Extent::default() }
    }

    /// Goes on through `text`; returns how much of it belongs to the value once its end is known.
    pub(super) fn feed(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                match byte {
                    _ if std::mem::take(&mut self.is_escaped) => {}
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' if self.in_scalar => return Some(at),
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => self.in_scalar = self.depth == 0,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_in_one_piece_and_byte_by_byte() {
        for (text, end) in [
            ("{\"a\": [\"}\", {}]} x", Some(16)),
            ("\"a\\\"b\" x", Some(6)),
            ("12, 3", Some(2)),
            ("true}", Some(4)),
            ("[1, 2", None),
            ("\"open", None),
            ("12", None),
        ] {
            assert_eq!(Extent::default().feed(text), end, "{text}");
            let mut extent = Extent::default();
            let found = (0..text.len()).find_map(|at| extent.feed(&text[at..=at]).map(|more| at + more));
            assert_eq!(found, end, "{text}");
        }
    }
}
