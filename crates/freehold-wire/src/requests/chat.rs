//! Reads OpenAI Chat Completions requests.

use serde_json::{Value, json};

use super::{content, sampling};
use crate::json::{Fault, Json, Within, word};
use crate::{Api, Message, Part, Request, ResponseFormat, Role, Tool, ToolCall, ToolChoice, answers};

pub(super) fn read(json: &Json<'_>) -> Result<Request, Fault> {
    let mut request = super::common(Api::OpenAiChat, json)?;
    let turns = json.optional_list("messages")?.ok_or_else(|| Fault::missing("an array")).within("messages")?;
    let mut system = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let message = message(turn, &mut system).at(index).within("messages")?;
        request.messages.extend(message);
    }
    request.system = super::join_system(&system);
    request.tools = tools(json)?;
    request.tool_choice = tool_choice(json)?;
    request.response_format = response_format(json.get("response_format")).within("response_format")?;
    request.sampling.top_logprobs = sampling::top_logprobs(json, json.optional_bool("logprobs")?)?;
    request.stream_usage = match json.get("stream_options") {
        Some(options) => options.optional_bool("include_usage").within("stream_options")?.unwrap_or_default(),
        None => false,
    };
    Ok(request)
}

/// Reads one turn; system and developer turns go to `system`.
fn message(turn: &Json<'_>, system: &mut Vec<String>) -> Result<Option<Message>, Fault> {
    turn.object()?;
    let content = turn.get("content");
    let message = match turn.required_str("role")? {
        "system" | "developer" => {
            system.push(content::system_texts(content).within("content")?.join("\n\n"));
            return Ok(None);
        }
        "user" => Message { role: Role::User, parts: content::parts(content).within("content")? },
        "assistant" => Message { role: Role::Assistant, parts: assistant_parts(turn)? },
        role @ ("tool" | "function") => {
            let id = turn.str_or_empty(if role == "tool" { "tool_call_id" } else { "name" }).to_owned();
            let text = content::result_text(content).within("content")?;
            Message { role: Role::Tool, parts: vec![Part::ToolResult { id, text }] }
        }
        role => return Err(content::unknown_role(role)).within("role"),
    };
    Ok(Some(message))
}

fn assistant_parts(turn: &Json<'_>) -> Result<Vec<Part>, Fault> {
    let reasoning = Some(answers::chat_reasoning(turn)).filter(|text| !text.is_empty());
    let mut parts: Vec<Part> = reasoning.map(|text| Part::Reasoning(text.to_owned())).into_iter().collect();
    parts.extend(content::parts(turn.get("content")).within("content")?);
    let refusal = turn.str_or_empty("refusal");
    if !refusal.is_empty() {
        parts.push(Part::Text(refusal.to_owned()));
    }
    for (index, call) in turn.optional_list("tool_calls")?.unwrap_or_default().iter().enumerate() {
        parts.push(Part::ToolCall(tool_call(call).at(index).within("tool_calls")?));
    }
    if let Some(call) = turn.get("function_call") {
        parts.push(Part::ToolCall(named_call(call, String::new(), "arguments").within("function_call")?));
    }
    Ok(parts)
}

fn tool_call(call: &Json<'_>) -> Result<ToolCall, Fault> {
    call.object()?;
    let id = call.optional_str("id")?.unwrap_or_default().to_owned();
    if let Some(custom) = call.get("custom") {
        return named_call(custom, id, "input").within("custom");
    }
    let function = call.get("function").ok_or_else(|| Fault::missing("an object")).within("function")?;
    named_call(function, id, "arguments").within("function")
}

fn named_call(call: &Json<'_>, id: String, arguments: &str) -> Result<ToolCall, Fault> {
    call.object()?;
    let name = call.required_str("name")?.to_owned();
    let arguments = match call.get(arguments) {
        None => String::new(),
        Some(Json::Text(text)) => text.clone().into_owned(),
        // Some clients send the arguments unspelt.
        Some(other) => other.to_value().to_string(),
    };
    Ok(ToolCall { id, name, arguments })
}

fn tools(json: &Json<'_>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (index, tool) in json.optional_list("tools")?.unwrap_or_default().iter().enumerate() {
        tool.object().at(index).within("tools")?;
        if let Some(function) = tool.get("function") {
            tools.push(function_tool(function, "parameters").within("function").at(index).within("tools")?);
        }
    }
    for (index, function) in json.optional_list("functions")?.unwrap_or_default().iter().enumerate() {
        tools.push(function_tool(function, "parameters").at(index).within("functions")?);
    }
    Ok(tools)
}

/// Reads a tool from the object that holds its name; `schema` names the member with the arguments' schema.
pub(super) fn function_tool(function: &Json<'_>, schema: &str) -> Result<Tool, Fault> {
    function.object()?;
    let parameters = match function.get(schema) {
        None => json!({}),
        Some(found @ Json::Object(_)) => found.to_value(),
        Some(Json::Bool(value)) => Value::Bool(*value),
        Some(other) => return Err(Fault::expected("a JSON schema", other)).within(schema),
    };
    Ok(Tool {
        name: function.required_str("name")?.to_owned(),
        description: function.optional_str("description")?.unwrap_or_default().to_owned(),
        parameters,
    })
}

fn tool_choice(json: &Json<'_>) -> Result<ToolChoice, Fault> {
    match json.get("function_call") {
        Some(found) if json.get("tool_choice").is_none() => choice(found).within("function_call"),
        _ => json.get("tool_choice").map_or(Ok(ToolChoice::Auto), |found| choice(found).within("tool_choice")),
    }
}

/// Reads a choice as OpenAI spells it in both of its APIs.
pub(super) fn choice(found: &Json<'_>) -> Result<ToolChoice, Fault> {
    let mode = match found {
        Json::Text(mode) => mode.as_ref(),
        Json::Object(_) => return choice_object(found),
        other => return Err(Fault::expected("a string or an object", other)),
    };
    choice_word(mode).ok_or_else(|| Fault::new(format!("{} is no tool choice of this API", word(mode))))
}

fn choice_word(mode: &str) -> Option<ToolChoice> {
    match mode {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        // Mistral's dialect of this API says `any`.
        "required" | "any" => Some(ToolChoice::Required),
        _ => None,
    }
}

/// A named tool, a set of allowed tools with a mode, or a tool that the vendor runs.
fn choice_object(found: &Json<'_>) -> Result<ToolChoice, Fault> {
    let named = ["function", "custom"].iter().find_map(|member| found.get(member)).unwrap_or(found);
    if let Some(name) = named.optional_str("name")? {
        return Ok(ToolChoice::Named(name.to_owned()));
    }
    let allowed = found.get("allowed_tools").unwrap_or(found);
    Ok(choice_word(allowed.str_or_empty("mode")).unwrap_or(ToolChoice::Required))
}

/// Reads a format in the spelling of Chat Completions (`json_schema` nested) or of the newer APIs (`schema` beside).
pub(super) fn response_format(format: Option<&Json<'_>>) -> Result<ResponseFormat, Fault> {
    let Some(format) = format else { return Ok(ResponseFormat::Text) };
    format.object()?;
    match format.required_str("type")? {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => {
            let holder = format.get("json_schema").unwrap_or(format);
            Ok(ResponseFormat::JsonSchema(holder.get("schema").map_or_else(|| json!({}), Json::to_value)))
        }
        other => Err(Fault::new(format!("{} is no format of this API", word(other)))).within("type"),
    }
}
