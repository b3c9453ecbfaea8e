//! Reads Anthropic Messages requests.

use super::{billing, chat, content};
use crate::json::{Fault, Json, Within, word};
use crate::{Api, Message, Part, Request, Role, Tool, ToolCall, ToolChoice};

pub(super) fn read(json: &Json<'_>) -> Result<Request, Fault> {
    let mut request = super::common(Api::AnthropicMessages, json)?;
    let mut system = content::system_texts(json.get("system")).within("system")?;
    if let Some(first) = system.first_mut() {
        billing::cut(first);
    }
    let turns = json.optional_list("messages")?.ok_or_else(|| Fault::missing("an array")).within("messages")?;
    for (index, turn) in turns.iter().enumerate() {
        message(turn, &mut request.messages, &mut system).at(index).within("messages")?;
    }
    request.system = super::join_system(&system);
    request.tools = tools(json)?;
    request.tool_choice = match json.get("tool_choice") {
        None => ToolChoice::Auto,
        Some(choice) => tool_choice(choice).within("tool_choice")?,
    };
    request.response_format = match json.get("output_config").and_then(|config| config.get("format")) {
        Some(format) => chat::response_format(Some(format)).within("format").within("output_config")?,
        None => chat::response_format(json.get("output_format")).within("output_format")?,
    };
    Ok(request)
}

fn message(turn: &Json<'_>, messages: &mut Vec<Message>, system: &mut Vec<String>) -> Result<(), Fault> {
    turn.object()?;
    let content = turn.get("content");
    let role = match turn.required_str("role")? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => {
            system.extend(content::system_texts(content).within("content")?);
            return Ok(());
        }
        role => return Err(content::unknown_role(role)).within("role"),
    };
    let Some(Json::List(blocks)) = content else {
        messages.push(Message { role, parts: content::parts(content).within("content")? });
        return Ok(());
    };
    let before = messages.len();
    for (index, block) in blocks.iter().enumerate() {
        let Some(part) = block_part(block).at(index).within("content")? else { continue };
        // Tool results stand alone; everything else joins what was said before it in the same turn.
        let part_role = if matches!(part, Part::ToolResult { .. }) { Role::Tool } else { role };
        match messages[before..].last_mut() {
            Some(last) if last.role == part_role && part_role != Role::Tool => last.parts.push(part),
            _ => messages.push(Message { role: part_role, parts: vec![part] }),
        }
    }
    if messages.len() == before {
        messages.push(Message { role, parts: Vec::new() });
    }
    Ok(())
}

fn block_part(block: &Json<'_>) -> Result<Option<Part>, Fault> {
    match block.str_or_empty("type") {
        "tool_use" => Ok(Some(Part::ToolCall(ToolCall {
            id: block.optional_str("id")?.unwrap_or_default().to_owned(),
            name: block.required_str("name")?.to_owned(),
            arguments: block.get("input").map_or_else(|| "{}".to_owned(), |input| input.to_value().to_string()),
        }))),
        "tool_result" => Ok(Some(Part::ToolResult {
            id: block.optional_str("tool_use_id")?.unwrap_or_default().to_owned(),
            text: content::result_text(block.get("content")).within("content")?,
        })),
        _ => content::part(block),
    }
}

/// Reads the tools of the caller's own; those with a versioned type are defined and mostly run by the vendor.
fn tools(json: &Json<'_>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (index, tool) in json.optional_list("tools")?.unwrap_or_default().iter().enumerate() {
        tool.object().at(index).within("tools")?;
        if matches!(tool.str_or_empty("type"), "" | "custom") {
            tools.push(chat::function_tool(tool, "input_schema").at(index).within("tools")?);
        }
    }
    Ok(tools)
}

fn tool_choice(choice: &Json<'_>) -> Result<ToolChoice, Fault> {
    choice.object()?;
    match choice.required_str("type")? {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "any" => Ok(ToolChoice::Required),
        "tool" => Ok(ToolChoice::Named(choice.required_str("name")?.to_owned())),
        other => Err(Fault::new(format!("{} is no tool choice of this API", word(other)))).within("type"),
    }
}
