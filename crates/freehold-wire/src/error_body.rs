//! Errors spelt in the caller's dialect: our own, and those of a vendor who speaks another one.

use serde_json::{Value, json};

use crate::json::{Json, word};
use crate::{Api, Dialect};

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
    error_body_blaming(api, kind, message, None)
}

/// Returns the same with the field at fault and the code for the case, which only OpenAI's dialects have a place for.
pub fn error_body_blaming(api: Api, kind: ErrorKind, message: &str, blamed: Option<(&str, Option<&str>)>) -> Vec<u8> {
    let body = match api.dialect() {
        Dialect::Chat | Dialect::Responses => {
            let (param, code) = blamed.map_or((None, None), |(param, code)| (Some(param), code));
            json!({"error": {"message": message, "type": kind.openai(), "param": param, "code": code}})
        }
        Dialect::Messages => json!({"type": "error", "error": {"type": kind.anthropic(), "message": message}}),
    };
    body.to_string().into_bytes()
}

/// An error as a vendor tells of it, in the vendor's own words. What is not said is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VendorError {
    /// What went wrong, for people.
    pub message: String,
    /// The vendor's word for the kind (`type`).
    pub kind: String,
    /// The vendor's code.
    pub code: String,
    /// The field of the request that is at fault.
    pub param: String,
}

/// The kinds of error that the vendors tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Invalid,
    TooLong,
    Authentication,
    Permission,
    Billing,
    NotFound,
    TooLarge,
    RateLimit,
    Overloaded,
    Timeout,
    Server,
}

impl VendorError {
    /// Names an error that the reader itself found.
    pub(crate) fn of_reading(message: impl Into<String>) -> Self {
        VendorError { message: message.into(), kind: "server_error".to_owned(), ..VendorError::default() }
    }

    /// Reads an error object, or the text that stands in its place.
    pub(crate) fn read(error: &Json<'_>) -> Self {
        let text = |name: &str| match error.get(name) {
            Some(Json::Text(text)) => text.clone().into_owned(),
            Some(Json::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = error.as_str().map_or_else(|| text("message"), str::to_owned);
        let mut read = VendorError { message, kind: text("type"), code: text("code"), param: text("param") };
        if read.message.is_empty() {
            let name = [&read.kind, &read.code].into_iter().find(|name| !name.is_empty());
            read.message = name.map_or_else(
                || "an error without a message".to_owned(),
                |name| format!("an error of type {}", word(name)),
            );
        }
        read
    }

    /// Reads an event of the type `error`, which holds the error object or is it.
    pub(crate) fn read_event(event: &Json<'_>) -> Self {
        event
            .get("error")
            .map_or_else(|| VendorError { kind: String::new(), ..VendorError::read(event) }, VendorError::read)
    }

    /// Returns the error object in a dialect; `status` is the answer's HTTP status, 0 inside a stream.
    pub(crate) fn spelt(&self, to: Dialect, status: u16) -> Value {
        let class = self.class(status);
        match to {
            Dialect::Messages => {
                let says_so = self.message.contains("prompt is too long");
                // Claude's clients shorten their history when they read these words.
                let prefix = if class == Class::TooLong && !says_so { "prompt is too long: " } else { "" };
                let mut error = json!({"type": class.anthropic(), "message": format!("{prefix}{}", self.message)});
                for (name, said) in [("code", &self.code), ("param", &self.param)] {
                    if !said.is_empty() {
                        error[name] = said.as_str().into();
                    }
                }
                error
            }
            Dialect::Chat | Dialect::Responses => json!({
                "message": self.message,
                "type": class.openai(),
                "param": if self.param.is_empty() { Value::Null } else { self.param.as_str().into() },
                "code": self.openai_code(class),
            }),
        }
    }

    /// Returns the code that a failed response of OpenAI's Responses tells.
    pub(crate) fn response_code(&self) -> Value {
        let class = self.class(0);
        if !self.code.is_empty() {
            return self.code.as_str().into();
        }
        match class {
            Class::Invalid | Class::TooLarge | Class::NotFound => "invalid_prompt",
            Class::TooLong => "context_length_exceeded",
            Class::Billing => "insufficient_quota",
            Class::RateLimit => "rate_limit_exceeded",
            Class::Overloaded => "server_is_overloaded",
            Class::Authentication | Class::Permission | Class::Timeout | Class::Server => "server_error",
        }
        .into()
    }

    /// Returns the vendor's code; without one, the code OpenAI has for the case, or Anthropic's word for the kind.
    fn openai_code(&self, class: Class) -> Value {
        match class {
            _ if !self.code.is_empty() => self.code.as_str().into(),
            Class::TooLong => "context_length_exceeded".into(),
            _ if self.kind.is_empty() || self.kind == class.openai() => Value::Null,
            _ => self.kind.as_str().into(),
        }
    }

    fn class(&self, status: u16) -> Class {
        if self.code == "context_length_exceeded" || self.message.starts_with("prompt is too long") {
            return Class::TooLong;
        }
        let named = [&self.code, &self.kind].into_iter().find_map(|name| Class::named(name));
        match (named, status) {
            // OpenAI says so of whatever the caller did, Anthropic of what has no word of its own.
            (None | Some(Class::Invalid), 401) => Class::Authentication,
            (None, 402) => Class::Billing,
            (None | Some(Class::Invalid), 403) => Class::Permission,
            (None | Some(Class::Invalid), 404) => Class::NotFound,
            (None | Some(Class::Invalid), 413) => Class::TooLarge,
            (None | Some(Class::Invalid), 429) => Class::RateLimit,
            (Some(class), _) => class,
            (None, 408 | 504) => Class::Timeout,
            (None, 503 | 529) => Class::Overloaded,
            (None, 400..=499) => Class::Invalid,
            (None, _) => Class::Server,
        }
    }
}

impl Class {
    fn named(name: &str) -> Option<Class> {
        Some(match name {
            "invalid_request_error" | "BadRequestError" | "invalid_prompt" => Class::Invalid,
            "authentication_error" | "invalid_api_key" | "AuthenticationError" => Class::Authentication,
            "permission_error" | "PermissionDeniedError" => Class::Permission,
            "billing_error" | "insufficient_quota" => Class::Billing,
            "not_found_error" | "model_not_found" | "NotFoundError" => Class::NotFound,
            "request_too_large" => Class::TooLarge,
            "rate_limit_error" | "rate_limit_exceeded" | "RateLimitError" => Class::RateLimit,
            "overloaded_error" | "overloaded" | "server_is_overloaded" => Class::Overloaded,
            "timeout_error" | "timeout" => Class::Timeout,
            "api_error" | "server_error" | "InternalServerError" => Class::Server,
            _ => return None,
        })
    }

    fn anthropic(self) -> &'static str {
        match self {
            Class::Invalid | Class::TooLong => "invalid_request_error",
            Class::Authentication => "authentication_error",
            Class::Permission => "permission_error",
            Class::Billing => "billing_error",
            Class::NotFound => "not_found_error",
            Class::TooLarge => "request_too_large",
            Class::RateLimit => "rate_limit_error",
            Class::Overloaded => "overloaded_error",
            Class::Timeout => "timeout_error",
            Class::Server => "api_error",
        }
    }

    fn openai(self) -> &'static str {
        match self {
            Class::Invalid | Class::TooLong | Class::NotFound | Class::TooLarge => "invalid_request_error",
            Class::Authentication => "authentication_error",
            Class::Permission => "permission_error",
            Class::Billing => "insufficient_quota",
            Class::RateLimit => "rate_limit_error",
            Class::Overloaded | Class::Timeout | Class::Server => "server_error",
        }
    }
}
