//! The grammar of the answers that a request allows, in the Lark dialect of llguidance.
//!
//! JSON is compact, with at most one space after a comma or a colon: models are trained on either form, and weak ones
//! lose themselves in free white space.

use std::fmt::Write;

use freehold_wire::{Request, ResponseFormat, Tool, ToolChoice};
use llama_cpp_2::model::LlamaModel;
use serde_json::{Value, json};

use crate::worker::output::{TOOL_CLOSE, TOOL_OPEN};

/// How the markers of a tool call are spelt in a grammar: as text, or as a control token of the vocabulary.
pub(crate) struct Markers {
    open: String,
    close: String,
}

impl Markers {
    /// Finds out how a model's vocabulary has them.
    pub(crate) fn of(model: &LlamaModel) -> Markers {
        let spelt = |marker: &str| {
            let vocabulary = model.vocab();
            match vocabulary.tokenize(marker.as_bytes(), false, true).as_slice() {
                [token] if vocabulary.token_to_piece(*token, false, None).is_empty() => marker.to_owned(),
                _ => format!("\"{marker}\""),
            }
        };
        Markers { open: spelt(TOOL_OPEN), close: spelt(TOOL_CLOSE) }
    }
}

/// Returns the grammar of a request, or `None` when any text will do.
pub(crate) fn of(request: &Request, markers: &Markers) -> Result<Option<String>, String> {
    let shape = match &request.response_format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({"type": "object"})),
        ResponseFormat::JsonSchema(schema) => Some(schema.clone()),
    };
    let json_line = |schema: &Value| format!("json: %json {}\n", compact(schema));
    let calls = |tools: &[&Tool]| call_rules(tools, markers);
    let all: Vec<&Tool> = request.tools.iter().collect();
    let grammar = match (&request.tool_choice, shape) {
        (ToolChoice::Named(name), _) => {
            let tool = request.tools.iter().find(|tool| tool.name == *name);
            let tool = tool.ok_or_else(|| format!("it demands the tool {name:?}, which it does not offer"))?;
            format!("start: call\n{}", calls(&[tool])?)
        }
        (ToolChoice::Required, _) if all.is_empty() => {
            return Err("it demands a tool call and offers no tool".to_owned());
        }
        (ToolChoice::Required, _) => format!("start: call (\"\\n\"? call)*\n{}", calls(&all)?),
        (ToolChoice::Auto, None) if !all.is_empty() => {
            // Free text ends where a call begins; what looks like a call must be one.
            format!(
                "start: TEXT | TEXT? call (\"\\n\"? call)*\nTEXT: /(?s:.)+/ & ~/(?s:.*){TOOL_OPEN}(?s:.*)/\n{}",
                calls(&all)?
            )
        }
        (ToolChoice::Auto, Some(schema)) if !all.is_empty() => {
            format!("start: json | call (\"\\n\"? call)*\n{}{}", json_line(&schema), calls(&all)?)
        }
        (_, Some(schema)) => format!("start: json\n{}", json_line(&schema)),
        (_, None) => return Ok(None),
    };
    Ok(Some(grammar))
}

fn call_rules(tools: &[&Tool], markers: &Markers) -> Result<String, String> {
    let mut rules = format!("call: {} \"\\n\"? body \"\\n\"? {}\nbody: ", markers.open, markers.close);
    let names: Vec<String> = (0..tools.len()).map(|number| format!("tool_{number}")).collect();
    rules += &names.join(" | ");
    rules.push('\n');
    for (name, tool) in names.iter().zip(tools) {
        if !is_plain_name(&tool.name) {
            return Err(format!("the tool name {:?} is none: letters, digits, '_', '-' and '.' make one", tool.name));
        }
        let mut parameters = match &tool.parameters {
            Value::Object(schema) => schema.clone(),
            _ => serde_json::Map::new(),
        };
        parameters.entry("type").or_insert_with(|| json!("object"));
        let spelt = tool.name.replace('.', "\\.");
        let schema = compact(&Value::Object(parameters));
        writeln!(rules, "{name}: /\\{{\"name\": ?\"{spelt}\", ?\"arguments\": ?/ arguments_{name} \"}}\"")
            .and_then(|()| writeln!(rules, "arguments_{name}: %json {schema}"))
            .map_err(|error| error.to_string())?;
    }
    Ok(rules)
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
