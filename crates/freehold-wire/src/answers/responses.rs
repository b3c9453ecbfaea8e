//! Reads OpenAI Responses answers.

use super::no_answer;
use crate::json::{Json, word};
use crate::{Answer, Finish, ToolCall, Usage};

pub(crate) fn read(json: &Json<'_>) -> Result<Answer, String> {
    let output = json.get("output").and_then(Json::as_list).ok_or_else(|| no_answer(json, "output"))?;
    if json.str_or_empty("status") == "failed" {
        let code = json.get("error").map(|error| error.str_or_empty("code")).unwrap_or_default();
        return Err(format!("a failed response with the code {}", word(code)));
    }
    let mut answer = Answer {
        id: json.str_or_empty("id").to_owned(),
        model: json.str_or_empty("model").to_owned(),
        usage: json.get("usage").and_then(usage),
        ..Answer::default()
    };
    let mut is_refused = false;
    for item in output {
        is_refused |= take_item(item, &mut answer);
    }
    answer.finish = match finish(json) {
        _ if is_refused => Some(Finish::Refused),
        Some(Finish::Stop) if !answer.tool_calls.is_empty() => Some(Finish::ToolCalls),
        finish => finish,
    };
    Ok(answer)
}

/// Adds an item of the output to the answer; returns whether it is a refusal.
fn take_item(item: &Json<'_>, answer: &mut Answer) -> bool {
    let mut is_refusal = false;
    match item.str_or_empty("type") {
        "message" => {
            for part in item.items("content") {
                answer.text.push_str(part.str_or_empty("text"));
                let refusal = part.str_or_empty("refusal");
                answer.text.push_str(refusal);
                is_refusal |= !refusal.is_empty();
            }
        }
        "reasoning" => {
            let text = item_reasoning(item);
            answer.reasoning.push_str(if text.is_empty() || answer.reasoning.is_empty() { "" } else { "\n\n" });
            answer.reasoning.push_str(&text);
        }
        kind @ ("function_call" | "custom_tool_call") => answer.tool_calls.push(ToolCall {
            id: item.str_or_empty("call_id").to_owned(),
            name: item.str_or_empty("name").to_owned(),
            arguments: item.str_or_empty(if kind == "function_call" { "arguments" } else { "input" }).to_owned(),
        }),
        _ => {}
    }
    is_refusal
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

fn usage(usage: &Json<'_>) -> Option<Usage> {
    let input = usage.count("input_tokens");
    let output = usage.count("output_tokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    let cache_read = usage.get("input_tokens_details").and_then(|details| details.count("cached_tokens"));
    let reasoning = usage.get("output_tokens_details").and_then(|details| details.count("reasoning_tokens"));
    Some(Usage {
        input: input.unwrap_or_default(),
        cache_read: cache_read.unwrap_or_default(),
        cache_write: 0,
        output: output.unwrap_or_default(),
        reasoning: reasoning.unwrap_or_default(),
    })
}
