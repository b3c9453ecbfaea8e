//! Tool calls against accepted values, by the rules of the Berkeley Function-Calling Leaderboard (Patil et al. 2024).
//!
//! The rules for a call: the name, every required parameter, no unknown one, each value of the declared type and among the
//! accepted ones. They follow the published checker in its finer points too, so that its verdicts come out the same.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::tool_call::{CALLS_MAX, arguments, canonical_text};
use super::{Score, ToolCall};

/// Holds one call that a reference accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedCall {
    /// Name of the tool.
    pub name: String,
    /// The accepted values of each parameter; `""` among them, or none at all, lets the parameter be left out.
    ///
    /// `None` where the reference lists them in no readable way: then no call is accepted.
    pub args: Option<Map<String, Value>>,
}

/// Holds what a tool's description says of its parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tool {
    name: String,
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Tool {
    /// Reads a description: `{"name", "parameters"}`, with `input_schema` for `parameters`, or wrapped in `function`.
    #[must_use]
    pub fn read(description: &Value) -> Option<Self> {
        let function = description.get("function").filter(|inner| inner.is_object()).unwrap_or(description);
        let parameters = function.get("parameters").or_else(|| function.get("input_schema"));
        let member = |name: &str| parameters.and_then(|parameters| parameters.get(name));
        let required = member("required").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            name: function.get("name")?.as_str()?.to_owned(),
            properties: member("properties").and_then(Value::as_object).cloned().unwrap_or_default(),
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

/// The types that the rules tell apart; a whole number and one with a point are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Float,
    Boolean,
    List,
    Object,
    Null,
}

impl Type {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Float,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    /// The type that a description declares; `None` where it declares none that is known, or several.
    fn declared(schema: &Value) -> Option<Self> {
        match schema.get("type")?.as_str()? {
            "string" | "any" => Some(Self::Text),
            "integer" | "int" => Some(Self::Integer),
            "float" | "number" | "double" => Some(Self::Float),
            "boolean" | "bool" => Some(Self::Boolean),
            "array" | "tuple" | "list" => Some(Self::List),
            "dict" | "object" => Some(Self::Object),
            _ => None,
        }
    }

    /// The type of the accepted values: that of the first which does not say "may be left out".
    fn accepted(values: &[Value]) -> Option<Self> {
        values.iter().find(|value| !is_left_out(value)).map(Self::of)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Float => "a number",
            Self::Boolean => "a boolean",
            Self::List => "an array",
            Self::Object => "an object",
            Self::Null => "null",
        }
    }
}

/// Scores calls against the accepted ones, which are looked for one by one, in any order.
pub(super) fn score(output: &[ToolCall], accepted: &[AcceptedCall], tools: &[Tool]) -> Score {
    if accepted.is_empty() && !output.is_empty() && output.iter().all(is_unreadable) {
        // As the published checker has it: what cannot be read as a call is none.
        let reason = "the arguments are no JSON, so that no call was made, and none is due";
        return Score { value: 1.0, reason: Some(reason.to_owned()) };
    }
    if output.len() != accepted.len() {
        return Score::failed(format!("{} tool calls where {} are accepted", output.len(), accepted.len()));
    }
    if output.len() > CALLS_MAX {
        return Score::failed(format!("more than {CALLS_MAX} tool calls"));
    }
    let mut left: Vec<&ToolCall> = output.iter().collect();
    for expected in accepted {
        let tool = tools.iter().find(|tool| tool.name == expected.name);
        let faults: Vec<Option<String>> = left.iter().map(|call| fault(call, expected, tool)).collect();
        match faults.iter().position(Option::is_none) {
            Some(position) => {
                left.remove(position);
            }
            None => return Score::failed(explain(&left, faults, expected)),
        }
    }
    Score::right()
}

fn explain(left: &[&ToolCall], faults: Vec<Option<String>>, expected: &AcceptedCall) -> String {
    let of_same_tool = left.iter().zip(faults).find(|(call, _)| is_named(&call.name, &expected.name));
    of_same_tool.and_then(|(_, fault)| fault).unwrap_or_else(|| format!("tool `{}` was not called", expected.name))
}

fn is_unreadable(call: &ToolCall) -> bool {
    call.arguments.as_str().is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_err())
}

/// Vendors that forbid dots in names get underscores from their callers.
fn is_named(name: &str, expected: &str) -> bool {
    name == expected || name == expected.replace('.', "_")
}

/// Says what is wrong with a call; `None` where it is accepted.
fn fault(call: &ToolCall, expected: &AcceptedCall, tool: Option<&Tool>) -> Option<String> {
    let name = &expected.name;
    if !is_named(&call.name, name) {
        return Some(format!("tool `{name}` was not called"));
    }
    let Some(parameters) = &expected.args else {
        return Some(format!("the reference lists no accepted values for `{name}`"));
    };
    let Some(given) = arguments(&call.arguments) else {
        return Some(format!("the arguments of `{name}` are no JSON object"));
    };
    let required = tool.map(|tool| tool.required.as_slice()).unwrap_or_default();
    if let Some(missing) = required.iter().find(|parameter| !given.contains_key(*parameter)) {
        return Some(format!("required parameter `{missing}` of `{name}` is missing"));
    }
    for (parameter, value) in &given {
        let schema = match tool {
            Some(tool) => tool.properties.get(parameter),
            None => Some(&Value::Null),
        };
        let (Some(schema), Some(accepted)) = (schema, parameters.get(parameter)) else {
            return Some(format!("`{name}` takes no parameter `{parameter}` here"));
        };
        let accepted = accepted.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(fault) = value_fault(value, accepted, schema) {
            return Some(format!("parameter `{parameter}` of `{name}` {fault}"));
        }
    }
    let missing = parameters.iter().find(|(parameter, accepted)| {
        !given.contains_key(*parameter) && !accepted.as_array().is_some_and(|values| may_be_left_out(values))
    });
    missing.map(|(parameter, _)| format!("parameter `{parameter}` of `{name}` is missing"))
}

fn may_be_left_out(accepted: &[Value]) -> bool {
    accepted.is_empty() || accepted.iter().any(is_left_out)
}

fn is_left_out(value: &Value) -> bool {
    value.as_str() == Some("")
}

/// Says what is wrong with a value. Where the accepted values have another type than the declared one they name a variable:
/// then that type is right too, and the value is compared to the letter.
fn value_fault(value: &Value, accepted: &[Value], schema: &Value) -> Option<String> {
    let accepted_type = Type::accepted(accepted);
    // Where no type is declared, the accepted values say it; a whole number then equals its float.
    let by_example = accepted_type.map(|one| if one == Type::Integer { Type::Float } else { one });
    let Some(declared) = Type::declared(schema).or(by_example) else {
        return (!accepted.contains(value)).then(|| "has a value that is not accepted".to_owned());
    };
    let is_widened = declared == Type::Float && Type::of(value) == Type::Integer;
    let given = if is_widened { Type::Float } else { Type::of(value) };
    let is_right = match given == declared {
        true if given == Type::List && !items_fit(value, accepted, schema) => {
            return Some("holds items of another type".to_owned());
        }
        true if accepted_type.is_some_and(|accepted_type| accepted_type != declared) => is_among(value, accepted),
        true => is_accepted(value, accepted, declared, schema),
        false if accepted_type == Some(given) => is_among(value, accepted),
        false => return Some(format!("is {} where {} is due", given.word(), declared.word())),
    };
    (!is_right).then(|| "has a value that is not accepted".to_owned())
}

/// Whether the items of a list have the declared type, or that of the items in one of the accepted lists.
fn items_fit(value: &Value, accepted: &[Value], schema: &Value) -> bool {
    let Some(declared) = schema.get("items").and_then(Type::declared) else { return true };
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    accepted.is_empty()
        || accepted.iter().any(|one| match one {
            Value::Array(others) => {
                let types = [Some(declared), Type::accepted(others)];
                items.iter().all(|item| types.contains(&Some(Type::of(item))))
            }
            _ => true,
        })
}

fn is_accepted(value: &Value, accepted: &[Value], declared: Type, schema: &Value) -> bool {
    match (declared, value) {
        (Type::Text, Value::String(text)) => {
            let text = canonical_text(text);
            accepted.iter().filter_map(Value::as_str).any(|one| canonical_text(one) == text)
        }
        (Type::Object, Value::Object(members)) => accepted.iter().any(|one| is_accepted_object(members, one)),
        (Type::List, Value::Array(items)) => {
            let holds_objects = schema.get("items").and_then(Type::declared) == Some(Type::Object);
            accepted.iter().any(|one| match (one, holds_objects) {
                (Value::Array(others), true) => are_accepted_objects(items, others),
                (Value::Array(others), false) => are_equal_items(items, others),
                // An empty list says the same as leaving the parameter out.
                (one, _) => is_left_out(one) && items.is_empty(),
            })
        }
        _ => is_among(value, accepted),
    }
}

fn are_accepted_objects(items: &[Value], accepted: &[Value]) -> bool {
    items.len() == accepted.len()
        && items
            .iter()
            .zip(accepted)
            .all(|(item, one)| item.as_object().is_some_and(|item| is_accepted_object(item, one)))
}

/// An accepted object lists the accepted values of each member, or holds an object of that kind for it.
fn is_accepted_object(members: &Map<String, Value>, accepted: &Value) -> bool {
    let Some(accepted) = accepted.as_object() else { return false };
    let is_known = members.iter().all(|(name, value)| match (accepted.get(name), value) {
        (Some(Value::Array(values)), Value::String(text)) => {
            let text = canonical_text(text);
            values.iter().filter_map(Value::as_str).any(|one| canonical_text(one) == text)
        }
        (Some(Value::Array(values)), value) => is_among(value, values),
        (Some(one @ Value::Object(_)), Value::Object(inner)) => is_accepted_object(inner, one),
        _ => false,
    });
    let is_missing = |name: &String, values: &Value| {
        !members.contains_key(name) && !values.as_array().is_some_and(|values| values.iter().any(is_left_out))
    };
    is_known && !accepted.iter().any(|(name, values)| is_missing(name, values))
}

/// Lists agree item by item, in order: strings as [`canonical_text`], all else to the letter.
fn are_equal_items(items: &[Value], others: &[Value]) -> bool {
    items.len() == others.len()
        && items.iter().zip(others).all(|pair| match pair {
            (Value::String(item), Value::String(other)) => canonical_text(item) == canonical_text(other),
            (item, other) => is_same(item, other),
        })
}

fn is_among(value: &Value, accepted: &[Value]) -> bool {
    accepted.iter().any(|one| is_same(value, one))
}

/// Equality to the letter, with numbers by their value: 5 is 5.0.
fn is_same(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_same(value, other)))
        }
        _ => first == second,
    }
}
