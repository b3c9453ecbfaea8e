//! Reads the chunks of a Chat Completions stream.

use std::collections::HashMap;

use super::{Event, TOOL_CALLS_MAX, ToolKind};
use crate::error_body::VendorError;
use crate::json::Json;
use crate::{Finish, answers, sse};

/// The most bytes of arguments that wait for the name of their tool.
const HELD_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct State {
    /// The id and the model that were told last.
    told: (String, String),
    calls: Vec<Call>,
    /// The tool call that an index means just now.
    by_index: HashMap<u64, usize>,
    /// How many calls have begun for the reader.
    begun: usize,
    is_refused: bool,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    kind: ToolKind,
    /// The place it has for the reader, once it has begun.
    place: Option<usize>,
    /// The arguments that came before it could begin.
    held: String,
    is_over: bool,
}

impl State {
    pub(super) fn take(&mut self, event: &sse::Event, events: &mut Vec<Event>) {
        if event.data.trim() == "[DONE]" {
            self.end(events);
            events.push(Event::End);
            return;
        }
        let Ok(chunk) = Json::parse(event.data.as_bytes()) else { return };
        if let Some(error) = chunk.get("error") {
            events.push(Event::Error(VendorError::read(error)));
        }
        self.start(&chunk, events);
        if let Some(usage) = chunk.get("usage").and_then(answers::chat_usage) {
            events.push(Event::Usage(usage));
        }
        let choices = chunk.items("choices").iter();
        for choice in choices.filter(|choice| choice.count("index").unwrap_or_default() == 0) {
            self.choice(choice, events);
        }
    }

    fn start(&mut self, chunk: &Json<'_>, events: &mut Vec<Event>) {
        let mut is_news = false;
        for (told, said) in [(&mut self.told.0, "id"), (&mut self.told.1, "model")] {
            let said = chunk.str_or_empty(said);
            if told.is_empty() && !said.is_empty() {
                said.clone_into(told);
                is_news = true;
            }
        }
        if is_news {
            events.push(Event::Start { id: self.told.0.clone(), model: self.told.1.clone() });
        }
    }

    fn choice(&mut self, choice: &Json<'_>, events: &mut Vec<Event>) {
        let logprobs = answers::chat_logprobs(choice);
        if let Some(delta) = choice.get("delta") {
            Event::push_reasoning(events, answers::chat_reasoning(delta));
            Event::push_text(events, &answers::content_text(delta.get("content")), logprobs);
            let refusal = delta.str_or_empty("refusal");
            self.is_refused |= !refusal.is_empty();
            Event::push_refusal(events, refusal);
            for call in delta.items("tool_calls") {
                self.tool_call(call, events);
            }
            if let Some(call) = delta.get("function_call") {
                self.function_call(call, events);
            }
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Json::as_str) {
            self.end(events);
            let finish = if self.is_refused { Finish::Refused } else { answers::chat_finish(reason) };
            events.push(Event::Finish { finish, stop_text: answers::chat_stop_text(choice) });
        }
    }

    fn tool_call(&mut self, delta: &Json<'_>, events: &mut Vec<Event>) {
        let id = delta.str_or_empty("id");
        let index = delta.count("index");
        let known = match index {
            Some(index) => self.by_index.get(&index).copied(),
            // A server that leaves the index out means the call under way, unless it begins another.
            None => self.calls.len().checked_sub(1),
        };
        // Some servers send every call under index 0, each with its own id.
        let known = known.filter(|known| {
            let known = self.calls.get(*known).map_or("", |call| &call.id);
            id.is_empty() || known.is_empty() || id == known
        });
        let (function, kind) = match (delta.get("function"), delta.get("custom")) {
            (Some(function), _) => (function, ToolKind::Function),
            (None, Some(custom)) => (custom, ToolKind::Custom),
            (None, None) => (&Json::Null, ToolKind::Function),
        };
        let Some(number) = known.or_else(|| self.begin(kind, events)) else { return };
        if let Some(index) = index {
            self.by_index.insert(index, number);
        }
        let arguments = if kind == ToolKind::Custom { "input" } else { "arguments" };
        self.piece(number, [id, function.str_or_empty("name"), function.str_or_empty(arguments)], events);
    }

    /// The form before tools: one call without an id.
    fn function_call(&mut self, delta: &Json<'_>, events: &mut Vec<Event>) {
        let last = self.calls.len().checked_sub(1);
        let Some(number) = last.or_else(|| self.begin(ToolKind::Function, events)) else { return };
        self.piece(number, ["", delta.str_or_empty("name"), delta.str_or_empty("arguments")], events);
    }

    fn begin(&mut self, kind: ToolKind, events: &mut Vec<Event>) -> Option<usize> {
        if self.calls.len() >= TOOL_CALLS_MAX {
            events.push(Event::Error(super::too_many_calls()));
            return None;
        }
        let (id, name, held) = Default::default();
        self.calls.push(Call { id, name, kind, place: None, held, is_over: false });
        Some(self.calls.len() - 1)
    }

    /// Takes what a chunk says of a call: its id, its name and a piece of its arguments, each of which may be empty.
    fn piece(&mut self, number: usize, said: [&str; 3], events: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(number) else { return };
        let [id, name, arguments] = said;
        for (kept, said) in [(&mut call.id, id), (&mut call.name, name)] {
            if kept.is_empty() {
                said.clone_into(kept);
            }
        }
        if let Some(place) = call.place {
            return Event::push_arguments(events, place, arguments);
        }
        call.held.push_str(arguments);
        // Some servers tell the name or the id later than the first piece.
        let is_known = !call.name.is_empty() && (!call.id.is_empty() || !call.held.is_empty());
        if is_known || call.held.len() > HELD_BYTES_MAX {
            call.tell(&mut self.begun, events);
        }
    }

    /// Ends the calls, since this dialect never says that one of them is over.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        for call in self.calls.iter_mut().filter(|call| !call.is_over) {
            let place = call.place.unwrap_or_else(|| call.tell(&mut self.begun, events));
            call.is_over = true;
            events.push(Event::ToolEnd { place });
        }
    }
}

impl Call {
    /// Begins the call for the reader.
    fn tell(&mut self, begun: &mut usize, events: &mut Vec<Event>) -> usize {
        let place = *begun;
        *begun += 1;
        self.place = Some(place);
        let (id, name) = (self.id.clone(), self.name.clone());
        events.push(Event::ToolStart { place, id, name, kind: self.kind });
        Event::push_arguments(events, place, &std::mem::take(&mut self.held));
        place
    }
}
