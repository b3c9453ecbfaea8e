//! llama.cpp as a backend: continuous batching of several conversations over one set of weights.
//!
//! Per step, first the one next token of every answer in progress, then pieces of new prompts up to the batch. Each slot
//! keeps what it has read, so that a prompt that begins alike is not read again.

mod constraint;
mod grammar;
mod load;
mod log;
mod sampler;
mod slot;

use std::collections::VecDeque;

use freehold_wire::{Finish, Usage};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::protocol::{Facts, LoadOrder, Order, WorkerEvent};
use crate::worker::backend::{Events, Wish};
use crate::worker::chat::{self, Template};
use crate::worker::output::{Output, THINK_CLOSE, THINK_OPEN, TOOL_CLOSE, TOOL_OPEN};
use constraint::Constraints;
use sampler::Sampler;
use slot::{Job, Slot, Verdict};

/// A loaded model and the calls on it.
pub(crate) struct Llama {
    model: &'static LlamaModel,
    context: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    batch_tokens: usize,
    context_tokens: usize,
    template: Option<Template>,
    constraints: Constraints,
    slots: Vec<Slot>,
    waiting: VecDeque<Job>,
    /// Counts placements; the slot that was used longest ago is given away first.
    placements: u64,
}

impl Llama {
    /// Loads a GGUF file.
    pub(crate) fn load(order: &LoadOrder) -> Result<(Llama, Facts), String> {
        let (parts, facts) = load::open(order)?;
        let slots = (0..facts.slots).map(|number| Slot::new(number.cast_signed())).collect();
        let llama = Llama {
            batch: LlamaBatch::new(parts.batch_tokens, 1),
            batch_tokens: parts.batch_tokens,
            context_tokens: facts.context_tokens as usize,
            constraints: Constraints::new(parts.model)?,
            model: parts.model,
            context: parts.context,
            template: parts.template,
            slots,
            waiting: VecDeque::new(),
            placements: 0,
        };
        Ok((llama, facts))
    }

    /// Makes a prompt of the request and queues it.
    pub(crate) fn admit(&mut self, order: Order) -> Result<(), String> {
        let seed = order.effective_seed();
        let (text, prompt) = self.prompt(&order)?;
        let Order { id, request, .. } = order;
        let room = self.context_tokens.saturating_sub(prompt.len());
        if room == 0 {
            return Err(format!(
                "the prompt is {} tokens long, the context holds {} and needs one for the answer",
                prompt.len(),
                self.context_tokens
            ));
        }
        if request.sampling.max_tokens == Some(0) {
            return Err("it asks for no tokens at all".to_owned());
        }
        let constraint = self.constraints.of(&request)?;
        let mut output = Output::new(&request, format!("{seed:016x}{id}"));
        if constraint.as_ref().is_some_and(|constraint| constraint.is_json_only) {
            output.without_reasoning();
        } else if text.trim_end().ends_with(THINK_OPEN) {
            output.begin_reasoning();
        }
        self.waiting.push_back(Job {
            id,
            left: request.sampling.max_tokens.map_or(room, |max| room.min(max as usize)),
            usage: Usage { input: prompt.len() as u64, ..Usage::default() },
            prompt,
            next: None,
            row: None,
            sampler: Sampler::new(&request.sampling, seed),
            constraint,
            output,
        });
        Ok(())
    }

    /// Returns how many tokens the prompt of a request has, also where that is more than the context holds.
    pub(crate) fn count(&self, order: &Order) -> Result<u64, String> {
        let (_, prompt) = self.prompt(order)?;
        Ok(prompt.len() as u64)
    }

    /// Makes a prompt of a request: its text, and its tokens.
    fn prompt(&self, order: &Order) -> Result<(String, Vec<LlamaToken>), String> {
        let text = match &self.template {
            Some(template) => template.render(&order.request, order.at_ms)?,
            None => chat::plain(&order.request)?,
        };
        let tokens = self.tokenize(&text);
        Ok((text, tokens))
    }

    /// Lets go of a call; its slot keeps what was read.
    pub(crate) fn cancel(&mut self, id: u64) {
        self.waiting.retain(|job| job.id != id);
        for slot in &mut self.slots {
            slot.job.take_if(|job| job.id == id);
        }
    }

    pub(crate) fn wish(&self) -> Wish {
        let is_idle = self.waiting.is_empty() && self.slots.iter().all(|slot| slot.job.is_none());
        if is_idle { Wish::Never } else { Wish::Now }
    }

    /// Takes all running calls one step on.
    pub(crate) fn step(&mut self, events: &mut Events) {
        self.place_waiting(events);
        self.fill_batch();
        if self.batch.n_tokens() == 0 {
            return;
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            self.fail_all(&format!("llama.cpp could not compute a batch: {error}"), events);
            return;
        }
        for slot in &mut self.slots {
            slot.commit();
            let Some(row) = slot.job.as_mut().and_then(|job| job.row.take()) else { continue };
            let logits = self.context.get_logits_ith(row);
            slot.advance(logits, &Vocabulary(self.model), events);
        }
    }

    /// Gives waiting calls the free slots that have read most of their prompts.
    fn place_waiting(&mut self, events: &mut Events) {
        while let Some(job) = self.waiting.front() {
            let free = self.slots.iter_mut().filter(|slot| slot.job.is_none());
            let best = free.max_by_key(|slot| (slot.shared_with(&job.prompt), u64::MAX - slot.placed_at));
            let Some(slot) = best else { return };
            let mut job = self.waiting.pop_front().expect("it was there a line ago");
            // The last token is read again even when it is known: its logits are needed.
            let kept = slot.shared_with(&job.prompt).min(job.prompt.len() - 1);
            let kept = keep_cells(&mut self.context, slot, kept);
            self.placements += 1;
            slot.placed_at = self.placements;
            job.usage.cache_read = kept as u64;
            events.push((job.id, WorkerEvent::Started { prompt_tokens: job.usage.input }));
            slot.job = Some(job);
        }
    }

    fn fill_batch(&mut self) {
        self.batch.clear();
        let mut room = self.batch_tokens;
        for is_prompt in [false, true] {
            for slot in &mut self.slots {
                let (sequence, from) = (slot.sequence, slot.cells.len());
                let Some(job) = slot.job.as_mut().filter(|job| job.next.is_none() == is_prompt) else { continue };
                let mut tokens = job.unread(from).to_vec();
                tokens.truncate(room);
                for (offset, token) in tokens.iter().enumerate() {
                    let position = i32::try_from(from + offset).expect("contexts are shorter");
                    let is_last = job.next.is_some() || from + offset + 1 == job.prompt.len();
                    if is_last {
                        job.row = Some(self.batch.n_tokens());
                    }
                    self.batch.add(*token, position, &[sequence], is_last).expect("the room was counted");
                }
                room -= tokens.len();
                slot.reading = tokens;
            }
        }
    }

    /// Ends all running calls, and forgets what their slots have read, which may be half-written.
    fn fail_all(&mut self, what: &str, events: &mut Events) {
        for slot in &mut self.slots {
            slot.reading.clear();
            if let Some(job) = slot.job.take() {
                events.push((job.id, WorkerEvent::Failed(what.to_owned())));
            }
            keep_cells(&mut self.context, slot, 0);
        }
    }

    fn tokenize(&self, text: &str) -> Vec<LlamaToken> {
        let vocabulary = self.model.vocab();
        let is_plain = self.template.is_none();
        let mut tokens = vocabulary.tokenize(text.as_bytes(), is_plain, !is_plain);
        // Templates write the first token themselves, or leave it out; the model's file says whether it must be there.
        if vocabulary.should_add_bos() && tokens.first() != Some(&vocabulary.bos()) {
            tokens.insert(0, vocabulary.bos());
        }
        if tokens.is_empty() {
            let first = if vocabulary.bos().0 >= 0 { vocabulary.bos() } else { LlamaToken(0) };
            tokens.push(first);
        }
        tokens
    }
}

/// Drops all that a slot has read past `kept` tokens, or everything where the model cannot drop a part; returns how much
/// is left.
fn keep_cells(context: &mut LlamaContext<'static>, slot: &mut Slot, kept: usize) -> usize {
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

/// The model's vocabulary, as far as answers need it.
pub(crate) struct Vocabulary(&'static LlamaModel);

impl Vocabulary {
    fn ends(&self, token: LlamaToken) -> bool {
        self.0.vocab().is_eog(token)
    }

    /// Returns the bytes of a token; control tokens have none, unless they mark a part of the answer.
    fn bytes(&self, token: LlamaToken) -> Vec<u8> {
        let plain = self.0.vocab().token_to_piece(token, false, None);
        if !plain.is_empty() {
            return plain;
        }
        let special = self.0.vocab().token_to_piece(token, true, None);
        let markers = [TOOL_OPEN, TOOL_CLOSE, THINK_OPEN, THINK_CLOSE];
        if markers.iter().any(|marker| marker.as_bytes() == special) { special } else { Vec::new() }
    }
}

impl Slot {
    /// Chooses the next token of the slot's call and says what came of it.
    fn advance(&mut self, logits: &[f32], vocabulary: &Vocabulary, events: &mut Events) {
        let Some(job) = &mut self.job else { return };
        let mut own = Vec::new();
        let verdict = job.choose(logits, vocabulary, &mut own);
        match verdict {
            Ok(Verdict::GoesOn) => {}
            Ok(Verdict::Ends(finish)) => {
                job.output.finish(&mut own);
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

impl Job {
    fn choose(
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
        if self.output.push(&vocabulary.bytes(token), events) {
            return Ok(Verdict::Ends(Finish::Stop));
        }
        if self.constraint.as_ref().is_some_and(constraint::Constraint::is_complete) {
            return Ok(Verdict::Ends(Finish::Stop));
        }
        if self.left == 0 {
            return Ok(Verdict::Ends(Finish::Length));
        }
        self.next = Some(token);
        Ok(Verdict::GoesOn)
    }
}
