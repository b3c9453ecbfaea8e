//! JSON in an answer: strictly the whole of it, else the first balanced value around or inside code fences.

use serde_json::Value;

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
#[must_use]
pub fn extract(text: &str) -> Option<Found> {
    if let Ok(value) = serde_json::from_str(text.trim()) {
        return Some(Found { value, is_strict: true });
    }
    // Parts between fences alternate: outside, inside, outside, ...
    let parts: Vec<&str> = text.split("```").collect();
    let outside = parts.iter().step_by(2);
    let inside = parts.iter().skip(1).step_by(2);
    let value = outside.chain(inside).find_map(|part| first_balanced(part))?;
    Some(Found { value, is_strict: false })
}

fn first_balanced(text: &str) -> Option<Value> {
    let openings = text.char_indices().filter(|(_, character)| matches!(character, '{' | '['));
    openings.take(OPENINGS_MAX).find_map(|(start, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        values.next().and_then(Result::ok)
    })
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
        ] {
            assert_eq!(extract(text), Some(Found { value: expected, is_strict }), "{text}");
        }
        for text in ["", "no json", "{\"a\": 1", "{broken} [", &"{".repeat(100_000)] {
            assert_eq!(extract(text), None);
        }
    }
}
