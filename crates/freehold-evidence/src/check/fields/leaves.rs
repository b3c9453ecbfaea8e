//! A JSON value flattened into its leaves, so that two values can be compared place by place.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::{Tolerance, text};
use super::rules::{FieldRules, Rule};

/// Leaves by JSON pointer; nulls are left out, empty objects and arrays count as leaves.
pub(super) type Leaves<'a> = BTreeMap<String, Leaf<'a>>;

/// One leaf.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    value: &'a Value,
    /// What the place is called in a reason: without the texts by which items of sets are told apart.
    pub(super) shown: String,
    tolerance: Tolerance,
    /// Whether its path says already that it is equal.
    is_told_by_path: bool,
}

impl Leaf<'_> {
    pub(super) fn is_equal(&self, reference: &Self) -> bool {
        if reference.is_told_by_path {
            return self.is_told_by_path;
        }
        match (self.value, reference.value) {
            (Value::Number(output), Value::Number(expected)) => match (output.as_f64(), expected.as_f64()) {
                (Some(output), Some(expected)) => reference.tolerance.holds(output, expected),
                _ => output == expected,
            },
            (Value::String(output), Value::String(expected)) => text::normalise(output) == text::normalise(expected),
            (output, expected) => output == expected,
        }
    }
}

pub(super) fn leaves<'a>(value: &'a Value, rules: &FieldRules) -> Leaves<'a> {
    let mut walk = Walk { rules, names: Vec::new(), leaves: Leaves::new() };
    walk.collect(value, &mut String::new(), &mut String::new());
    walk.leaves
}

struct Walk<'a, 'r> {
    rules: &'r FieldRules,
    /// The way to here, as rules name it.
    names: Vec<String>,
    leaves: Leaves<'a>,
}

impl<'a> Walk<'a, '_> {
    fn collect(&mut self, value: &'a Value, path: &mut String, shown: &mut String) {
        let rule = self.rules.at(&self.names);
        match (value, rule) {
            (Value::Null, _) | (_, Some(Rule::Ignore)) => {}
            (Value::Object(members), _) if !members.is_empty() => {
                for (name, member) in members {
                    let part = name.replace('~', "~0").replace('/', "~1");
                    self.names.push(name.clone());
                    self.enter(member, (path, &part), (shown, &part));
                    self.names.pop();
                }
            }
            (Value::Array(items), rule) if !items.is_empty() => match rule {
                Some(Rule::Set) => self.collect_set(items, path, shown),
                Some(Rule::Key(key)) => self.collect_keyed((items, key), path, shown),
                _ => self.collect_ordered(items, path, shown),
            },
            _ => {
                let tolerance = match rule {
                    Some(Rule::Tolerance(tolerance, _)) => *tolerance,
                    _ => Tolerance::EQUAL,
                };
                self.leaves
                    .insert(path.clone(), Leaf { value, shown: shown.clone(), tolerance, is_told_by_path: false });
            }
        }
    }

    fn enter(&mut self, value: &'a Value, at: (&mut String, &str), shown: (&mut String, &str)) {
        let (path, path_part) = at;
        let (shown, shown_part) = shown;
        let lengths = (path.len(), shown.len());
        path.push('/');
        path.push_str(path_part);
        shown.push('/');
        shown.push_str(shown_part);
        self.collect(value, path, shown);
        path.truncate(lengths.0);
        shown.truncate(lengths.1);
    }

    fn collect_ordered(&mut self, items: &'a [Value], path: &mut String, shown: &mut String) {
        for (position, item) in items.iter().enumerate() {
            let part = position.to_string();
            self.names.push(part.clone());
            self.enter(item, (path, &part), (shown, &part));
            self.names.pop();
        }
    }

    /// Each item is one leaf, at a path made of what it says and how often that was said before.
    fn collect_set(&mut self, items: &'a [Value], path: &str, shown: &str) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for item in items.iter().filter(|item| !item.is_null()) {
            let said = canonical(item);
            let count = seen.entry(said.clone()).or_default();
            *count += 1;
            let leaf =
                Leaf { value: item, shown: shown.to_owned(), tolerance: Tolerance::EQUAL, is_told_by_path: true };
            self.leaves.insert(format!("{path}/{{{said}}}#{count}"), leaf);
        }
    }

    /// Items go by the value of their key; those without one by position, and a key that occurs again by its count.
    fn collect_keyed(&mut self, of: (&'a [Value], &str), path: &mut String, shown: &mut String) {
        let (items, key) = of;
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (position, item) in items.iter().enumerate() {
            let part = match item.get(key).filter(|value| !value.is_null()) {
                Some(value) => {
                    let said = canonical(value);
                    let count = seen.entry(said.clone()).or_default();
                    *count += 1;
                    format!("{{{said}}}#{count}")
                }
                None => position.to_string(),
            };
            self.names.push("*".to_owned());
            self.enter(item, (path, &part), (shown, "*"));
            self.names.pop();
        }
    }
}

/// A value spelt in one way: members by name, numbers by value, strings normalised.
fn canonical(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text::normalise(text)),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let members: BTreeMap<&String, String> = members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, canonical(value)))
                .collect();
            format!("{members:?}")
        }
        other => other.to_string(),
    }
}
