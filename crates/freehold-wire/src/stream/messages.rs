//! Reads the events of an Anthropic Messages stream.

use std::collections::HashMap;

use super::{Event, TOOL_CALLS_MAX, ToolKind};
use crate::answers::{self, UsageParts};
use crate::error_body::VendorError;
use crate::json::Json;
use crate::sse;

#[derive(Debug, Default)]
pub(super) struct State {
    usage: UsageParts,
    /// The tool call that a block's index stands for.
    calls: HashMap<u64, Call>,
    begun: usize,
}

#[derive(Debug)]
struct Call {
    place: usize,
    /// The input that the block's start told, `{}` as a rule; it counts where no piece follows.
    input: String,
    has_pieces: bool,
}

impl State {
    pub(super) fn take(&mut self, event: &sse::Event, events: &mut Vec<Event>) {
        let Ok(data) = Json::parse(event.data.as_bytes()) else { return };
        match data.str_or_empty("type") {
            "message_start" => {
                let Some(message) = data.get("message") else { return };
                let [id, model] = ["id", "model"].map(|name| message.str_or_empty(name).to_owned());
                self.count(message.get("usage"), events);
                events.push(Event::Start { id, model });
            }
            "content_block_start" => self.block_start(&data, events),
            "content_block_delta" => self.block_delta(&data, events),
            "content_block_stop" => {
                if let Some(call) = self.calls.remove(&index(&data)) {
                    call.end(events);
                }
            }
            "message_delta" => {
                if let Some(delta) = data.get("delta")
                    && let Some(finish) = answers::messages_finish_event(delta)
                {
                    self.end(events);
                    events.push(finish);
                }
                self.count(data.get("usage"), events);
            }
            "message_stop" => {
                self.end(events);
                events.push(Event::End);
            }
            "ping" => events.push(Event::Ping),
            "error" => events.push(Event::Error(VendorError::read_event(&data))),
            _ => {}
        }
    }

    fn count(&mut self, usage: Option<&Json<'_>>, events: &mut Vec<Event>) {
        if usage.is_some() {
            self.usage.take(usage);
            events.extend(self.usage.total().map(Event::Usage));
        }
    }

    fn block_start(&mut self, data: &Json<'_>, events: &mut Vec<Event>) {
        let Some(block) = data.get("content_block") else { return };
        match block.str_or_empty("type") {
            "text" => Event::push_text(events, block.str_or_empty("text"), Vec::new()),
            "thinking" => {
                events.push(Event::ReasoningPart);
                Event::push_reasoning(events, block.str_or_empty("thinking"));
                Event::push_signature(events, block.str_or_empty("signature"));
            }
            "redacted_thinking" => events.push(Event::Redacted(block.str_or_empty("data").to_owned())),
            "tool_use" => self.tool_start(index(data), block, events),
            _ => {}
        }
    }

    fn tool_start(&mut self, index: u64, block: &Json<'_>, events: &mut Vec<Event>) {
        if self.begun >= TOOL_CALLS_MAX {
            events.push(Event::Error(super::too_many_calls()));
            return;
        }
        let place = self.begun;
        self.begun += 1;
        let [id, name] = ["id", "name"].map(|name| block.str_or_empty(name).to_owned());
        events.push(Event::ToolStart { place, id, name, kind: ToolKind::Function });
        let input = block.get("input").map_or_else(|| "{}".to_owned(), |input| input.to_value().to_string());
        // An index that comes again without the end of the block before it means another block.
        if let Some(before) = self.calls.insert(index, Call { place, input, has_pieces: false }) {
            before.end(events);
        }
    }

    fn block_delta(&mut self, data: &Json<'_>, events: &mut Vec<Event>) {
        let Some(delta) = data.get("delta") else { return };
        match delta.str_or_empty("type") {
            "text_delta" => Event::push_text(events, delta.str_or_empty("text"), Vec::new()),
            "thinking_delta" => Event::push_reasoning(events, delta.str_or_empty("thinking")),
            "signature_delta" => Event::push_signature(events, delta.str_or_empty("signature")),
            "input_json_delta" => {
                let piece = delta.str_or_empty("partial_json");
                // Blocks that the vendor's own tools fill have no call of ours.
                if let Some(call) = self.calls.get_mut(&index(data)).filter(|_| !piece.is_empty()) {
                    call.has_pieces = true;
                    Event::push_arguments(events, call.place, piece);
                }
            }
            _ => {}
        }
    }

    /// Ends the calls whose blocks the stream did not end.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        let mut open: Vec<Call> = self.calls.drain().map(|(_, call)| call).collect();
        open.sort_by_key(|call| call.place);
        open.into_iter().for_each(|call| call.end(events));
    }
}

impl Call {
    fn end(self, events: &mut Vec<Event>) {
        if !self.has_pieces {
            Event::push_arguments(events, self.place, &self.input);
        }
        events.push(Event::ToolEnd { place: self.place });
    }
}

fn index(data: &Json<'_>) -> u64 {
    data.count("index").unwrap_or_default()
}
