//! What is lost on the way, and what is said about it.

use std::collections::HashSet;

use serde_json::Value;

use crate::Api;
use crate::requests::draft::Members;
use crate::translate::{Error, OnLoss};

/// Why a member without a known meaning is not carried.
pub(super) const UNKNOWN: &str = "nobody here knows what it means";

/// Notes losses, or refuses at the first one.
pub(super) struct Losses {
    pub(super) from: Api,
    pub(super) to: Api,
    on_loss: OnLoss,
    lost: Vec<String>,
    /// The ids of calls that were left out: their results have to go too.
    calls: HashSet<String>,
}

/// Kinds of objects; each has members that no answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Turn,
    ToolTurn,
    Text,
    Media,
    Call,
    Result,
    Tool,
}

/// Marks for the vendor's cache and names given by the vendor, on any object.
const MARKS: [&str; 5] = ["cache_control", "prompt_cache_breakpoint", "id", "status", "type"];

impl Losses {
    pub(super) fn new(from: Api, to: Api, on_loss: OnLoss) -> Self {
        Losses { from, to, on_loss, lost: Vec::new(), calls: HashSet::new() }
    }

    pub(super) fn into_lost(self) -> Vec<String> {
        self.lost
    }

    /// Returns whether both dialects are OpenAI's.
    pub(super) fn within_openai(&self) -> bool {
        !self.from.is_anthropic() && !self.to.is_anthropic()
    }

    /// Notes that a field is left out.
    pub(super) fn lose(&mut self, field: impl Into<String>, why: &'static str) -> Result<(), Error> {
        let field = field.into();
        match self.on_loss {
            OnLoss::Accept => {
                self.lost.push(field);
                Ok(())
            }
            OnLoss::Refuse => Err(Error::Unfaithful { from: self.from, to: self.to, field, why }),
        }
    }

    /// Notes that members are left out, but for those that say nothing.
    pub(super) fn lose_all(&mut self, members: &Members, path: &str, why: &'static str) -> Result<(), Error> {
        for (name, _) in members.iter().filter(|(_, value)| !says_nothing(value)) {
            self.lose(format!("{path}.{name}"), why)?;
        }
        Ok(())
    }

    /// Notes that a call is left out whose result may follow.
    pub(super) fn lose_call(&mut self, id: &str) {
        self.calls.insert(id.to_owned());
    }

    /// Returns whether the call of this id was left out.
    pub(super) fn has_lost_call(&self, id: &str) -> bool {
        self.calls.contains(id)
    }

    /// Notes the members of an object that no typed form has taken up and that may matter.
    pub(super) fn leave(&mut self, node: Node, members: &Members, path: &str) -> Result<(), Error> {
        for (name, value) in members {
            if !says_nothing(value) && !MARKS.contains(&name.as_str()) && !is_mark(node, name, value) {
                self.lose(format!("{path}.{name}"), "the other dialect has no such member there")?;
            }
        }
        Ok(())
    }
}

/// Returns whether a member may as well be absent.
pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn is_mark(node: Node, name: &str, value: &Value) -> bool {
    match node {
        // Labels that one vendor's models put on their own words.
        Node::Turn => matches!(name, "phase" | "reasoning" | "reasoning_content" | "reasoning_details"),
        Node::ToolTurn => name == "name",
        // Where the model found what it said.
        Node::Text => matches!(name, "annotations" | "citations" | "logprobs"),
        Node::Media => name == "citations" && value.get("enabled").is_none_or(says_nothing),
        Node::Call => name == "index" || is_direct_caller(name, value),
        Node::Result => name == "name" || is_direct_caller(name, value),
        Node::Tool => {
            name == "eager_input_streaming" || (name == "allowed_callers" && *value == serde_json::json!(["direct"]))
        }
    }
}

fn is_direct_caller(name: &str, value: &Value) -> bool {
    name == "caller" && value.get("type").and_then(Value::as_str) == Some("direct")
}
