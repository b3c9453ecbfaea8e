//! How an answer leaves the simulated vendor: at once, or word by word as a script says, and who did not wait for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use freehold_engine::script::Rule;
use freehold_wire::write::{Head, StreamWriter};
use freehold_wire::{Answer, Api, Finish, ToolCall, Usage};
use futures_util::{Stream, stream};
use serde_json::Value;

/// A rough length of a token, in bytes, for the usage it reports.
const TOKEN_BYTES: usize = 4;

/// What the vendor says to one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Spoken {
    /// The whole of it.
    pub answer: Answer,
    /// The pause before each word of a stream.
    pub pause: Duration,
    /// Whether it never ends.
    pub hold: bool,
    /// What goes wrong once everything is said.
    pub fail: Option<String>,
}

/// Returns how many tokens so many bytes count for.
pub(super) fn tokens(bytes: usize) -> u64 {
    (bytes / TOKEN_BYTES) as u64
}

/// Returns an answer of a text and a tool call to a request of so many bytes, with its usage.
pub(super) fn answer(text: String, call: Option<(String, &Value)>, request_bytes: usize, number: u64) -> Answer {
    let spelt = |(name, arguments): (String, &Value)| {
        let id = format!("call_sim{number:08x}");
        ToolCall { id, name, arguments: arguments.to_string() }
    };
    let call = call.map(spelt);
    let bytes = text.len() + call.as_ref().map_or(0, |call| call.name.len() + call.arguments.len());
    let finish = if call.is_some() { Finish::ToolCalls } else { Finish::Stop };
    let usage = Usage { input: tokens(request_bytes), output: tokens(bytes) + 1, ..Usage::default() };
    let tool_calls = call.into_iter().collect();
    Answer { text, tool_calls, finish: Some(finish), usage: Some(usage), ..Answer::default() }
}

impl Spoken {
    /// Returns an answer that is there at once.
    pub(super) fn at_once(answer: Answer) -> Self {
        Spoken { answer, ..Spoken::default() }
    }

    /// Returns what a rule says to a request of so many bytes.
    pub(super) fn by_rule(rule: &Rule, request_bytes: usize, number: u64) -> Self {
        let call = rule.tool_call.as_ref().map(|call| (call.name.clone(), &call.arguments));
        let spelt = answer(rule.text.clone(), call, request_bytes, number);
        let answer = Answer { reasoning: rule.reasoning.clone(), ..spelt };
        Spoken { answer, pause: Duration::from_millis(rule.word_ms), hold: rule.hold, fail: rule.fail.clone() }
    }

    /// Returns whether all of a stream is there at once.
    fn is_at_once(&self) -> bool {
        self.pause.is_zero() && !self.hold
    }
}

/// Counts an answer as left when it is dropped before its end.
pub(super) struct Wait {
    left: Arc<AtomicU64>,
    is_over: bool,
}

impl Wait {
    pub(super) fn new(left: &Arc<AtomicU64>) -> Self {
        Wait { left: Arc::clone(left), is_over: false }
    }

    pub(super) fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !self.is_over {
            self.left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns the events of a stream, those that are sent together as one.
pub(super) fn pieces(api: Api, head: Head, spoken: &Spoken) -> VecDeque<Bytes> {
    let answer = &spoken.answer;
    let usage = answer.usage.unwrap_or_default();
    let mut writer = StreamWriter::new(api, head);
    let mut pieces = vec![writer.start(usage.input)];
    pieces.extend(answer.reasoning.split_inclusive(' ').map(|piece| writer.reasoning(piece)));
    pieces.extend(answer.text.split_inclusive(' ').map(|piece| writer.text(piece)));
    pieces.extend(answer.tool_calls.iter().map(|call| writer.tool_call(call)));
    pieces.push(match &spoken.fail {
        Some(what) => writer.error(what),
        None if spoken.hold => Vec::new(),
        None => writer.finish(answer.finish.unwrap_or(Finish::Stop), usage),
    });
    if spoken.is_at_once() {
        VecDeque::from([pieces.concat().into()])
    } else {
        pieces.into_iter().map(Bytes::from).collect()
    }
}

/// Sends the pieces at the pace that was asked for; a held answer never ends by itself.
pub(super) fn at_pace(
    pieces: VecDeque<Bytes>,
    spoken: &Spoken,
    wait: Wait,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let (pause, hold) = (spoken.pause, spoken.hold);
    stream::unfold((pieces, wait), move |(mut pieces, wait)| async move {
        tokio::time::sleep(pause).await;
        match pieces.pop_front() {
            Some(piece) => Some((Ok(piece), (pieces, wait))),
            None if hold => std::future::pending().await,
            None => {
                wait.over();
                None
            }
        }
    })
}
