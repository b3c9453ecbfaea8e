//! Checks: functions that score one output against a reference in [0, 1].
//! Each says how it compares; none calls a model, runs a tool or reads a file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod accepted;
mod choice;
mod chrf;
mod describe;
mod fields;
mod given;
mod json;
mod line;
mod numeric;
mod pattern;
mod refusal;
mod schema;
mod similarity;
mod spec;
mod text;
mod tool_call;

pub use accepted::{AcceptedCall, Tool};
pub use choice::Shape;
pub use fields::FieldRules;
pub use given::{GivenError, given};
pub use json::{Found, extract};
pub use line::{Line, LineError, LineScorer, members};
pub use pattern::Pattern;
pub use refusal::refuses;
pub use schema::SchemaRule;
pub use similarity::{EmbeddingsError, cosine, embeddings, similarity};
pub use spec::Error;
pub use text::{Normalisation, normalise};

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

/// Holds what an output is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Reference {
    /// One answer.
    Answer(Output),
    /// An answer whose tool calls may take any of the accepted values.
    Accepted {
        /// The text of the answer.
        text: String,
        /// The calls, in any order.
        calls: Vec<AcceptedCall>,
    },
}

impl From<Output> for Reference {
    fn from(output: Output) -> Self {
        Self::Answer(output)
    }
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
    /// Texts equal after normalising, right or wrong.
    Exact(Normalisation),
    /// A pattern found in the answer; where it captures a part, that part equal to the reference's. Right or wrong.
    Regex(Arc<Pattern>),
    /// Numbers equal within a tolerance, right or wrong; the last number of a text counts.
    Numeric(Tolerance),
    /// The answer holds a JSON object or array; the reference plays no part.
    Json(JsonPlace),
    /// The answer holds JSON that is valid under a schema; the reference plays no part.
    Schema(Arc<SchemaRule>),
    /// How far the (path, value) leaves of two JSON values agree.
    ///
    /// Arrays go by position unless a rule says otherwise, a null counts as absent, numbers agree to one part in 10^9 or
    /// within the field's tolerance, strings after [`normalise`].
    Fields(FieldFigure, Arc<FieldRules>),
    /// One field equal, right or wrong; the path goes by dots or is a JSON pointer.
    Field {
        /// Path of the field, such as `category`, `order.items.0` or `/order/id`.
        path: String,
    },
    /// The same tools called with the same arguments, in any order, right or wrong.
    ///
    /// Against accepted values: the rules of the Berkeley Function-Calling Leaderboard (Patil et al. 2024), see
    /// [`AcceptedCall`]. Against one answer: its matching of names (dots as underscores) and strings (lower-cased, without
    /// space and `, . / - _ * ^`); an integer equals its float, strings that both are numbers compare as numbers, a null
    /// argument as one left out. A reference without calls is met by making none.
    ToolCall,
    /// The answer refuses where the reference does, and nowhere else, right or wrong; a reference may be `true` or `false`.
    Refusal,
    /// The answer says something and is no refusal; the reference plays no part.
    Answered,
    /// ROUGE-L F1 of the words (Lin 2004): describes likeness of wording, a weak sign of likeness of meaning.
    ///
    /// Words are runs of letters and digits in any script, lower-cased; scripts written without spaces count by character.
    RougeL,
    /// chrF2 (Popovic 2015): overlap of runs of one to six characters, recall counted twice as heavily as precision.
    Chrf,
}

/// Where the JSON of an answer may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonPlace {
    /// The whole answer is JSON.
    Whole,
    /// The whole answer, or a part of it.
    Anywhere,
}

/// What counts of the leaves that agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldFigure {
    /// Twice the equal leaves over the leaves of both.
    F1,
    /// The equal leaves over those of the output.
    Precision,
    /// The equal leaves over those of the reference.
    Recall,
    /// All leaves equal, right or wrong.
    AllEqual,
}

impl Check {
    /// Returns the score of an output against one answer.
    ///
    /// Where the reference answers by calling tools and nothing else, every check that compares with it compares the calls.
    #[must_use]
    pub fn score(&self, output: &Output, reference: &Output) -> Score {
        match self {
            Self::Schema(rule) => return rule.score(output),
            Self::Json(place) => return json::score(output, *place),
            Self::Answered => return refusal::answered(output),
            Self::ToolCall => return tool_call::score(&output.tool_calls, &reference.tool_calls),
            _ if calls_only(reference) && self.needs_reference() => {
                return tool_call::score(&output.tool_calls, &reference.tool_calls);
            }
            _ => {}
        }
        if calls_only(output) && !matches!(self, Self::Refusal) {
            return Score::failed("called a tool where an answer was due");
        }
        let may_be_empty = reference.text.trim().is_empty() && self.needs_reference();
        if output.text.trim().is_empty() && !calls_only(output) && !may_be_empty {
            return Score::failed("the answer is empty");
        }
        self.score_text(&output.text, &reference.text)
    }

    /// Returns the score of an output against a reference that may accept several values; `tools` are those on offer.
    #[must_use]
    pub fn score_with(&self, output: &Output, reference: &Reference, tools: &[Tool]) -> Score {
        match reference {
            Reference::Answer(reference) => self.score(output, reference),
            Reference::Accepted { text, calls } => {
                if matches!(self, Self::ToolCall)
                    || (text.trim().is_empty() && !calls.is_empty() && self.needs_reference())
                {
                    return accepted::score(&output.tool_calls, calls, tools);
                }
                self.score(output, &Output { text: text.clone(), tool_calls: Vec::new() })
            }
        }
    }

    /// Returns whether the check compares with a reference; the others look at the answer alone.
    #[must_use]
    pub fn needs_reference(&self) -> bool {
        match self {
            Self::Schema(_) | Self::Json(_) | Self::Answered => false,
            Self::Regex(pattern) => pattern.captures(),
            _ => true,
        }
    }

    fn compares_json(&self) -> bool {
        matches!(self, Self::Fields(..) | Self::Field { .. } | Self::Schema(_) | Self::Json(_))
    }

    fn score_text(&self, output: &str, reference: &str) -> Score {
        match self {
            Self::Exact(normalisation) => text::exact(output, reference, normalisation),
            Self::Regex(pattern) => pattern.score(output, reference),
            Self::Fields(figure, rules) => fields::score(output, reference, *figure, rules),
            Self::Field { path } => fields::one_equal(output, reference, path),
            Self::Numeric(tolerance) => numeric::score(output, reference, *tolerance),
            Self::Refusal => refusal::score(output, reference),
            Self::Chrf => chrf::score(output, reference),
            Self::RougeL | Self::Schema(_) | Self::Json(_) | Self::ToolCall | Self::Answered => {
                text::rouge_l(output, reference)
            }
        }
    }
}

fn calls_only(output: &Output) -> bool {
    !output.tool_calls.is_empty() && output.text.trim().is_empty()
}
