//! Rewrites single fields of a request body and leaves every other byte as it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Error;
use crate::Api;
use crate::json::Json;

/// Returns the body with another value for its top-level `model`; all other bytes are unaltered.
///
/// # Errors
/// The body is not a JSON object, or names no model.
pub fn with_model(body: &[u8], model: &str) -> Result<Vec<u8>, Error> {
    let members = Members::read(body)?;
    let name = quoted(model);
    let mut rewritten = Vec::with_capacity(body.len() + name.len());
    let mut copied = 0;
    // A name that is said twice is rewritten twice: which of them counts is the reader's choice.
    for (_, value) in members.0.iter().filter(|(member, _)| member == "model") {
        let place = range(body, value);
        rewritten.extend_from_slice(&body[copied..place.start]);
        rewritten.extend_from_slice(name.as_bytes());
        copied = place.end;
    }
    if copied == 0 {
        return Err(Error::NoModel);
    }
    rewritten.extend_from_slice(&body[copied..]);
    Ok(rewritten)
}

/// Returns the body for a replay: another `model`, and a whole answer asked for instead of a stream or a job.
///
/// `stream`, `stream_options` and, in the Responses dialect, `background` are left out; every other member keeps the
/// bytes of its value.
///
/// # Errors
/// The body is not a JSON object, or names no model.
pub fn as_replay(api: Api, body: &[u8], model: &str) -> Result<Vec<u8>, Error> {
    let members = Members::read(body)?;
    let mut rewritten = Vec::with_capacity(body.len() + model.len());
    let mut has_model = false;
    for (name, value) in &members.0 {
        let is_job = name == "background" && api == Api::OpenAiResponses;
        if is_job || name == "stream" || name == "stream_options" {
            continue;
        }
        rewritten.push(if rewritten.is_empty() { b'{' } else { b',' });
        rewritten.extend_from_slice(quoted(name).as_bytes());
        rewritten.push(b':');
        if name == "model" {
            has_model = true;
            rewritten.extend_from_slice(quoted(model).as_bytes());
        } else {
            rewritten.extend_from_slice(value.get().as_bytes());
        }
    }
    rewritten.push(b'}');
    if has_model { Ok(rewritten) } else { Err(Error::NoModel) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The top-level members of a body, values as they are spelt.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(body).map_err(Error::Json)
    }

    /// Returns the value of a member; of repeated names the last one counts.
    pub(super) fn last(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(member, _)| member == name).map(|(_, value)| *value)
    }
}

/// Returns where a value that was borrowed from the body lies in it.
pub(super) fn range(body: &[u8], value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - body.as_ptr().addr();
    start..start + value.get().len()
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Json::Text(name)) = access.next_key()? {
            members.push((name, access.next_value()?));
        }
        Ok(Members(members))
    }
}
