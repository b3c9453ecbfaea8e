//! Reads OpenAI Responses requests.

use super::{chat, content, sampling};
use crate::json::{Fault, Json, Within};
use crate::{Api, Message, Part, Request, Role, Tool, ToolCall, ToolChoice};

pub(super) fn read(json: &Json<'_>) -> Result<Request, Fault> {
    let mut request = super::common(Api::OpenAiResponses, json)?;
    // Instructions taken over from an earlier answer may come as an array of items.
    let mut system = match json.get("instructions") {
        Some(Json::List(_)) | None => Vec::new(),
        text => content::system_texts(text).within("instructions")?,
    };
    match json.get("input") {
        None => {}
        Some(Json::List(items)) => {
            for (index, found) in items.iter().enumerate() {
                item(found, &mut request.messages, &mut system).at(index).within("input")?;
            }
        }
        text => {
            request.messages.push(Message { role: Role::User, parts: content::parts(text).within("input")? });
        }
    }
    request.system = super::join_system(&system);
    request.tools = tools(json)?;
    request.tool_choice =
        json.get("tool_choice").map_or(Ok(ToolChoice::Auto), |found| chat::choice(found).within("tool_choice"))?;
    let format = json.get("text").and_then(|text| text.get("format"));
    request.response_format = chat::response_format(format).within("format").within("text")?;
    let wants_logprobs = match json.get("include") {
        Some(Json::List(items)) => items.iter().any(|item| item.as_str() == Some("message.output_text.logprobs")),
        _ => false,
    };
    request.sampling.top_logprobs = sampling::top_logprobs(json, Some(wants_logprobs))?;
    Ok(request)
}

/// Reads one item. What the model put out in one go comes as several items in a row, and is one turn here.
fn item(item: &Json<'_>, messages: &mut Vec<Message>, system: &mut Vec<String>) -> Result<(), Fault> {
    item.object()?;
    let part = match item.optional_str("type")? {
        None | Some("message") => return message(item, messages, system),
        Some(kind @ ("function_call" | "custom_tool_call")) => Part::ToolCall(ToolCall {
            id: item.optional_str("call_id")?.unwrap_or_default().to_owned(),
            name: item.required_str("name")?.to_owned(),
            arguments: item.str_or_empty(if kind == "function_call" { "arguments" } else { "input" }).to_owned(),
        }),
        Some("function_call_output" | "custom_tool_call_output") => {
            let id = item.optional_str("call_id")?.unwrap_or_default().to_owned();
            let text = content::result_text(item.get("output")).within("output")?;
            messages.push(Message { role: Role::Tool, parts: vec![Part::ToolResult { id, text }] });
            return Ok(());
        }
        Some("reasoning") => match reasoning(item)? {
            text if text.is_empty() => Part::Other(item.to_value()),
            text => Part::Reasoning(text),
        },
        Some(_) => Part::Other(item.to_value()),
    };
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant => last.parts.push(part),
        _ => messages.push(Message { role: Role::Assistant, parts: vec![part] }),
    }
    Ok(())
}

fn message(item: &Json<'_>, messages: &mut Vec<Message>, system: &mut Vec<String>) -> Result<(), Fault> {
    let content = item.get("content");
    match item.required_str("role")? {
        "system" | "developer" => system.extend(content::system_texts(content).within("content")?),
        "user" => messages.push(Message { role: Role::User, parts: content::parts(content).within("content")? }),
        "assistant" => {
            let parts = content::parts(content).within("content")?;
            match messages.last_mut() {
                Some(last) if last.role == Role::Assistant && !has_text(last) => last.parts.extend(parts),
                _ => messages.push(Message { role: Role::Assistant, parts }),
            }
        }
        role => return Err(content::unknown_role(role)).within("role"),
    }
    Ok(())
}

fn has_text(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part, Part::Text(_)))
}

/// Returns the reasoning's own text where the vendor shows it, else its summary.
fn reasoning(item: &Json<'_>) -> Result<String, Fault> {
    for member in ["content", "summary"] {
        let mut text = String::new();
        for part in content::parts(item.get(member)).within(member)? {
            if let Part::Reasoning(piece) = part {
                text.push_str(if text.is_empty() { "" } else { "\n\n" });
                text.push_str(&piece);
            }
        }
        if !text.is_empty() {
            return Ok(text);
        }
    }
    Ok(String::new())
}

fn tools(json: &Json<'_>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (index, tool) in json.optional_list("tools")?.unwrap_or_default().iter().enumerate() {
        tool.object().at(index).within("tools")?;
        if tool.str_or_empty("type") == "function" {
            // Some clients nest the function as Chat Completions does.
            let function = tool.get("function").unwrap_or(tool);
            tools.push(chat::function_tool(function, "parameters").at(index).within("tools")?);
        }
    }
    Ok(tools)
}
