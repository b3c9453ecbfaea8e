//! Makes a Responses request whole that goes on from earlier answers: what it refers to takes the place of the reference.
//!
//! The earlier calls are as they were recorded. Of those made before, `instructions` and tools do not carry over.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Error;
use crate::{Api, Call, sse};

/// The most answers that one request may go on from, each from the one before.
const LINKS_MAX: usize = 1_000;

/// A request refers to something that cannot be put in its place.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// An earlier answer.
    #[error("previous response with id {id:?} not found{}", why.said())]
    Response {
        /// Its id, as the caller said it.
        id: String,
        /// Why.
        why: Absence,
    },
    /// An item of an earlier answer.
    #[error("item with id {id:?} not found{}", why.said())]
    Item {
        /// Its id.
        id: String,
        /// Why.
        why: Absence,
    },
    /// There is too much of it.
    #[error(
        "the conversation that the request goes on from is longer than the limit of {links} answers and {bytes} bytes"
    )]
    TooLong {
        /// The most answers.
        links: usize,
        /// The most bytes.
        bytes: usize,
    },
    /// The request itself cannot be read.
    #[error("{0}")]
    Request(#[from] Error),
}

/// Why an earlier call is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// There is none that the caller may go on from.
    Unknown,
    /// The caller had asked that it be not stored.
    NotStored,
    /// Its text is not kept, or not any more.
    NotKept,
    /// Its text was masked before it was kept.
    Masked,
    /// It failed, or broke off.
    Unfinished,
}

impl Absence {
    fn said(self) -> &'static str {
        match self {
            Absence::Unknown => "",
            Absence::NotStored => ": it was made with store = false",
            Absence::NotKept => ": the record does not keep its text",
            Absence::Masked => ": its text was masked in the record",
            Absence::Unfinished => ": its answer was not finished",
        }
    }
}

/// An earlier call, as far as it is part of the conversation.
struct Link {
    previous: Option<String>,
    input: Vec<Value>,
    output: Vec<Value>,
}

/// Returns a request body that brings along all it refers to by `previous_response_id` and by `item_reference`.
///
/// `find` returns the recorded call of an id, where there is one that the caller may go on from. The body and what is read of
/// earlier calls together may have `bytes_max` bytes.
///
/// # Errors
/// The body is not JSON, something it refers to is not there or cannot be gone on from, or there is too much of it.
pub fn complete(body: &[u8], bytes_max: usize, find: impl FnMut(&str) -> Option<Call>) -> Result<Vec<u8>, Missing> {
    let mut request: Map<String, Value> = serde_json::from_slice(body).map_err(Error::Json)?;
    let mut memory =
        Memory { find, outputs: HashMap::new(), bytes_left: bytes_max.saturating_sub(body.len()), bytes_max };
    let mut previous = text(request.shift_remove("previous_response_id"));
    let mut turns = vec![items(request.get_mut("input").map(Value::take))];
    while let Some(id) = previous {
        if turns.len() > 2 * LINKS_MAX {
            return Err(memory.too_long());
        }
        let missing = |why| Missing::Response { id: id.clone(), why };
        let call = id.strip_prefix("resp_").ok_or_else(|| missing(Absence::Unknown))?;
        let link = memory.link(call)?.map_err(missing)?;
        previous = link.previous;
        turns.extend([link.output, link.input]);
    }
    let mut input: Vec<Value> = turns.into_iter().rev().flatten().collect();
    for item in input.iter_mut().filter(|item| item["type"] == "item_reference") {
        *item = memory.item(text(Some(item["id"].take())).unwrap_or_default())?;
    }
    request.insert("input".to_owned(), input.into());
    Ok(Value::from(request).to_string().into_bytes())
}

/// What is known of earlier calls.
struct Memory<F> {
    find: F,
    /// The items of those that were referred to one by one.
    outputs: HashMap<String, Result<Vec<Value>, Absence>>,
    bytes_left: usize,
    bytes_max: usize,
}

impl<F: FnMut(&str) -> Option<Call>> Memory<F> {
    fn link(&mut self, call: &str) -> Result<Result<Link, Absence>, Missing> {
        let Some(found) = (self.find)(call) else { return Ok(Err(Absence::Unknown)) };
        let bytes = found.request.len() + found.response.len();
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| self.too_long())?;
        Ok(Link::read(&found))
    }

    /// Returns the item of an earlier answer; its id names the call and its place.
    fn item(&mut self, id: String) -> Result<Value, Missing> {
        let call = id.split_once('_').and_then(|(_, rest)| rest.rsplit_once('_')).map_or("", |(call, _)| call);
        if !self.outputs.contains_key(call) {
            let output = self.link(call)?.map(|link| link.output);
            self.outputs.insert(call.to_owned(), output);
        }
        let found = match &self.outputs[call] {
            Ok(output) => output.iter().find(|item| item["id"] == id.as_str()).cloned().ok_or(Absence::Unknown),
            Err(why) => Err(*why),
        };
        found.map_err(|why| Missing::Item { id, why })
    }

    fn too_long(&self) -> Missing {
        Missing::TooLong { links: LINKS_MAX, bytes: self.bytes_max }
    }
}

impl Link {
    fn read(call: &Call) -> Result<Link, Absence> {
        if call.api != Api::OpenAiResponses {
            return Err(Absence::Unknown);
        }
        if call.kept.instead.is_some() {
            return Err(Absence::NotKept);
        }
        let mut request: Map<String, Value> = serde_json::from_slice(&call.request).map_err(|_| Absence::Unfinished)?;
        if request.get("store") == Some(&Value::Bool(false)) {
            return Err(Absence::NotStored);
        }
        if call.kept.masked {
            return Err(Absence::Masked);
        }
        let output = output(call).ok_or(Absence::Unfinished)?;
        let previous = text(request.shift_remove("previous_response_id"));
        let input = items(request.shift_remove("input"));
        Ok(Link { previous, input, output })
    }
}

/// Returns the items of a recorded answer, where it came to its end.
fn output(call: &Call) -> Option<Vec<Value>> {
    let mut response: Value = if call.streamed {
        let events = sse::Decoder::default().push(&call.response);
        let mut last: Value = serde_json::from_str(&events.last()?.data).ok()?;
        let is_end = last["type"] == "response.completed" || last["type"] == "response.incomplete";
        is_end.then(|| last["response"].take())?
    } else {
        serde_json::from_slice(&call.response).ok()?
    };
    match response["output"].take() {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// Returns an input as items: a text alone is a turn of the user.
fn items(input: Option<Value>) -> Vec<Value> {
    match input {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(text) => vec![serde_json::json!({"type": "message", "role": "user", "content": text})],
    }
}

/// Returns an id; what is no text cannot be anybody's.
fn text(id: Option<Value>) -> Option<String> {
    match id? {
        Value::Null => None,
        Value::String(id) => Some(id),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
