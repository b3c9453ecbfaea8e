//! The grammar of the answers that a request allows, in the Lark dialect of llguidance.
//!
//! JSON is compact, with at most one space after a comma or a colon: models are trained on either form, and weak ones
//! lose themselves in free white space.

use std::fmt::Write;

use freehold_wire::{Request, ResponseFormat, Tool, ToolChoice};
use llama_cpp_2::model::LlamaModel;
use serde_json::{Value, json};

use crate::worker::output::Manner;
use crate::worker::output::family::Body;

/// How a model writes, and how a grammar spells its markers: as text, or as control tokens of its vocabulary.
pub(crate) struct Writing {
    manner: Manner,
    lead: String,
    open: String,
    close: String,
    tail: String,
    prefix: String,
    separator: String,
    thought: String,
}

impl Writing {
    /// Finds out how a model's vocabulary has the markers of its family.
    pub(crate) fn of(model: &LlamaModel, manner: Manner) -> Writing {
        let spelt = |marker: &str| spelling(model, marker);
        let (prefix, separator) = match manner.family.body {
            Body::Named { prefix, separator, aside: _ } => (prefix, separator),
            Body::Object(_) | Body::List(_) => ("", ""),
        };
        Writing {
            manner,
            lead: spelt(manner.family.lead),
            open: spelt(manner.family.open),
            close: spelt(manner.family.close),
            tail: spelt(manner.family.tail),
            prefix: spelt(prefix),
            separator: spelt(separator),
            thought: spelt(manner.thoughts.1),
        }
    }
}

/// Returns a grammar's spelling of a text, in which the control tokens of the vocabulary are tokens.
fn spelling(model: &LlamaModel, text: &str) -> String {
    let vocabulary = model.vocab();
    let (mut parts, mut plain) = (Vec::new(), Vec::new());
    let flush = |plain: &mut Vec<u8>, parts: &mut Vec<String>| {
        if !plain.is_empty() {
            parts.push(Value::from(String::from_utf8_lossy(plain)).to_string());
            plain.clear();
        }
    };
    let tokens = vocabulary.tokenize(text.as_bytes(), false, true);
    let has_control = tokens.iter().any(|token| vocabulary.token_to_piece(*token, false, None).is_empty());
    if !has_control {
        return if text.is_empty() { String::new() } else { Value::from(text).to_string() };
    }
    for token in tokens {
        let piece = vocabulary.token_to_piece(token, false, None);
        if piece.is_empty() {
            flush(&mut plain, &mut parts);
            parts.push(format!("<[{}]>", token.0));
        }
        plain.extend(piece);
    }
    flush(&mut plain, &mut parts);
    parts.join(" ")
}

/// Where the prompt leaves the answer to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With what is answered.
    Answer,
    /// Amid reasoning, which comes first.
    Thought,
}

/// How many calls an answer may make.
#[derive(Clone, Copy)]
enum Calls {
    One,
    Several,
}

/// Returns the grammar of a request, or `None` when any text will do.
pub(crate) fn of(request: &Request, writing: &Writing, beginning: Beginning) -> Result<Option<String>, String> {
    let shape = match &request.response_format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({"type": "object"})),
        ResponseFormat::JsonSchema(schema) => Some(schema.clone()),
    };
    let json_line = |schema: &Value| format!("json: %json {}\n", compact(schema));
    let all: Vec<&Tool> = request.tools.iter().collect();
    let calls = |tools: &[&Tool], count: Calls| call_rules(tools, writing, count);
    let count = if request.one_tool_call { Calls::One } else { Calls::Several };
    let (start, rules) = match (&request.tool_choice, shape) {
        (ToolChoice::Named(name), _) => {
            let tool = request.tools.iter().find(|tool| tool.name == *name);
            let tool = tool.ok_or_else(|| format!("it demands the tool {name:?}, which it does not offer"))?;
            ("calls".to_owned(), calls(&[tool], Calls::One)?)
        }
        (ToolChoice::Required, _) if all.is_empty() => {
            return Err("it demands a tool call and offers no tool".to_owned());
        }
        (ToolChoice::Required, _) => ("calls".to_owned(), calls(&all, count)?),
        (ToolChoice::Auto, None) if !all.is_empty() => (free_or_calls(writing), calls(&all, count)?),
        (ToolChoice::Auto, Some(schema)) if !all.is_empty() => {
            ("json | calls".to_owned(), json_line(&schema) + &calls(&all, count)?)
        }
        (_, Some(schema)) => ("json".to_owned(), json_line(&schema)),
        (_, None) => return Ok(None),
    };
    if beginning == Beginning::Thought {
        let (_, thought) = writing.manner.thoughts;
        let ending = &writing.thought;
        return Ok(Some(format!(
            "start: THOUGHT? {ending} SPACE? said\nsaid: {start}\nSPACE: /[ \\n]+/\nTHOUGHT: {}\n{rules}",
            without(thought)
        )));
    }
    Ok(Some(format!("start: {start}\n{rules}")))
}

/// Returns a rule of free text that ends where calls begin; what looks like a call must be one.
fn free_or_calls(writing: &Writing) -> String {
    let family = writing.manner.family;
    if family.open.is_empty() {
        // A call without a marker is the whole answer, so a brace at its beginning begins one.
        return "/[^{ \\n](?s:.)*/ | calls".to_owned();
    }
    let first = if family.lead.is_empty() { family.open } else { family.lead };
    format!("TEXT | TEXT? calls\nTEXT: {}", without(first))
}

/// Returns a lexeme of any text in which a marker does not occur.
fn without(marker: &str) -> String {
    let mut spelt = String::new();
    for character in marker.chars() {
        if "\\.+*?()|[]{}^$/".contains(character) {
            spelt.push('\\');
        }
        spelt.push(character);
    }
    format!("/(?s:.)+/ & ~/(?s:.*){spelt}(?s:.*)/")
}

/// Returns the rules of so many calls of these tools in the family's form.
fn call_rules(tools: &[&Tool], writing: &Writing, count: Calls) -> Result<String, String> {
    let Writing { lead, open, close, tail, prefix, separator, .. } = writing;
    let break_ = "\"\\n\"?";
    let (call, between) = match writing.manner.family.body {
        Body::List(_) => (format!("call: {open} \"[\" body"), "\", \" body"),
        Body::Object(_) if open.is_empty() => ("call: body".to_owned(), "\"\\n\" call"),
        Body::Object(_) => (format!("call: {open} {break_} body {break_} {close}"), "\"\\n\"? call"),
        Body::Named { .. } => (format!("call: {open} {prefix} body {close}"), "\"\\n\"? call"),
    };
    let more = match count {
        Calls::One => String::new(),
        Calls::Several => format!(" ({between})*"),
    };
    let mut rules = match writing.manner.family.body {
        Body::List(_) => format!("calls: {lead} call{more} \"]\" {close} {tail}\n"),
        _ if writing.manner.family.open.is_empty() => format!("calls: call{more}\n"),
        _ => format!("calls: {lead} call{more} {tail}\n"),
    };
    let names: Vec<String> = (0..tools.len()).map(|number| format!("tool_{number}")).collect();
    writeln!(rules, "{call}\nbody: {}", names.join(" | ")).map_err(|error| error.to_string())?;
    for (name, tool) in names.iter().zip(tools) {
        let rule = tool_rule(name, tool, (writing.manner.family.body, separator.as_str()))?;
        rules += &rule;
    }
    Ok(rules)
}

/// Returns the rules of one tool, without the markers around it.
fn tool_rule(rule: &str, tool: &Tool, (body, separator): (Body, &str)) -> Result<String, String> {
    if !is_plain_name(&tool.name) {
        return Err(format!("the tool name {:?} is none: letters, digits, '_', '-' and '.' make one", tool.name));
    }
    let mut parameters = match &tool.parameters {
        Value::Object(schema) => schema.clone(),
        _ => serde_json::Map::new(),
    };
    parameters.entry("type").or_insert_with(|| json!("object"));
    let schema = compact(&Value::Object(parameters));
    let spelt = tool.name.replace('.', "\\.");
    let call = match body {
        Body::Named { .. } => format!("\"{}\" {separator} arguments_{rule}", tool.name),
        Body::Object(members) | Body::List(members) => {
            format!("/\\{{\"{}\": ?\"{spelt}\", ?\"{}\": ?/ arguments_{rule} \"}}\"", members.name, members.arguments)
        }
    };
    Ok(format!("{rule}: {call}\narguments_{rule}: %json {schema}\n"))
}

fn is_plain_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= 128 && name.bytes().all(is_plain)
}

/// Returns a schema with our rule of white space, on one line.
fn compact(schema: &Value) -> String {
    let mut schema = match schema {
        Value::Object(schema) => schema.clone(),
        // `true` allows anything; no other value that is not an object is a schema.
        _ => serde_json::Map::new(),
    };
    let spacing = json!({"whitespace_flexible": false, "item_separator": ", ?", "key_separator": ": ?"});
    schema.insert("x-guidance".to_owned(), spacing);
    Value::Object(schema).to_string()
}
