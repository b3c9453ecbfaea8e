//! Errors spelt in the caller's dialect.

use serde_json::json;

use crate::Api;

/// The kinds of error a caller can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller's request is wrong.
    InvalidRequest,
    /// No such model, step or path.
    NotFound,
    /// The caller's key is missing, unknown, or no longer good.
    Authentication,
    /// The caller's key does not allow this.
    Permission,
    /// A budget is used up.
    Quota,
    /// Too many requests, or the engine's queue is full.
    Busy,
    /// The upstream could not be reached or broke off.
    Upstream,
    /// A broken invariant of ours.
    Internal,
}

impl ErrorKind {
    fn openai(self) -> &'static str {
        match self {
            ErrorKind::InvalidRequest | ErrorKind::NotFound => "invalid_request_error",
            ErrorKind::Authentication => "authentication_error",
            ErrorKind::Permission => "permission_error",
            ErrorKind::Quota => "insufficient_quota",
            ErrorKind::Busy => "rate_limit_error",
            ErrorKind::Upstream => "upstream_error",
            ErrorKind::Internal => "server_error",
        }
    }

    fn anthropic(self) -> &'static str {
        match self {
            ErrorKind::InvalidRequest => "invalid_request_error",
            ErrorKind::NotFound => "not_found_error",
            ErrorKind::Authentication => "authentication_error",
            ErrorKind::Permission => "permission_error",
            ErrorKind::Quota => "billing_error",
            ErrorKind::Busy => "overloaded_error",
            ErrorKind::Upstream | ErrorKind::Internal => "api_error",
        }
    }
}

/// Returns the body of an error answer in the caller's dialect.
pub fn error_body(api: Api, kind: ErrorKind, message: &str) -> Vec<u8> {
    let body = match api {
        Api::OpenAiChat | Api::OpenAiResponses | Api::OpenAiEmbeddings | Api::Opaque => {
            json!({"error": {"message": message, "type": kind.openai(), "param": null, "code": null}})
        }
        Api::AnthropicMessages | Api::AnthropicCountTokens => {
            json!({"type": "error", "error": {"type": kind.anthropic(), "message": message}})
        }
    };
    body.to_string().into_bytes()
}
