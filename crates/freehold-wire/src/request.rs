//! The neutral view of a request, whichever dialect spelt it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Api, ToolCall};

/// A request as the engine, the identification and the checks see it.
///
/// Fields that nobody here acts on are left out; the body itself is kept beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The dialect it came in.
    pub api: Api,
    /// The model that was asked for; empty where the body does not say (never in Anthropic's dialect).
    pub model: String,
    /// System, developer and `instructions` texts in order, joined by one empty line; empty when there is none.
    pub system: String,
    /// The turns after the system text, in order.
    pub messages: Vec<Message>,
    /// The tools offered.
    pub tools: Vec<Tool>,
    /// Which tool must or may be called.
    pub tool_choice: ToolChoice,
    /// The shape asked of the answer.
    pub response_format: ResponseFormat,
    /// How to sample, and when to stop.
    pub sampling: Sampling,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether the final usage was asked for in a Chat Completions stream (`stream_options.include_usage`).
    pub stream_usage: bool,
    /// Caller-chosen marks: OpenAI `metadata` entries, Anthropic `metadata.user_id` (as `user_id`), in order.
    pub metadata: Vec<(String, String)>,
    /// Whether at most one tool may be called (`parallel_tool_calls: false`, Anthropic's `disable_parallel_tool_use`).
    #[serde(default)]
    pub one_tool_call: bool,
}

/// Who speaks a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The application or its user.
    User,
    /// The model.
    Assistant,
    /// A tool's result (spelt as a user turn by Anthropic).
    Tool,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// One piece of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text(String),
    /// A call of a tool by the model.
    ToolCall(ToolCall),
    /// The result of a tool call, as text.
    ToolResult {
        /// The id of the call it answers.
        id: String,
        /// The result; structured results are JSON text.
        text: String,
    },
    /// Reasoning that the vendor returned and the caller sent back.
    Reasoning(String),
    /// Anything else (image, audio, file), kept as the provider's own JSON.
    Other(Value),
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for; empty when not said.
    pub description: String,
    /// The JSON schema of its arguments; `{}` when not said.
    pub parameters: Value,
}

/// Which tool must or may be called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool may be called.
    None,
    /// Some tool must be called (OpenAI `required`, Anthropic `any`).
    Required,
    /// This tool must be called.
    Named(String),
}

/// The shape asked of the answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that is valid under this schema.
    JsonSchema(Value),
}

/// How to sample, and when to stop. `None` leaves the choice to the server.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sampling {
    /// The most tokens to generate.
    pub max_tokens: Option<u32>,
    /// Temperature; 0 is greedy.
    pub temperature: Option<f32>,
    /// Nucleus share.
    pub top_p: Option<f32>,
    /// How many of the likeliest tokens take part; 0 for all.
    #[serde(default)]
    pub top_k: Option<u32>,
    /// The least share of the likeliest token's probability with which a token takes part.
    #[serde(default)]
    pub min_p: Option<f32>,
    /// Seed of the sampler.
    pub seed: Option<u64>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// How many likely tokens are told beside each token of the text with their log probabilities; 0 tells the token's
    /// own only, `None` nothing.
    #[serde(default)]
    pub top_logprobs: Option<u32>,
}

impl Message {
    /// Returns the texts of the turn joined without a separator.
    pub fn text(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
            .collect()
    }
}
