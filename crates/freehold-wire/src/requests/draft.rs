//! A request as it was spelt: what the dialects share in typed form, and every other member beside it, so that it can
//! be written again without loss. It is what translation works on; [`Request`](crate::Request) is the smaller view.

pub(crate) mod chat;
pub(crate) mod messages;
pub(crate) mod responses;

use serde_json::{Map, Value};

use super::Error;
use crate::Api;

/// The members of an object that has no typed form, as they were spelt.
pub(crate) type Members = Map<String, Value>;

/// A request that can be written again as it was: [`parse`] reads it, [`write()`] writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub(crate) api: Api,
    pub(crate) model: Option<String>,
    /// Anthropic's `system`, or `instructions` of Responses.
    pub(crate) system: Option<Said>,
    pub(crate) turns: Vec<Turn>,
    /// How the turns are spelt: absent, as one text (Responses only), or as a list.
    pub(crate) turns_shape: Shape,
    pub(crate) tools: Vec<Tool>,
    /// All other top-level members.
    pub(crate) rest: Members,
}

/// Who speaks a turn, as the dialects tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

/// How content is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// There is none, or it is null (and then among the rest).
    Absent,
    /// A string: one piece of text.
    Text,
    /// An array of parts.
    List,
    /// The turn is nothing but its one piece, such as an item of Responses that is no message.
    Piece,
}

/// Content with its spelling.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) shape: Shape,
}

/// One entry of `messages` or `input`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) speaker: Speaker,
    pub(crate) said: Said,
    pub(crate) rest: Members,
}

/// One piece of a turn. `rest` holds the members without a typed form, the word for its type included where a
/// dialect has more than one for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text { text: String, rest: Members },
    Refusal { text: String, place: Place, rest: Members },
    Image { source: Source, detail: Option<String>, rest: Members },
    File { source: Source, name: Option<String>, rest: Members },
    Call(Call),
    Result { id: String, said: Said, rest: Members },
    Thinking { text: String, place: Place, rest: Members },
    Other { value: Value, place: Place },
}

/// Where in its turn a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the content, or as an item.
    Content,
    /// In a member of the turn itself, of this name.
    Member(&'static str),
}

/// A call of a tool by the model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Arguments,
    pub(crate) rest: Members,
}

/// The arguments of a call, in the spelling of OpenAI or of Anthropic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arguments {
    Text(String),
    Object(Value),
}

/// Where the bytes of an image or a file are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Url(String),
    Data {
        media_type: String,
        data: String,
    },
    /// Base64 without its media type.
    Bare(String),
    FileId(String),
}

/// An entry of `tools`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tool {
    Function(Function),
    /// One that is not a function of the caller's, or is spelt in a way that is not known.
    Other(Value),
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
    pub(crate) strict: Option<bool>,
    /// Members of the function.
    pub(crate) rest: Members,
    /// Members beside `function` in Chat Completions, `type` included.
    pub(crate) outer: Members,
}

/// Reads a request body so that nothing of it is lost.
///
/// Members whose form is not known are kept as they are; only [`read`](super::read) finds fault with them.
///
/// # Errors
/// The body is no JSON object, or the API is none of the three dialects.
pub fn parse(api: Api, body: &[u8]) -> Result<Draft, Error> {
    let read = match api {
        Api::OpenAiChat => chat::read,
        Api::OpenAiResponses => responses::read,
        Api::AnthropicMessages => messages::read,
        Api::OpenAiEmbeddings | Api::AnthropicCountTokens | Api::Opaque => return Err(Error::Opaque),
    };
    match serde_json::from_slice(body).map_err(Error::Json)? {
        Value::Object(members) => Ok(read(members)),
        _ => Err(Error::Field {
            api,
            field: "(body)".into(),
            found: "something else where an object is expected".into(),
        }),
    }
}

/// Writes a request in the dialect that it is spelt in.
///
/// What [`parse`] has read comes out as the same JSON value; only the order of members and the spelling of escapes
/// and white space may differ.
pub fn write(draft: Draft) -> Vec<u8> {
    let members = match draft.api {
        Api::OpenAiResponses => responses::write(draft),
        Api::AnthropicMessages => messages::write(draft),
        _ => chat::write(draft),
    };
    serde_json::to_vec(&members).expect("a map with texts as keys is always JSON")
}

impl Said {
    pub(crate) fn absent() -> Self {
        Said { pieces: Vec::new(), shape: Shape::Absent }
    }

    pub(crate) fn text(text: String) -> Self {
        Said { pieces: vec![Piece::text(text)], shape: Shape::Text }
    }

    pub(crate) fn piece(piece: Piece) -> Self {
        Said { pieces: vec![piece], shape: Shape::Piece }
    }

    /// Takes content out of a member; content of another form stays where it is.
    fn take(members: &mut Members, name: &str, read: fn(Value) -> Piece) -> Self {
        match members.get(name) {
            Some(Value::String(_)) => Said::text(take_text(members, name).unwrap_or_default()),
            Some(Value::Array(_)) => {
                let items = take_list(members, name).unwrap_or_default();
                Said { pieces: items.into_iter().map(read).collect(), shape: Shape::List }
            }
            _ => Said::absent(),
        }
    }

    /// Puts content back under a name, each piece spelt by `write`.
    fn put(self, members: &mut Members, name: &str, write: fn(Piece) -> Value) {
        let value = match self.shape {
            Shape::Absent => return,
            Shape::Text => Value::String(self.pieces.into_iter().map(Piece::into_text).collect()),
            Shape::List | Shape::Piece => self.pieces.into_iter().map(write).collect(),
        };
        members.insert(name.to_owned(), value);
    }
}

impl Piece {
    pub(crate) fn text(text: String) -> Self {
        Piece::Text { text, rest: Members::new() }
    }

    fn other(value: Value) -> Self {
        Piece::Other { value, place: Place::Content }
    }

    fn into_text(self) -> String {
        if let Piece::Text { text, .. } = self { text } else { String::new() }
    }
}

impl Arguments {
    /// Spells the arguments as OpenAI does.
    fn into_text(self) -> String {
        match self {
            Arguments::Text(text) => text,
            Arguments::Object(object) => object.to_string(),
        }
    }
}

impl Turn {
    /// Returns a turn that is not read any further.
    fn unread(value: Value) -> Self {
        Turn { speaker: Speaker::User, said: Said::piece(Piece::other(value)), rest: Members::new() }
    }
}

impl Source {
    /// Reads an address, which may hold the data itself.
    pub(crate) fn of_url(url: String) -> Self {
        let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
        match data {
            Some((media_type, data)) if !media_type.is_empty() && !media_type.contains([';', ',']) => {
                Source::Data { media_type: media_type.to_owned(), data: data.to_owned() }
            }
            _ => Source::Url(url),
        }
    }

    /// Reads data, which may come with its media type or without.
    fn of_data(data: String) -> Self {
        match Source::of_url(data) {
            Source::Url(bare) => Source::Bare(bare),
            source => source,
        }
    }

    /// Spells the source as an address; `None` for a file id.
    pub(crate) fn into_url(self) -> Option<String> {
        match self {
            Source::Url(url) | Source::Bare(url) => Some(url),
            Source::Data { media_type, data } => Some(format!("data:{media_type};base64,{data}")),
            Source::FileId(_) => None,
        }
    }
}

/// Takes a member that is a string.
pub(crate) fn take_text(members: &mut Members, name: &str) -> Option<String> {
    members.get(name)?.as_str()?;
    if let Some(Value::String(text)) = members.shift_remove(name) { Some(text) } else { None }
}

/// Takes a member that is an array.
pub(crate) fn take_list(members: &mut Members, name: &str) -> Option<Vec<Value>> {
    members.get(name)?.as_array()?;
    if let Some(Value::Array(items)) = members.shift_remove(name) { Some(items) } else { None }
}

/// Takes a member that is an object.
pub(crate) fn take_object(members: &mut Members, name: &str) -> Option<Members> {
    members.get(name)?.as_object()?;
    if let Some(Value::Object(object)) = members.shift_remove(name) { Some(object) } else { None }
}

/// Takes a member that is a boolean.
pub(crate) fn take_bool(members: &mut Members, name: &str) -> Option<bool> {
    let value = members.get(name)?.as_bool()?;
    members.shift_remove(name);
    Some(value)
}

/// Returns a member that is a string, `""` where it is absent or something else.
pub(crate) fn word<'a>(members: &'a Members, name: &str) -> &'a str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns whether a member is a string.
pub(crate) fn has_text(members: &Members, name: &str) -> bool {
    members.get(name).is_some_and(Value::is_string)
}

/// Reads a part, or keeps it as it is where it is spelt in a way that is not known.
fn attempt(members: Members, read: fn(Members) -> Option<Piece>) -> Piece {
    read(members.clone()).unwrap_or_else(|| Piece::other(members.into()))
}

/// Puts a text under a name where there is one.
pub(crate) fn put_text(members: &mut Members, name: &str, text: Option<String>) {
    if let Some(text) = text {
        members.insert(name.to_owned(), Value::String(text));
    }
}

/// Sets the word for a part's type where the part did not bring its own.
pub(crate) fn put_kind(members: &mut Members, kind: &str) {
    if !members.contains_key("type") {
        members.insert("type".to_owned(), kind.into());
    }
}

/// Takes the turns out of `messages`, with how they are spelt.
fn take_turns(members: &mut Members, read: fn(Value) -> Turn) -> (Vec<Turn>, Shape) {
    let turns = take_list(members, "messages");
    let shape = if turns.is_some() { Shape::List } else { Shape::Absent };
    (turns.unwrap_or_default().into_iter().map(read).collect(), shape)
}

/// Puts the turns as `messages`, and behind them the tools and everything else.
fn put_messages(mut members: Members, draft: Draft, turn: fn(Turn) -> Value, tool: fn(Function) -> Value) -> Members {
    if draft.turns_shape != Shape::Absent {
        members.insert("messages".to_owned(), draft.turns.into_iter().map(turn).collect());
    }
    put_tools(&mut members, draft.tools, tool);
    members.extend(draft.rest);
    members
}

/// Spells a part that holds a text under a name.
fn text_part(mut rest: Members, kind: &str, name: &str, text: String) -> Value {
    put_kind(&mut rest, kind);
    rest.insert(name.to_owned(), text.into());
    rest.into()
}

/// Takes the tools out of a body; the list stays where one of them could not be put back.
fn take_tools(members: &mut Members, read: fn(Members) -> Tool) -> Vec<Tool> {
    if members.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let tool = |value| match value {
        Value::Object(tool) => read(tool),
        other => Tool::Other(other),
    };
    take_list(members, "tools").unwrap_or_default().into_iter().map(tool).collect()
}

fn put_tools(members: &mut Members, tools: Vec<Tool>, write: fn(Function) -> Value) {
    if !tools.is_empty() {
        let tool = |tool| match tool {
            Tool::Function(function) => write(function),
            Tool::Other(value) => value,
        };
        members.insert("tools".to_owned(), tools.into_iter().map(tool).collect());
    }
}

/// Reads a tool that is spelt as its function, without an object around it.
fn flat_tool(members: Members, schema: &str) -> Tool {
    match function(members, schema, Members::new()) {
        Ok(function) => Tool::Function(function),
        Err(members) => Tool::Other(members.into()),
    }
}

/// Reads a function from the object that holds its name; gives the object back where it has none.
fn function(mut members: Members, schema: &str, outer: Members) -> Result<Function, Members> {
    let Some(name) = take_text(&mut members, "name") else { return Err(members) };
    let description = take_text(&mut members, "description");
    let parameters = members.get(schema).is_some_and(|found| found.is_object() || found.is_boolean());
    let parameters = if parameters { members.shift_remove(schema) } else { None };
    let strict = take_bool(&mut members, "strict");
    Ok(Function { name, description, parameters, strict, rest: members, outer })
}

/// Spells a function without the members that stand beside it.
fn put_function(function: Function, schema: &str) -> Members {
    let mut members = function.rest;
    members.insert("name".to_owned(), Value::String(function.name));
    put_text(&mut members, "description", function.description);
    if let Some(parameters) = function.parameters {
        members.insert(schema.to_owned(), parameters);
    }
    if let Some(strict) = function.strict {
        members.insert("strict".to_owned(), strict.into());
    }
    members
}
