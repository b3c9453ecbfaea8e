//! Reads whole response bodies of every dialect: into [`Answer`], or into the events that a stream would tell.

mod chat;
mod messages;
mod outline;
mod responses;

pub(crate) use chat::{
    content_text, finish as chat_finish, logprobs as chat_logprobs, reasoning as chat_reasoning,
    stop_text as chat_stop_text, usage as chat_usage,
};
pub(crate) use messages::{UsageParts, finish_event as messages_finish_event};
pub(crate) use responses::{
    events as response_events, logprobs as response_logprobs, push_item as push_response_item,
    tool_call as response_tool_call,
};

pub use outline::outline;

use crate::json::{Json, word};
use crate::stream::{self, Event};
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
    if api == Api::OpenAiEmbeddings {
        return embeddings(&json).map_err(|found| Error::Form { api, found });
    }
    events_of(api, &json).map(stream::sum)
}

/// Reads a whole response body into the events that a stream of the same answer would tell.
pub(crate) fn events(api: Api, body: &[u8]) -> Result<Vec<Event>, Error> {
    events_of(api, &Json::parse(body).map_err(Error::Json)?)
}

fn events_of(api: Api, json: &Json<'_>) -> Result<Vec<Event>, Error> {
    let read = match api {
        Api::OpenAiChat => chat::events(json),
        Api::OpenAiResponses => responses::events(json),
        Api::AnthropicMessages => messages::events(json),
        Api::OpenAiEmbeddings | Api::AnthropicCountTokens | Api::Opaque => {
            Err("no model answers calls of this kind".to_owned())
        }
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

/// A tool call as a body tells it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) kind: stream::ToolKind,
}

impl Told {
    /// Adds the whole call as the one at this place.
    pub(crate) fn tell(self, place: usize, events: &mut Vec<Event>) {
        events.push(Event::ToolStart { place, id: self.id, name: self.name, kind: self.kind });
        Event::push_arguments(events, place, &self.arguments);
        events.push(Event::ToolEnd { place });
    }
}

/// Adds whole calls in order.
fn tell_all(calls: impl IntoIterator<Item = Told>, events: &mut Vec<Event>) {
    for (place, call) in calls.into_iter().enumerate() {
        call.tell(place, events);
    }
}

/// Returns a member whose items are kept as they are; none where it is absent.
fn values(json: &Json<'_>, member: &str) -> Vec<serde_json::Value> {
    json.items(member).iter().map(Json::to_value).collect()
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
