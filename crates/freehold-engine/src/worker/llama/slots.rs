//! The slots of a context: which one a call gets, and how much of its prompt need not be read again.

use std::collections::VecDeque;

use llama_cpp_2::context::LlamaContext;

use crate::worker::llama::job::Job;
use crate::worker::llama::slot::Slot;

/// How many tokens a copy of another slot's cells must save; below it, reading them again is as quick.
const COPY_GAIN_MIN: usize = 32;

/// All slots.
pub(crate) struct Slots {
    pub(crate) all: Vec<Slot>,
    placements: u64,
}

impl Slots {
    pub(crate) fn new(count: u32) -> Slots {
        Slots { all: (0..count).map(|number| Slot::new(number.cast_signed())).collect(), placements: 0 }
    }

    pub(crate) fn are_idle(&self) -> bool {
        self.all.iter().all(|slot| slot.job.is_none())
    }

    /// Returns with what each of the calls in the slots is answered.
    pub(crate) fn adapters_with_calls(&self) -> impl Iterator<Item = Option<usize>> {
        self.all.iter().filter_map(|slot| Some(slot.job.as_ref()?.adapter))
    }

    /// Gives the first waiting call the free slot that has read most of its prompt, and of equals the one used longest ago;
    /// returns the call and the length of its prompt, or nothing when none waits or no slot is free.
    pub(crate) fn place_next(
        &mut self,
        context: &mut LlamaContext<'static>,
        waiting: &mut VecDeque<Job>,
    ) -> Option<(u64, u64)> {
        let at = self.best_free(waiting.front()?)?;
        let mut job = waiting.pop_front()?;
        let own = self.all[at].shared_with(&job);
        if let Some(from) = self.better_elsewhere(at, own, &job) {
            self.copy(context, from, at);
        }
        // The last token is read again even when it is known: its logits are needed.
        let slot = &mut self.all[at];
        let kept = slot.shared_with(&job).min(job.prompt.len() - 1);
        let kept = keep_cells(context, slot, kept);
        slot.adapter = job.adapter;
        self.placements += 1;
        slot.placed_at = self.placements;
        job.usage.cache_read = kept as u64;
        let placed = (job.id, job.usage.input);
        slot.job = Some(job);
        Some(placed)
    }

    fn best_free(&self, job: &Job) -> Option<usize> {
        let free = self.all.iter().enumerate().filter(|(_, slot)| slot.job.is_none());
        free.max_by_key(|(_, slot)| (slot.shared_with(job), u64::MAX - slot.placed_at)).map(|(at, _)| at)
    }

    /// Returns the slot, busy or not, that has read so much more of a prompt that copying it pays.
    fn better_elsewhere(&self, at: usize, own: usize, job: &Job) -> Option<usize> {
        let others = self.all.iter().enumerate().filter(|(other, _)| *other != at);
        let (from, shared) = others.map(|(other, slot)| (other, slot.shared_with(job))).max_by_key(|(_, n)| *n)?;
        (shared >= own + COPY_GAIN_MIN).then_some(from)
    }

    /// Copies all that one slot has read to another: between sequences with cells of their own, only a whole one can be
    /// copied, and what is not shared is dropped afterwards.
    fn copy(&mut self, context: &mut LlamaContext<'static>, from: usize, to: usize) {
        let (source, target) = (self.all[from].sequence, self.all[to].sequence);
        keep_cells(context, &mut self.all[to], 0);
        if context.copy_kv_cache_seq(source, target, None, None).is_ok() {
            self.all[to].cells = self.all[from].cells.clone();
            self.all[to].adapter = self.all[from].adapter;
        }
    }
}

/// Drops all that a slot has read past `kept` tokens, or everything where the model cannot drop a part; returns how much
/// is left.
pub(crate) fn keep_cells(context: &mut LlamaContext<'static>, slot: &mut Slot, kept: usize) -> usize {
    let from = u32::try_from(kept).expect("contexts are shorter");
    let mut left = kept;
    if kept < slot.cells.len() && context.kv_cache_seq_rm(slot.sequence, Some(from), None).is_err() {
        left = 0;
    }
    if left == 0 && context.kv_cache_seq_rm(slot.sequence, None, None).is_err() {
        tracing::warn!("a sequence could not be cleared");
    }
    slot.cells.truncate(left);
    left
}
