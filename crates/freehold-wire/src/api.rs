//! The API families whose calls are carried.

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
    /// OpenAI Embeddings, `POST /v1/embeddings`.
    #[serde(rename = "openai.embeddings")]
    OpenAiEmbeddings,
    /// Anthropic's token count, `POST /v1/messages/count_tokens`.
    #[serde(rename = "anthropic.count_tokens")]
    AnthropicCountTokens,
    /// Any other path of a vendor: passed through as opaque bytes, and recorded by size and digest.
    #[serde(rename = "opaque")]
    Opaque,
}

/// A way to spell conversations, their streams and their errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As OpenAI Chat Completions does.
    Chat,
    /// As OpenAI Responses does.
    Responses,
    /// As Anthropic Messages does.
    Messages,
}

impl Api {
    /// The dialects in which one converses with a model; they can be translated into each other.
    pub const DIALECTS: [Api; 3] = [Api::OpenAiChat, Api::OpenAiResponses, Api::AnthropicMessages];

    /// Every family.
    pub const ALL: [Api; 6] = [
        Api::OpenAiChat,
        Api::OpenAiResponses,
        Api::AnthropicMessages,
        Api::OpenAiEmbeddings,
        Api::AnthropicCountTokens,
        Api::Opaque,
    ];

    /// Returns the stable name, such as `openai.chat`.
    pub fn as_str(self) -> &'static str {
        match self {
            Api::OpenAiChat => "openai.chat",
            Api::OpenAiResponses => "openai.responses",
            Api::AnthropicMessages => "anthropic.messages",
            Api::OpenAiEmbeddings => "openai.embeddings",
            Api::AnthropicCountTokens => "anthropic.count_tokens",
            Api::Opaque => "opaque",
        }
    }

    /// Returns the path below the vendor's base address, such as `/v1/messages`; empty for opaque calls, which have any.
    pub fn path(self) -> &'static str {
        match self {
            Api::OpenAiChat => "/v1/chat/completions",
            Api::OpenAiResponses => "/v1/responses",
            Api::AnthropicMessages => "/v1/messages",
            Api::OpenAiEmbeddings => "/v1/embeddings",
            Api::AnthropicCountTokens => "/v1/messages/count_tokens",
            Api::Opaque => "",
        }
    }

    /// Returns the family that is spoken at a path, where it is a known one.
    pub fn at(path: &str) -> Option<Api> {
        Api::ALL.into_iter().find(|api| !api.path().is_empty() && api.path() == path)
    }

    /// Returns the dialect in which its errors and streams are spelt: that of its vendor's conversational API.
    ///
    /// Opaque calls count as OpenAI's, whose error form most servers share.
    pub fn dialect(self) -> Dialect {
        match self {
            Api::OpenAiChat | Api::OpenAiEmbeddings | Api::Opaque => Dialect::Chat,
            Api::OpenAiResponses => Dialect::Responses,
            Api::AnthropicMessages | Api::AnthropicCountTokens => Dialect::Messages,
        }
    }

    /// Returns whether it is one of Anthropic's.
    pub fn is_anthropic(self) -> bool {
        matches!(self, Api::AnthropicMessages | Api::AnthropicCountTokens)
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not one of an API family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown api {0:?}: expected {names}", names = names())]
pub struct UnknownApi(pub String);

fn names() -> String {
    Api::ALL.map(Api::as_str).join(", ")
}

impl FromStr for Api {
    type Err = UnknownApi;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Api::ALL.into_iter().find(|api| api.as_str() == name).ok_or_else(|| UnknownApi(name.to_owned()))
    }
}
