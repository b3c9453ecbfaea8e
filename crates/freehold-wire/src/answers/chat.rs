//! Reads OpenAI Chat Completions answers.

use serde_json::Value;

use super::{Told, no_answer, tell_all, values};
use crate::json::Json;
use crate::stream::{Event, ToolKind};
use crate::{Finish, Usage};

pub(super) fn events(json: &Json<'_>) -> Result<Vec<Event>, String> {
    let choice = json.items("choices").first().ok_or_else(|| no_answer(json, "choices"))?;
    let message = choice.get("message").ok_or_else(|| "a choice without a message".to_owned())?;
    let [id, model] = ["id", "model"].map(|name| json.str_or_empty(name).to_owned());
    let mut events = vec![Event::Start { id, model }];
    Event::push_reasoning(&mut events, reasoning(message));
    Event::push_text(&mut events, &content_text(message.get("content")), logprobs(choice));
    let refusal = message.str_or_empty("refusal");
    Event::push_refusal(&mut events, refusal);
    let legacy = message.get("function_call").map(|call| named_call(call, "", ToolKind::Function));
    tell_all(message.items("tool_calls").iter().map(tool_call).chain(legacy), &mut events);
    let reason = choice.get("finish_reason").and_then(Json::as_str).map(finish);
    let reason = if refusal.is_empty() { reason } else { Some(Finish::Refused) };
    events.extend(reason.map(|finish| Event::Finish { finish, stop_text: stop_text(choice) }));
    events.extend(json.get("usage").and_then(usage).map(Event::Usage));
    events.push(Event::End);
    Ok(events)
}

/// Returns the reasoning beside the text: DeepSeek and vLLM say `reasoning_content`, others `reasoning`.
pub(crate) fn reasoning<'j>(message: &'j Json<'_>) -> &'j str {
    match message.str_or_empty("reasoning_content") {
        "" => message.str_or_empty("reasoning"),
        text => text,
    }
}

/// Returns the stop text that was reached, which vLLM tells beside the reason.
pub(crate) fn stop_text(choice: &Json<'_>) -> Option<String> {
    let text = choice.str_or_empty("stop_reason");
    (choice.str_or_empty("finish_reason") == "stop" && !text.is_empty()).then(|| text.to_owned())
}

/// Returns the log probabilities of the text's tokens.
pub(crate) fn logprobs(choice: &Json<'_>) -> Vec<Value> {
    choice.get("logprobs").map(|logprobs| values(logprobs, "content")).unwrap_or_default()
}

fn tool_call(call: &Json<'_>) -> Told {
    let id = call.str_or_empty("id");
    match (call.get("function"), call.get("custom")) {
        (Some(function), _) => named_call(function, id, ToolKind::Function),
        (None, Some(custom)) => named_call(custom, id, ToolKind::Custom),
        (None, None) => named_call(&Json::Null, id, ToolKind::Function),
    }
}

fn named_call(call: &Json<'_>, id: &str, kind: ToolKind) -> Told {
    let arguments = match call.get(if kind == ToolKind::Custom { "input" } else { "arguments" }) {
        None => String::new(),
        Some(Json::Text(text)) => text.clone().into_owned(),
        Some(other) => other.to_value().to_string(),
    };
    Told { id: id.to_owned(), name: call.str_or_empty("name").to_owned(), arguments, kind }
}

/// Returns the text of a content: a string, or an array of parts of which the texts count.
pub(crate) fn content_text(content: Option<&Json<'_>>) -> String {
    match content {
        Some(Json::Text(text)) => text.clone().into_owned(),
        Some(Json::List(parts)) => parts.iter().map(|part| part.str_or_empty("text")).collect(),
        _ => String::new(),
    }
}

/// Returns the neutral reason; servers have reasons of their own for an answer that ended by itself.
pub(crate) fn finish(reason: &str) -> Finish {
    match reason {
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::Refused,
        _ => Finish::Stop,
    }
}

pub(crate) fn usage(usage: &Json<'_>) -> Option<Usage> {
    let input = usage.count("prompt_tokens");
    let output = usage.count("completion_tokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    let details = |name: &str| usage.get("prompt_tokens_details").and_then(|details| details.count(name));
    // DeepSeek counts the cached part under a name of its own.
    let cache_read = details("cached_tokens").or_else(|| usage.count("prompt_cache_hit_tokens"));
    // Some gateways before Anthropic's API say `cache_creation_tokens`.
    let cache_write = details("cache_write_tokens").or_else(|| details("cache_creation_tokens"));
    let reasoning = usage.get("completion_tokens_details").and_then(|details| details.count("reasoning_tokens"));
    Some(Usage {
        input: input.unwrap_or_default(),
        cache_read: cache_read.unwrap_or_default(),
        cache_write: cache_write.unwrap_or_default(),
        output: output.unwrap_or_default(),
        reasoning: reasoning.unwrap_or_default(),
    })
}
