//! Reads Anthropic Messages answers.

use super::{Told, no_answer};
use crate::json::Json;
use crate::stream::{Event, ToolKind};
use crate::{Finish, Usage};

pub(super) fn events(json: &Json<'_>) -> Result<Vec<Event>, String> {
    if json.str_or_empty("type") == "error" || json.get("content").is_none() {
        return Err(no_answer(json, "content"));
    }
    let [id, model] = ["id", "model"].map(|name| json.str_or_empty(name).to_owned());
    let mut events = vec![Event::Start { id, model }];
    let mut calls = 0;
    for block in json.items("content") {
        match block.str_or_empty("type") {
            "text" => Event::push_text(&mut events, block.str_or_empty("text"), Vec::new()),
            "thinking" => {
                events.push(Event::ReasoningPart);
                Event::push_reasoning(&mut events, block.str_or_empty("thinking"));
                Event::push_signature(&mut events, block.str_or_empty("signature"));
            }
            "redacted_thinking" => events.push(Event::Redacted(block.str_or_empty("data").to_owned())),
            "tool_use" => {
                tool_use(block).tell(calls, &mut events);
                calls += 1;
            }
            _ => {}
        }
    }
    events.extend(finish_event(json));
    let mut usage = UsageParts::default();
    usage.take(json.get("usage"));
    events.extend(usage.total().map(Event::Usage));
    events.push(Event::End);
    Ok(events)
}

fn tool_use(block: &Json<'_>) -> Told {
    Told {
        id: block.str_or_empty("id").to_owned(),
        name: block.str_or_empty("name").to_owned(),
        arguments: block.get("input").map_or_else(|| "{}".to_owned(), |input| input.to_value().to_string()),
        kind: ToolKind::Function,
    }
}

/// Returns the reason to end that a message or the delta of one tells, where it does.
pub(crate) fn finish_event(message: &Json<'_>) -> Option<Event> {
    let finish = finish(message.get("stop_reason")?.as_str()?);
    let stop_text = message.get("stop_sequence").and_then(Json::as_str).map(str::to_owned);
    Some(Event::Finish { finish, stop_text })
}

/// Returns the neutral reason. A turn that the vendor paused (`pause_turn`) counts as ended: only its own tools pause one.
fn finish(reason: &str) -> Finish {
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
    thinking: Option<u64>,
}

impl UsageParts {
    pub(crate) fn take(&mut self, usage: Option<&Json<'_>>) {
        let Some(usage) = usage else { return };
        self.input = usage.count("input_tokens").or(self.input);
        self.cache_write = usage.count("cache_creation_input_tokens").or(self.cache_write);
        self.cache_read = usage.count("cache_read_input_tokens").or(self.cache_read);
        self.output = usage.count("output_tokens").or(self.output);
        let details = usage.get("output_tokens_details");
        self.thinking = details.and_then(|details| details.count("thinking_tokens")).or(self.thinking);
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
            output: self.output.unwrap_or_default(),
            reasoning: self.thinking.unwrap_or_default(),
        })
    }
}
