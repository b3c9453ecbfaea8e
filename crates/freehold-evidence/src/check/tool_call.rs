//! Tool calls compared with a reference's, after the Berkeley Function-Calling Leaderboard.

use serde_json::{Map, Value};

use super::{Score, Tolerance, ToolCall};

/// Calls compared per answer; an answer with more is no match for any reference within the limit.
pub(super) const CALLS_MAX: usize = 128;

pub(super) fn score(output: &[ToolCall], reference: &[ToolCall]) -> Score {
    if output.len() != reference.len() {
        return Score::failed(format!("{} tool calls where the reference has {}", output.len(), reference.len()));
    }
    if output.len() > CALLS_MAX {
        return Score::failed(format!("more than {CALLS_MAX} tool calls"));
    }
    let mut left: Vec<&ToolCall> = output.iter().collect();
    for expected in reference {
        let Some(position) = left.iter().position(|call| difference(call, expected).is_none()) else {
            return Score::failed(explain(&left, expected));
        };
        left.swap_remove(position);
    }
    Score::right()
}

fn explain(left: &[&ToolCall], expected: &ToolCall) -> String {
    let same_tool = left.iter().find(|call| canonical_name(&call.name) == canonical_name(&expected.name));
    match same_tool.and_then(|call| difference(call, expected)) {
        Some(difference) => difference,
        None => format!("tool `{}` was not called", expected.name),
    }
}

/// Says how a call differs from the expected one; `None` where they match.
fn difference(call: &ToolCall, expected: &ToolCall) -> Option<String> {
    if canonical_name(&call.name) != canonical_name(&expected.name) {
        return Some(format!("tool `{}` was not called", expected.name));
    }
    let Some(reference) = arguments(&expected.arguments) else {
        return Some("the reference's arguments are no JSON object".into());
    };
    let Some(given) = arguments(&call.arguments) else {
        return Some(format!("the arguments of `{}` are no JSON object", expected.name));
    };
    let differing = first_difference(&given, &reference)?;
    Some(format!("argument `{differing}` of `{}` differs", expected.name))
}

/// Providers that forbid dots in names get underscores from their callers.
fn canonical_name(name: &str) -> String {
    name.replace('.', "_")
}

pub(super) fn arguments(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members.clone()),
        Value::Null => Some(Map::new()),
        Value::String(text) if text.trim().is_empty() => Some(Map::new()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn first_difference(given: &Map<String, Value>, reference: &Map<String, Value>) -> Option<String> {
    let expected = reference.iter().find(|(name, value)| !is_equal(given.get(*name).unwrap_or(&Value::Null), value));
    let surplus = || given.iter().find(|(name, value)| !value.is_null() && !reference.contains_key(*name));
    expected.or_else(surplus).map(|(name, _)| name.clone())
}

fn is_equal(given: &Value, reference: &Value) -> bool {
    match (given, reference) {
        (Value::String(given), Value::String(reference)) => is_equal_text(given, reference),
        (Value::Number(given), Value::Number(reference)) => match (given.as_f64(), reference.as_f64()) {
            (Some(given), Some(reference)) => Tolerance::EQUAL.holds(given, reference),
            _ => given == reference,
        },
        (Value::Array(given), Value::Array(reference)) => {
            given.len() == reference.len()
                && given.iter().zip(reference).all(|(given, reference)| is_equal(given, reference))
        }
        (Value::Object(given), Value::Object(reference)) => first_difference(given, reference).is_none(),
        (given, reference) => given == reference,
    }
}

/// Two numbers in quotes are compared as numbers: without its marks `10.50` would equal `1050`, and `-5` would equal `5`.
fn is_equal_text(given: &str, reference: &str) -> bool {
    match (given.trim().parse::<f64>(), reference.trim().parse::<f64>()) {
        (Ok(given), Ok(reference)) => Tolerance::EQUAL.holds(given, reference),
        _ => canonical_text(given) == canonical_text(reference),
    }
}

/// A string without blanks and the marks that dates, names and formulas are spelt with, in lower case, with one kind of quotes.
pub(super) fn canonical_text(text: &str) -> String {
    let kept = text.chars().filter(|character| !matches!(character, ' ' | ',' | '.' | '/' | '-' | '_' | '*' | '^'));
    kept.collect::<String>().to_lowercase().replace('\'', "\"")
}
