//! Reads whole response bodies of every dialect into [`Answer`].

mod chat;
mod messages;
mod responses;

pub(crate) use chat::{content_text, finish as chat_finish, reasoning as chat_reasoning, usage as chat_usage};
pub(crate) use messages::{UsageParts, finish as messages_finish};
pub(crate) use responses::read as read_response;

use crate::json::{Json, word};
use crate::{Answer, Api, Finish, Usage};

/// A response body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON.
    #[error("the response body is not JSON")]
    Json(#[source] serde_json::Error),
    /// It has not the form of an answer of its API.
    #[error("the body is not an answer of {api}: {found}")]
    Form {
        /// The dialect.
        api: Api,
        /// What was found.
        found: String,
    },
}

/// Reads a whole (not streamed) response body.
///
/// Of several choices the first counts. A refusal's text is the answer's text.
///
/// # Errors
/// The body is not JSON, or not an answer of this API (an error body, for example).
pub fn read(api: Api, body: &[u8]) -> Result<Answer, Error> {
    let json = Json::parse(body).map_err(Error::Json)?;
    let read = match api {
        Api::OpenAiChat => chat::read(&json),
        Api::OpenAiResponses => responses::read(&json),
        Api::AnthropicMessages => messages::read(&json),
        Api::OpenAiEmbeddings => embeddings(&json),
        Api::AnthropicCountTokens | Api::Opaque => Err("no model answers calls of this kind".to_owned()),
    };
    read.map_err(|found| Error::Form { api, found })
}

/// Reads an answer with vectors, of which only the model and the tokens are looked at.
fn embeddings(json: &Json<'_>) -> Result<Answer, String> {
    if json.get("data").is_none() {
        return Err(no_answer(json, "data"));
    }
    Ok(Answer {
        model: json.str_or_empty("model").to_owned(),
        finish: Some(Finish::Stop),
        usage: json.get("usage").and_then(|usage| {
            let input = usage.count("prompt_tokens").or_else(|| usage.count("total_tokens"))?;
            Some(Usage { input, ..Usage::default() })
        }),
        ..Answer::default()
    })
}

/// Says what a body is that is not an answer; `lacks` names what an answer would have.
fn no_answer(json: &Json<'_>, lacks: &str) -> String {
    match json.get("error") {
        Some(error @ Json::Object(_)) => {
            let kind = error.str_or_empty("type");
            if kind.is_empty() { "an error".to_owned() } else { format!("an error of type {}", word(kind)) }
        }
        Some(_) => "an error".to_owned(),
        None if matches!(json, Json::Object(_)) => format!("an object without {lacks}"),
        None => json.kind().to_owned(),
    }
}
