//! Numbers as people and models write them: currency, separators, per cent, fractions.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

use super::{Score, Tolerance};

/// A number with its sign, separators between digits, an exponent, a denominator, and a percent mark.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?P<bracket> \( \s? )? (?P<sign>[-\u{2212}\u{2013}])? \s? \p{Sc}? \s? (?P<second_sign>[-\u{2212}])?
        (?: (?P<whole> \d+ ) \s (?P<numerator> \d+ ) \s? / \s? (?P<part> \d+ )
          | (?P<digits> \d+ (?: [.,'\u{2019}\u{a0}\u{202f}\u{2009}] \d+ )* | [.,] \d+ )
            (?P<exponent> [eE] [-+]? \d{1,3} )?
            (?: \s? / \s? (?P<denominator> \d+ ) )? )
        \s? (?P<percent> % )? (?: \s? \p{Sc} )? (?P<closing> \s? \) )?",
    )
    .expect("the pattern is fixed and legal")
});

/// What a text says as a number.
#[derive(Clone, Copy)]
struct Reading {
    value: f64,
    is_percent: bool,
}

pub(super) fn score(output: &str, reference: &str, tolerance: Tolerance) -> Score {
    let Some(expected) = last_number(reference) else {
        return Score::failed("the reference holds no number");
    };
    let Some(given) = last_number(output) else {
        return Score::failed("the answer holds no number");
    };
    // Where one side has a percent mark and the other none, 12 % may have been written as 12 or as 0.12.
    let is_equal = tolerance.holds(given.value, expected.value)
        || (given.is_percent && !expected.is_percent && tolerance.holds(given.value / 100.0, expected.value))
        || (!given.is_percent && expected.is_percent && tolerance.holds(given.value, expected.value / 100.0));
    if is_equal { Score::right() } else { Score::failed("the numbers differ") }
}

/// Returns whether a text is one number and nothing else but its marks.
pub(super) fn is_number(text: &str) -> bool {
    let text = text.trim().trim_end_matches('.');
    let symbol = |character: char| character.is_whitespace() || "$\u{20ac}\u{a3}\u{a5}".contains(character);
    let bare = text.trim_matches(symbol);
    !bare.is_empty() && NUMBER.find(bare).is_some_and(|found| found.start() == 0 && found.end() == bare.len())
}

fn last_number(text: &str) -> Option<Reading> {
    let text = plainly_spelt(text);
    NUMBER.captures_iter(&text).filter_map(|found| reading(&text, &found)).last()
}

fn reading(text: &str, found: &Captures<'_>) -> Option<Reading> {
    let group = |name| found.name(name).map(|part| part.as_str());
    let number = |name| group(name).and_then(|digits| digits.parse::<f64>().ok());
    let size = match (number("whole"), number("numerator"), number("part")) {
        (Some(whole), Some(numerator), Some(part)) => whole + numerator / part,
        _ => plain(group("digits")?, group("exponent").unwrap_or_default())? / number("denominator").unwrap_or(1.0),
    };
    if !size.is_finite() {
        return None;
    }
    let all = found.get(0)?;
    // A dash right after a letter or digit joins, as in `May-5` or `3-4`; it is no sign.
    let joins = text[..all.start()].chars().next_back().is_some_and(char::is_alphanumeric);
    let is_signed = (group("sign").is_some() && !joins) || group("second_sign").is_some();
    // Accountants write a loss in brackets; within a sentence brackets are only an aside.
    let is_whole_cell = text[..all.start()].trim().is_empty() && text[all.end()..].trim().is_empty();
    let is_loss = group("bracket").is_some() && group("closing").is_some() && is_whole_cell;
    let value = if is_signed != is_loss { -size } else { size };
    Some(Reading { value, is_percent: group("percent").is_some() })
}

/// Full-width and other digits as the usual ones, and `1\u{bd}` as `1 1/2`.
fn plainly_spelt(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        let parts: String = character.nfkc().collect();
        match parts.split_once('\u{2044}') {
            Some((numerator, denominator)) => {
                let space = if plain.ends_with(|last: char| last.is_ascii_digit()) { " " } else { "" };
                plain.push_str(&format!("{space}{numerator}/{denominator}"));
            }
            // A blank stays what it was: one that does not break separates thousands.
            None if character.is_whitespace() => plain.push(character),
            None => plain.push_str(&parts),
        }
    }
    Cow::Owned(plain)
}

/// Reads digits with separators: of two kinds the last is the decimal mark; a repeated mark, and one comma or apostrophe
/// followed by exactly three digits, separate thousands.
fn plain(digits: &str, exponent: &str) -> Option<f64> {
    let marks: Vec<(usize, char)> = digits.char_indices().filter(|(_, mark)| !mark.is_ascii_digit()).collect();
    let decimal = match marks.as_slice() {
        [] => None,
        [(position, mark)] => {
            let thousands = *mark != '.' && *position > 0 && digits.len() - position - mark.len_utf8() == 3;
            (!thousands && matches!(mark, '.' | ',')).then_some(*position)
        }
        [.., (_, before), (position, last)] => (before != last && matches!(last, '.' | ',')).then_some(*position),
    };
    let mut clean = String::with_capacity(digits.len());
    for (position, character) in digits.char_indices() {
        if Some(position) == decimal {
            clean.push('.');
        } else if character.is_ascii_digit() {
            clean.push(character);
        }
    }
    clean.push_str(exponent);
    clean.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_written() {
        for (text, expected) in [
            ("42", 42.0),
            ("-7.5", -7.5),
            ("\u{2212}3", -3.0),
            ("$1,234.50", 1234.5),
            ("-$20", -20.0),
            ("$-20", -20.0),
            ("1.234,50 \u{20ac}", 1234.5),
            ("1,234", 1234.0),
            ("3,5", 3.5),
            ("1'000'000", 1e6),
            ("1\u{a0}234,5", 1234.5),
            (".5", 0.5),
            ("3/4", 0.75),
            ("1 1/2", 1.5),
            ("-2 3/4 cups", -2.75),
            ("1\u{bd}", 1.5),
            ("\u{bc}", 0.25),
            ("\u{ff11}\u{ff12}", 12.0),
            ("(1,234.50)", -1234.5),
            ("($20)", -20.0),
            ("five (5)", 5.0),
            ("1\u{2009}234", 1234.0),
            ("- $5", -5.0),
            ("2024 500", 500.0),
            ("1,00,000", 1e5),
            ("1.5e3", 1500.0),
            ("from 3-4", 4.0),
            ("first 12, then 15 apples.", 15.0),
        ] {
            let reading = last_number(text).expect(text);
            assert!((reading.value - expected).abs() < 1e-12, "{text}: {}", reading.value);
        }
        assert!(last_number("none at all").is_none() && last_number("1/0").is_none());
    }

    #[test]
    fn only_whole_numbers_pass_as_numbers() {
        for text in ["42", " $1,234.50 ", "12 %", "-3.", "3/4", "7 \u{20ac}"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "$", "42 apples", "A-12", "2024-05-20", "1 2"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
