//! Compares a certificate with what is found again, member by member.

use std::collections::BTreeMap;

use freehold_vault::canonical;
use serde::Serialize;
use serde_json::Value;

/// How far two scores may lie apart and still be the same: the last digits depend on the machine's mathematics.
const TOLERANCE: f64 = 1e-9;

/// What became of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was found again as it stands.
    Agrees,
    /// Something else was found.
    Differs,
    /// There was nothing to find it from.
    NotChecked,
}

/// One field of a certificate; `[]` in its name stands for every item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name, with dots.
    pub field: String,
    /// What became of it.
    pub state: State,
    /// The first place where something else was found, and what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// What it means that a field was not found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It should have been.
    Differs,
    /// There was nothing to find it from.
    NotChecked,
}

/// Compares every field; `stated` are the members that nothing but the signature vouches for.
pub(super) fn fields(certified: &Value, again: &Value, absent: Absent, stated: &[&str]) -> Vec<Field> {
    let (certified, again) = (leaves(certified), leaves(again));
    let mut fields: BTreeMap<&str, Field> = BTreeMap::new();
    for place in certified.keys().chain(again.keys()) {
        let (said, found) = (certified.get(place), again.get(place));
        let Some(field) = said.or(found).map(|leaf| leaf.field.as_str()) else { continue };
        let is_stated = stated.contains(&field);
        let (state, differs) = match (said, found) {
            _ if is_stated => (State::NotChecked, None),
            (Some(said), Some(found)) if said.is_same(found) => (State::Agrees, None),
            (_, None) if absent == Absent::NotChecked => (State::NotChecked, None),
            (said, found) => (State::Differs, Some(difference(place, said, found))),
        };
        let entry = fields.entry(field).or_insert_with(|| Field { field: field.to_owned(), state, found: None });
        if state == State::Differs {
            entry.state = state;
            entry.found = entry.found.take().or(differs);
        }
    }
    fields.into_values().collect()
}

fn difference(place: &str, said: Option<&Leaf>, found: Option<&Leaf>) -> String {
    let told = |leaf: Option<&Leaf>| leaf.map_or("nothing", |leaf| leaf.text.as_str()).to_owned();
    format!("{place}: the certificate says {}, found {}", told(said), told(found))
}

struct Leaf {
    field: String,
    text: String,
    /// The number, where it is a score, a difference of scores or a probability.
    fraction: Option<f64>,
}

impl Leaf {
    fn is_same(&self, other: &Self) -> bool {
        let is_near = || self.fraction.zip(other.fraction).is_some_and(|(a, b)| (a - b).abs() <= TOLERANCE);
        self.text == other.text || is_near()
    }
}

/// Returns every value that holds no others, by its place.
fn leaves(value: &Value) -> BTreeMap<String, Leaf> {
    let mut found = BTreeMap::new();
    walk(value, (String::new(), String::new()), &mut found);
    found
}

fn walk(value: &Value, (place, field): (String, String), found: &mut BTreeMap<String, Leaf>) {
    let below = |path: &str, name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                walk(member, (below(&place, name), below(&field, name)), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                walk(item, (format!("{place}[{index}]"), format!("{field}[]")), found);
            }
        }
        leaf => {
            let fraction = leaf.as_f64().filter(|number| number.abs() <= 1.0);
            found.insert(place, Leaf { field, text: canonical(leaf), fraction });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn states(certified: &Value, again: &Value, absent: Absent) -> Vec<(String, State)> {
        fields(certified, again, absent, &["made"]).into_iter().map(|field| (field.field, field.state)).collect()
    }

    #[test]
    fn every_field_is_named_once_and_the_first_difference_told() {
        let said = json!({"made": 1, "cases": [{"a": 1.0, "b": "x"}, {"a": 0, "b": "y"}], "none": []});
        let again = json!({"made": 2, "cases": [{"a": 1, "b": "x"}, {"a": 0, "b": "z"}], "none": []});
        let told = |name: &str, state| (name.to_owned(), state);
        let expected = [
            told("cases[].a", State::Agrees),
            told("cases[].b", State::Differs),
            told("made", State::NotChecked),
            told("none", State::Agrees),
        ];
        assert_eq!(states(&said, &again, Absent::Differs), expected);
        let found = fields(&said, &again, Absent::Differs, &[])[1].found.clone().unwrap();
        assert_eq!(found, r#"cases[1].b: the certificate says "y", found "z""#);
    }

    #[test]
    fn what_is_missing_differs_only_where_it_should_have_been_found() {
        let (said, again) = (json!({"a": 1, "b": 2}), json!({"a": 1}));
        assert_eq!(states(&said, &again, Absent::Differs)[1].1, State::Differs);
        assert_eq!(states(&said, &again, Absent::NotChecked)[1].1, State::NotChecked);
        assert_eq!(states(&again, &said, Absent::NotChecked)[1].1, State::Differs, "more was found than is certified");
        let items = (json!({"a": [1, 2]}), json!({"a": [1]}));
        assert_eq!(states(&items.0, &items.1, Absent::Differs)[0].1, State::Differs);
    }
}
