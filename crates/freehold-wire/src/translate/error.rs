//! Error bodies: what the upstream says went wrong, said in the caller's dialect.

use serde_json::{Value, json};

use crate::error_body::VendorError;
use crate::json::Json;
use crate::{Api, Dialect};

/// The most characters of a body without a known form that are quoted.
const QUOTED_CHARS_MAX: usize = 500;

/// The most characters of a message that are handed on.
const MESSAGE_CHARS_MAX: usize = 16 * 1024;

/// Translates the body of an upstream's error answer, of any form, into the caller's dialect.
///
/// Message, kind, code and the field at fault are kept: the kind in the caller's word for it, Anthropic's own word as
/// OpenAI's `code` where there is none. A body that is no JSON, or has no error in it, is quoted up to 500 characters.
pub fn error(from: Api, to: Api, status: u16, body: &[u8]) -> Vec<u8> {
    if from == to && Json::parse(body).is_ok_and(|json| json.get("error").is_some()) {
        return body.to_vec();
    }
    let error = read(status, body);
    let spelt = error.spelt(to.dialect(), status);
    let body = match to.dialect() {
        Dialect::Chat | Dialect::Responses => json!({"error": spelt}),
        Dialect::Messages => json!({"type": "error", "error": spelt}),
    };
    body.to_string().into_bytes()
}

/// Returns the answer to Anthropic's `count_tokens`.
pub fn count_tokens_answer(input_tokens: u64) -> Vec<u8> {
    json!({"input_tokens": input_tokens}).to_string().into_bytes()
}

fn read(status: u16, body: &[u8]) -> VendorError {
    let json = Json::parse(body).ok();
    let mut error = json
        .as_ref()
        .and_then(find)
        .unwrap_or_else(|| VendorError { message: quoted(status, body), ..VendorError::default() });
    cut(&mut error.message, MESSAGE_CHARS_MAX);
    error
}

/// Finds the error in a body: under `error`, as vLLM's object of its own, or as the `detail` or `message` of others.
fn find(json: &Json<'_>) -> Option<VendorError> {
    match json.get("error") {
        Some(error @ (Json::Object(_) | Json::Text(_))) => return Some(VendorError::read(error)),
        _ if json.get("message").and_then(Json::as_str).is_some() => return Some(VendorError::read(json)),
        _ => {}
    }
    let detail = json.get("detail")?;
    let message = detail.as_str().map_or_else(|| detail.to_value().to_string(), str::to_owned);
    Some(VendorError { message, ..VendorError::default() })
}

fn quoted(status: u16, body: &[u8]) -> String {
    // A character has at most four bytes.
    let head = &body[..body.len().min(4 * QUOTED_CHARS_MAX + 4)];
    let mut text = String::from_utf8_lossy(head).trim().to_owned();
    if text.is_empty() {
        return format!("the upstream answered {status} without a message");
    }
    cut(&mut text, QUOTED_CHARS_MAX);
    format!("the upstream answered {status}: {}", Value::from(text))
}

fn cut(text: &mut String, chars_max: usize) {
    if let Some((at, _)) = text.char_indices().nth(chars_max) {
        text.truncate(at);
        text.push('…');
    }
}
