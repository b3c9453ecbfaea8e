//! A parsed JSON text that borrows from the body, and the questions that the readers ask of it.
//!
//! Every question that can fail says what it found, and never quotes it: a body holds prompt text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value whose strings borrow from the text where they hold no escape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// The objects of the vendors' APIs have about as many members, so that room for them is asked for once.
const MEMBERS_USUAL: usize = 8;

/// A field has not the form that its API gives it; the path is built from the inside out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) found: String,
}

impl Fault {
    pub(crate) fn new(found: impl Into<String>) -> Self {
        Fault { path: String::new(), found: found.into() }
    }

    pub(crate) fn expected(what: &str, found: &Json<'_>) -> Self {
        Fault::new(format!("{} where {what} is expected", found.kind()))
    }

    pub(crate) fn missing(what: &str) -> Self {
        Fault::new(format!("nothing where {what} is expected"))
    }

    fn prefixed(mut self, segment: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{segment}{joint}{}", self.path);
        self
    }
}

/// Says where a fault lies, one step of the path at a time.
pub(crate) trait Within<T> {
    fn within(self, field: &str) -> Result<T, Fault>;
    fn at(self, index: usize) -> Result<T, Fault>;
}

impl<T> Within<T> for Result<T, Fault> {
    fn within(self, field: &str) -> Result<T, Fault> {
        self.map_err(|fault| fault.prefixed(field))
    }

    fn at(self, index: usize) -> Result<T, Fault> {
        self.map_err(|fault| fault.prefixed(&format!("[{index}]")))
    }
}

impl<'a> Json<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        // Checked once as a whole, the text need not be checked string by string.
        std::str::from_utf8(text).map_or_else(|_| serde_json::from_slice(text), serde_json::from_str)
    }

    /// Returns the kind of value with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    /// Returns the member of an object; `None` where it is absent or null. Of repeated names the last one counts.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let Json::Object(members) = self else { return None };
        let (_, value) = members.iter().rev().find(|(key, _)| key == name)?;
        if matches!(value, Json::Null) { None } else { Some(value) }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_list(&self) -> Option<&[Json<'a>]> {
        if let Json::List(items) = self { Some(items) } else { None }
    }

    /// Returns a count; a number below zero is no count, a whole number written with a point is.
    pub(crate) fn as_count(&self) -> Option<u64> {
        let Json::Number(number) = self else { return None };
        number.as_u64().or_else(|| {
            // Whole numbers up to 2^53 are exact in a double.
            let value = number.as_f64()?;
            ((0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0).then_some(value as u64)
        })
    }

    /// Returns a member that is a string; `""` where it is absent or something else.
    pub(crate) fn str_or_empty(&self, name: &str) -> &str {
        self.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// Returns a member that is a count, where it is one.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_count()
    }

    /// Returns the items of a member that is an array; none where it is absent or something else.
    pub(crate) fn items(&self, name: &str) -> &[Json<'a>] {
        self.get(name).and_then(Json::as_list).unwrap_or_default()
    }

    /// Returns the members; fails where this is no object.
    pub(crate) fn object(&self) -> Result<&[(Cow<'a, str>, Json<'a>)], Fault> {
        if let Json::Object(members) = self { Ok(members) } else { Err(Fault::expected("an object", self)) }
    }

    /// Returns a member that has to be a string where it is present.
    pub(crate) fn optional_str(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(other) => Err(Fault::expected("a string", other)).within(name),
        }
    }

    /// Returns a member that has to be a string.
    pub(crate) fn required_str(&self, name: &str) -> Result<&str, Fault> {
        self.optional_str(name)?.ok_or_else(|| Fault::missing("a string")).within(name)
    }

    /// Returns the items of a member that has to be an array where it is present.
    pub(crate) fn optional_list(&self, name: &str) -> Result<Option<&[Json<'a>]>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::List(items)) => Ok(Some(items)),
            Some(other) => Err(Fault::expected("an array", other)).within(name),
        }
    }

    /// Returns a member that has to be a boolean where it is present.
    pub(crate) fn optional_bool(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(Fault::expected("a boolean", other)).within(name),
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.clone()),
            Json::Text(text) => Value::String(text.clone().into_owned()),
            Json::List(items) => Value::Array(items.iter().map(Json::to_value).collect()),
            Json::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone().into_owned(), value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

/// Names a value that is one short word of an API, such as a role or a type; anything else is only described.
pub(crate) fn word(text: &str) -> String {
    let is_word = !text.is_empty()
        && text.len() <= 40
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if is_word { format!("{text:?}") } else { format!("a string of {} bytes", text.len()) }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(MEMBERS_USUAL);
        while let Some((Json::Text(name), value)) = access.next_entry()? {
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}
