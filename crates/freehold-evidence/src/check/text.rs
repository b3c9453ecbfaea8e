//! Texts compared after normalising, and by the longest common run of words.

use unicode_normalization::UnicodeNormalization;

use super::Score;

/// Words of each text that count for the overlap; the comparison takes time by the product of both.
const WORDS_MAX: usize = 3_000;

/// Pairs of marks that may enclose a whole answer.
const QUOTES: [(char, char); 8] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{300c}', '\u{300d}'),
];

/// Returns a text in the form in which two texts count as equal.
///
/// Steps: Unicode NFKC; case folded (upper case, then lower case, then NFKC again); runs of blanks become one space, those at
/// the ends go; then outer quotes and final `. , ; : ! ?` (and their ideographic kin) go, as often as they occur.
#[must_use]
pub fn normalise(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    let folded: String = composed.to_uppercase().to_lowercase().nfkc().collect();
    let spaced = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = spaced.as_str();
    loop {
        let stripped =
            strip_quotes(rest.trim_end_matches(['.', ',', ';', ':', '!', '?', '\u{3002}', '\u{3001}']).trim());
        // A text of nothing but marks stays as it is, so that it does not equal every other.
        if stripped.is_empty() || stripped == rest {
            return rest.to_owned();
        }
        rest = stripped;
    }
}

fn strip_quotes(text: &str) -> &str {
    for (open, close) in QUOTES {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return inner.trim();
        }
    }
    text
}

pub(super) fn exact(output: &str, reference: &str) -> Score {
    if normalise(output) == normalise(reference) { Score::right() } else { Score::failed("the texts differ") }
}

/// ROUGE-L (Lin 2004, section 3.1) with beta = 1: the harmonic mean of the share of words in common order.
pub(super) fn rouge_l(output: &str, reference: &str) -> Score {
    let (output, reference) = (words(output), words(reference));
    if output.is_empty() || reference.is_empty() {
        return Score::graded(if output.is_empty() && reference.is_empty() { 1.0 } else { 0.0 });
    }
    let counted = (&output[..output.len().min(WORDS_MAX)], &reference[..reference.len().min(WORDS_MAX)]);
    let common = longest_common_run(counted.0, counted.1);
    let cut = output.len() > WORDS_MAX || reference.len() > WORDS_MAX;
    Score {
        value: 2.0 * common as f64 / (counted.0.len() + counted.1.len()) as f64,
        reason: cut.then(|| format!("only the first {WORDS_MAX} words were compared")),
    }
}

fn words(text: &str) -> Vec<String> {
    let folded: String = text.nfkc().collect::<String>().to_lowercase();
    let mut words = Vec::new();
    let mut word = String::new();
    for character in folded.chars() {
        let alone = is_written_without_spaces(character);
        if (alone || !is_part_of_word(character)) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(character.to_string());
        } else if is_part_of_word(character) {
            word.push(character);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Letters, digits, and the marks that Indic, Arabic and Hebrew words carry between their letters.
fn is_part_of_word(character: char) -> bool {
    character.is_alphanumeric() || unicode_normalization::char::is_combining_mark(character)
}

/// Thai, Lao, Khmer, Burmese, and the Chinese and Japanese scripts.
fn is_written_without_spaces(character: char) -> bool {
    matches!(u32::from(character),
        0x0E01..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3041..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
        && is_part_of_word(character)
}

fn longest_common_run(first: &[String], second: &[String]) -> usize {
    let mut above = vec![0_usize; second.len() + 1];
    let mut row = above.clone();
    for word in first {
        for (column, other) in second.iter().enumerate() {
            row[column + 1] = if word == other { above[column] + 1 } else { row[column].max(above[column + 1]) };
        }
        std::mem::swap(&mut above, &mut row);
    }
    above[second.len()]
}
