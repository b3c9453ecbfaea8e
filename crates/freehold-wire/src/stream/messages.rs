//! Reads the events of an Anthropic Messages stream.

use std::collections::HashMap;

use super::Progress;
use crate::answers::{self, UsageParts};
use crate::json::Json;
use crate::sse;

#[derive(Debug, Default)]
pub(super) struct State {
    usage: UsageParts,
    /// The tool call that a block's index stands for, and the input its start already told.
    calls: HashMap<u64, (usize, String)>,
}

impl State {
    pub(super) fn take(&mut self, event: &sse::Event, progress: &mut Progress) {
        let Ok(data) = Json::parse(event.data.as_bytes()) else { return };
        match data.str_or_empty("type") {
            "message_start" => {
                let Some(message) = data.get("message") else { return };
                message.str_or_empty("id").clone_into(&mut progress.answer.id);
                message.str_or_empty("model").clone_into(&mut progress.answer.model);
                self.count(message.get("usage"), progress);
            }
            "content_block_start" => self.block_start(&data, progress),
            "content_block_delta" => self.block_delta(&data, progress),
            "message_delta" => {
                let reason = data.get("delta").and_then(|delta| delta.get("stop_reason")).and_then(Json::as_str);
                if let Some(reason) = reason {
                    progress.answer.finish = Some(answers::messages_finish(reason));
                }
                self.count(data.get("usage"), progress);
            }
            "message_stop" => progress.is_complete = true,
            "error" => progress.fail_with(data.get("error").unwrap_or(&data)),
            _ => {}
        }
    }

    fn count(&mut self, usage: Option<&Json<'_>>, progress: &mut Progress) {
        self.usage.take(usage);
        progress.answer.usage = self.usage.total();
    }

    fn block_start(&mut self, data: &Json<'_>, progress: &mut Progress) {
        let Some(block) = data.get("content_block") else { return };
        match block.str_or_empty("type") {
            "text" => progress.text(block.str_or_empty("text")),
            "thinking" => progress.reasoning(block.str_or_empty("thinking")),
            "tool_use" => {
                let place = progress.tool_call(block.str_or_empty("id"), block.str_or_empty("name"));
                let input = block.get("input").map_or_else(|| "{}".to_owned(), |input| input.to_value().to_string());
                if let Some(place) = place {
                    self.calls.insert(data.count("index").unwrap_or_default(), (place, input));
                }
            }
            _ => {}
        }
    }

    fn block_delta(&mut self, data: &Json<'_>, progress: &mut Progress) {
        let Some(delta) = data.get("delta") else { return };
        match delta.str_or_empty("type") {
            "text_delta" => progress.text(delta.str_or_empty("text")),
            "thinking_delta" => progress.reasoning(delta.str_or_empty("thinking")),
            "input_json_delta" => {
                // Blocks that the vendor's own tools fill have no call of ours.
                if let Some((place, _)) = self.calls.get(&data.count("index").unwrap_or_default()) {
                    progress.arguments(*place, delta.str_or_empty("partial_json"));
                }
            }
            _ => {}
        }
    }

    /// Gives calls without any delta the input that their start told, `{}` as a rule.
    pub(super) fn end(self, progress: &mut Progress) {
        for (place, input) in self.calls.into_values() {
            if let Some(call) = progress.answer.tool_calls.get_mut(place)
                && call.arguments.is_empty()
            {
                call.arguments = input;
            }
        }
    }
}
