//! JSON answers compared leaf by leaf: the (path, value) pairs of both.

use serde_json::Value;

use super::json::{self, Found};
use super::{FieldFigure, Score};

mod leaves;
mod rules;

use leaves::{Leaves, leaves};
pub use rules::FieldRules;

pub(super) fn score(output: &str, reference: &str, figure: FieldFigure, rules: &FieldRules) -> Score {
    let (output, reference) = match both(output, reference) {
        Ok(found) => found,
        Err(score) => return score,
    };
    let (of_output, of_reference) = (leaves(&output.value, rules), leaves(&reference.value, rules));
    let difference = first_difference(&of_output, &of_reference);
    if figure == FieldFigure::AllEqual {
        return match difference {
            Some(difference) => Score::failed(difference),
            None => Score { value: 1.0, reason: output.remark() },
        };
    }
    let equal =
        of_reference.iter().filter(|(path, leaf)| of_output.get(*path).is_some_and(|given| given.is_equal(leaf)));
    let equal = equal.count() as f64;
    // Of nothing, all is right: an output without leaves says nothing wrong, a reference without leaves asks for nothing.
    let share = |all: usize| if all == 0 { 1.0 } else { equal / all as f64 };
    let (precision, recall) = (share(of_output.len()), share(of_reference.len()));
    let both = of_output.len() + of_reference.len();
    let value = match figure {
        FieldFigure::Precision => precision,
        FieldFigure::Recall => recall,
        _ if both == 0 => 1.0,
        _ => 2.0 * equal / both as f64,
    };
    let reason = difference.map(|difference| format!("{difference} (precision {precision:.3}, recall {recall:.3})"));
    Score { value, reason: reason.or_else(|| output.remark()) }
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
    let rules = FieldRules::default();
    match first_difference(&leaves(given, &rules), &leaves(expected, &rules)) {
        Some(_) => Score::failed(format!("field `{path}` differs")),
        None => Score { value: 1.0, reason: output.remark() },
    }
}

fn both(output: &str, reference: &str) -> Result<(Found, Found), Score> {
    let reference = json::extract(reference).ok_or_else(|| Score::failed("the reference holds no JSON"))?;
    let output = json::extract(output).ok_or_else(|| Score::failed("the answer holds no JSON"))?;
    Ok((output, reference))
}

fn first_difference(output: &Leaves<'_>, reference: &Leaves<'_>) -> Option<String> {
    let name = |shown: &str| if shown.is_empty() { "the value".to_owned() } else { format!("field `{shown}`") };
    for (path, leaf) in reference {
        match output.get(path) {
            None => return Some(format!("{} is missing", name(&leaf.shown))),
            Some(given) if !given.is_equal(leaf) => return Some(format!("{} differs", name(&leaf.shown))),
            Some(_) => {}
        }
    }
    let (_, surplus) = output.iter().find(|(path, _)| !reference.contains_key(*path))?;
    Some(format!("{} is not in the reference", name(&surplus.shown)))
}
