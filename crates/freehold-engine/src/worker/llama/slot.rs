//! A slot: one sequence of the cache, what it has read, and the call that it serves.

use freehold_wire::{Finish, Usage};
use llama_cpp_2::token::LlamaToken;

use crate::worker::llama::constraint::Constraint;
use crate::worker::llama::sampler::Sampler;
use crate::worker::output::Output;

/// One sequence of the cache.
pub(crate) struct Slot {
    pub(crate) sequence: i32,
    /// The tokens whose keys and values are in the cache.
    pub(crate) cells: Vec<LlamaToken>,
    /// The tokens of the batch in hand.
    pub(crate) reading: Vec<LlamaToken>,
    pub(crate) job: Option<Job>,
    pub(crate) placed_at: u64,
}

/// A call on its way through a slot.
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) prompt: Vec<LlamaToken>,
    /// The token that was chosen last and not read yet; none while the prompt is read.
    pub(crate) next: Option<LlamaToken>,
    /// Where in the batch its logits are.
    pub(crate) row: Option<i32>,
    /// How many tokens it may still make.
    pub(crate) left: usize,
    pub(crate) sampler: Sampler,
    pub(crate) constraint: Option<Constraint>,
    pub(crate) output: Output,
    pub(crate) usage: Usage,
}

/// What a new token means for its call.
pub(crate) enum Verdict {
    GoesOn,
    Ends(Finish),
}

impl Slot {
    pub(crate) fn new(sequence: i32) -> Slot {
        Slot { sequence, cells: Vec::new(), reading: Vec::new(), job: None, placed_at: 0 }
    }

    /// Returns how many tokens of `prompt` are in the cache already.
    pub(crate) fn shared_with(&self, prompt: &[LlamaToken]) -> usize {
        self.cells.iter().zip(prompt).take_while(|(cell, token)| cell == token).count()
    }

    /// Notes that the batch in hand was read.
    pub(crate) fn commit(&mut self) {
        if !self.reading.is_empty() {
            self.cells.append(&mut self.reading);
            if let Some(job) = &mut self.job {
                job.next = None;
            }
        }
    }
}

impl Job {
    /// Returns the tokens that are to be read when `read` are in the cache.
    pub(crate) fn unread(&self, read: usize) -> &[LlamaToken] {
        match &self.next {
            Some(token) => std::slice::from_ref(token),
            None => &self.prompt[read..],
        }
    }
}
