//! The API families whose calls are understood.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An API family: the dialect in which a call is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Api {
    /// OpenAI Chat Completions, `POST /v1/chat/completions`.
    #[serde(rename = "openai.chat")]
    OpenAiChat,
    /// OpenAI Responses, `POST /v1/responses`.
    #[serde(rename = "openai.responses")]
    OpenAiResponses,
    /// Anthropic Messages, `POST /v1/messages`.
    #[serde(rename = "anthropic.messages")]
    AnthropicMessages,
}

impl Api {
    /// Returns every family, in the order of their introduction here.
    pub const ALL: [Api; 3] = [Api::OpenAiChat, Api::OpenAiResponses, Api::AnthropicMessages];

    /// Returns the stable name, such as `openai.chat`.
    pub fn as_str(self) -> &'static str {
        match self {
            Api::OpenAiChat => "openai.chat",
            Api::OpenAiResponses => "openai.responses",
            Api::AnthropicMessages => "anthropic.messages",
        }
    }

    /// Returns the path below the vendor's base address, such as `/v1/messages`.
    pub fn path(self) -> &'static str {
        match self {
            Api::OpenAiChat => "/v1/chat/completions",
            Api::OpenAiResponses => "/v1/responses",
            Api::AnthropicMessages => "/v1/messages",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not one of an API family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown api {0:?}: expected openai.chat, openai.responses or anthropic.messages")]
pub struct UnknownApi(pub String);

impl FromStr for Api {
    type Err = UnknownApi;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Api::ALL.into_iter().find(|api| api.as_str() == name).ok_or_else(|| UnknownApi(name.to_owned()))
    }
}
