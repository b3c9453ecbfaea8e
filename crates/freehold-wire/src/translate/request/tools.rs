//! The tools offered, and which of them may or must be called.

use serde_json::{Value, json};

use super::losses::{Losses, Node};
use crate::Api;
use crate::requests::draft::{Draft, Function, Members, Tool, take_bool, take_text, word};
use crate::translate::Error;

/// Which tool may or must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Auto,
    None,
    Required,
    Named(String),
    /// Only these, with `required` if one of them must be.
    Allowed {
        names: Vec<String>,
        is_required: bool,
    },
}

/// Takes the tools out of the draft, and writes the choice among them to `members`.
pub(super) fn carry(draft: &mut Draft, members: &mut Members, losses: &mut Losses) -> Result<Vec<Tool>, Error> {
    let mut tools = Vec::with_capacity(draft.tools.len());
    for (index, tool) in std::mem::take(&mut draft.tools).into_iter().enumerate() {
        tools.extend(carry_tool(tool, &format!("tools[{index}]"), losses)?);
    }
    let (choice, is_parallel) = take_choice(&mut draft.rest, losses)?;
    match losses.to {
        // Without tools there is nothing to choose, and vendors refuse a choice.
        _ if tools.is_empty() => {}
        Api::AnthropicMessages => put_anthropic(choice, is_parallel, members, &mut tools),
        to => put_openai(choice, is_parallel, members, to),
    }
    Ok(tools.into_iter().map(Tool::Function).collect())
}

fn carry_tool(tool: Tool, path: &str, losses: &mut Losses) -> Result<Option<Function>, Error> {
    let mut function = match tool {
        Tool::Function(function) => function,
        Tool::Other(value) => {
            let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
            let why = match kind {
                "custom" => "tools with free text cannot be carried",
                "" | "function" => "it is no function with a name",
                _ => "tools that the vendor defines or runs cannot be carried",
            };
            losses.lose(path, why)?;
            return Ok(None);
        }
    };
    losses.leave(Node::Tool, &function.outer, path)?;
    losses.leave(Node::Tool, &function.rest, path)?;
    function.rest = Members::new();
    function.outer = Members::new();
    match losses.to {
        Api::OpenAiChat => {
            function.outer.insert("type".into(), "function".into());
        }
        Api::OpenAiResponses => {
            function.rest.insert("type".into(), "function".into());
            function.parameters.get_or_insert_with(|| json!({"type": "object", "properties": {}}));
            // Responses is strict unless told otherwise, and the other dialects are not.
            function.strict.get_or_insert(false);
        }
        _ => {
            function.parameters = Some(object_schema(function.parameters));
            function.strict = function.strict.filter(|strict| *strict);
        }
    }
    Ok(Some(function))
}

/// Returns a schema that says that it is one of an object, as Anthropic wants it.
fn object_schema(schema: Option<Value>) -> Value {
    match schema {
        Some(Value::Object(mut members)) => {
            if !members.contains_key("type") {
                members.insert("type".into(), "object".into());
            }
            members.into()
        }
        _ => json!({"type": "object"}),
    }
}

/// Takes the choice, and whether several tools may be called at once where that is said.
fn take_choice(rest: &mut Members, losses: &mut Losses) -> Result<(Choice, Option<bool>), Error> {
    let mut is_parallel = take_bool(rest, "parallel_tool_calls").filter(|_| !losses.from.is_anthropic());
    let choice = match rest.get("tool_choice") {
        None | Some(Value::Null) => return Ok((Choice::Auto, is_parallel)),
        Some(Value::String(mode)) => mode_of(mode),
        Some(Value::Object(choice)) if losses.from.is_anthropic() => {
            let mut choice = choice.clone();
            is_parallel = take_bool(&mut choice, "disable_parallel_tool_use").map(|is_disabled| !is_disabled);
            anthropic_choice(choice)
        }
        Some(Value::Object(choice)) => openai_choice(choice),
        Some(_) => None,
    };
    rest.shift_remove("tool_choice");
    let Some(choice) = choice else {
        losses.lose("tool_choice", "it chooses something that is no function of the caller's")?;
        return Ok((Choice::Auto, is_parallel));
    };
    Ok((choice, is_parallel))
}

fn mode_of(mode: &str) -> Option<Choice> {
    match mode {
        "auto" => Some(Choice::Auto),
        "none" => Some(Choice::None),
        "required" | "any" => Some(Choice::Required),
        _ => None,
    }
}

fn anthropic_choice(mut choice: Members) -> Option<Choice> {
    if word(&choice, "type") == "tool" {
        return take_text(&mut choice, "name").map(Choice::Named);
    }
    mode_of(word(&choice, "type")).filter(|_| choice.len() == 1)
}

fn openai_choice(choice: &Members) -> Option<Choice> {
    match word(choice, "type") {
        "function" => function_name(choice).map(Choice::Named),
        "allowed_tools" => {
            let allowed = choice.get("allowed_tools").and_then(Value::as_object).unwrap_or(choice);
            let tools = allowed.get("tools")?.as_array()?;
            let name = |tool: &Value| function_name(tool.as_object().filter(|tool| word(tool, "type") == "function")?);
            let names = tools.iter().map(name).collect::<Option<Vec<String>>>()?;
            Some(Choice::Allowed { names, is_required: word(allowed, "mode") == "required" })
        }
        _ => None,
    }
}

/// Returns the name of a function as either of OpenAI's dialects spells it.
fn function_name(choice: &Members) -> Option<String> {
    let function = choice.get("function").and_then(Value::as_object).unwrap_or(choice);
    function.get("name")?.as_str().map(str::to_owned)
}

fn put_anthropic(choice: Choice, is_parallel: Option<bool>, members: &mut Members, tools: &mut Vec<Function>) {
    let is_single = is_parallel == Some(false) && choice != Choice::None;
    let mut spelt = match choice {
        Choice::Auto if !is_single => return,
        Choice::Auto => json!({"type": "auto"}),
        Choice::None => json!({"type": "none"}),
        Choice::Required => json!({"type": "any"}),
        Choice::Named(name) => json!({"type": "tool", "name": name}),
        Choice::Allowed { names, is_required } => {
            // What may not be called is not offered.
            tools.retain(|tool| names.contains(&tool.name));
            json!({"type": if is_required { "any" } else { "auto" }})
        }
    };
    if is_single {
        spelt["disable_parallel_tool_use"] = true.into();
    }
    if !tools.is_empty() {
        members.insert("tool_choice".into(), spelt);
    }
}

fn put_openai(choice: Choice, is_parallel: Option<bool>, members: &mut Members, to: Api) {
    let is_chat = to == Api::OpenAiChat;
    let named = |name: String| {
        if is_chat {
            json!({"type": "function", "function": {"name": name}})
        } else {
            json!({"type": "function", "name": name})
        }
    };
    let spelt = match choice {
        Choice::Auto => None,
        Choice::None => Some("none".into()),
        Choice::Required => Some("required".into()),
        Choice::Named(name) => Some(named(name)),
        Choice::Allowed { names, is_required } => {
            let mode = if is_required { "required" } else { "auto" };
            let tools: Vec<Value> = names.into_iter().map(named).collect();
            Some(if is_chat {
                json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
            } else {
                json!({"type": "allowed_tools", "mode": mode, "tools": tools})
            })
        }
    };
    if let Some(spelt) = spelt {
        members.insert("tool_choice".into(), spelt);
    }
    if let Some(is_parallel) = is_parallel {
        members.insert("parallel_tool_calls".into(), is_parallel.into());
    }
}
