//! A call on its way through a slot: what is left to read, and what its next token means.

use freehold_wire::{Finish, Usage};
use llama_cpp_2::token::LlamaToken;

use crate::protocol::WorkerEvent;
use crate::worker::llama::constraint::Constraint;
use crate::worker::llama::sampler::Sampler;
use crate::worker::llama::told::Told;
use crate::worker::llama::vocabulary::Vocabulary;
use crate::worker::output::Output;

/// A call on its way through a slot.
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) prompt: Vec<LlamaToken>,
    /// The adapter that answers it; none for the weights alone.
    pub(crate) adapter: Option<usize>,
    /// The token that was chosen last and not read yet; none while the prompt is read.
    pub(crate) next: Option<LlamaToken>,
    /// Where in the batch its logits are.
    pub(crate) row: Option<i32>,
    /// How many tokens it may still make.
    pub(crate) left: usize,
    pub(crate) sampler: Sampler,
    pub(crate) constraint: Option<Constraint>,
    /// The log probabilities that are still to be told, where any are asked for.
    pub(crate) told: Option<Told>,
    pub(crate) output: Output,
    pub(crate) usage: Usage,
}

/// What a new token means for its call.
pub(crate) enum Verdict {
    GoesOn,
    Ends(Finish),
}

impl Job {
    /// Returns the tokens that are to be read when `read` are in the cache.
    pub(crate) fn unread(&self, read: usize) -> &[LlamaToken] {
        match &self.next {
            Some(token) => std::slice::from_ref(token),
            None => &self.prompt[read..],
        }
    }

    /// Returns whether its prompt is still being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.next.is_none()
    }

    /// Chooses the next token.
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        vocabulary: &Vocabulary,
        events: &mut Vec<WorkerEvent>,
    ) -> Result<Verdict, String> {
        let token = LlamaToken(self.sampler.choose(logits, self.constraint.as_mut())?);
        if vocabulary.ends(token) {
            return Ok(Verdict::Ends(Finish::Stop));
        }
        self.usage.output += 1;
        self.left -= 1;
        self.usage.reasoning += u64::from(self.output.is_at_reasoning());
        let bytes = vocabulary.bytes(token);
        let mut own = Vec::new();
        let stops = self.output.push(&bytes, &mut own);
        if let Some(told) = &mut self.told {
            told.add(token, logits, vocabulary);
            if stops {
                told.stop(&own);
            }
            told.release(&self.output, &mut own);
        }
        events.append(&mut own);
        if stops {
            return Ok(Verdict::Ends(Finish::Stop));
        }
        if self.constraint.as_ref().is_some_and(Constraint::is_complete) {
            return Ok(Verdict::Ends(Finish::Stop));
        }
        if self.left == 0 {
            return Ok(Verdict::Ends(Finish::Length));
        }
        self.next = Some(token);
        Ok(Verdict::GoesOn)
    }
}
