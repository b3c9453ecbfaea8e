//! Reads the chunks of a Chat Completions stream.

use std::collections::HashMap;

use super::Progress;
use crate::json::Json;
use crate::{Finish, answers, sse};

#[derive(Debug, Default)]
pub(super) struct State {
    /// The place of the tool call that an index means just now.
    places: HashMap<u64, usize>,
    is_refused: bool,
}

impl State {
    pub(super) fn take(&mut self, event: &sse::Event, progress: &mut Progress) {
        if event.data.trim() == "[DONE]" {
            progress.is_complete = true;
            return;
        }
        let Ok(chunk) = Json::parse(event.data.as_bytes()) else { return };
        if let Some(error) = chunk.get("error") {
            progress.fail_with(error);
        }
        for (kept, said) in [(&mut progress.answer.id, "id"), (&mut progress.answer.model, "model")] {
            if kept.is_empty() {
                *kept = chunk.str_or_empty(said).to_owned();
            }
        }
        if let Some(usage) = chunk.get("usage").and_then(answers::chat_usage) {
            progress.answer.usage = Some(usage);
        }
        let choices = chunk.items("choices").iter();
        for choice in choices.filter(|choice| choice.count("index").unwrap_or_default() == 0) {
            self.choice(choice, progress);
        }
    }

    fn choice(&mut self, choice: &Json<'_>, progress: &mut Progress) {
        if let Some(delta) = choice.get("delta") {
            progress.text(&answers::content_text(delta.get("content")));
            progress.reasoning(answers::chat_reasoning(delta));
            let refusal = delta.str_or_empty("refusal");
            self.is_refused |= !refusal.is_empty();
            progress.text(refusal);
            for call in delta.items("tool_calls") {
                self.tool_call(call, progress);
            }
            if let Some(call) = delta.get("function_call") {
                self.function_call(call, progress);
            }
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Json::as_str) {
            progress.answer.finish = Some(if self.is_refused { Finish::Refused } else { answers::chat_finish(reason) });
        }
    }

    fn tool_call(&mut self, delta: &Json<'_>, progress: &mut Progress) {
        let id = delta.str_or_empty("id");
        let last = progress.answer.tool_calls.len().checked_sub(1);
        let index = delta.count("index");
        let place = match index {
            Some(index) => self.places.get(&index).copied(),
            // A server that leaves the index out means the call under way, unless it begins another.
            None => last,
        };
        // Some servers send every call under index 0, each with its own id.
        let place = place.filter(|place| {
            let known = progress.answer.tool_calls.get(*place).map_or("", |call| &call.id);
            id.is_empty() || known.is_empty() || id == known
        });
        let (function, arguments) = match (delta.get("function"), delta.get("custom")) {
            (Some(function), _) => (function, "arguments"),
            (None, Some(custom)) => (custom, "input"),
            (None, None) => (&Json::Null, "arguments"),
        };
        let name = function.str_or_empty("name");
        let Some(place) = place.or_else(|| progress.tool_call(id, name)) else { return };
        if let Some(index) = index {
            self.places.insert(index, place);
        }
        fill(place, id, name, progress);
        progress.arguments(place, function.str_or_empty(arguments));
    }

    /// The form before tools: one call without an id.
    fn function_call(&mut self, delta: &Json<'_>, progress: &mut Progress) {
        let name = delta.str_or_empty("name");
        let last = progress.answer.tool_calls.len().checked_sub(1);
        let Some(place) = last.or_else(|| progress.tool_call("", name)) else { return };
        fill(place, "", name, progress);
        progress.arguments(place, delta.str_or_empty("arguments"));
    }
}

/// Sets what a call did not say before.
fn fill(place: usize, id: &str, name: &str, progress: &mut Progress) {
    if let Some(call) = progress.answer.tool_calls.get_mut(place) {
        for (kept, said) in [(&mut call.id, id), (&mut call.name, name)] {
            if kept.is_empty() {
                said.clone_into(kept);
            }
        }
    }
}
