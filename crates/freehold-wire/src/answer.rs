//! The neutral view of an answer, whichever dialect spelt it.

use serde::{Deserialize, Serialize};

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The provider's id of the answer; empty when not said.
    pub id: String,
    /// The model that says it answered; empty when not said.
    pub model: String,
    /// The text, all text blocks joined.
    pub text: String,
    /// Reasoning shown beside the text; empty when none.
    pub reasoning: String,
    /// The tools called, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended; `None` when the answer was cut.
    pub finish: Option<Finish>,
    /// Tokens, where the provider says.
    pub usage: Option<Usage>,
}

/// A call of a tool. It is recorded and compared, and never executed here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call; empty when not said.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, as the model wrote them.
    pub arguments: String,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop text was reached.
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// The model called a tool and waits for the result.
    ToolCalls,
    /// The provider withheld the content.
    Refused,
}

/// Tokens of one call. `input` counts all prompt tokens, cached ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens, those read from or written to a cache included.
    pub input: u64,
    /// Prompt tokens that were read from the provider's cache.
    pub cache_read: u64,
    /// Prompt tokens that were written to the provider's cache.
    pub cache_write: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Generated tokens that were reasoning, where the provider says.
    pub reasoning: u64,
}
