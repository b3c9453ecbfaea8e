//! Reads Anthropic Messages answers.

use super::no_answer;
use crate::json::Json;
use crate::{Answer, Finish, ToolCall, Usage};

pub(super) fn read(json: &Json<'_>) -> Result<Answer, String> {
    if json.str_or_empty("type") == "error" || json.get("content").is_none() {
        return Err(no_answer(json, "content"));
    }
    let mut answer = Answer {
        id: json.str_or_empty("id").to_owned(),
        model: json.str_or_empty("model").to_owned(),
        finish: json.get("stop_reason").and_then(Json::as_str).map(finish),
        ..Answer::default()
    };
    for block in json.items("content") {
        match block.str_or_empty("type") {
            "text" => answer.text.push_str(block.str_or_empty("text")),
            "thinking" => answer.reasoning.push_str(block.str_or_empty("thinking")),
            "tool_use" => answer.tool_calls.push(ToolCall {
                id: block.str_or_empty("id").to_owned(),
                name: block.str_or_empty("name").to_owned(),
                arguments: block.get("input").map_or_else(|| "{}".to_owned(), |input| input.to_value().to_string()),
            }),
            _ => {}
        }
    }
    let mut usage = UsageParts::default();
    usage.take(json.get("usage"));
    answer.usage = usage.total();
    Ok(answer)
}

pub(crate) fn finish(reason: &str) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Refused,
        _ => Finish::Stop,
    }
}

/// The counts as Anthropic gives them, of which later ones in a stream replace earlier ones.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UsageParts {
    input: Option<u64>,
    cache_write: Option<u64>,
    cache_read: Option<u64>,
    output: Option<u64>,
}

impl UsageParts {
    pub(crate) fn take(&mut self, usage: Option<&Json<'_>>) {
        let Some(usage) = usage else { return };
        self.input = usage.count("input_tokens").or(self.input);
        self.cache_write = usage.count("cache_creation_input_tokens").or(self.cache_write);
        self.cache_read = usage.count("cache_read_input_tokens").or(self.cache_read);
        self.output = usage.count("output_tokens").or(self.output);
    }

    /// Returns the sum: Anthropic's `input_tokens` leaves out what was read from or written to the cache.
    pub(crate) fn total(self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let parts = [self.input, self.cache_write, self.cache_read];
        Some(Usage {
            input: parts.into_iter().flatten().fold(0, u64::saturating_add),
            cache_read: self.cache_read.unwrap_or_default(),
            cache_write: self.cache_write.unwrap_or_default(),
            reasoning: 0,
            output: self.output.unwrap_or_default(),
        })
    }
}
