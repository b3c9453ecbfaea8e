//! Size and digest of a body that passes by without being kept.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Sees a body pass.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    bytes: u64,
    hash: Sha256,
}

impl Passing {
    /// Takes a piece that passes.
    pub(crate) fn take(&self, piece: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes += piece.len() as u64;
        state.hash.update(piece);
    }

    /// Returns the bytes that have passed, and their SHA-256 in hexadecimal digits.
    pub(crate) fn so_far(&self) -> (u64, String) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let digits = state.hash.finalize().iter().fold(String::with_capacity(64), |mut digits, byte| {
            // Writing to a string cannot fail.
            write!(digits, "{byte:02x}").ok();
            digits
        });
        (state.bytes, digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_that_of_the_whole_however_it_is_cut() {
        let passing = Passing::default();
        passing.take(b"a");
        passing.take(b"bc");
        // FIPS 180-4, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(passing.so_far(), (3, expected.to_owned()));
    }
}
