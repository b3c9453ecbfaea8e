//! JSON answers compared leaf by leaf: the (path, value) pairs of both.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{self, Found};
use super::{Score, Tolerance, text};

/// Leaves by JSON pointer; nulls are left out, empty objects and arrays count as leaves.
type Leaves<'a> = BTreeMap<String, &'a Value>;

pub(super) fn f1(output: &str, reference: &str) -> Score {
    let (output, reference) = match both(output, reference) {
        Ok(found) => found,
        Err(score) => return score,
    };
    let (of_output, of_reference) = (leaves(&output.value), leaves(&reference.value));
    let total = of_output.len() + of_reference.len();
    if total == 0 {
        return Score { value: 1.0, reason: output.remark() };
    }
    let equal = of_reference.iter().filter(|(path, value)| is_equal(of_output.get(*path), value)).count();
    let reason = first_difference(&of_output, &of_reference).or_else(|| output.remark());
    Score { value: 2.0 * equal as f64 / total as f64, reason }
}

pub(super) fn all_equal(output: &str, reference: &str) -> Score {
    match both(output, reference) {
        Ok((output, reference)) => match first_difference(&leaves(&output.value), &leaves(&reference.value)) {
            Some(difference) => Score::failed(difference),
            None => Score { value: 1.0, reason: output.remark() },
        },
        Err(score) => score,
    }
}

pub(super) fn one_equal(output: &str, reference: &str, path: &str) -> Score {
    let (output, reference) = match both(output, reference) {
        Ok(found) => found,
        Err(score) => return score,
    };
    let pointer = if path.starts_with('/') { path.to_owned() } else { format!("/{}", path.replace('.', "/")) };
    let Some(expected) = reference.value.pointer(&pointer) else {
        return Score::failed(format!("the reference has no field `{path}`"));
    };
    let given = output.value.pointer(&pointer).unwrap_or(&Value::Null);
    match first_difference(&leaves(given), &leaves(expected)) {
        Some(_) => Score::failed(format!("field `{path}` differs")),
        None => Score { value: 1.0, reason: output.remark() },
    }
}

fn both(output: &str, reference: &str) -> Result<(Found, Found), Score> {
    let reference = json::extract(reference).ok_or_else(|| Score::failed("the reference holds no JSON"))?;
    let output = json::extract(output).ok_or_else(|| Score::failed("the answer holds no JSON"))?;
    Ok((output, reference))
}

fn leaves(value: &Value) -> Leaves<'_> {
    let mut leaves = Leaves::new();
    collect(value, &mut String::new(), &mut leaves);
    leaves
}

fn collect<'a>(value: &'a Value, path: &mut String, leaves: &mut Leaves<'a>) {
    let length = path.len();
    match value {
        Value::Null => {}
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                collect(member, path, leaves);
                path.truncate(length);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                path.push('/');
                path.push_str(&position.to_string());
                collect(item, path, leaves);
                path.truncate(length);
            }
        }
        _ => {
            leaves.insert(path.clone(), value);
        }
    }
}

fn is_equal(output: Option<&&Value>, reference: &Value) -> bool {
    match (output, reference) {
        (Some(Value::Number(output)), Value::Number(reference)) => match (output.as_f64(), reference.as_f64()) {
            (Some(output), Some(reference)) => Tolerance::EQUAL.holds(output, reference),
            _ => output == reference,
        },
        (Some(Value::String(output)), Value::String(reference)) => {
            text::normalise(output) == text::normalise(reference)
        }
        (Some(output), reference) => **output == *reference,
        (None, _) => false,
    }
}

fn first_difference(output: &Leaves<'_>, reference: &Leaves<'_>) -> Option<String> {
    let name = |path: &str| if path.is_empty() { "the value".to_owned() } else { format!("field `{path}`") };
    for (path, value) in reference {
        match output.get(path) {
            None => return Some(format!("{} is missing", name(path))),
            given if !is_equal(given, value) => return Some(format!("{} differs", name(path))),
            Some(_) => {}
        }
    }
    let surplus = output.keys().find(|path| !reference.contains_key(*path))?;
    Some(format!("{} is not in the reference", name(surplus)))
}
