//! Reads OpenAI Chat Completions answers.

use super::no_answer;
use crate::json::Json;
use crate::{Answer, Finish, ToolCall, Usage};

pub(super) fn read(json: &Json<'_>) -> Result<Answer, String> {
    let choice = json.items("choices").first().ok_or_else(|| no_answer(json, "choices"))?;
    let message = choice.get("message").ok_or_else(|| "a choice without a message".to_owned())?;
    let mut answer = Answer {
        id: json.str_or_empty("id").to_owned(),
        model: json.str_or_empty("model").to_owned(),
        text: content_text(message.get("content")),
        reasoning: reasoning(message).to_owned(),
        tool_calls: message.items("tool_calls").iter().map(tool_call).collect(),
        finish: choice.get("finish_reason").and_then(Json::as_str).map(finish),
        usage: json.get("usage").and_then(usage),
    };
    if let Some(function) = message.get("function_call") {
        answer.tool_calls.push(named_call(function, "", "arguments"));
    }
    let refusal = message.str_or_empty("refusal");
    if !refusal.is_empty() {
        answer.text.push_str(refusal);
        answer.finish = Some(Finish::Refused);
    }
    Ok(answer)
}

/// Returns the reasoning beside the text: DeepSeek and vLLM say `reasoning_content`, others `reasoning`.
pub(crate) fn reasoning<'j>(message: &'j Json<'_>) -> &'j str {
    match message.str_or_empty("reasoning_content") {
        "" => message.str_or_empty("reasoning"),
        text => text,
    }
}

fn tool_call(call: &Json<'_>) -> ToolCall {
    let id = call.str_or_empty("id");
    match (call.get("function"), call.get("custom")) {
        (Some(function), _) => named_call(function, id, "arguments"),
        (None, Some(custom)) => named_call(custom, id, "input"),
        (None, None) => ToolCall { id: id.to_owned(), ..ToolCall::default() },
    }
}

fn named_call(call: &Json<'_>, id: &str, arguments: &str) -> ToolCall {
    let arguments = match call.get(arguments) {
        None => String::new(),
        Some(Json::Text(text)) => text.clone().into_owned(),
        Some(other) => other.to_value().to_string(),
    };
    ToolCall { id: id.to_owned(), name: call.str_or_empty("name").to_owned(), arguments }
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
    let details = usage.get("prompt_tokens_details").and_then(|details| details.count("cached_tokens"));
    // DeepSeek counts the cached part under a name of its own.
    let cache_read = details.or_else(|| usage.count("prompt_cache_hit_tokens")).unwrap_or_default();
    let reasoning = usage.get("completion_tokens_details").and_then(|details| details.count("reasoning_tokens"));
    Some(Usage {
        input: input.unwrap_or_default(),
        cache_read,
        cache_write: 0,
        output: output.unwrap_or_default(),
        reasoning: reasoning.unwrap_or_default(),
    })
}
