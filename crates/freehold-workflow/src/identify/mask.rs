//! Hashes a line or sentence without what varies from call to call: numbers, dates, ids, addresses.

use std::hash::{DefaultHasher, Hasher};

use super::trie::child;
use super::units::{Unit, Words};

/// Words longer than this are not masked as a whole: minified JSON is one word, and not a variable.
const WORD_BYTES_MAX: usize = 80;

/// Numbers with more digits vary, and words with a digit in them from this length on.
const SMALL_DIGITS_MAX: usize = 3;
const ID_BYTES_MIN: usize = 8;

/// Stands for a row of masked words.
const MASK: u64 = 0x3a5c_3a5c_3a5c_3a5c;

/// An odd number whose bits look random (the fraction of the golden ratio).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Names of months and days, which stand in dates; lower case, and only masked where they are capitalised.
#[rustfmt::skip]
const DATE_WORDS: [&str; 38] = [
    "apr", "april", "aug", "august", "dec", "december", "feb", "february", "fri", "friday", "jan", "january", "jul",
    "july", "jun", "june", "mar", "march", "may", "mon", "monday", "nov", "november", "oct", "october", "sat",
    "saturday", "sep", "sept", "september", "sun", "sunday", "thu", "thursday", "tue", "tuesday", "wed", "wednesday",
];

/// Returns a hasher that nobody can aim at who does not know the seed.
pub(super) fn hasher(seed: u64) -> DefaultHasher {
    let mut hash = DefaultHasher::new();
    hash.write_u64(seed);
    hash
}

/// Hashes a line or sentence: words in lower case, one space between them, and one mark for each row of masked words. Puts
/// down the hashes of the words.
pub(super) fn unit(text: &str, seed: u64, words: &mut Vec<u32>) -> Unit {
    let from = words.len();
    let (mut hash, mut bytes, mut after_mask) = (seed, 0_u32, false);
    let mut rest = text.split_whitespace().peekable();
    while let Some(word) = rest.next() {
        let is_beside = after_mask || rest.peek().is_some_and(|next| is_date_word(bare(next)));
        let is_masked = if is_beside { is_masked_beside(word) } else { is_masked(word) };
        if !is_masked {
            let hashed = word_hash(word, seed);
            hash = child(hash, hashed);
            words.push((hashed >> 32) as u32);
            bytes = bytes.saturating_add(u32::try_from(word.len()).unwrap_or(u32::MAX));
        } else if !after_mask {
            hash = child(hash, MASK);
        }
        after_mask = is_masked;
    }
    Unit { hash, bytes, words: Words::new(from, words.len()) }
}

/// Returns whether a word varies from call to call by its looks alone.
///
/// Small numbers do not: `grade 5` and `grade 6` are two steps until their traffic shows otherwise.
fn is_masked(word: &str) -> bool {
    if word.len() > WORD_BYTES_MAX {
        return word.contains("://");
    }
    if word.contains('@') || word.contains("://") {
        return true;
    }
    let bare = bare(word);
    let digits = bare.bytes().filter(u8::is_ascii_digit).count();
    if digits > 0 {
        let has_parts = || bare.bytes().any(|byte| matches!(byte, b':' | b'/')) && digits > 1;
        return digits > SMALL_DIGITS_MAX || bare.len() >= ID_BYTES_MIN || has_parts();
    }
    let is_hex = || bare.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'-'));
    is_date_word(bare) || (bare.len() >= 16 && is_hex())
}

/// Returns the same for a word that stands beside one of a date or an id.
fn is_masked_beside(word: &str) -> bool {
    let small = bare(word);
    let is_short = word.len() <= WORD_BYTES_MAX;
    is_masked(word) || (is_short && small.bytes().any(|byte| byte.is_ascii_digit())) || matches!(small, "AM" | "PM")
}

/// Returns a word without the signs around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn is_date_word(word: &str) -> bool {
    if !word.starts_with(|c: char| c.is_ascii_uppercase()) {
        return false;
    }
    let mut lower = [0; 9];
    let Some(lower) = lower.get_mut(..word.len()) else { return false };
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    DATE_WORDS.binary_search_by(|date| date.as_bytes().cmp(lower)).is_ok()
}

/// Hashes a word in ASCII lower case, eight bytes at a time.
fn word_hash(word: &str, seed: u64) -> u64 {
    word.as_bytes().chunks(8).fold(seed, |hash, piece| {
        let mut eight = [0; 8];
        eight[..piece.len()].copy_from_slice(piece);
        eight.make_ascii_lowercase();
        let product = u128::from(hash ^ u64::from_le_bytes(eight)) * u128::from(FACTOR ^ (piece.len() as u64));
        (product as u64) ^ ((product >> 64) as u64)
    })
}
