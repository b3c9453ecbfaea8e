//! The stream of events of one call, as its asker sees it.

use freehold_wire::{Answer, Finish, ToolCall, Usage};
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
    /// A whole call of a tool.
    ToolCall(ToolCall),
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
        self.is_over = matches!(event, Event::Done { .. } | Event::Failed(_));
        Some(event)
    }

    /// Waits for the end and returns the whole answer.
    ///
    /// # Errors
    /// The call failed; what was generated before is lost.
    pub async fn collect(mut self) -> Result<Answer, Error> {
        let mut answer = Answer { model: self.model.clone(), ..Answer::default() };
        while let Some(event) = self.next().await {
            match event {
                Event::Started { .. } => {}
                Event::Text(text) => answer.text.push_str(&text),
                Event::Reasoning(text) => answer.reasoning.push_str(&text),
                Event::ToolCall(call) => answer.tool_calls.push(call),
                Event::Done { finish, usage } => {
                    answer.finish = Some(finish);
                    answer.usage = Some(usage);
                }
                Event::Failed(error) => return Err(error),
            }
        }
        Ok(answer)
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
