//! From the bytes of tokens to the pieces of an answer: UTF-8 across tokens, stop texts, reasoning and tool calls.
//!
//! Nothing is given out that a later token could still turn into a marker or a stop text.

mod call_reader;
#[cfg_attr(not(any(feature = "llama", test)), expect(dead_code, reason = "only weights come with a template"))]
pub(crate) mod family;
mod json_scan;

use freehold_wire::{Request, ToolChoice};

use crate::protocol::WorkerEvent;
use call_reader::{CallReader, Found, Reading};
use family::{Family, HERMES, THINK};

/// How a model writes what is no text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) family: Family,
    /// What opens and closes reasoning.
    pub(crate) thoughts: (&'static str, &'static str),
}

impl Manner {
    /// The manner of the Hermes models, and of models without a template.
    pub(crate) const PLAIN: Manner = Manner { family: HERMES, thoughts: THINK };

    /// Returns whether a control token with this text is part of a marker.
    #[cfg(feature = "llama")]
    pub(crate) fn has_token(&self, text: &[u8]) -> bool {
        let (think, thought) = self.thoughts;
        let is_within = |marker: &str| marker.as_bytes().windows(text.len()).any(|part| part == text);
        !text.is_empty() && self.family.markers().chain([think, thought]).any(is_within)
    }

    /// Returns the manner that a chat template asks for.
    #[cfg(any(feature = "llama", test))]
    pub(crate) fn of_template(template: &str) -> Manner {
        Manner { family: Family::of_template(template), thoughts: family::thoughts_of_template(template) }
    }
}

#[derive(Debug)]
enum Place {
    Text,
    Reasoning,
    ToolCall(CallReader),
}

/// The answer of one call in the making.
#[derive(Debug)]
pub(crate) struct Output {
    manner: Manner,
    /// Bytes that are not yet a whole character.
    cut: Vec<u8>,
    /// Characters that may still turn out to be a stop text.
    unstopped: String,
    stops: Vec<String>,
    /// Characters that may still turn out to be a marker.
    unmarked: String,
    place: Place,
    /// The tools that may be called.
    tools: Vec<String>,
    has_reasoning: bool,
    /// Whether white space is dropped until something else comes.
    at_seam: bool,
    /// Whether nothing was said yet but reasoning and calls, so that a call without a marker may begin.
    may_begin_bare: bool,
    id_base: String,
    tool_calls: usize,
}

impl Output {
    /// Returns the empty answer to `request` by a model of this manner; tool calls are named after `id_base`.
    pub(crate) fn new(request: &Request, manner: Manner, id_base: String) -> Output {
        let may_call = request.tool_choice != ToolChoice::None;
        Output {
            manner,
            cut: Vec::new(),
            unstopped: String::new(),
            stops: request.sampling.stop.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
            unmarked: String::new(),
            place: Place::Text,
            tools: request.tools.iter().filter(|_| may_call).map(|tool| tool.name.clone()).collect(),
            has_reasoning: true,
            at_seam: false,
            may_begin_bare: true,
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

    /// Returns whether the answer is at its text, and not at reasoning or a tool call.
    #[cfg(feature = "llama")]
    pub(crate) fn is_at_text(&self) -> bool {
        matches!(self.place, Place::Text)
    }

    /// Returns whether the answer is at its reasoning.
    #[cfg(feature = "llama")]
    pub(crate) fn is_at_reasoning(&self) -> bool {
        matches!(self.place, Place::Reasoning)
    }

    /// Returns how many bytes were taken and not given out yet.
    #[cfg(feature = "llama")]
    pub(crate) fn held_bytes(&self) -> usize {
        self.cut.len() + self.unstopped.len() + self.unmarked.len()
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
        match std::mem::replace(&mut self.place, Place::Text) {
            Place::Text => self.give(&rest, events),
            Place::Reasoning => {
                self.place = Place::Reasoning;
                self.give(&rest, events);
            }
            Place::ToolCall(reader) if reader.is_amid_arguments() => events.push(WorkerEvent::ToolEnd),
            Place::ToolCall(reader) => {
                if let Some(body) = reader.untold() {
                    self.give_back(&body, events);
                }
            }
        }
    }

    fn mark(&mut self, text: &str, events: &mut Vec<WorkerEvent>) {
        self.unmarked.push_str(text);
        while match &self.place {
            Place::ToolCall(_) => self.read_call(events),
            Place::Text | Place::Reasoning => self.enters_bare_call() || self.pass_marker(events),
        } {}
    }

    /// Lets the reader take what has come; returns whether the call is over and there may be more.
    fn read_call(&mut self, events: &mut Vec<WorkerEvent>) -> bool {
        let Place::ToolCall(reader) = &mut self.place else { return false };
        let mut found = Vec::new();
        let reading = reader.push(&std::mem::take(&mut self.unmarked), &mut found);
        for found in found {
            events.push(match found {
                Found::Name(name) => {
                    self.tool_calls += 1;
                    WorkerEvent::ToolStart { id: format!("call_{}_{}", self.id_base, self.tool_calls), name }
                }
                Found::Arguments(piece) => WorkerEvent::ToolArguments(piece),
                Found::End => WorkerEvent::ToolEnd,
            });
        }
        match reading {
            Reading::GoesOn => return false,
            Reading::Over(rest) => {
                self.unmarked = rest;
                self.at_seam = true;
                self.may_begin_bare = true;
                self.place = Place::Text;
            }
            Reading::NoCall(body) => {
                self.place = Place::Text;
                self.give_back("", events);
                self.unmarked = body;
            }
        }
        true
    }

    /// Gives out, as the text that it is, what looked like a call.
    fn give_back(&mut self, body: &str, events: &mut Vec<WorkerEvent>) {
        self.at_seam = false;
        self.may_begin_bare = false;
        self.give(&format!("{}{body}", self.manner.family.open), events);
    }

    /// Begins a call that has no marker, where one may stand.
    fn enters_bare_call(&mut self) -> bool {
        let family = self.manner.family;
        let may_begin = self.may_begin_bare && !self.tools.is_empty() && matches!(self.place, Place::Text);
        if !may_begin || !family.open.is_empty() || !self.unmarked.trim_start().starts_with('{') {
            return false;
        }
        self.place = Place::ToolCall(CallReader::new(family.body, &self.tools));
        true
    }

    /// Goes past the next marker, or gives out what cannot be part of one; returns whether there may be more.
    fn pass_marker(&mut self, events: &mut Vec<WorkerEvent>) -> bool {
        let markers = self.markers();
        let found = markers.iter().filter_map(|marker| self.unmarked.find(marker).map(|at| (at, *marker))).min();
        if let Some((at, marker)) = found {
            let rest = self.unmarked.split_off(at + marker.len());
            let mut before = std::mem::replace(&mut self.unmarked, rest);
            before.truncate(at);
            self.give(&before, events);
            self.pass(marker);
            return true;
        }
        let kept = markers.iter().map(|marker| overlap(&self.unmarked, marker)).max().unwrap_or(0);
        let free = self.unmarked.len() - kept;
        let text: String = self.unmarked.drain(..free).collect();
        self.give(&text, events);
        false
    }

    /// The markers that may come next.
    fn markers(&self) -> Vec<&'static str> {
        let (think, thought) = self.manner.thoughts;
        if matches!(self.place, Place::Reasoning) {
            return vec![thought];
        }
        let mut markers = Vec::new();
        if self.has_reasoning {
            markers.push(think);
            markers.extend(self.manner.family.silent);
        }
        if !self.tools.is_empty() {
            let family = &self.manner.family;
            markers.extend(Some(family.open).filter(|open| !open.is_empty()));
            markers.extend(Some(family.lead).filter(|lead| !lead.is_empty()));
            if self.tool_calls > 0 {
                markers.extend(family.brackets());
            }
        }
        markers
    }

    fn pass(&mut self, marker: &str) {
        let (think, thought) = self.manner.thoughts;
        let family = self.manner.family;
        self.at_seam = true;
        self.place = if marker == think {
            Place::Reasoning
        } else if marker == family.open && marker != thought {
            Place::ToolCall(CallReader::new(family.body, &[]))
        } else {
            Place::Text
        };
    }

    fn give(&mut self, text: &str, events: &mut Vec<WorkerEvent>) {
        let text = if self.at_seam { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.at_seam = false;
        if matches!(self.place, Place::Reasoning) {
            events.push(WorkerEvent::Reasoning(text.to_owned()));
        } else {
            self.may_begin_bare &= text.trim().is_empty();
            events.push(WorkerEvent::Text(text.to_owned()));
        }
    }
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
            one_tool_call: false,
        }
    }

    /// Feeds `bytes` in pieces of `size` and returns text, reasoning, tool calls, and whether a stop was reached.
    fn read(request: &Request, bytes: &[u8], size: usize) -> (String, String, Vec<(String, String)>, bool) {
        read_as(Manner::PLAIN, request, bytes, size)
    }

    fn read_as(
        manner: Manner,
        request: &Request,
        bytes: &[u8],
        size: usize,
    ) -> (String, String, Vec<(String, String)>, bool) {
        let mut output = Output::new(request, manner, "x".into());
        let mut events = Vec::new();
        let stopped = bytes.chunks(size).any(|piece| output.push(piece, &mut events));
        output.finish(&mut events);
        let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
        for event in events {
            match event {
                WorkerEvent::Text(piece) => text += &piece,
                WorkerEvent::Reasoning(piece) => reasoning += &piece,
                WorkerEvent::ToolStart { name, .. } => calls.push((name, String::new())),
                WorkerEvent::ToolArguments(piece) => calls.last_mut().unwrap().1 += &piece,
                WorkerEvent::ToolEnd => {}
                other => panic!("{other:?}"),
            }
        }
        (text, reasoning, calls, stopped)
    }

    /// What models of each family write, as their makers' templates and documentation have it.
    #[test]
    fn every_family_is_read_however_its_tokens_cut_it() {
        let deepseek = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>find\n```json\n{\"q\": 1}\n```\
                        <｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>find\n```json\n{}\n```\
                        <｜tool▁call▁end｜><｜tool▁calls▁end｜>";
        for (template, whole) in [
            ("[TOOL_CALLS]", "[TOOL_CALLS] [{\"name\": \"find\", \"arguments\": {\"q\": 1}}, {\"name\": \"find\"}]"),
            ("[TOOL_CALLS][ARGS]", "[TOOL_CALLS]find[ARGS]{\"q\": 1}[TOOL_CALLS]find[ARGS]{}"),
            ("<｜tool▁call▁begin｜>```json", deepseek),
            (
                "<｜tool▁call▁begin｜>",
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>find<｜tool▁sep｜>{\"q\": 1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>\
                 find<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            ),
            ("<function=x</function>", "<function=find>{\"q\": 1}</function><function=find>{}</function>"),
            (
                "<|START_ACTION|>",
                "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"find\", \"parameters\": {\"q\": 1}}, \
                 {\"tool_name\": \"find\", \"parameters\": {}}]<|END_ACTION|>",
            ),
            ("<|tool_call|>", "<|tool_call|>[{\"name\": \"find\", \"arguments\": {\"q\": 1}}, {\"name\": \"find\"}]"),
            (
                "<|python_tag|>",
                "<|python_tag|>{\"name\": \"find\", \"parameters\": {\"q\": 1}}\n{\"name\": \"find\", \"parameters\": {}}",
            ),
            ("tools", "{\"name\": \"find\", \"arguments\": {\"q\": 1}}\n{\"name\": \"find\", \"arguments\": {}}"),
        ] {
            let manner = Manner::of_template(template);
            for size in 1..=whole.len() {
                let thought = format!("<think>a</think>{whole}");
                let (text, reasoning, calls, _) = read_as(manner, &request(&[], 1), thought.as_bytes(), size);
                assert_eq!((text.as_str(), reasoning.as_str()), ("", "a"), "{template} {size}");
                let expected = [("find".to_owned(), "{\"q\": 1}".to_owned()), ("find".to_owned(), "{}".to_owned())];
                assert_eq!(calls, expected, "{template} {size}");
            }
        }
    }

    /// The channels of gpt-oss: thoughts, an answer, and a call with and without what it says of its form.
    #[test]
    fn channels_are_told_apart() {
        let manner = Manner::of_template("<|channel|>analysis<|message|> <|constrain|>");
        let thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant";
        let call = "<|channel|>commentary to=functions.find";
        for (said, text, calls) in [
            ("<|channel|>final<|message|>It is on its way.", "It is on its way.", 0),
            (
                "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant{call} <|constrain|>json<|message|>{\"q\": 1}<|call|>",
                "I look.",
                1,
            ),
            ("{call}<|message|>{\"q\": 1}", "", 1),
        ] {
            let whole = format!("{thought}{}", said.replace("{call}", call));
            for size in 1..=whole.len() {
                let found = read_as(manner, &request(&[], 1), whole.as_bytes(), size);
                assert_eq!((found.0.as_str(), found.1.as_str()), (text, "Hm."), "{said} {size}");
                assert_eq!(found.2, vec![("find".to_owned(), "{\"q\": 1}".to_owned()); calls], "{said} {size}");
            }
        }
    }

    #[test]
    fn bare_object_that_names_no_tool_is_text() {
        let manner = Manner::of_template("tools");
        for whole in ["{\"name\": \"other\", \"arguments\": {}}", "{\"a\": 1}", "so: {\"name\": \"find\"}", "{"] {
            for size in 1..=whole.len() {
                let (text, _, calls, _) = read_as(manner, &request(&[], 1), whole.as_bytes(), size);
                assert_eq!((text.as_str(), calls.len()), (whole, 0), "{size}");
            }
        }
    }

    #[test]
    fn arguments_are_streamed_and_end_where_the_answer_is_cut() {
        let mut output = Output::new(&request(&[], 1), Manner::PLAIN, "x".into());
        let mut events = Vec::new();
        output.push(b"<tool_call>{\"name\": \"find\", \"arguments\": {\"q\": \"lo", &mut events);
        let start = WorkerEvent::ToolStart { id: "call_x_1".into(), name: "find".into() };
        assert_eq!(events, [start, WorkerEvent::ToolArguments("{\"q\": \"lo".into())]);
        output.push(b"ng", &mut events);
        output.finish(&mut events);
        assert_eq!(events[2..], [WorkerEvent::ToolArguments("ng".into()), WorkerEvent::ToolEnd]);
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
        let mut output = Output::new(&request(&[], 0), Manner::PLAIN, String::new());
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
        let mut output = Output::new(&request(&["abab"], 0), Manner::PLAIN, String::new());
        let mut events = Vec::new();
        assert!(!output.push(b"xaba", &mut events));
        assert_eq!(events, [WorkerEvent::Text("x".into())]);
        assert!(!output.push(b"c", &mut events));
        assert_eq!(events[1], WorkerEvent::Text("abac".into()));
    }
}
