//! What a server said, whole or streamed, as raw as the checks need it.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields in which servers return reasoning.
pub(super) const REASONING_FIELDS: [&str; 2] = ["reasoning_content", "reasoning"];

/// Marks with which models begin a call or their reasoning; in a text they are what a parser left there.
const CALL_MARKS: [&str; 8] = [
    "<tool_call>",
    "[TOOL_CALLS]",
    "<|tool_call",
    "<|python_tag|>",
    "<function=",
    "<function_call>",
    "<invoke",
    "to=functions.",
];
const REASONING_MARKS: [&str; 4] = ["<think>", "</think>", "<|channel|>analysis", "[THINK]"];

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) reasoning: String,
    /// The field that the reasoning came in.
    pub(super) reasoning_field: Option<&'static str>,
    pub(super) calls: Vec<Called>,
    pub(super) finish: Option<String>,
    pub(super) usage: Value,
    pub(super) logprobs: Value,
    /// Whether bytes came that are no text at all.
    pub(super) is_torn: bool,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Called {
    pub(super) id: String,
    pub(super) name: String,
    /// As it came: a text where the API is kept.
    pub(super) arguments: Value,
}

impl Called {
    /// Returns the arguments where they are the text of a JSON object.
    pub(super) fn object(&self) -> Option<Value> {
        let read: Value = serde_json::from_str(self.arguments.as_str()?).ok()?;
        read.is_object().then_some(read)
    }
}

impl Said {
    /// Reads a whole answer.
    pub(super) fn whole(body: &[u8]) -> Option<Self> {
        let is_torn = std::str::from_utf8(body).is_err();
        let answer: Value = serde_json::from_str(&String::from_utf8_lossy(body)).ok()?;
        let choice = answer["choices"].get(0)?;
        let message = choice.get("message")?;
        let mut said = Said { is_torn, usage: answer["usage"].clone(), ..Said::default() };
        said.take_words(message);
        said.take_end(choice);
        said.calls = message["tool_calls"].as_array().into_iter().flatten().map(call).collect();
        Some(said)
    }

    /// Reads a stream to its end.
    pub(super) fn streamed(body: &[u8]) -> Option<Self> {
        let mut said = Said { is_torn: std::str::from_utf8(body).is_err(), ..Said::default() };
        let mut calls: BTreeMap<u64, Called> = BTreeMap::new();
        let mut events = 0;
        for data in String::from_utf8_lossy(body).lines().filter_map(|line| line.strip_prefix("data:")) {
            let Ok(event) = serde_json::from_str::<Value>(data.trim()) else { continue };
            events += 1;
            if event["usage"].is_object() {
                said.usage = event["usage"].clone();
            }
            let Some(choice) = event["choices"].get(0) else { continue };
            said.take_words(&choice["delta"]);
            said.take_end(choice);
            for piece in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                join(calls.entry(piece["index"].as_u64().unwrap_or(0)).or_default(), call(piece));
            }
        }
        said.calls = calls.into_values().collect();
        (events > 0).then_some(said)
    }

    fn take_words(&mut self, from: &Value) {
        self.text.push_str(from["content"].as_str().unwrap_or_default());
        let found = REASONING_FIELDS.into_iter().find_map(|field| Some((field, from[field].as_str()?)));
        if let Some((field, words)) = found.filter(|(_, words)| !words.is_empty()) {
            self.reasoning.push_str(words);
            self.reasoning_field = Some(field);
        }
    }

    fn take_end(&mut self, choice: &Value) {
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
        if choice["logprobs"].is_object() {
            self.logprobs = choice["logprobs"].clone();
        }
    }

    /// Returns whether it ended because no more tokens were allowed.
    pub(super) fn is_cut(&self) -> bool {
        self.finish.as_deref() == Some("length")
    }

    /// Returns how many tokens the server counted in the prompt.
    pub(super) fn prompt_tokens(&self) -> Option<u64> {
        self.usage["prompt_tokens"].as_u64().filter(|tokens| *tokens > 0)
    }

    /// Returns how many tokens the server counted in the answer.
    pub(super) fn completion_tokens(&self) -> Option<u64> {
        self.usage["completion_tokens"].as_u64()
    }

    /// Returns the mark of a call that was left in the text.
    pub(super) fn call_in_text(&self) -> Option<&'static str> {
        CALL_MARKS.into_iter().find(|mark| self.text.contains(mark))
    }

    /// Returns the mark of reasoning that was left in the text.
    pub(super) fn reasoning_in_text(&self) -> Option<&'static str> {
        REASONING_MARKS.into_iter().find(|mark| self.text.contains(mark))
    }
}

fn call(from: &Value) -> Called {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let function = &from["function"];
    Called { id: text(&from["id"]), name: text(&function["name"]), arguments: function["arguments"].clone() }
}

/// Joins a piece of a streamed call to what came before.
fn join(call: &mut Called, piece: Called) {
    call.id.push_str(&piece.id);
    call.name.push_str(&piece.name);
    if let Value::String(more) = piece.arguments {
        let before = call.arguments.as_str().unwrap_or_default();
        call.arguments = Value::String(format!("{before}{more}"));
    }
}

/// Returns the beginning of a text, for evidence.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(CHARS_MAX).collect();
    if cut.len() < line.len() { format!("{cut:?} ...") } else { format!("{cut:?}") }
}
