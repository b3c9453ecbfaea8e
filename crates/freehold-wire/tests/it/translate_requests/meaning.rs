//! What two requests in different dialects have to agree on, taken from the neutral view of each.

use freehold_wire::{Message, Part, Request, ResponseFormat, Role, Tool, ToolChoice};
use serde_json::{Value, json};

/// The part of a request that every dialect can say.
#[derive(Debug, PartialEq)]
pub(crate) struct Meaning {
    system: String,
    said: Vec<(Role, Said)>,
    tools: Vec<Tool>,
    tool_choice: ToolChoice,
    response_format: ResponseFormat,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    stop: Vec<String>,
    stream: bool,
}

#[derive(Debug, PartialEq)]
enum Said {
    Text(String),
    Call(String, String, Value),
    Result(String, String),
    /// Images and files: how they are spelt differs.
    Other,
}

/// Returns what a request means; a limit of 32,000 tokens may stand for none.
pub(crate) fn of(request: &Request) -> Meaning {
    let mut said: Vec<_> = request.messages.iter().flat_map(of_message).collect();
    said.dedup_by(|next, last| joins(last, next));
    // What may be chosen among no tools means nothing.
    let tool_choice = if request.tools.is_empty() { ToolChoice::Auto } else { request.tool_choice.clone() };
    Meaning {
        system: request.system.clone(),
        said,
        tools: request.tools.iter().map(of_tool).collect(),
        tool_choice,
        response_format: request.response_format.clone(),
        max_tokens: request.sampling.max_tokens.filter(|limit| *limit != 32_000),
        temperature: request.sampling.temperature,
        top_p: request.sampling.top_p,
        stop: request.sampling.stop.clone(),
        stream: request.stream,
    }
}

/// Joins texts of one speaker: where one ends and the next begins is a matter of spelling.
fn joins(last: &mut (Role, Said), next: &(Role, Said)) -> bool {
    match (last, next) {
        ((before, Said::Text(text)), (after, Said::Text(more))) if before == after => {
            text.push_str(more);
            true
        }
        _ => false,
    }
}

fn of_message(message: &Message) -> Vec<(Role, Said)> {
    let mut said: Vec<(Role, Said)> = Vec::new();
    for part in &message.parts {
        let part = match part {
            Part::Text(text) => Said::Text(text.clone()),
            Part::ToolCall(call) => {
                let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
                let arguments = serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments));
                Said::Call(call.id.clone(), call.name.clone(), arguments)
            }
            // That the tool failed is said in the text where there is no member for it.
            Part::ToolResult { id, text } => {
                let text = text.strip_prefix("Error: ").unwrap_or(text);
                // Results with images and files are the parts themselves in the neutral view.
                Said::Result(id.clone(), if text.starts_with("[{") { "parts" } else { text }.to_owned())
            }
            Part::Reasoning(_) => continue,
            Part::Other(value) if is_thought(value) => continue,
            Part::Other(_) => Said::Other,
        };
        said.push((message.role, part));
    }
    said
}

fn is_thought(value: &Value) -> bool {
    matches!(value["type"].as_str(), Some("reasoning" | "redacted_thinking"))
}

/// A tool without parameters takes an object.
fn of_tool(tool: &Tool) -> Tool {
    let mut tool = tool.clone();
    if tool.parameters == json!({}) || tool.parameters == json!({"type": "object", "properties": {}}) {
        tool.parameters = json!({"type": "object"});
    }
    tool
}
