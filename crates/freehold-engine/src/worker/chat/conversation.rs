//! A request in the shape that chat templates expect: that of the OpenAI API, with arguments as objects.

use freehold_wire::{Message, Part, Request, Role, ToolCall};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};

/// Returns the turns, the system text first.
pub(crate) fn messages(request: &Request) -> Result<Value, String> {
    let mut turns = Vec::with_capacity(request.messages.len() + 1);
    if !request.system.is_empty() {
        turns.push(json!({"role": "system", "content": request.system}));
    }
    for message in &request.messages {
        refuse_other_parts(message)?;
        match message.role {
            Role::User => turns.push(json!({"role": "user", "content": message.text()})),
            Role::Assistant => turns.push(assistant(message)),
            Role::Tool => turns.extend(results(message, request)),
        }
    }
    Ok(Value::from(Serde(turns)))
}

/// Returns the tools, or nothing where there are none, as templates test for it.
pub(crate) fn tools(request: &Request) -> Value {
    if request.tools.is_empty() {
        return Value::from(());
    }
    let tools = request.tools.iter().map(|tool| {
        let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
        json!({"type": "function", "function": function})
    });
    Value::from(Serde(tools.collect::<Vec<_>>()))
}

/// Refuses what a model of text cannot read, rather than dropping it in silence.
pub(crate) fn refuse_other_parts(message: &Message) -> Result<(), String> {
    for part in &message.parts {
        if let Part::Other(value) = part {
            let kind = value.get("type").and_then(Json::as_str).unwrap_or("part of an unknown type");
            return Err(format!("it holds {kind:?}, and the model reads text only"));
        }
    }
    Ok(())
}

fn assistant(message: &Message) -> Json {
    let mut turn = json!({"role": "assistant", "content": message.text()});
    let mut calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolCall(call) => calls.push(tool_call(call)),
            Part::Reasoning(text) => turn["reasoning_content"] = json!(text),
            Part::Text(_) | Part::ToolResult { .. } | Part::Other(_) => {}
        }
    }
    if !calls.is_empty() {
        turn["tool_calls"] = Json::Array(calls);
    }
    turn
}

fn tool_call(call: &ToolCall) -> Json {
    let arguments: Json = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments));
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

/// Returns one turn per result; each names the tool that it comes from where the call is still at hand.
fn results(message: &Message, request: &Request) -> Vec<Json> {
    let name_of = |id: &str| {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        parts
            .filter_map(|part| if let Part::ToolCall(call) = part { Some(call) } else { None })
            .find(|call| call.id == id)
            .map(|call| call.name.clone())
    };
    let turn = |part: &Part| match part {
        Part::ToolResult { id, text } => {
            let mut turn = json!({"role": "tool", "tool_call_id": id, "content": text});
            if let Some(name) = name_of(id) {
                turn["name"] = json!(name);
            }
            Some(turn)
        }
        Part::Text(text) if !text.is_empty() => Some(json!({"role": "user", "content": text})),
        _ => None,
    };
    message.parts.iter().filter_map(turn).collect()
}
