//! The stream of events of one call, as its asker sees it.

use freehold_wire::{Answer, Finish, ToolCall, Usage};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::Error;
use crate::host::supervisor::Command;

/// What happens to a call, in order: `Started`, pieces, then `Done` or `Failed`.
#[derive(Debug, Clone)]
pub enum Event {
    /// It has a slot, and its prompt is being read.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u64,
    },
    /// A piece of the text.
    Text(String),
    /// A piece of the reasoning.
    Reasoning(String),
    /// A call of a tool begins; pieces of its arguments and its end follow before anything else.
    ToolStart {
        /// The id of the call.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// A piece of the arguments of the tool call under way.
    ToolArguments(String),
    /// The tool call under way ends.
    ToolEnd,
    /// The log probabilities of the tokens of the next piece of text, in the spelling of Chat Completions.
    Logprobs(Vec<Value>),
    /// The vectors that were asked for, of length one each, in the order of their texts; nothing follows.
    Vectors {
        /// One for each text.
        vectors: Vec<Vec<f32>>,
        /// Tokens of all texts.
        prompt_tokens: u64,
    },
    /// It is finished.
    Done {
        /// Why.
        finish: Finish,
        /// What it took.
        usage: Usage,
    },
    /// It failed; nothing follows.
    Failed(Error),
}

impl Event {
    /// Adds what the event tells to an answer in the making; a failure adds nothing.
    pub fn add_to(self, answer: &mut Answer) {
        match self {
            Event::Text(piece) => answer.text.push_str(&piece),
            Event::Reasoning(piece) => answer.reasoning.push_str(&piece),
            Event::ToolStart { id, name } => {
                answer.tool_calls.push(ToolCall { id, name, arguments: String::new() });
            }
            Event::ToolArguments(piece) => {
                if let Some(call) = answer.tool_calls.last_mut() {
                    call.arguments.push_str(&piece);
                }
            }
            Event::Done { finish, usage } => {
                answer.finish = Some(finish);
                answer.usage = Some(usage);
            }
            Event::Started { .. } | Event::Vectors { .. } | Event::ToolEnd | Event::Logprobs(_) | Event::Failed(_) => {}
        }
    }
}

/// A call in flight; dropping it cancels the call.
#[derive(Debug)]
pub struct Generation {
    id: u64,
    model: String,
    held_back: Option<Event>,
    events: mpsc::Receiver<Event>,
    commands: mpsc::UnboundedSender<Command>,
    is_over: bool,
}

impl Generation {
    /// Waits for the first event, so that a refusal is an error and not a broken stream.
    pub(crate) async fn begin(
        id: u64,
        model: String,
        events: mpsc::Receiver<Event>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Result<Generation, Error> {
        let mut generation = Generation { id, model, held_back: None, events, commands, is_over: false };
        match generation.next().await {
            Some(Event::Failed(error)) => Err(error),
            first => {
                generation.held_back = first;
                Ok(generation)
            }
        }
    }

    /// Returns the engine's own number of this call, which its errors name.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the next event, or `None` after the last; cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.held_back.take() {
            return Some(event);
        }
        if self.is_over {
            return None;
        }
        let event = self.events.recv().await;
        // A supervisor that ends without a word was stopped.
        let event = event.unwrap_or_else(|| Event::Failed(Error::Unloaded { model: self.model.clone() }));
        self.is_over = matches!(event, Event::Done { .. } | Event::Vectors { .. } | Event::Failed(_));
        Some(event)
    }

    /// Waits for the end and returns the whole answer.
    ///
    /// # Errors
    /// The call failed; what was generated before is lost.
    pub async fn collect(self) -> Result<Answer, Error> {
        Ok(self.collect_with_logprobs().await?.0)
    }

    /// Waits for the end and returns the whole answer with the log probabilities of its text's tokens, of which there are
    /// none unless the request asked for them.
    ///
    /// # Errors
    /// The call failed; what was generated before is lost.
    pub async fn collect_with_logprobs(mut self) -> Result<(Answer, Vec<Value>), Error> {
        let mut answer = Answer { model: self.model.clone(), ..Answer::default() };
        let mut logprobs = Vec::new();
        while let Some(event) = self.next().await {
            match event {
                Event::Logprobs(tokens) => logprobs.extend(tokens),
                Event::Failed(error) => return Err(error),
                event => event.add_to(&mut answer),
            }
        }
        Ok((answer, logprobs))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if !self.is_over {
            // Without a supervisor there is nothing left to cancel.
            self.commands.send(Command::Cancel(self.id)).ok();
        }
    }
}
