//! The promises in a table: what each is called, what it means, and what is known to help where it is broken.

use serde::{Deserialize, Serialize};

/// A promise of the Chat Completions API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// `response_format` with a schema yields what the schema allows.
    Schema,
    /// `tool_choice: required` yields a call.
    ToolChoiceRequired,
    /// A named `tool_choice` yields a call of that tool.
    ToolChoiceNamed,
    /// `tool_choice: none` yields no call.
    ToolChoiceNone,
    /// Several calls in one answer come apart, and come alone where that is asked for.
    ParallelCalls,
    /// A call without arguments says `{}`.
    EmptyArguments,
    /// A streamed call says what a whole one says.
    StreamedCalls,
    /// `stop` ends the answer before its words.
    Stop,
    /// `max_tokens` bounds the answer, and the answer says so.
    MaxTokens,
    /// A seed repeats an answer.
    Seed,
    /// `logprobs` are given.
    Logprobs,
    /// A stream ends with its usage where asked.
    UsageInStreams,
    /// Reasoning comes in a field of its own.
    ReasoningApart,
    /// Reasoning that is sent back reaches the model within a turn of tools.
    ReasoningKept,
    /// The system's words reach the model.
    SystemRole,
    /// So do those of a second system message.
    SystemBlocks,
    /// The developer's words reach the model.
    DeveloperRole,
    /// Letters of several bytes come whole through a stream.
    Unicode,
    /// A long prompt is read whole or refused.
    Context,
    /// At temperature 0 an answer repeats itself, alone and among others.
    RepeatsUnderLoad,
}

/// A row of the table.
struct Row {
    name: &'static str,
    said: &'static str,
    remedy: &'static str,
}

impl Promise {
    /// All promises, in the order of a report.
    pub const ALL: [Promise; 20] = [
        Promise::Schema,
        Promise::ToolChoiceRequired,
        Promise::ToolChoiceNamed,
        Promise::ToolChoiceNone,
        Promise::ParallelCalls,
        Promise::EmptyArguments,
        Promise::StreamedCalls,
        Promise::Stop,
        Promise::MaxTokens,
        Promise::Seed,
        Promise::Logprobs,
        Promise::UsageInStreams,
        Promise::ReasoningApart,
        Promise::ReasoningKept,
        Promise::SystemRole,
        Promise::SystemBlocks,
        Promise::DeveloperRole,
        Promise::Unicode,
        Promise::Context,
        Promise::RepeatsUnderLoad,
    ];

    /// Returns its name in output for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns what is promised.
    #[must_use]
    pub fn said(self) -> &'static str {
        self.row().said
    }

    /// Returns what helps where it is broken, whichever server it is.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.row().remedy
    }

    /// Returns whether its check makes load of its own, and must not run beside others.
    pub(super) fn needs_quiet(self) -> bool {
        self == Promise::RepeatsUnderLoad
    }

    fn row(self) -> Row {
        let (name, said, remedy) = match self {
            Promise::Schema | Promise::Stop | Promise::MaxTokens | Promise::Unicode | Promise::Context => self.text(),
            Promise::Seed | Promise::Logprobs | Promise::UsageInStreams | Promise::RepeatsUnderLoad => self.figure(),
            Promise::ToolChoiceRequired
            | Promise::ToolChoiceNamed
            | Promise::ToolChoiceNone
            | Promise::ParallelCalls
            | Promise::EmptyArguments
            | Promise::StreamedCalls => self.call(),
            Promise::ReasoningApart
            | Promise::ReasoningKept
            | Promise::SystemRole
            | Promise::SystemBlocks
            | Promise::DeveloperRole => self.turn(),
        };
        Row { name, said, remedy }
    }

    fn text(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Promise::Schema => (
                "schema",
                "response_format with a schema yields what the schema allows",
                "switch on the server's constrained decoding, or serve the model with an engine that has it",
            ),
            Promise::Stop => {
                ("stop", "stop ends the answer before its words", "update the server, or cut at the client")
            }
            Promise::MaxTokens => (
                "max_tokens",
                "max_tokens bounds the answer, and finish_reason says so",
                "update the server; budgets and time limits do not hold without it",
            ),
            Promise::Unicode => (
                "unicode",
                "letters of several bytes come whole through a stream",
                "update the server: its detokenizer must hold back bytes until a letter is whole; or do not stream",
            ),
            _ => (
                "context",
                "a long prompt is read whole, or refused aloud",
                "raise the server's context length to that of the step's prompts, and have it refuse what is longer",
            ),
        }
    }

    fn figure(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Promise::Seed => (
                "seed",
                "the same seed repeats an answer",
                "ask at temperature 0 where an answer must repeat itself, or update the server",
            ),
            Promise::Logprobs => {
                ("logprobs", "logprobs are given with the answer", "switch them on in the server, or do without")
            }
            Promise::UsageInStreams => (
                "usage_in_streams",
                "a stream ends with the usage that a whole answer gives",
                "update the server; until then the cost of streamed calls is not known",
            ),
            _ => (
                "repeats_under_load",
                "at temperature 0 an answer repeats itself, alone and among others",
                "switch on the server's batch-invariant mode, or count its noise: ask each case more than once",
            ),
        }
    }

    fn call(self) -> (&'static str, &'static str, &'static str) {
        let parser = "name the tool-call parser of the model's family, and its chat template, when starting the server";
        match self {
            Promise::ToolChoiceRequired => ("tool_choice_required", "tool_choice required yields a call", parser),
            Promise::ToolChoiceNamed => ("tool_choice_named", "a named tool_choice yields a call of that tool", parser),
            Promise::ToolChoiceNone => (
                "tool_choice_none",
                "tool_choice none yields no call",
                "leave the tools out of requests that must not call them",
            ),
            Promise::ParallelCalls => {
                ("parallel_calls", "several calls come apart, and come alone where that is asked for", parser)
            }
            Promise::EmptyArguments => ("empty_arguments", "a call without arguments says {}", parser),
            _ => (
                "streamed_calls",
                "a streamed call says what a whole one says",
                "do not stream calls with tools, or update the server and its parser",
            ),
        }
    }

    fn turn(self) -> (&'static str, &'static str, &'static str) {
        let merge = "send it as the one system message at the beginning, or take a chat template that knows it";
        match self {
            Promise::ReasoningApart => (
                "reasoning_apart",
                "reasoning comes in a field of its own",
                "name the reasoning parser of the model's family when starting the server",
            ),
            Promise::ReasoningKept => (
                "reasoning_kept",
                "reasoning that is sent back reaches the model between tool calls",
                "take a chat template that writes reasoning_content, or a server that passes it on",
            ),
            Promise::SystemRole => (
                "system_role",
                "the system's words reach the model",
                "take the chat template that the model was trained with",
            ),
            Promise::SystemBlocks => ("system_blocks", "a second system message reaches the model", merge),
            _ => ("developer_role", "the developer's words reach the model", merge),
        }
    }
}
