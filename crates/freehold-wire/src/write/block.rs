//! The pieces of content that the writers write, and a whole answer put together from them.

use serde_json::Value;

use crate::stream::{Event, ToolKind};
use crate::{Answer, Finish, ToolCall, Usage};

/// One piece of content.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Text { text: String, logprobs: Vec<Value> },
    Refusal(String),
    Reasoning { text: String, signature: String },
    Redacted(String),
    Tool { call: ToolCall, kind: ToolKind },
}

/// An answer as the writers see it.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) blocks: Vec<Block>,
    pub(super) finish: Option<Finish>,
    pub(super) stop_text: Option<String>,
    pub(super) usage: Option<Usage>,
    /// Reasoning that follows is a part of its own.
    is_new_part: bool,
}

impl Content {
    pub(super) fn of_answer(answer: &Answer) -> Self {
        let mut blocks = Vec::new();
        if !answer.reasoning.is_empty() {
            blocks.push(Block::Reasoning { text: answer.reasoning.clone(), signature: String::new() });
        }
        if !answer.text.is_empty() {
            blocks.push(Block::Text { text: answer.text.clone(), logprobs: Vec::new() });
        }
        let calls = answer.tool_calls.iter();
        blocks.extend(calls.map(|call| Block::Tool { call: call.clone(), kind: ToolKind::Function }));
        Content { blocks, finish: answer.finish, usage: answer.usage, ..Content::default() }
    }

    /// Gives the first text its tokens.
    pub(super) fn with_logprobs(mut self, tokens: Vec<Value>) -> Self {
        let text = self.blocks.iter_mut().find_map(|block| match block {
            Block::Text { logprobs, .. } => Some(logprobs),
            _ => None,
        });
        if let Some(logprobs) = text {
            *logprobs = tokens;
        }
        self
    }

    pub(super) fn of_events(events: Vec<Event>) -> Self {
        let mut content = Content::default();
        // Where the blocks of the tool calls lie, by place.
        let mut calls = Vec::new();
        for event in events {
            match event {
                Event::ReasoningPart => content.is_new_part = true,
                Event::Reasoning(piece) => content.reasoning(&piece),
                Event::Signature(signature) => content.signature(signature),
                Event::ToolStart { id, name, kind, .. } => {
                    calls.push(content.blocks.len());
                    let call = ToolCall { id, name, arguments: String::new() };
                    content.blocks.push(Block::Tool { call, kind });
                }
                Event::ToolArguments { place, piece } => {
                    let block = calls.get(place).and_then(|at| content.blocks.get_mut(*at));
                    if let Some(Block::Tool { call, .. }) = block {
                        call.arguments.push_str(&piece);
                    }
                }
                Event::Finish { finish, stop_text } => {
                    content.finish = Some(finish);
                    content.stop_text = stop_text;
                }
                Event::Usage(usage) => content.usage = Some(usage),
                other => content.piece(other),
            }
        }
        content
    }

    /// Adds what continues the last block where it is of the same kind.
    fn piece(&mut self, event: Event) {
        match (event, self.blocks.last_mut()) {
            (Event::Text { piece, logprobs: told }, Some(Block::Text { text, logprobs })) => {
                text.push_str(&piece);
                logprobs.extend(told);
            }
            (Event::Text { piece, logprobs }, _) => self.blocks.push(Block::Text { text: piece, logprobs }),
            (Event::Refusal(piece), Some(Block::Refusal(text))) => text.push_str(&piece),
            (Event::Refusal(piece), _) => self.blocks.push(Block::Refusal(piece)),
            (Event::Redacted(data), _) => self.blocks.push(Block::Redacted(data)),
            _ => {}
        }
    }

    fn reasoning(&mut self, piece: &str) {
        let is_new_part = std::mem::take(&mut self.is_new_part);
        match self.blocks.last_mut() {
            Some(Block::Reasoning { text, .. }) if !is_new_part => text.push_str(piece),
            _ => self.blocks.push(Block::Reasoning { text: piece.to_owned(), signature: String::new() }),
        }
    }

    fn signature(&mut self, said: String) {
        let is_new_part = std::mem::take(&mut self.is_new_part);
        match self.blocks.last_mut() {
            Some(Block::Reasoning { signature, .. }) if !is_new_part => signature.push_str(&said),
            _ => self.blocks.push(Block::Reasoning { text: String::new(), signature: said }),
        }
    }

    /// Returns the texts of all blocks of one kind, joined by a separator.
    pub(super) fn joined<'c>(&'c self, separator: &str, pick: impl Fn(&'c Block) -> Option<&'c str>) -> String {
        let texts: Vec<&str> = self.blocks.iter().filter_map(pick).filter(|text| !text.is_empty()).collect();
        texts.join(separator)
    }
}

/// Why an answer ends, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended<'e> {
    pub(crate) finish: Finish,
    pub(crate) stop_text: Option<&'e str>,
    pub(crate) usage: Option<Usage>,
}
