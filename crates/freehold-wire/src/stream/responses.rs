//! Reads the events of a Responses stream.

use std::collections::HashMap;

use super::{Event, TOOL_CALLS_MAX, progress};
use crate::error_body::VendorError;
use crate::json::Json;
use crate::{Finish, answers, sse};

/// How many items of the output are kept in mind.
const ITEMS_MAX: usize = 2 * TOOL_CALLS_MAX;

#[derive(Debug, Default)]
pub(super) struct State {
    /// What was told of the item at an index of the output.
    items: HashMap<u64, Item>,
    /// The index of the output and of the part from which reasoning came last.
    reasoning_from: Option<(u64, u64)>,
    begun: usize,
    is_refused: bool,
}

#[derive(Debug, Default)]
struct Item {
    /// The place of a tool call.
    place: Option<usize>,
    /// Pieces of it came.
    has_pieces: bool,
    is_over: bool,
}

impl State {
    pub(super) fn take(&mut self, event: &sse::Event, events: &mut Vec<Event>) {
        let Ok(data) = Json::parse(event.data.as_bytes()) else { return };
        let delta = data.str_or_empty("delta");
        match data.str_or_empty("type") {
            "response.created" | "response.in_progress" => {
                let Some(response) = data.get("response") else { return };
                let [id, model] = ["id", "model"].map(|name| response.str_or_empty(name).to_owned());
                events.push(Event::Start { id, model });
            }
            "response.output_text.delta" => {
                self.mark(&data, events);
                Event::push_text(events, delta, answers::response_logprobs(&data));
            }
            "response.refusal.delta" => {
                self.mark(&data, events);
                self.is_refused |= !delta.is_empty();
                Event::push_refusal(events, delta);
            }
            "response.reasoning_text.delta" => self.reasoning(&data, "content_index", events),
            "response.reasoning_summary_text.delta" => self.reasoning(&data, "summary_index", events),
            "response.output_item.added" => self.item_added(&data, events),
            "response.output_item.done" => {
                if let Some(item) = data.get("item") {
                    self.item_done(output_index(&data), item, events);
                }
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(&data, delta, events);
            }
            "response.completed" | "response.incomplete" => self.completed(&data, events),
            "response.failed" => {
                let error = data.get("response").and_then(|response| response.get("error"));
                events.push(Event::Error(VendorError::read(error.unwrap_or(&Json::Null))));
            }
            "error" => events.push(Event::Error(VendorError::read_event(&data))),
            _ => {}
        }
    }

    fn item(&mut self, index: u64, events: &mut Vec<Event>) -> Option<&mut Item> {
        if self.items.len() >= ITEMS_MAX && !self.items.contains_key(&index) {
            events.push(Event::Error(super::too_many_calls()));
            return None;
        }
        Some(self.items.entry(index).or_default())
    }

    fn mark(&mut self, data: &Json<'_>, events: &mut Vec<Event>) {
        if let Some(item) = self.item(output_index(data), events) {
            item.has_pieces = true;
        }
    }

    fn reasoning(&mut self, data: &Json<'_>, part: &str, events: &mut Vec<Event>) {
        self.mark(data, events);
        let from = Some((output_index(data), data.count(part).unwrap_or_default()));
        if self.reasoning_from.is_some_and(|(index, _)| index == output_index(data)) && self.reasoning_from != from {
            // Parts of one item are paragraphs.
            Event::push_reasoning(events, "\n\n");
        } else if self.reasoning_from != from {
            events.push(Event::ReasoningPart);
        }
        self.reasoning_from = from;
        Event::push_reasoning(events, data.str_or_empty("delta"));
    }

    fn item_added(&mut self, data: &Json<'_>, events: &mut Vec<Event>) {
        let index = output_index(data);
        let Some(call) = data.get("item").and_then(answers::response_tool_call) else { return };
        let place = self.begun;
        let Some(item) = self.item(index, events).filter(|item| item.place.is_none()) else { return };
        item.place = Some(place);
        item.has_pieces = !call.arguments.is_empty();
        self.begun += 1;
        events.push(Event::ToolStart { place, id: call.id, name: call.name, kind: call.kind });
        Event::push_arguments(events, place, &call.arguments);
    }

    fn arguments(&mut self, data: &Json<'_>, piece: &str, events: &mut Vec<Event>) {
        if let Some(item) = self.item(output_index(data), events)
            && let Some(place) = item.place.filter(|_| !item.is_over)
        {
            item.has_pieces |= !piece.is_empty();
            Event::push_arguments(events, place, piece);
        }
    }

    /// Ends an item, and tells what its pieces did not.
    fn item_done(&mut self, index: u64, done: &Json<'_>, events: &mut Vec<Event>) {
        let begun = self.begun;
        let Some(item) = self.item(index, events).filter(|item| !item.is_over) else { return };
        item.is_over = true;
        match (answers::response_tool_call(done), item.place) {
            (Some(call), Some(place)) => {
                if !item.has_pieces {
                    Event::push_arguments(events, place, &call.arguments);
                }
                events.push(Event::ToolEnd { place });
            }
            (Some(call), None) => {
                self.begun += 1;
                call.tell(begun, events);
            }
            (None, _) if item.has_pieces => {
                Event::push_signature(events, done.str_or_empty("encrypted_content"));
            }
            (None, _) => {
                self.is_refused |= answers::push_response_item(done, events);
            }
        }
    }

    /// Tells what the pieces left out, why the answer ended, and the answer as it is repeated.
    fn completed(&mut self, data: &Json<'_>, events: &mut Vec<Event>) {
        let Some(response) = data.get("response") else { return events.push(Event::End) };
        let is_silent = self.items.is_empty();
        for (index, item) in (0..).zip(response.items("output")) {
            // Where pieces came, an item under another index than theirs would be told twice.
            if is_silent || self.items.contains_key(&index) {
                self.item_done(index, item, events);
            }
        }
        self.end(events);
        if let Ok(told) = answers::response_events(response) {
            let mut whole = progress::sum(told);
            whole.finish = match whole.finish {
                Some(Finish::Stop) if self.is_refused => Some(Finish::Refused),
                Some(Finish::Stop) if self.begun > 0 => Some(Finish::ToolCalls),
                finish => finish,
            };
            events.extend(whole.finish.map(|finish| Event::Finish { finish, stop_text: None }));
            events.extend(whole.usage.map(Event::Usage));
            events.push(Event::Whole(Box::new(whole)));
        }
        events.push(Event::End);
    }

    /// Ends the calls whose items the stream did not end.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        let mut open: Vec<&mut Item> = self.items.values_mut().filter(|item| !item.is_over).collect();
        open.sort_by_key(|item| item.place);
        for item in open {
            item.is_over = true;
            events.extend(item.place.map(|place| Event::ToolEnd { place }));
        }
    }
}

fn output_index(data: &Json<'_>) -> u64 {
    data.count("output_index").unwrap_or_default()
}
