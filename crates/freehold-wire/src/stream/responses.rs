//! Reads the events of a Responses stream.

use std::collections::HashMap;

use super::Progress;
use crate::json::Json;
use crate::{Answer, answers, sse};

#[derive(Debug, Default)]
pub(super) struct State {
    /// The tool call that an index of the output stands for.
    calls: HashMap<u64, usize>,
    /// The index of the output and of the part from which reasoning came last.
    reasoning_from: Option<(u64, u64)>,
    /// The answer as the last event repeats it.
    whole: Option<Answer>,
}

impl State {
    pub(super) fn take(&mut self, event: &sse::Event, progress: &mut Progress) {
        let Ok(data) = Json::parse(event.data.as_bytes()) else { return };
        let delta = data.str_or_empty("delta");
        match data.str_or_empty("type") {
            "response.created" | "response.in_progress" => {
                let Some(response) = data.get("response") else { return };
                response.str_or_empty("id").clone_into(&mut progress.answer.id);
                response.str_or_empty("model").clone_into(&mut progress.answer.model);
            }
            "response.output_text.delta" | "response.refusal.delta" => progress.text(delta),
            "response.reasoning_text.delta" => self.reasoning(&data, "content_index", progress),
            "response.reasoning_summary_text.delta" => self.reasoning(&data, "summary_index", progress),
            "response.output_item.added" => self.item_added(&data, progress),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                if let Some(place) = self.calls.get(&output_index(&data)) {
                    progress.arguments(*place, delta);
                }
            }
            "response.completed" | "response.incomplete" => {
                progress.is_complete = true;
                self.whole = data.get("response").and_then(|response| answers::read_response(response).ok());
            }
            "response.failed" => {
                let error = data.get("response").and_then(|response| response.get("error"));
                progress.fail_with(error.unwrap_or(&Json::Null));
            }
            "error" => progress.fail_with(data.get("error").unwrap_or(&data)),
            _ => {}
        }
    }

    fn reasoning(&mut self, data: &Json<'_>, part: &str, progress: &mut Progress) {
        let from = Some((output_index(data), data.count(part).unwrap_or_default()));
        if self.reasoning_from != from && !progress.answer.reasoning.is_empty() {
            progress.reasoning("\n\n");
        }
        self.reasoning_from = from;
        progress.reasoning(data.str_or_empty("delta"));
    }

    fn item_added(&mut self, data: &Json<'_>, progress: &mut Progress) {
        let Some(item) = data.get("item") else { return };
        if matches!(item.str_or_empty("type"), "function_call" | "custom_tool_call")
            && let Some(place) = progress.tool_call(item.str_or_empty("call_id"), item.str_or_empty("name"))
        {
            self.calls.insert(output_index(data), place);
            progress.arguments(place, item.str_or_empty("arguments"));
        }
    }

    /// Prefers what the last event repeats to the sum of the pieces, unless it repeats no output.
    pub(super) fn end(self, progress: &mut Progress) {
        let Some(whole) = self.whole else { return };
        let pieces = std::mem::take(&mut progress.answer);
        progress.answer = whole;
        let answer = &mut progress.answer;
        for (kept, summed) in [
            (&mut answer.id, pieces.id),
            (&mut answer.model, pieces.model),
            (&mut answer.text, pieces.text),
            (&mut answer.reasoning, pieces.reasoning),
        ] {
            if kept.is_empty() {
                *kept = summed;
            }
        }
        if answer.tool_calls.is_empty() && !pieces.tool_calls.is_empty() {
            answer.tool_calls = pieces.tool_calls;
            answer.finish = answer.finish.map(|finish| match finish {
                crate::Finish::Stop => crate::Finish::ToolCalls,
                other => other,
            });
        }
    }
}

fn output_index(data: &Json<'_>) -> u64 {
    data.count("output_index").unwrap_or_default()
}
