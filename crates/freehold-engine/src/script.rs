//! The rules of a scripted model: what it answers, and to what. Also what a simulated vendor can be taught.
//!
//! The file is JSON: `{"rules": [RULE, ...], "otherwise": RULE}`. The first rule whose `when` occurs in the last user
//! turn, and whose `after` occurs in what the tools returned since, answers; a rule without either always does.

use std::path::PathBuf;

use freehold_wire::{Message, Part, Request, Role};
use serde::Deserialize;
use serde_json::Value;

/// Rules, and what to do where none fits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    rules: Vec<Rule>,
    otherwise: Rule,
}

/// What to answer, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    when: String,
    after: String,
    /// Thought before the answer.
    pub reasoning: String,
    /// The text to answer with.
    pub text: String,
    /// The tool to call after the text.
    pub tool_call: Option<ScriptedCall>,
    /// The pause before each word, in milliseconds.
    pub word_ms: u64,
    /// Never ends by itself, once everything is said.
    pub hold: bool,
    /// Fails with this message after everything is said.
    pub fail: Option<String>,
    /// Ends the whole process without a word, once everything is said.
    pub abort: bool,
    /// Does this to its own process, once everything is said; what comes of it is the rest of the answer.
    pub fault: Option<Fault>,
}

/// What a model may do to the process it runs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Never comes back.
    Hang,
    /// Takes all memory that it is given.
    Hoard,
    /// Tries what no model has to do.
    Try(Misdeed),
}

/// What no model has to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misdeed {
    /// Making a socket that can send.
    Internet,
    /// Waiting for connections.
    Listen,
    /// Making a socket within this machine.
    LocalSocket,
    /// Reading a file.
    Read(PathBuf),
    /// Listing a folder.
    List(PathBuf),
    /// Writing a file.
    Write(PathBuf),
    /// Opening a file that is there to add to it.
    Append(PathBuf),
    /// Removing a file.
    Remove(PathBuf),
    /// Starting a program.
    Run(PathBuf),
    /// Sending a signal to the gateway.
    Signal,
    /// Starting a thread, which every model may.
    Thread,
}

/// A call of a tool, as a script has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// The tool's name.
    pub name: String,
    /// The arguments.
    #[serde(default)]
    pub arguments: Value,
}

impl Script {
    /// Returns the rule that answers a request.
    pub fn rule(&self, request: &Request) -> &Rule {
        let asked = request.messages.iter().rev().find(|message| message.role == Role::User);
        let asked = asked.map(Message::text).unwrap_or_default();
        let returned = returned(request);
        let fits = |rule: &&Rule| asked.contains(&rule.when) && returned.contains(&rule.after);
        self.rules.iter().find(fits).unwrap_or(&self.otherwise)
    }
}

/// Returns what the tools returned since the model last spoke, a line for each.
fn returned(request: &Request) -> String {
    let news = request.messages.iter().rev().take_while(|message| message.role != Role::Assistant);
    let parts = news.flat_map(|message| &message.parts);
    let results =
        parts.filter_map(|part| if let Part::ToolResult { text, .. } = part { Some(text.as_str()) } else { None });
    results.collect::<Vec<&str>>().join("\n")
}
