//! How a server of open models spells what Chat Completions leaves open, for requests that are translated for it.

use serde_json::{Map, Value};

/// The field in which translated requests carry reasoning of earlier turns.
const REASONING: &str = "reasoning_content";

/// Puts a translated request of Chat Completions into the spelling of servers of open models.
///
/// The bound of the answer is called `max_tokens`, which all of them read, and reasoning of earlier turns goes into the field
/// that is named. `None` where the body is none that can be read, or nothing is to be changed.
#[must_use]
pub fn spelled(body: &[u8], reasoning: Option<&str>) -> Option<Vec<u8>> {
    let mut request: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let mut is_changed = false;
    if let Some(bound) = request.remove("max_completion_tokens") {
        request.entry("max_tokens").or_insert(bound);
        is_changed = true;
    }
    if let Some(name) = reasoning.filter(|name| *name != REASONING) {
        let turns = request.get_mut("messages").and_then(Value::as_array_mut);
        for turn in turns.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(thoughts) = turn.remove(REASONING) {
                turn.insert(name.to_owned(), thoughts);
                is_changed = true;
            }
        }
    }
    is_changed.then(|| Value::Object(request).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bound_and_reasoning_are_spelt_as_the_server_reads_them() {
        let turn = |name: &str| json!({"role": "assistant", "content": "x", name: "because"});
        let body = json!({"max_completion_tokens": 9, "messages": [turn(REASONING)]}).to_string();
        let read =
            |reasoning| -> Value { serde_json::from_slice(&spelled(body.as_bytes(), reasoning).unwrap()).unwrap() };
        assert_eq!(read(Some("reasoning")), json!({"max_tokens": 9, "messages": [turn("reasoning")]}));
        for same in [None, Some(REASONING)] {
            assert_eq!(read(same), json!({"max_tokens": 9, "messages": [turn(REASONING)]}));
        }
        assert_eq!(spelled(br#"{"max_tokens": 9, "messages": []}"#, Some("reasoning")), None);
        assert_eq!(spelled(b"no JSON", None), None);
    }
}
