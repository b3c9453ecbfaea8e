//! Reads OpenAI Responses answers.

use serde_json::Value;

use super::{Told, no_answer, values};
use crate::json::{Json, word};
use crate::stream::{Event, ToolKind};
use crate::{Finish, Usage};

pub(crate) fn events(json: &Json<'_>) -> Result<Vec<Event>, String> {
    let output = json.get("output").and_then(Json::as_list).ok_or_else(|| no_answer(json, "output"))?;
    if json.str_or_empty("status") == "failed" {
        let code = json.get("error").map(|error| error.str_or_empty("code")).unwrap_or_default();
        return Err(format!("a failed response with the code {}", word(code)));
    }
    let [id, model] = ["id", "model"].map(|name| json.str_or_empty(name).to_owned());
    let mut events = vec![Event::Start { id, model }];
    let (mut calls, mut is_refused) = (0, false);
    for item in output {
        if let Some(call) = tool_call(item) {
            call.tell(calls, &mut events);
            calls += 1;
        } else {
            is_refused |= push_item(item, &mut events);
        }
    }
    let finish = match finish(json) {
        _ if is_refused => Some(Finish::Refused),
        Some(Finish::Stop) if calls > 0 => Some(Finish::ToolCalls),
        finish => finish,
    };
    events.extend(finish.map(|finish| Event::Finish { finish, stop_text: None }));
    events.extend(json.get("usage").and_then(usage).map(Event::Usage));
    events.push(Event::End);
    Ok(events)
}

/// Adds what an item that is no tool call says; returns whether it is a refusal.
pub(crate) fn push_item(item: &Json<'_>, events: &mut Vec<Event>) -> bool {
    let mut is_refusal = false;
    match item.str_or_empty("type") {
        "message" => {
            for part in item.items("content") {
                Event::push_text(events, part.str_or_empty("text"), logprobs(part));
                let refusal = part.str_or_empty("refusal");
                Event::push_refusal(events, refusal);
                is_refusal |= !refusal.is_empty();
            }
        }
        "reasoning" => {
            events.push(Event::ReasoningPart);
            Event::push_reasoning(events, &item_reasoning(item));
            Event::push_signature(events, item.str_or_empty("encrypted_content"));
        }
        _ => {}
    }
    is_refusal
}

/// Returns the tool call that an item is.
pub(crate) fn tool_call(item: &Json<'_>) -> Option<Told> {
    let (kind, arguments) = match item.str_or_empty("type") {
        "function_call" => (ToolKind::Function, "arguments"),
        "custom_tool_call" => (ToolKind::Custom, "input"),
        _ => return None,
    };
    let [id, name, arguments] = ["call_id", "name", arguments].map(|name| item.str_or_empty(name).to_owned());
    Some(Told { id, name, arguments, kind })
}

/// Returns the log probabilities of a part of the text, or of a piece of it.
pub(crate) fn logprobs(part: &Json<'_>) -> Vec<Value> {
    values(part, "logprobs")
}

/// Returns the reasoning's own text where the vendor shows it, else its summary.
fn item_reasoning(item: &Json<'_>) -> String {
    let texts = |member: &str| -> Vec<String> {
        let parts = item.items(member).iter().map(|part| part.str_or_empty("text"));
        parts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    };
    match texts("content") {
        shown if shown.is_empty() => texts("summary").join("\n\n"),
        shown => shown.join("\n\n"),
    }
}

/// Returns the reason that the status tells; what the output tells of a refusal or of tools is the caller's part.
fn finish(json: &Json<'_>) -> Option<Finish> {
    let reason = json.get("incomplete_details").map(|details| details.str_or_empty("reason")).unwrap_or_default();
    match (json.str_or_empty("status"), reason) {
        ("incomplete", "content_filter") => Some(Finish::Refused),
        ("incomplete", "max_output_tokens" | "max_tokens") => Some(Finish::Length),
        ("incomplete" | "in_progress" | "queued" | "cancelled", _) => None,
        _ => Some(Finish::Stop),
    }
}

pub(super) fn usage(usage: &Json<'_>) -> Option<Usage> {
    let input = usage.count("input_tokens");
    let output = usage.count("output_tokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    let details = |name: &str| usage.get("input_tokens_details").and_then(|details| details.count(name));
    let reasoning = usage.get("output_tokens_details").and_then(|details| details.count("reasoning_tokens"));
    Some(Usage {
        input: input.unwrap_or_default(),
        cache_read: details("cached_tokens").unwrap_or_default(),
        cache_write: details("cache_write_tokens").unwrap_or_default(),
        output: output.unwrap_or_default(),
        reasoning: reasoning.unwrap_or_default(),
    })
}
