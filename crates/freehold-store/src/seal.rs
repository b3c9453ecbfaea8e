//! Seals what is kept, so that a copied disk tells nothing: ChaCha20-Poly1305 under keys derived from one of the user's.
//!
//! Each purpose has a key of its own, and each sealed text a random 96-bit nonce. Nothing is counted, so nothing can repeat
//! after a crash. Two nonces of one purpose meet with a chance below 2^-32 as long as fewer than 2^32 texts are sealed under
//! a key (NIST SP 800-38D, section 8.3): about a billion calls, after which a new home with a new key is due.

pub(crate) mod admission;

use std::fmt;
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// How many bytes a sealed text is longer than what it holds: a nonce before it and a tag after it.
pub const SEAL_BYTES: usize = NONCE_LEN + 16;

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const SALT: &[u8] = b"freehold store, version 1";

/// A text that is no key, a key that does not open, or a system without randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is not 32 bytes in one of the two spellings.
    #[error("a key is 32 bytes, written as 64 hexadecimal digits or as base64; this is neither")]
    NotAKey,
    /// The bytes were sealed under another key or for another purpose, or are damaged.
    #[error("the sealed bytes do not open: another key, or damage")]
    NotOpened,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// What is sealed; a text sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Pieces of bodies.
    Piece,
    /// Dictionaries, which hold what pieces have in common.
    Dictionary,
    /// Frames of the log.
    Log,
    /// Answers of replays.
    Replay,
    /// What people said of cases.
    Label,
}

/// Seals and opens under the keys of one user's key; clones share them.
#[derive(Clone)]
pub struct Seal {
    keys: Arc<Keys>,
}

struct Keys {
    id: String,
    by_purpose: [LessSafeKey; 5],
    random: SystemRandom,
}

/// The length of the bytes that name a key.
struct IdLength;

impl KeyType for IdLength {
    fn len(&self) -> usize {
        ID_BYTES
    }
}

impl Purpose {
    const ALL: [Purpose; 5] = [Purpose::Piece, Purpose::Dictionary, Purpose::Log, Purpose::Replay, Purpose::Label];

    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Piece => b"piece",
            Purpose::Dictionary => b"dictionary",
            Purpose::Log => b"log",
            Purpose::Replay => b"replay",
            Purpose::Label => b"label",
        }
    }
}

impl Seal {
    /// Reads a key of 32 bytes, written as 64 hexadecimal digits or as base64 of either alphabet.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        let bytes = if text.len() == 2 * KEY_BYTES { hexadecimal(text) } else { base64(text) };
        let key: [u8; KEY_BYTES] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(SealError::NotAKey)?;
        Ok(Self::new(&key))
    }

    /// Derives the keys of all purposes from one.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let root = Salt::new(HKDF_SHA256, SALT).extract(key);
        let by_purpose = Purpose::ALL.map(|purpose| purpose_key(&root, purpose));
        let mut id = [0; ID_BYTES];
        let filled = root.expand(&[b"id"], IdLength).and_then(|id_key| id_key.fill(&mut id));
        filled.expect("eight bytes are fewer than HKDF can give");
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { keys: Arc::new(Keys { id, by_purpose, random: SystemRandom::new() }) }
    }

    /// Returns the public name of the key: 16 hexadecimal digits that tell two keys apart and reveal neither.
    pub fn id(&self) -> &str {
        &self.keys.id
    }

    /// Returns the bytes sealed for a purpose, `SEAL_BYTES` longer.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, purpose: Purpose, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        self.keys.random.fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(bytes.len() + SEAL_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(bytes);
        let key = &self.keys.by_purpose[purpose as usize];
        let body = &mut sealed[NONCE_LEN..];
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), body);
        let tag = tag.expect("what is kept is far shorter than the 256 GiB that one nonce may seal");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Returns the bytes that `seal` was given.
    ///
    /// # Errors
    /// The bytes were sealed under another key or for another purpose, or were changed.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::NotOpened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::NotOpened)?;
        let mut bytes = body.to_vec();
        let key = &self.keys.by_purpose[purpose as usize];
        let opened = key.open_in_place(nonce, Aad::empty(), &mut bytes).map_err(|_| SealError::NotOpened)?;
        let length = opened.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("id", &self.id()).field("key", &"***").finish()
    }
}

fn purpose_key(root: &Prk, purpose: Purpose) -> LessSafeKey {
    let label = [purpose.label()];
    let key = root.expand(&label, &CHACHA20_POLY1305).expect("one key is shorter than HKDF can give");
    LessSafeKey::new(UnboundKey::from(key))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(&pair[0])? << 4 | digit(&pair[1])?).ok();
    text.as_bytes().chunks_exact(2).map(pair).collect()
}

/// Reads base64 of either alphabet, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&[7; KEY_BYTES])
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_key_only() {
        for bytes in [&b""[..], b"x", &[9; 70_000]] {
            let sealed = seal().seal(Purpose::Piece, bytes).unwrap();
            assert_eq!(sealed.len(), bytes.len() + SEAL_BYTES);
            assert_eq!(seal().open(Purpose::Piece, &sealed).unwrap(), bytes);
            assert_eq!(seal().open(Purpose::Log, &sealed), Err(SealError::NotOpened));
            assert_eq!(Seal::new(&[8; KEY_BYTES]).open(Purpose::Piece, &sealed), Err(SealError::NotOpened));
        }
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let sealed = seal().seal(Purpose::Log, b"the frame of a call").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal().open(Purpose::Log, &changed), Err(SealError::NotOpened), "byte {at}");
            assert_eq!(seal().open(Purpose::Log, &sealed[..at]), Err(SealError::NotOpened), "cut at {at}");
        }
    }

    #[test]
    fn equal_texts_are_sealed_unequally() {
        let (seal, text) = (seal(), b"the same text");
        assert_ne!(seal.seal(Purpose::Piece, text), seal.seal(Purpose::Piece, text));
    }

    /// The key is the first of RFC 4648's alphabet, spelt in each accepted way.
    #[test]
    fn a_key_is_read_in_each_spelling() {
        let key: [u8; KEY_BYTES] = std::array::from_fn(|at| (at * 9 + 251) as u8);
        let hex: String = key.iter().map(|byte| format!("{byte:02X}")).collect();
        let spellings = [
            hex.as_str(),
            "+wQNFh8oMTpDTFVeZ3B5gouUnaavuMHK09zl7vcACRI=",
            "-wQNFh8oMTpDTFVeZ3B5gouUnaavuMHK09zl7vcACRI",
        ];
        for text in spellings {
            assert_eq!(Seal::parse(text).unwrap().id(), Seal::new(&key).id(), "{text}");
        }
        for text in [
            "",
            "secret",
            &hex[..62],
            "+wQNFh8oMTpDTFVeZ3B5gouUnaavuMHK09zl7vc",
            "!wQNFh8oMTpDTFVeZ3B5gouUnaavuMHK09zl7vcACRI",
        ] {
            assert_eq!(Seal::parse(text).map(|_| ()), Err(SealError::NotAKey), "{text}");
        }
    }

    #[test]
    fn keys_do_not_show() {
        let shown = format!("{:?}", seal());
        assert!(shown.contains("***") && !shown.contains("7, 7"), "{shown}");
        assert_ne!(seal().id(), Seal::new(&[8; KEY_BYTES]).id());
    }
}
