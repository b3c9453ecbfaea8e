//! The check a step gets when nobody names one, from the shape of what it is asked and answers.

use serde_json::Value;

use super::{Check, FieldFigure, FieldRules, Normalisation, Output, Tolerance, calls_only, json, numeric};

/// Share of the references that must look alike for a check to rest on their look.
const ALIKE_MIN: f64 = 0.9;
/// A label is at most this long.
const LABEL_CHARS_MAX: usize = 40;
/// A label is at most this many words.
const LABEL_WORDS_MAX: usize = 4;

/// Holds what is known of a step when a check is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// The response schema that the calls of the step declare, if any.
    pub schema: Option<&'a Value>,
    /// Whether the calls offer tools.
    pub has_tools: bool,
    /// The references of some cases; a few dozen are enough.
    pub references: &'a [Output],
}

impl Check {
    /// Returns the check that fits a step's shape.
    ///
    /// All fields equal where a response schema is declared or nearly all references are JSON objects or arrays; tool calls
    /// where tools are offered and at least half of the references call one; numbers and short labels where nearly all
    /// references are such; likeness of wording else. Right/wrong checks come first: their test is the sharper one.
    #[must_use]
    pub fn default_for(shape: &Shape<'_>) -> Self {
        if shape.has_tools && share(shape.references, |reference| !reference.tool_calls.is_empty()) >= 0.5 {
            return Self::ToolCall;
        }
        if shape.schema.is_some() {
            return all_fields();
        }
        let texts: Vec<&str> = shape
            .references
            .iter()
            .filter(|reference| !calls_only(reference))
            .map(|reference| reference.text.trim())
            .collect();
        if share(&texts, |text| is_json(text)) >= ALIKE_MIN {
            all_fields()
        } else if share(&texts, |text| numeric::is_number(text)) >= ALIKE_MIN {
            Self::Numeric(Tolerance::EQUAL)
        } else if share(&texts, |text| is_label(text)) >= ALIKE_MIN {
            Self::Exact(Normalisation::all())
        } else {
            Self::RougeL
        }
    }
}

fn all_fields() -> Check {
    Check::Fields(FieldFigure::AllEqual, FieldRules::default().into())
}

/// Share of the items for which a claim holds; 0 where there are none.
fn share<T>(items: &[T], claim: impl Fn(&T) -> bool) -> f64 {
    items.iter().filter(|item| claim(item)).count() as f64 / items.len().max(1) as f64
}

fn is_json(text: &str) -> bool {
    json::extract(text).is_some_and(|found| found.value.is_object() || (found.is_strict && found.value.is_array()))
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.contains('\n')
        && text.chars().count() <= LABEL_CHARS_MAX
        && text.split_whitespace().count() <= LABEL_WORDS_MAX
}
