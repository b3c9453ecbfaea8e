//! JSON in an answer: strictly the whole of it, else the first balanced value around or inside code fences.

use serde_json::Value;

use super::{JsonPlace, Output, Score};

/// Openings tried before giving up, so that a text full of brackets costs little.
const OPENINGS_MAX: usize = 64;

/// Holds JSON found in an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The value.
    pub value: Value,
    /// Whether the whole answer is JSON; otherwise an application that parses it plainly would fail.
    pub is_strict: bool,
}

impl Found {
    pub(super) fn remark(&self) -> Option<String> {
        (!self.is_strict).then(|| "the JSON stands inside other text".to_owned())
    }
}

/// Returns the JSON of an answer: all of it, else the first balanced object or array outside code fences, else in one.
///
/// An array without any object or array in it counts only where nothing else is found: prose has its `[1]`.
#[must_use]
pub fn extract(text: &str) -> Option<Found> {
    if let Ok(value) = serde_json::from_str(text.trim()) {
        return Some(Found { value, is_strict: true });
    }
    // Parts between fences alternate: outside, inside, outside, ...
    let parts: Vec<&str> = text.split("```").collect();
    let mut plain_array = None;
    for part in parts.iter().step_by(2).chain(parts.iter().skip(1).step_by(2)) {
        for value in balanced(part) {
            let is_plain =
                value.as_array().is_some_and(|items| !items.iter().any(|item| item.is_object() || item.is_array()));
            if !is_plain {
                return Some(Found { value, is_strict: false });
            }
            plain_array.get_or_insert(value);
        }
    }
    plain_array.map(|value| Found { value, is_strict: false })
}

/// The balanced objects and arrays of a text, from left to right.
fn balanced(text: &str) -> impl Iterator<Item = Value> {
    let openings = text.char_indices().filter(|(_, character)| matches!(character, '{' | '['));
    openings.take(OPENINGS_MAX).filter_map(|(start, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        values.next().and_then(Result::ok)
    })
}

/// Scores an answer by whether it holds an object or array.
pub(super) fn score(output: &Output, place: JsonPlace) -> Score {
    if output.text.trim().is_empty() {
        return Score::failed("the answer is empty");
    }
    match extract(&output.text) {
        Some(found) if found.value.is_object() || found.value.is_array() => match place {
            JsonPlace::Whole if !found.is_strict => Score::failed("the JSON stands inside other text"),
            _ => Score { value: 1.0, reason: found.remark() },
        },
        Some(_) => Score::failed("the answer is JSON, but no object or array"),
        None => Score::failed("the answer holds no JSON"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_found_strictly_first_then_outside_fences_then_inside() {
        for (text, expected, is_strict) in [
            (" {\"a\": 1}\n", json!({"a": 1}), true),
            ("42", json!(42), true),
            ("Sure: {\"a\": \"}\"} done", json!({"a": "}"}), false),
            ("```json\n{\"a\": 1}\n```", json!({"a": 1}), false),
            ("```\n{\"a\": 1}\n``` so {\"a\": 2}", json!({"a": 2}), false),
            ("set {x} to [1, 2]", json!([1, 2]), false),
            ("as in [1]: {\"a\": 1}", json!({"a": 1}), false),
            ("two: [{\"a\": 1}, {\"a\": 2}]", json!([{"a": 1}, {"a": 2}]), false),
            ("as in [1]: ```json\n{\"a\": 1}\n```", json!({"a": 1}), false),
        ] {
            assert_eq!(extract(text), Some(Found { value: expected, is_strict }), "{text}");
        }
        for text in ["", "no json", "{\"a\": 1", "{broken} [", &"{".repeat(100_000)] {
            assert_eq!(extract(text), None);
        }
    }
}
