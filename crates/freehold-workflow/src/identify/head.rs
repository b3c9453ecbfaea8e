//! The head of a request: what all calls of one step have in common, as far as it can be seen exactly.

use std::borrow::Cow;

use freehold_wire::{Request, ResponseFormat, Tool};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The most words of a step's readable part.
const SLUG_WORDS_MAX: usize = 4;

/// The most characters of a step's readable part.
const SLUG_CHARS_MAX: usize = 32;

/// How much of a system text is looked at for words; the hash covers all of it.
const SLUG_BYTES_MAX: usize = 2048;

/// Words that say little about what a step does, in order.
#[rustfmt::skip]
const EMPTY_WORDS: [&str; 55] = [
    "a", "act", "ai", "an", "and", "are", "as", "assistant", "at", "be", "by", "can", "do", "for", "from", "given",
    "have", "help", "helpful", "i", "if", "in", "into", "is", "it", "its", "language", "me", "model", "must", "my",
    "no", "not", "of", "on", "or", "our", "please", "s", "should", "so", "that", "the", "their", "them", "then",
    "they", "this", "to", "we", "who", "will", "with", "you", "your",
];

/// What a head has beside its text, digested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The tools.
    pub(super) tools: [u8; 32],
    /// The response schema.
    pub(super) format: [u8; 32],
}

/// Returns the step's id, a readable part and six hex digits of the head's hash; what the head has beside its text; and how
/// many bytes were hashed.
///
/// The digits tell steps apart; the readable part is a courtesy to people.
pub(super) fn step_id(request: &Request) -> (String, Shape, usize) {
    let tools = sorted(&request.tools);
    let (digest, bytes) = digest(request, &tools);
    let shape = shape(request, &tools);
    let family = request.api.as_str().replace('.', "-");
    let readable = if request.system.is_empty() {
        let names = tools.iter().flat_map(|(tool, _)| words(&tool.name));
        match (slug(names), &request.response_format) {
            (names, _) if !names.is_empty() => names,
            (_, ResponseFormat::JsonSchema(schema)) => {
                let title = schema.get("title").and_then(Value::as_str).unwrap_or_default();
                let slug = slug(words(title));
                if slug.is_empty() { "json-schema".to_owned() } else { slug }
            }
            (_, ResponseFormat::JsonObject) => "json-object".to_owned(),
            (_, ResponseFormat::Text) => format!("{family}-no-system"),
        }
    } else {
        match slug(words(&request.system)) {
            // No word that ASCII could spell.
            slug if slug.is_empty() => family,
            slug => slug,
        }
    };
    (with_digits(&readable, &digest), shape, bytes)
}

/// Joins a step's readable part and six hex digits.
fn with_digits(readable: &str, digits: &[u8]) -> String {
    format!("{readable}-{:02x}{:02x}{:02x}", digits[0], digits[1], digits[2])
}

/// Returns the id of what became a step of its own apart from the one that has `id`: the same readable part, other digits.
pub(super) fn id_apart(id: &str, key: u64) -> String {
    let readable = id.rsplit_once('-').map_or(id, |(readable, _)| readable);
    with_digits(readable, &key.to_be_bytes())
}

/// Returns the id that heads share which are too many to have one each.
pub(super) fn shared_id(request: &Request) -> String {
    format!("{}-various-000000", request.api.as_str().replace('.', "-"))
}

fn shape(request: &Request, tools: &[(&Tool, String)]) -> Shape {
    let mut all = Sha256::new();
    for (tool, parameters) in tools {
        for piece in [&tool.name, &tool.description, parameters] {
            all.update((piece.len() as u64).to_le_bytes());
            all.update(piece.as_bytes());
        }
    }
    let format = match &request.response_format {
        ResponseFormat::Text => [0; 32],
        ResponseFormat::JsonObject => [1; 32],
        ResponseFormat::JsonSchema(schema) => Sha256::digest(canonical(schema)).into(),
    };
    Shape { tools: all.finalize().into(), format }
}

/// Returns the head's hash, of which a step's id shows the first three bytes.
///
/// It names a version of the step's prompt: it changes with the system text, the tools and the response schema, and with
/// nothing else that differs between the calls of a step.
pub fn head_sha256(request: &Request) -> [u8; 32] {
    digest(request, &sorted(&request.tools)).0
}

/// Hashes the canonical head. Every piece goes in with its length, so that no two heads make the same bytes.
fn digest(request: &Request, tools: &[(&Tool, String)]) -> ([u8; 32], usize) {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut piece = |text: &str| {
        bytes += text.len();
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    piece("freehold head 1");
    piece(request.api.as_str());
    piece(&request.system);
    piece(&tools.len().to_string());
    for (tool, parameters) in tools {
        piece(&tool.name);
        piece(&tool.description);
        piece(parameters);
    }
    match &request.response_format {
        ResponseFormat::Text => piece("text"),
        ResponseFormat::JsonObject => piece("json_object"),
        ResponseFormat::JsonSchema(schema) => {
            piece("json_schema");
            piece(&canonical(schema));
        }
    }
    (hash.finalize().into(), bytes)
}

/// Orders the tools by name, and those of one name by what they say; each with its canonical parameters.
fn sorted(tools: &[Tool]) -> Vec<(&Tool, String)> {
    let mut sorted: Vec<_> = tools.iter().map(|tool| (tool, canonical(&tool.parameters))).collect();
    sorted.sort_by(|(a, a_parameters), (b, b_parameters)| {
        (&a.name, &a.description, a_parameters).cmp(&(&b.name, &b.description, b_parameters))
    });
    sorted
}

/// Returns the JSON text with the members of every object in the order of their names.
fn canonical(value: &Value) -> String {
    fn write(value: &Value, text: &mut String) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    text.push(if index == 0 { '[' } else { ',' });
                    write(item, text);
                }
                text.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Value::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name.as_str());
                for (index, (name, member)) in sorted.into_iter().enumerate() {
                    text.push(if index == 0 { '{' } else { ',' });
                    text.push_str(&Value::from(name.as_str()).to_string());
                    text.push(':');
                    write(member, text);
                }
                text.push_str(if members.is_empty() { "{}" } else { "}" });
            }
            leaf => text.push_str(&leaf.to_string()),
        }
    }
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// Splits a text into ASCII words; words that say little, and pieces of words in other scripts, are left out.
fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let end = text.floor_char_boundary(SLUG_BYTES_MAX);
    let words = text[..end].split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty() && word.is_ascii())
        .map(lower)
        .filter(|word| EMPTY_WORDS.binary_search(&word.as_ref()).is_err())
}

fn lower(word: &str) -> Cow<'_, str> {
    if word.bytes().any(|byte| byte.is_ascii_uppercase()) { word.to_ascii_lowercase().into() } else { word.into() }
}

/// Joins the first words as far as they fit; a single long word is cut.
fn slug<'w>(words: impl Iterator<Item = Cow<'w, str>>) -> String {
    let mut slug = String::new();
    for word in words.take(SLUG_WORDS_MAX) {
        if slug.is_empty() {
            slug.push_str(&word[..word.len().min(SLUG_CHARS_MAX)]);
        } else if slug.len() + 1 + word.len() <= SLUG_CHARS_MAX {
            slug.push('-');
            slug.push_str(&word);
        } else {
            break;
        }
    }
    slug
}
