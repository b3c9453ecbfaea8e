//! A request in the shape that chat templates expect: that of the OpenAI API, with arguments as objects, or what else one may want.

use freehold_wire::{Message, Part, Request, Role, ToolCall};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};

/// How the turns are spelt for a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As most templates expect it.
    Usual,
    /// With ids of tool calls of nine letters and digits, which those of Mistral demand.
    ShortIds,
    /// With the arguments of tool calls as the text that the model wrote.
    ArgumentsAsText,
    /// With the system text at the head of the first turn, for templates that know no such role.
    SystemInFirstTurn,
}

impl Form {
    /// All of them; the first that a template takes is taken.
    pub(crate) const ALL: [Form; 4] = [Form::Usual, Form::ShortIds, Form::ArgumentsAsText, Form::SystemInFirstTurn];
}

/// Returns the turns, the system text first.
pub(crate) fn messages(request: &Request, form: Form) -> Result<Value, String> {
    let mut turns = Vec::with_capacity(request.messages.len() + 1);
    let mut system = Some(request.system.as_str()).filter(|system| !system.is_empty());
    if form != Form::SystemInFirstTurn
        && let Some(system) = system.take()
    {
        turns.push(json!({"role": "system", "content": system}));
    }
    for message in &request.messages {
        refuse_other_parts(message)?;
        match message.role {
            Role::User => {
                let head = system.take().map(|system| format!("{system}\n\n")).unwrap_or_default();
                turns.push(json!({"role": "user", "content": head + &message.text()}));
            }
            Role::Assistant => turns.push(assistant(message, form)),
            Role::Tool => turns.extend(results(message, request)),
        }
    }
    if form == Form::ShortIds {
        shorten_ids(&mut turns);
    }
    Ok(Value::from(Serde(turns)))
}

/// Numbers the tool calls in their order, in place of their ids.
fn shorten_ids(turns: &mut [Json]) {
    let mut known: Vec<Json> = Vec::new();
    let mut short = |id: &mut Json| {
        let place = known.iter().position(|known| known == id).unwrap_or_else(|| {
            known.push(id.clone());
            known.len() - 1
        });
        *id = format!("call{place:05}").into();
    };
    for turn in turns {
        if let Some(calls) = turn.get_mut("tool_calls").and_then(Json::as_array_mut) {
            calls.iter_mut().for_each(|call| short(&mut call["id"]));
        }
        if let Some(id) = turn.get_mut("tool_call_id") {
            short(id);
        }
    }
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

fn assistant(message: &Message, form: Form) -> Json {
    let mut turn = json!({"role": "assistant", "content": message.text()});
    let mut calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolCall(call) => calls.push(tool_call(call, form)),
            Part::Reasoning(text) => turn["reasoning_content"] = json!(text),
            Part::Text(_) | Part::ToolResult { .. } | Part::Other(_) => {}
        }
    }
    if !calls.is_empty() {
        turn["tool_calls"] = Json::Array(calls);
    }
    turn
}

fn tool_call(call: &ToolCall, form: Form) -> Json {
    let parsed = if form == Form::ArgumentsAsText { None } else { serde_json::from_str(&call.arguments).ok() };
    let arguments: Json = parsed.unwrap_or_else(|| json!(call.arguments));
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
