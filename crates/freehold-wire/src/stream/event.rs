//! What an answer says, one thing at a time, whichever dialect spelt it: streams are read into this, and so are whole
//! answers.

use serde_json::Value;

use crate::error_body::VendorError;
use crate::{Answer, Finish, Usage};

/// One thing that an answer says, in the order in which it is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Who answers; told again where an id or a name becomes known later. What is not known is empty.
    Start {
        /// The vendor's id of the answer.
        id: String,
        /// The model that says it answers.
        model: String,
    },
    /// The tokens so far; a later one replaces an earlier one.
    Usage(Usage),
    /// A piece of the text.
    Text {
        /// The piece; empty only beside log probabilities.
        piece: String,
        /// The log probabilities of its tokens in OpenAI's form; empty as a rule.
        logprobs: Vec<Value>,
    },
    /// Reasoning that follows is a part of its own.
    ReasoningPart,
    /// A piece of the reasoning.
    Reasoning(String),
    /// What the vendor wants back with the reasoning part under way: Anthropic's signature, OpenAI's encrypted content.
    Signature(String),
    /// Reasoning that the vendor shows in encrypted form only.
    Redacted(String),
    /// A piece of a refusal's text.
    Refusal(String),
    /// A tool call begins. Places count from 0 in the order of these events.
    ToolStart {
        /// Its place.
        place: usize,
        /// The vendor's id of the call; empty where it has none.
        id: String,
        /// The tool's name.
        name: String,
        /// What its arguments are.
        kind: ToolKind,
    },
    /// A piece of a tool call's arguments.
    ToolArguments {
        /// The place of the call.
        place: usize,
        /// The piece.
        piece: String,
    },
    /// A tool call has all its arguments.
    ToolEnd {
        /// The place of the call.
        place: usize,
    },
    /// Why the answer ends.
    Finish {
        /// The reason.
        finish: Finish,
        /// The stop text that was reached, where the vendor says which.
        stop_text: Option<String>,
    },
    /// The answer as the vendor repeats it at the end; where the pieces said something else, this counts.
    Whole(Box<Answer>),
    /// The vendor keeps a quiet stream open.
    Ping,
    /// The vendor tells of an error, or the stream cannot be followed.
    Error(VendorError),
    /// The answer ended the way its dialect ends one.
    End,
}

/// What the arguments of a tool call are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ToolKind {
    /// JSON.
    #[default]
    Function,
    /// Free text (OpenAI's custom tools).
    Custom,
}

impl Event {
    /// Adds a piece of text, where it says anything.
    pub(crate) fn push_text(events: &mut Vec<Event>, piece: &str, logprobs: Vec<Value>) {
        if !piece.is_empty() || !logprobs.is_empty() {
            events.push(Event::Text { piece: piece.to_owned(), logprobs });
        }
    }

    /// Adds a piece of reasoning, where it says anything.
    pub(crate) fn push_reasoning(events: &mut Vec<Event>, piece: &str) {
        if !piece.is_empty() {
            events.push(Event::Reasoning(piece.to_owned()));
        }
    }

    /// Adds a piece of a refusal, where it says anything.
    pub(crate) fn push_refusal(events: &mut Vec<Event>, piece: &str) {
        if !piece.is_empty() {
            events.push(Event::Refusal(piece.to_owned()));
        }
    }

    /// Adds a piece of arguments, where it says anything.
    pub(crate) fn push_arguments(events: &mut Vec<Event>, place: usize, piece: &str) {
        if !piece.is_empty() {
            events.push(Event::ToolArguments { place, piece: piece.to_owned() });
        }
    }

    /// Adds a signature, where there is one.
    pub(crate) fn push_signature(events: &mut Vec<Event>, signature: &str) {
        if !signature.is_empty() {
            events.push(Event::Signature(signature.to_owned()));
        }
    }
}
