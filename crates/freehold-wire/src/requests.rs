//! Reads request bodies of every dialect into [`Request`].
//!
//! Only the fields that somebody here acts on are read; all others may be anything. Errors name the field and the kind
//! of value found there, never the value.

mod billing;
mod chain;
mod chat;
mod content;
pub(crate) mod draft;
mod messages;
mod responses;
mod rewrite;
mod sampling;
mod spelling;
mod stream_usage;

use crate::json::{Fault, Json, Within};
use crate::{Api, Message, Part, Request, ResponseFormat, Role, ToolChoice};

pub use billing::without_billing_line;
pub use chain::{Absence, Missing, complete};
pub use draft::{Draft, parse, write};
pub use rewrite::{as_replay, with_model};
pub use spelling::spelled;
pub use stream_usage::with_stream_usage;

/// A request body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON.
    #[error("the request body is not JSON")]
    Json(#[source] serde_json::Error),
    /// A field has a form that its API does not have.
    #[error("field {field} of the {api} request: {found}")]
    Field {
        /// The dialect.
        api: Api,
        /// The path of the field, such as `messages[2].role`; `(body)` for the whole body.
        field: String,
        /// What was found there.
        found: String,
    },
    /// Nobody here knows the API.
    #[error("the request is of an API that is only passed through")]
    Opaque,
    /// The body to rewrite names no model.
    #[error("the request body has no field model to rewrite")]
    NoModel,
}

/// Reads a request body.
///
/// A member that is `null` counts as absent. Content that is neither text nor a tool's is kept as it is
/// ([`Part::Other`]); tools that the vendor itself runs (web search and the like) are left out.
/// System and developer turns in mid-conversation join the system text too. Claude Code's line about billing, which
/// differs from request to request, is no part of it.
///
/// # Errors
/// The body is not JSON, or a field that we act on has a form that the API does not have.
pub fn read(api: Api, body: &[u8]) -> Result<Request, Error> {
    let json = Json::parse(body).map_err(Error::Json)?;
    let read = match api {
        Api::OpenAiChat => chat::read(&json),
        Api::OpenAiResponses => responses::read(&json),
        Api::AnthropicMessages => messages::read(&json),
        Api::AnthropicCountTokens => messages::read(&json).map(|request| Request { api, ..request }),
        Api::OpenAiEmbeddings => embeddings(&json),
        Api::Opaque => return Err(Error::Opaque),
    };
    read.map_err(|fault| field_error(api, fault))
}

fn field_error(api: Api, fault: Fault) -> Error {
    let field = if fault.path.is_empty() { "(body)".to_owned() } else { fault.path };
    Error::Field { api, field, found: fault.found }
}

/// Reads what is spelt alike in all dialects.
fn common(api: Api, json: &Json<'_>) -> Result<Request, Fault> {
    json.object()?;
    let model = match api {
        // Some hosts name the model in the path, and a stored prompt of Responses knows its own.
        Api::OpenAiChat | Api::OpenAiResponses | Api::OpenAiEmbeddings | Api::Opaque => {
            json.optional_str("model")?.unwrap_or_default()
        }
        Api::AnthropicMessages | Api::AnthropicCountTokens => json.required_str("model")?,
    };
    Ok(Request {
        api,
        model: model.to_owned(),
        system: String::new(),
        messages: Vec::new(),
        tools: Vec::new(),
        tool_choice: ToolChoice::default(),
        response_format: ResponseFormat::default(),
        sampling: sampling::read(json)?,
        stream: json.optional_bool("stream")?.unwrap_or_default(),
        stream_usage: false,
        metadata: metadata(json)?,
        one_tool_call: one_tool_call(json)?,
    })
}

/// Reads whether calls of several tools at once are ruled out, in every spelling.
fn one_tool_call(json: &Json<'_>) -> Result<bool, Fault> {
    if let Some(is_parallel) = json.optional_bool("parallel_tool_calls")? {
        return Ok(!is_parallel);
    }
    match json.get("tool_choice") {
        Some(choice @ Json::Object(_)) => {
            let disabled = choice.optional_bool("disable_parallel_tool_use").within("tool_choice")?;
            Ok(disabled.unwrap_or_default())
        }
        _ => Ok(false),
    }
}

/// Reads a request for vectors: each text is a part of one turn; tokens instead of text are kept as they are.
fn embeddings(json: &Json<'_>) -> Result<Request, Fault> {
    let mut request = common(Api::OpenAiEmbeddings, json)?;
    let input = json.get("input").ok_or_else(|| Fault::missing("a string or an array")).within("input")?;
    let part = |item: &Json<'_>| match item {
        Json::Text(text) => Part::Text(text.clone().into_owned()),
        other => Part::Other(other.to_value()),
    };
    let parts = match input {
        Json::List(items) => items.iter().map(part).collect(),
        one => vec![part(one)],
    };
    request.messages.push(Message { role: Role::User, parts });
    Ok(request)
}

/// Reads the caller's marks; only texts, numbers and booleans can be marks.
fn metadata(json: &Json<'_>) -> Result<Vec<(String, String)>, Fault> {
    let Some(found) = json.get("metadata") else { return Ok(Vec::new()) };
    let entries = found.object().within("metadata")?.iter();
    Ok(entries
        .filter_map(|(name, value)| match value {
            Json::Text(text) => Some((name.clone().into_owned(), text.clone().into_owned())),
            Json::Number(number) => Some((name.clone().into_owned(), number.to_string())),
            Json::Bool(value) => Some((name.clone().into_owned(), value.to_string())),
            Json::Null | Json::List(_) | Json::Object(_) => None,
        })
        .collect())
}

/// Joins the system texts; empty ones leave no trace.
fn join_system(texts: &[String]) -> String {
    let said: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    said.join("\n\n")
}
