//! A slot: one sequence of the cache, what it has read, and the call that it serves.

use freehold_wire::Finish;
use llama_cpp_2::token::LlamaToken;

use crate::protocol::WorkerEvent;
use crate::worker::backend::Events;
use crate::worker::llama::job::{Job, Verdict};
use crate::worker::llama::vocabulary::Vocabulary;

/// One sequence of the cache.
pub(crate) struct Slot {
    pub(crate) sequence: i32,
    /// The tokens whose keys and values are in the cache.
    pub(crate) cells: Vec<LlamaToken>,
    /// The adapter that they were read with; what one has read is of no use to another.
    pub(crate) adapter: Option<usize>,
    /// How many tokens of its call the batch in hand holds.
    pub(crate) reading: usize,
    pub(crate) job: Option<Job>,
    /// The number of its last placement; the lowest was used longest ago.
    pub(crate) placed_at: u64,
}

impl Slot {
    pub(crate) fn new(sequence: i32) -> Slot {
        Slot { sequence, cells: Vec::new(), adapter: None, reading: 0, job: None, placed_at: 0 }
    }

    /// Returns how many tokens of a call's prompt are in the cache already.
    pub(crate) fn shared_with(&self, job: &Job) -> usize {
        if self.adapter != job.adapter {
            return 0;
        }
        self.cells.iter().zip(&job.prompt).take_while(|(cell, token)| cell == token).count()
    }

    /// Returns how many tokens of its prompt are still to be read; none when no prompt is being read.
    pub(crate) fn unread_prompt(&self) -> usize {
        let reading = self.job.as_ref().filter(|job| job.is_reading());
        reading.map_or(0, |job| job.prompt.len() - self.cells.len())
    }

    /// Notes that the batch in hand was read.
    pub(crate) fn commit(&mut self) {
        let count = std::mem::take(&mut self.reading);
        let Some(job) = self.job.as_mut().filter(|_| count > 0) else { return };
        let read = self.cells.len();
        self.cells.extend_from_slice(&job.unread(read)[..count]);
        job.next = None;
    }

    /// Chooses the next token of the slot's call and says what came of it.
    pub(crate) fn advance(&mut self, logits: &[f32], vocabulary: &Vocabulary, events: &mut Events) {
        let Some(job) = &mut self.job else { return };
        let mut own = Vec::new();
        let verdict = job.choose(logits, vocabulary, &mut own);
        match verdict {
            Ok(Verdict::GoesOn) => {}
            Ok(Verdict::Ends(finish)) => {
                let mut rest = Vec::new();
                job.output.finish(&mut rest);
                if let Some(told) = &mut job.told {
                    told.release(&job.output, &mut rest);
                }
                own.append(&mut rest);
                let called = finish == Finish::Stop && job.output.has_called_tools();
                let finish = if called { Finish::ToolCalls } else { finish };
                own.push(WorkerEvent::Done { finish, usage: job.usage });
            }
            Err(what) => own.push(WorkerEvent::Failed(what)),
        }
        let is_over = matches!(own.last(), Some(WorkerEvent::Done { .. } | WorkerEvent::Failed(_)));
        let id = job.id;
        events.extend(own.into_iter().map(|event| (id, event)));
        if is_over {
            self.job = None;
        }
    }
}
