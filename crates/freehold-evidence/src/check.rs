//! Checks: functions that score one output against a reference in [0, 1].
//! Each says how it compares; none calls a model, runs a tool or reads a file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod choice;
mod fields;
mod json;
mod numeric;
mod schema;
mod spec;
mod text;
mod tool_call;

pub use choice::Shape;
pub use json::extract;
pub use schema::SchemaRule;
pub use spec::Error;
pub use text::normalise;

/// Holds what a model answered, or the reference for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The text of the answer; empty where it only calls tools.
    pub text: String,
    /// The tools called, in order.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
}

/// Holds one tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Name of the tool.
    pub name: String,
    /// Its arguments: an object, or a string that holds one as JSON, as some APIs send it.
    pub arguments: Value,
}

/// Holds a score, and why it is what it is where that is not plain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// From 0 (wrong) to 1 (right).
    pub value: f64,
    /// What a reader of the report needs to see.
    pub reason: Option<String>,
}

impl Score {
    /// Returns the score of an answer that never came or cannot be used: 0, never left out.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { value: 0.0, reason: Some(reason.into()) }
    }

    fn right() -> Self {
        Self { value: 1.0, reason: None }
    }

    fn graded(value: f64) -> Self {
        Self { value, reason: None }
    }
}

/// Holds how far two numbers may lie apart and still agree; the wider of the two limits counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    absolute: f64,
    relative: f64,
}

impl Tolerance {
    /// The tolerance for numbers meant to be equal: one part in 10^9, for the rounding of their spelling.
    pub const EQUAL: Self = Self { absolute: 0.0, relative: 1e-9 };

    /// Returns a tolerance of at least [`Self::EQUAL`]; `None` unless both limits are finite and not negative.
    #[must_use]
    pub fn new(absolute: f64, relative: f64) -> Option<Self> {
        let legal = |limit: f64| limit.is_finite() && limit >= 0.0;
        (legal(absolute) && legal(relative)).then_some(Self { absolute, relative: relative.max(Self::EQUAL.relative) })
    }

    fn holds(&self, output: f64, reference: f64) -> bool {
        (output - reference).abs() <= self.absolute.max(self.relative * reference.abs())
    }
}

/// A way to score one output against a reference.
#[derive(Debug, Clone)]
pub enum Check {
    /// Texts equal after [`normalise`].
    Exact,
    /// F1 over the (path, value) leaves of two JSON values: twice the equal leaves over the leaves of both.
    ///
    /// Arrays go by position, a null counts as absent, numbers agree to one part in 10^9, strings after [`normalise`].
    Fields,
    /// All leaves equal, as in [`Check::Fields`], right or wrong.
    FieldsExact,
    /// One field equal, right or wrong; the path goes by dots or is a JSON pointer.
    Field {
        /// Path of the field, such as `category`, `order.items.0` or `/order/id`.
        path: String,
    },
    /// The answer holds JSON that is valid under a schema; the reference plays no part.
    Schema(Arc<SchemaRule>),
    /// The same tools called with the same arguments, in any order, right or wrong.
    ///
    /// Follows the matching of the Berkeley Function-Calling Leaderboard (Patil et al. 2024) against one reference: names
    /// with dots as underscores; strings lower-cased without space and `, . / - _ * ^`; an integer equals its float.
    /// Strings that both are numbers compare as numbers, and a null argument as one left out. A reference without calls
    /// is met by making none.
    ToolCall,
    /// Numbers equal within a tolerance, right or wrong; the last number of a text counts.
    Numeric(Tolerance),
    /// ROUGE-L F1 of the words (Lin 2004): describes likeness of wording, a weak sign of likeness of meaning.
    ///
    /// Words are runs of letters and digits in any script, lower-cased; scripts written without spaces count by character.
    Text,
}

impl Check {
    /// Returns the score of an output against the reference.
    ///
    /// Where the reference answers by calling tools and nothing else, every check but the schema compares the calls.
    #[must_use]
    pub fn score(&self, output: &Output, reference: &Output) -> Score {
        if let Self::Schema(rule) = self {
            return rule.score(output);
        }
        if matches!(self, Self::ToolCall) || calls_only(reference) {
            return tool_call::score(&output.tool_calls, &reference.tool_calls);
        }
        if calls_only(output) {
            return Score::failed("called a tool where an answer was due");
        }
        if output.text.trim().is_empty() && !reference.text.trim().is_empty() {
            return Score::failed("the answer is empty");
        }
        self.score_text(&output.text, &reference.text)
    }

    fn score_text(&self, output: &str, reference: &str) -> Score {
        match self {
            Self::Exact => text::exact(output, reference),
            Self::Fields => fields::f1(output, reference),
            Self::FieldsExact => fields::all_equal(output, reference),
            Self::Field { path } => fields::one_equal(output, reference, path),
            Self::Numeric(tolerance) => numeric::score(output, reference, *tolerance),
            Self::Text | Self::Schema(_) | Self::ToolCall => text::rouge_l(output, reference),
        }
    }
}

fn calls_only(output: &Output) -> bool {
    !output.tool_calls.is_empty() && output.text.trim().is_empty()
}
