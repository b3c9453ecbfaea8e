//! From the bytes of tokens to the pieces of an answer: UTF-8 across tokens, stop texts, reasoning and tool calls.
//!
//! Nothing is given out that a later token could still turn into a marker or a stop text.

use freehold_wire::{Request, ToolCall, ToolChoice};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::WorkerEvent;

/// Opens a tool call in the form of the Hermes models, which Qwen and others share.
pub(crate) const TOOL_OPEN: &str = "<tool_call>";
/// Closes a tool call.
pub(crate) const TOOL_CLOSE: &str = "</tool_call>";
/// Opens reasoning.
pub(crate) const THINK_OPEN: &str = "<think>";
/// Closes reasoning.
pub(crate) const THINK_CLOSE: &str = "</think>";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Reasoning,
    ToolCall,
}

/// The answer of one call in the making.
#[derive(Debug)]
pub(crate) struct Output {
    /// Bytes that are not yet a whole character.
    cut: Vec<u8>,
    /// Characters that may still turn out to be a stop text.
    unstopped: String,
    stops: Vec<String>,
    /// Characters that may still turn out to be a marker.
    unmarked: String,
    place: Place,
    has_tools: bool,
    has_reasoning: bool,
    /// Whether white space is dropped until something else comes.
    at_seam: bool,
    id_base: String,
    tool_calls: usize,
}

impl Output {
    /// Returns the empty answer to `request`; tool calls are named after `id_base`.
    pub(crate) fn new(request: &Request, id_base: String) -> Output {
        let has_tools = !request.tools.is_empty() && request.tool_choice != ToolChoice::None;
        Output {
            cut: Vec::new(),
            unstopped: String::new(),
            stops: request.sampling.stop.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
            unmarked: String::new(),
            place: Place::Text,
            has_tools,
            has_reasoning: true,
            at_seam: false,
            id_base,
            tool_calls: 0,
        }
    }

    /// Says that the prompt has already opened the reasoning.
    #[cfg(feature = "llama")]
    pub(crate) fn begin_reasoning(&mut self) {
        self.place = Place::Reasoning;
        self.at_seam = true;
    }

    /// Says that the answer is constrained to JSON, in which markers are mere text.
    #[cfg(feature = "llama")]
    pub(crate) fn without_reasoning(&mut self) {
        self.has_reasoning = false;
    }

    pub(crate) fn has_called_tools(&self) -> bool {
        self.tool_calls > 0
    }

    /// Takes the bytes of a token; returns whether a stop text was reached, after which nothing more may be pushed.
    pub(crate) fn push(&mut self, bytes: &[u8], events: &mut Vec<WorkerEvent>) -> bool {
        self.cut.extend_from_slice(bytes);
        let text = take_whole_characters(&mut self.cut);
        self.unstopped.push_str(&text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.unstopped.find(stop)).min() {
            let before = self.unstopped[..at].to_owned();
            self.unstopped.clear();
            self.cut.clear();
            self.mark(&before, events);
            return true;
        }
        let kept = self.stops.iter().map(|stop| overlap(&self.unstopped, stop)).max().unwrap_or(0);
        let free = self.unstopped.len() - kept;
        let text: String = self.unstopped.drain(..free).collect();
        self.mark(&text, events);
        false
    }

    /// Gives out whatever was held back.
    pub(crate) fn finish(&mut self, events: &mut Vec<WorkerEvent>) {
        let mut rest = std::mem::take(&mut self.unstopped);
        rest.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.cut)));
        self.mark(&rest, events);
        let rest = std::mem::take(&mut self.unmarked);
        match self.place {
            Place::ToolCall => self.close_tool_call(&rest, "", events),
            Place::Text | Place::Reasoning => self.give(&rest, events),
        }
    }

    fn mark(&mut self, text: &str, events: &mut Vec<WorkerEvent>) {
        self.unmarked.push_str(text);
        loop {
            let markers = self.markers();
            let found = markers.iter().filter_map(|marker| self.unmarked.find(marker).map(|at| (at, *marker))).min();
            let Some((at, marker)) = found else { break };
            let rest = self.unmarked.split_off(at + marker.len());
            let mut before = std::mem::replace(&mut self.unmarked, rest);
            before.truncate(at);
            self.pass(marker, &before, events);
        }
        if self.place == Place::ToolCall {
            return;
        }
        let kept = self.markers().iter().map(|marker| overlap(&self.unmarked, marker)).max().unwrap_or(0);
        let free = self.unmarked.len() - kept;
        let text: String = self.unmarked.drain(..free).collect();
        self.give(&text, events);
    }

    /// The markers that may come next.
    fn markers(&self) -> &'static [&'static str] {
        match (self.place, self.has_tools, self.has_reasoning) {
            (Place::Reasoning, ..) => &[THINK_CLOSE],
            (Place::ToolCall, ..) => &[TOOL_CLOSE],
            (Place::Text, true, true) => &[THINK_OPEN, TOOL_OPEN],
            (Place::Text, true, false) => &[TOOL_OPEN],
            (Place::Text, false, true) => &[THINK_OPEN],
            (Place::Text, false, false) => &[],
        }
    }

    /// Goes past a marker that `before` led up to.
    fn pass(&mut self, marker: &str, before: &str, events: &mut Vec<WorkerEvent>) {
        let next = match marker {
            TOOL_CLOSE => {
                self.close_tool_call(before, TOOL_CLOSE, events);
                Place::Text
            }
            _ => {
                self.give(before, events);
                match marker {
                    TOOL_OPEN => Place::ToolCall,
                    THINK_OPEN => Place::Reasoning,
                    _ => Place::Text,
                }
            }
        };
        self.place = next;
        self.at_seam = true;
    }

    fn give(&mut self, text: &str, events: &mut Vec<WorkerEvent>) {
        let text = if self.at_seam { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.at_seam = false;
        events.push(match self.place {
            Place::Reasoning => WorkerEvent::Reasoning(text.to_owned()),
            Place::Text | Place::ToolCall => WorkerEvent::Text(text.to_owned()),
        });
    }

    /// Reads a tool call that ended with `close`; what is none is given out as the text that it is.
    fn close_tool_call(&mut self, body: &str, close: &str, events: &mut Vec<WorkerEvent>) {
        if let Ok(written) = serde_json::from_str::<WrittenCall<'_>>(body.trim()) {
            self.tool_calls += 1;
            events.push(WorkerEvent::ToolCall(ToolCall {
                id: format!("call_{}_{}", self.id_base, self.tool_calls),
                name: written.name,
                arguments: written.arguments.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned()),
            }));
        } else {
            self.at_seam = false;
            self.give(&format!("{TOOL_OPEN}{body}{close}"), events);
        }
    }
}

/// A tool call as models write it; the arguments stay as written.
#[derive(Deserialize)]
struct WrittenCall<'a> {
    name: String,
    #[serde(borrow, alias = "parameters")]
    arguments: Option<&'a RawValue>,
}

/// Takes all whole characters; bytes that can never become one are replaced.
fn take_whole_characters(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    loop {
        match std::str::from_utf8(bytes) {
            Ok(whole) => {
                text.push_str(whole);
                bytes.clear();
                return text;
            }
            Err(error) => {
                let valid = error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[..valid]));
                match error.error_len() {
                    Some(bad) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        bytes.drain(..valid + bad);
                    }
                    None => {
                        bytes.drain(..valid);
                        return text;
                    }
                }
            }
        }
    }
}

/// Returns the length of the longest end of `text` that `sought` begins with, the whole of it excluded.
fn overlap(text: &str, sought: &str) -> usize {
    let longest = text.len().min(sought.len().saturating_sub(1));
    (1..=longest)
        .rev()
        .find(|length| sought.is_char_boundary(*length) && text.as_bytes().ends_with(&sought.as_bytes()[..*length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use freehold_wire::{Api, ResponseFormat, Sampling, Tool};

    fn request(stops: &[&str], tools: usize) -> Request {
        let tool = Tool { name: "find".into(), description: String::new(), parameters: serde_json::json!({}) };
        Request {
            api: Api::OpenAiChat,
            model: String::new(),
            system: String::new(),
            messages: Vec::new(),
            tools: vec![tool; tools],
            tool_choice: ToolChoice::Auto,
            response_format: ResponseFormat::Text,
            sampling: Sampling { stop: stops.iter().map(|&stop| stop.to_owned()).collect(), ..Sampling::default() },
            stream: false,
            stream_usage: false,
            metadata: Vec::new(),
        }
    }

    /// Feeds `bytes` in pieces of `size` and returns text, reasoning, tool calls, and whether a stop was reached.
    fn read(request: &Request, bytes: &[u8], size: usize) -> (String, String, Vec<(String, String)>, bool) {
        let mut output = Output::new(request, "x".into());
        let mut events = Vec::new();
        let stopped = bytes.chunks(size).any(|piece| output.push(piece, &mut events));
        output.finish(&mut events);
        let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
        for event in events {
            match event {
                WorkerEvent::Text(piece) => text += &piece,
                WorkerEvent::Reasoning(piece) => reasoning += &piece,
                WorkerEvent::ToolCall(call) => calls.push((call.name, call.arguments)),
                other => panic!("{other:?}"),
            }
        }
        (text, reasoning, calls, stopped)
    }

    /// However tokens cut the bytes, the same answer comes out.
    #[test]
    fn answers_do_not_depend_on_the_cuts() {
        let whole = "<think>\nhm ö</think>\n\nSee 🙂: <tool_call>\n{\"name\":\"find\",\"arguments\":{\"q\": \"</a>\"}}\n</tool_call>\n\
                     <tool_call>{\"name\":\"two\"}</tool_call> <b>end</b>STOPnever";
        let request = request(&["never", "STOP"], 1);
        for size in 1..=whole.len() {
            let (text, reasoning, calls, stopped) = read(&request, whole.as_bytes(), size);
            assert_eq!((text.as_str(), reasoning.as_str(), stopped), ("See 🙂: <b>end</b>", "hm ö", true), "{size}");
            let calls: Vec<_> = calls.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect();
            assert_eq!(calls, [("find", "{\"q\": \"</a>\"}"), ("two", "{}")]);
        }
    }

    #[test]
    fn what_only_looks_like_a_marker_is_text() {
        for whole in ["a <tool", "<think", "x < y", "<tool_call>not json</tool_call>!", "<tool_call>{\"name\":"] {
            for size in 1..=whole.len() {
                assert_eq!(read(&request(&[], 1), whole.as_bytes(), size).0, whole);
            }
        }
        let call = "<tool_call>{\"name\":\"a\"}</tool_call>";
        assert_eq!(read(&request(&[], 0), call.as_bytes(), 3).0, call);
    }

    #[test]
    fn unclosed_call_that_is_whole_counts() {
        let (text, _, calls, _) = read(&request(&[], 1), b"<tool_call>{\"name\":\"find\",\"arguments\":{}}", 5);
        assert_eq!((text.as_str(), calls.len()), ("", 1));
    }

    #[test]
    fn broken_characters_are_replaced_and_held_no_longer_than_needed() {
        let mut output = Output::new(&request(&[], 0), String::new());
        let mut events = Vec::new();
        output.push(&[0xf0, 0x9f], &mut events);
        assert!(events.is_empty());
        output.push(&[0x99, 0x82, 0xff, b'a', 0xc3], &mut events);
        output.finish(&mut events);
        let text: String =
            events.iter().map(|event| if let WorkerEvent::Text(text) = event { text.as_str() } else { "" }).collect();
        assert_eq!(text, "🙂\u{fffd}a\u{fffd}");
    }

    #[test]
    fn text_is_not_held_back_longer_than_a_stop_could_need() {
        let mut output = Output::new(&request(&["abab"], 0), String::new());
        let mut events = Vec::new();
        assert!(!output.push(b"xaba", &mut events));
        assert_eq!(events, [WorkerEvent::Text("x".into())]);
        assert!(!output.push(b"c", &mut events));
        assert_eq!(events[1], WorkerEvent::Text("abac".into()));
    }
}
