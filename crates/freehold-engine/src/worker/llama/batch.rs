//! What is computed in one step: the next token of every answer, then pieces of prompts.

use llama_cpp_2::llama_batch::LlamaBatch;

use crate::worker::llama::job::Job;
use crate::worker::llama::slot::Slot;

/// How many tokens of prompts are read in a step beside answers in progress, which wait for them.
const PROMPT_TOKENS_BESIDE_ANSWERS: usize = 128;

/// A batch with its limit.
pub(crate) struct Batch {
    pub(crate) tokens: LlamaBatch<'static>,
    tokens_max: usize,
}

/// A prompt in progress, as far as sharing the room needs it.
struct Unread {
    at: usize,
    placed_at: u64,
    tokens: usize,
}

impl Batch {
    pub(crate) fn new(tokens_max: usize) -> Batch {
        Batch { tokens: LlamaBatch::new(tokens_max, 1), tokens_max }
    }

    /// Fills the batch from those of the slots' calls that an adapter answers, or the weights alone.
    pub(crate) fn fill(&mut self, slots: &mut [Slot], adapter: Option<usize>) {
        self.tokens.clear();
        let (mut answers, mut prompts) = (0, Vec::new());
        for (at, slot) in slots.iter_mut().enumerate() {
            match slot.job.as_ref().filter(|job| job.adapter == adapter).map(Job::is_reading) {
                None => {}
                Some(true) => prompts.push(Unread { at, placed_at: slot.placed_at, tokens: slot.unread_prompt() }),
                Some(false) => {
                    self.add(slot, 1);
                    answers += 1;
                }
            }
        }
        let bound = if answers == 0 { self.tokens_max } else { PROMPT_TOKENS_BESIDE_ANSWERS };
        for (at, share) in shares(prompts, bound.min(self.tokens_max - answers)) {
            self.add(&mut slots[at], share);
        }
    }

    /// Adds the next `count` unread tokens of a slot's call; the last of all gives logits.
    fn add(&mut self, slot: &mut Slot, count: usize) {
        let (sequence, from) = (slot.sequence, slot.cells.len());
        let Some(job) = slot.job.as_mut().filter(|_| count > 0) else { return };
        let unread = job.unread(from);
        let is_whole = count == unread.len();
        let first = self.tokens.n_tokens();
        for (offset, token) in unread[..count].iter().enumerate() {
            let position = i32::try_from(from + offset).expect("contexts are shorter");
            let wants_logits = is_whole && offset + 1 == count;
            self.tokens.add(*token, position, &[sequence], wants_logits).expect("the room was counted");
        }
        job.row = is_whole.then(|| first + i32::try_from(count).expect("batches are shorter") - 1);
        slot.reading = count;
    }
}

/// Shares the room of a step among prompts: half to the one that came first, the rest to the shortest, so that neither a
/// long prompt nor many short ones can hold up the others for long.
fn shares(mut prompts: Vec<Unread>, room: usize) -> Vec<(usize, usize)> {
    let Some(oldest) = (0..prompts.len()).min_by_key(|&at| prompts[at].placed_at) else { return Vec::new() };
    let oldest = prompts.swap_remove(oldest);
    let wanted: usize = prompts.iter().map(|prompt| prompt.tokens).sum();
    let first = oldest.tokens.min(room.div_ceil(2).max(room.saturating_sub(wanted)));
    let mut left = room - first;
    let mut shares = vec![(oldest.at, first)];
    prompts.sort_by_key(|prompt| (prompt.tokens, prompt.placed_at));
    for prompt in prompts {
        let share = prompt.tokens.min(left);
        left -= share;
        shares.push((prompt.at, share));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the shares of prompts of the given lengths, oldest first.
    fn shared(lengths: &[usize], room: usize) -> Vec<usize> {
        let prompts = (0u64..).zip(lengths).enumerate();
        let prompts = prompts.map(|(at, (placed_at, &tokens))| Unread { at, placed_at, tokens }).collect();
        let mut found = shares(prompts, room);
        found.sort_unstable();
        found.into_iter().map(|(_, share)| share).collect()
    }

    #[test]
    fn lone_prompt_takes_the_whole_room() {
        assert_eq!(shared(&[4000], 512), [512]);
        assert_eq!(shared(&[40], 512), [40]);
        assert!(shared(&[], 512).is_empty());
    }

    #[test]
    fn long_prompt_leaves_half_to_short_ones_and_is_never_starved() {
        assert_eq!(shared(&[4000, 100, 50], 128), [64, 14, 50]);
        assert_eq!(shared(&[4000, 10], 128), [118, 10]);
        assert_eq!(shared(&[4000, 900, 900, 900], 1), [1, 0, 0, 0]);
    }

    #[test]
    fn shortest_of_the_younger_comes_first() {
        assert_eq!(shared(&[10, 300, 20], 128), [10, 98, 20]);
    }
}
