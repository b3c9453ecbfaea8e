//! What a judge's answer states: JSON first, else its last line; nothing rather than a guess.

use serde_json::{Map, Value};

use super::Choice;

/// Openings tried from the end of the text before giving up, so that a text full of brackets costs little.
const OPENINGS_MAX: usize = 64;
/// A last line longer than this argues instead of stating.
const LINE_BYTES_MAX: usize = 400;
const MEMBERS: [&str; 5] = ["winner", "verdict", "choice", "preferred", "better"];
const LABELS: [&str; 9] =
    ["answer", "response", "output", "assistant", "model", "option", "reply", "candidate", "completion"];
const TIES: [&str; 9] = ["tie", "tied", "draw", "drawn", "equal", "same", "neither", "both", "equivalent"];
const DENIALS: [&str; 6] = ["not", "no", "isn", "never", "cannot", "nor"];

pub(super) fn read(text: &str) -> Option<Choice> {
    match stated_as_json(text) {
        Some(value) => match value {
            Value::Number(number) => of_number(number.as_u64()?),
            Value::String(value) => of_line(value.trim(), Place::Value),
            _ => None,
        },
        None => of_line(text.lines().map(str::trim).rfind(|line| line.contains(char::is_alphanumeric))?, Place::Line),
    }
}

/// The value of the member that names the winner, in the last object that has one.
fn stated_as_json(text: &str) -> Option<Value> {
    text.rmatch_indices('{').take(OPENINGS_MAX).find_map(|(start, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Map<String, Value>>();
        let object = values.next()?.ok()?;
        MEMBERS.iter().find_map(|member| object.get(*member).cloned())
    })
}

fn of_number(number: u64) -> Option<Choice> {
    match number {
        1 => Some(Choice::First),
        2 => Some(Choice::Second),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The value of a JSON member, which states and does not argue.
    Value,
    /// The last line of a free text.
    Line,
}

struct Word<'a> {
    text: &'a str,
    lower: String,
    /// Whether a bracket, quote or mark of emphasis stands right before it.
    is_marked: bool,
}

/// The one choice that a line names; `None` where it names none, several, or denies one.
fn of_line(line: &str, place: Place) -> Option<Choice> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    if line.contains("[[C]]") {
        return Some(Choice::Tie);
    }
    let words = words(line);
    if words.iter().any(|word| DENIALS.contains(&word.lower.as_str()) || is_other_number(&word.lower)) {
        return None;
    }
    let mut named = (0..words.len()).filter_map(|at| of_word(&words, at, place));
    let first = named.next()?;
    named.all(|choice| choice == first).then_some(first)
}

fn words(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut before = None;
    let mut rest = line;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let mark = rest[..start].chars().next_back().or(before);
        let from = &rest[start..];
        let end = from.find(|character: char| !character.is_alphanumeric()).unwrap_or(from.len());
        let text = &from[..end];
        let is_marked = mark.is_some_and(|mark| "([{\"'`*_".contains(mark));
        words.push(Word { text, lower: text.to_lowercase(), is_marked });
        before = text.chars().next_back();
        rest = &from[end..];
    }
    words
}

fn is_other_number(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit()) && !matches!(word, "1" | "2")
}

fn of_word(words: &[Word<'_>], at: usize, place: Place) -> Option<Choice> {
    let word = &words[at];
    let label = |at: usize| words.get(at).is_some_and(|word| LABELS.contains(&word.lower.as_str()));
    let is_last = at + 1 == words.len();
    let is_labelled = at > 0 && label(at - 1);
    match word.lower.as_str() {
        tie if TIES.contains(&tie) => Some(Choice::Tie),
        "1" | "2" if is_last || is_labelled || word.is_marked => of_number(word.lower.parse().ok()?),
        "first" if is_last || label(at + 1) => Some(Choice::First),
        "second" if is_last || label(at + 1) => Some(Choice::Second),
        // A small letter in running text is an article, and so is a capital at its beginning.
        letter @ ("a" | "b") => {
            let is_capital = word.text != letter;
            let is_named = if is_capital { is_last || is_labelled } else { is_last && place == Place::Value };
            let choice = if letter == "a" { Choice::First } else { Choice::Second };
            (is_named || word.is_marked || words.len() == 1).then_some(choice)
        }
        glued => of_glued(glued),
    }
}

/// A label and its number without a blank between them: `answer1`, `modela`.
fn of_glued(word: &str) -> Option<Choice> {
    let rest = LABELS.iter().find_map(|label| word.strip_prefix(label))?;
    match rest {
        "1" | "a" => Some(Choice::First),
        "2" | "b" => Some(Choice::Second),
        _ => None,
    }
}
