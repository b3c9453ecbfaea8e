//! Divides the cases of an assessment by what was declared: a customer, a category, a length. A loss in one may hide in the whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use freehold_evidence::check::extract;
use freehold_evidence::{Decision, strata};
use freehold_wire::Message;
use serde::Deserialize;

use super::cases::Case;
use super::result::Subset;

/// The most subsets that one divider makes; the cases of the smaller ones are taken together.
const SUBSETS_MAX: usize = 24;
const NONE: &str = "(none)";
const REST: &str = "(the others)";

/// What divides the cases of a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Divider {
    /// A mark that the caller sends along: an entry of `metadata`, or `user_id`.
    Metadata(String),
    /// A field of the reference answer, by dots or as a JSON pointer.
    Field(String),
    /// The first tool that the reference answer calls.
    Tool,
    /// The request's length, in thirds.
    Length,
}

impl FromStr for Divider {
    type Err = String;

    fn from_str(spec: &str) -> Result<Self, String> {
        match spec.trim().split_once(':') {
            Some(("metadata", name)) if !name.is_empty() => Ok(Self::Metadata(name.to_owned())),
            Some(("field", path)) if !path.is_empty() => Ok(Self::Field(path.to_owned())),
            None if spec.trim() == "tool" => Ok(Self::Tool),
            None if spec.trim() == "length" => Ok(Self::Length),
            _ => Err(format!("`{spec}` divides nothing: metadata:NAME, field:PATH, tool and length do")),
        }
    }
}

impl TryFrom<String> for Divider {
    type Error = String;

    fn try_from(spec: String) -> Result<Self, String> {
        spec.parse()
    }
}

impl fmt::Display for Divider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(name) => write!(formatter, "metadata:{name}"),
            Self::Field(path) => write!(formatter, "field:{path}"),
            Self::Tool => formatter.write_str("tool"),
            Self::Length => formatter.write_str("length"),
        }
    }
}

impl Divider {
    /// Returns the subset of each case; those with few cases come together once there are too many.
    pub(super) fn divide(&self, cases: &[&Case]) -> Vec<String> {
        let mut values: Vec<String> = match self {
            Self::Length => thirds(cases),
            _ => cases.iter().map(|case| self.value(case).unwrap_or_else(|| NONE.to_owned())).collect(),
        };
        let mut counts: HashMap<String, usize> = HashMap::new();
        for value in &values {
            *counts.entry(value.clone()).or_default() += 1;
        }
        if counts.len() > SUBSETS_MAX {
            let mut largest: Vec<(String, usize)> = counts.into_iter().collect();
            largest.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
            largest.truncate(SUBSETS_MAX - 1);
            for value in &mut values {
                if !largest.iter().any(|(kept, _)| kept == value) {
                    *value = REST.to_owned();
                }
            }
        }
        values
    }

    fn value(&self, case: &Case) -> Option<String> {
        match self {
            Self::Metadata(name) => {
                case.request.metadata.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
            }
            Self::Field(path) => {
                let pointer = if path.starts_with('/') { path.clone() } else { format!("/{}", path.replace('.', "/")) };
                let found = extract(&case.reference.text)?.value;
                let value = found.pointer(&pointer).filter(|value| !value.is_null())?;
                Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            }
            Self::Tool => case.reference.tool_calls.first().map(|call| call.name.clone()),
            Self::Length => None,
        }
    }
}

/// What a divider made of all cases, before any of them was replayed.
#[derive(Debug, Clone)]
pub(super) struct Divided {
    by: String,
    /// The subset of each case, in the order of the cases.
    values: Vec<String>,
}

/// Divides the cases by each divider.
pub(super) fn divide(dividers: &[Divider], cases: &[Case]) -> Vec<Divided> {
    let cases: Vec<&Case> = cases.iter().collect();
    dividers.iter().map(|divider| Divided { by: divider.to_string(), values: divider.divide(&cases) }).collect()
}

/// Decides every subset of what is known of the cases apart, by the method that decides the whole; the largest first within each divider.
///
/// # Errors
/// The method refuses a subset.
pub(super) fn decide<T: Clone, E>(
    divided: &[Divided],
    cases: &[T],
    method: impl Fn(&[T]) -> Result<Decision, E>,
) -> Result<Vec<Subset>, E> {
    let mut subsets = Vec::new();
    for divided in divided {
        let mut members: BTreeMap<&str, Vec<T>> = BTreeMap::new();
        for (value, case) in divided.values.iter().zip(cases) {
            members.entry(value).or_default().push(case.clone());
        }
        let mut decided = Vec::with_capacity(members.len());
        for (value, cases) in members {
            decided.push(Subset::of(divided.by.clone(), value.to_owned(), &strata::held_back(method(&cases)?)));
        }
        decided.sort_by_key(|subset| Reverse(subset.n));
        subsets.extend(decided);
    }
    Ok(subsets)
}

/// Divides at the thirds of the requests' lengths in characters, and names the bounds.
fn thirds(cases: &[&Case]) -> Vec<String> {
    let length = |case: &&Case| -> u64 {
        case.request.messages.iter().map(Message::text).map(|text| text.chars().count() as u64).sum()
    };
    let lengths: Vec<u64> = cases.iter().map(length).collect();
    let [short, middle] = strata::third_bounds(&lengths);
    lengths
        .into_iter()
        .map(|length| match length {
            _ if length <= short => format!("up to {short} characters"),
            _ if length <= middle => format!("{} to {middle} characters", short + 1),
            _ => format!("over {middle} characters"),
        })
        .collect()
}
