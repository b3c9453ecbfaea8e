//! Marks where two texts differ, word by word, so that a reader sees one wrong field in a screen of JSON.
//! Bounded: texts too long or too unlike to compare come back unmarked.

use serde::Serialize;
use serde_json::Value;

/// Words that are compared on each side at most, beside what the two texts share at both ends.
const WORDS_MAX: usize = 900;
/// Below this share of words in common, long texts are left unmarked: marking everything shows nothing.
const SHARED_MIN: f64 = 0.25;
/// Texts up to this many words are marked however little they share.
const WORDS_SHORT: usize = 12;

/// A stretch of text that is or is not in the other text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) differs: bool,
}

/// Cuts both texts into pieces that are shared and pieces that differ.
pub(super) fn compare(left: &str, right: &str) -> (Vec<Piece>, Vec<Piece>) {
    let (left, right) = (words(left), words(right));
    let start = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let end = left[start..].iter().rev().zip(right[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (left_middle, right_middle) = (&left[start..left.len() - end], &right[start..right.len() - end]);
    let mut left_shared = vec![true; left.len()];
    let mut right_shared = vec![true; right.len()];
    if left_middle.len().max(right_middle.len()) <= WORDS_MAX {
        let (in_right, in_left) = longest_common(left_middle, right_middle);
        left_shared[start..left.len() - end].copy_from_slice(&in_right);
        right_shared[start..right.len() - end].copy_from_slice(&in_left);
        if is_unlike(&left, &left_shared) || is_unlike(&right, &right_shared) {
            left_shared.fill(true);
            right_shared.fill(true);
        }
    }
    (pieces(&left, &left_shared), pieces(&right, &right_shared))
}

/// Lays out two answers for comparison: JSON is indented, the second's keys in the order of the first's.
pub(super) fn lay_out(first: &str, second: &str) -> (String, String) {
    let parsed =
        |text: &str| serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object() || value.is_array());
    let pretty = |value: &Value, text: &str| serde_json::to_string_pretty(value).unwrap_or_else(|_| text.to_owned());
    match (parsed(first), parsed(second)) {
        (Some(left), Some(right)) => (pretty(&left, first), pretty(&in_order_of(&left, right), second)),
        (Some(left), None) => (pretty(&left, first), second.to_owned()),
        (None, Some(right)) => (first.to_owned(), pretty(&right, second)),
        (None, None) => (first.to_owned(), second.to_owned()),
    }
}

fn in_order_of(model: &Value, value: Value) -> Value {
    match (model, value) {
        (Value::Object(model), Value::Object(mut fields)) => {
            let mut ordered = serde_json::Map::new();
            for (key, wanted) in model {
                if let Some(field) = fields.shift_remove(key) {
                    ordered.insert(key.clone(), in_order_of(wanted, field));
                }
            }
            ordered.extend(fields);
            Value::Object(ordered)
        }
        (_, value) => value,
    }
}

fn words(text: &str) -> Vec<&str> {
    let kind = |letter: char| match letter {
        letter if letter.is_alphanumeric() || letter == '_' => 1,
        letter if letter.is_whitespace() => 2,
        _ => 0,
    };
    let mut words = Vec::new();
    let mut start = 0;
    let mut previous = 0;
    for (at, letter) in text.char_indices() {
        if at > start && (kind(letter) == 0 || kind(letter) != previous) {
            words.push(&text[start..at]);
            start = at;
        }
        previous = kind(letter);
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// Returns, for each word of both sides, whether it is in their longest common subsequence.
fn longest_common(left: &[&str], right: &[&str]) -> (Vec<bool>, Vec<bool>) {
    let width = right.len() + 1;
    let mut lengths = vec![0_u16; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            lengths[i * width + j] = if left[i] == right[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut in_right, mut in_left) = (vec![false; left.len()], vec![false; right.len()]);
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] == right[j] {
            (in_right[i], in_left[j]) = (true, true);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    (in_right, in_left)
}

fn is_unlike(words: &[&str], shared: &[bool]) -> bool {
    let said = |word: &&str| word.chars().any(char::is_alphanumeric);
    let all = words.iter().filter(|word| said(word)).count();
    let common = words.iter().zip(shared).filter(|(word, shared)| **shared && said(word)).count();
    all > WORDS_SHORT && (common as f64) < SHARED_MIN * all as f64
}

fn pieces(words: &[&str], shared: &[bool]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_gap = word.chars().all(char::is_whitespace) && at > 0 && at + 1 < words.len();
        let differs = !shared[at] || (is_gap && !shared[at - 1] && !shared[at + 1]);
        match pieces.last_mut() {
            Some(last) if last.differs == differs => last.text.push_str(word),
            _ => pieces.push(Piece { text: (*word).to_owned(), differs }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(pieces: &[Piece]) -> Vec<&str> {
        pieces.iter().filter(|piece| piece.differs).map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn only_the_field_that_differs_is_marked() {
        let (left, right) =
            lay_out(r#"{"category":"billing","priority":"high"}"#, r#"{"priority":"low","category":"billing"}"#);
        let (left, right) = compare(&left, &right);
        assert_eq!((differing(&left), differing(&right)), (vec!["high"], vec!["low"]));
    }

    #[test]
    fn pieces_join_to_the_text_and_neighbours_are_marked_together() {
        let (left, right) = ("we will refund you today", "we cannot do that today");
        let (left_pieces, right_pieces) = compare(left, right);
        assert_eq!(left_pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), left);
        assert_eq!(differing(&right_pieces), ["cannot do that"]);
    }

    #[test]
    fn long_and_unlike_texts_come_back_unmarked() {
        let long = "alpha ".repeat(3_000);
        assert_eq!(differing(&compare(&long, &"beta ".repeat(3_000)).0), Vec::<&str>::new());
        let unlike = compare(&"one ".repeat(40), &"two ".repeat(40));
        assert_eq!(differing(&unlike.0), Vec::<&str>::new());
        assert_eq!(compare("", "x").0, Vec::new());
    }
}
