//! llama.cpp as a backend: continuous batching of several conversations over one set of weights.
//!
//! Per step, first the one next token of every answer in progress, then pieces of new prompts up to a bound. Each slot
//! keeps what it has read, so that a prompt that begins alike is not read again.

mod adapters;
mod batch;
mod constraint;
mod embedder;
mod grammar;
mod job;
mod load;
mod log;
mod prompt;
mod sampler;
mod slot;
mod slots;
mod told;
mod vocabulary;

use std::collections::VecDeque;

use freehold_wire::Usage;
use llama_cpp_2::context::LlamaContext;

use crate::protocol::{Facts, LoadOrder, Order, WorkerEvent};
use crate::worker::backend::{Events, Wish};
use crate::worker::chat::Template;
use crate::worker::output::{Manner, Output};
use adapters::Adapters;
use batch::Batch;
use constraint::Constraints;
use embedder::Embedder;
use grammar::Beginning;
use job::Job;
use prompt::Prompts;
use sampler::Sampler;
use slots::Slots;
use told::Told;
use vocabulary::Vocabulary;

/// A loaded model and the calls on it.
pub(crate) struct Llama {
    context: LlamaContext<'static>,
    adapters: Adapters,
    context_tokens: usize,
    prompts: Prompts,
    vocabulary: Vocabulary,
    constraints: Constraints,
    batch: Batch,
    slots: Slots,
    waiting: VecDeque<Job>,
    embedder: Embedder,
    threads: u32,
}

impl Llama {
    /// Loads a GGUF file.
    pub(crate) fn load(order: &LoadOrder) -> Result<(Llama, Facts), String> {
        let (parts, facts) = load::open(order)?;
        let manner = parts.template.as_ref().map_or(Manner::PLAIN, Template::manner);
        let llama = Llama {
            batch: Batch::new(parts.batch_tokens),
            context_tokens: facts.context_tokens as usize,
            constraints: Constraints::new(parts.model, manner)?,
            vocabulary: Vocabulary { model: parts.model, manner },
            prompts: Prompts { model: parts.model, template: parts.template },
            context: parts.context,
            adapters: parts.adapters,
            slots: Slots::new(facts.slots),
            waiting: VecDeque::new(),
            embedder: Embedder::new(parts.model, facts.context_tokens as usize),
            threads: facts.threads,
        };
        Ok((llama, facts))
    }

    /// Makes a prompt of the request and queues it.
    pub(crate) fn admit(&mut self, order: Order) -> Result<(), String> {
        let seed = order.effective_seed();
        let (text, prompt) = self.prompts.of(&order)?;
        let Order { id, request, adapter, .. } = order;
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
        let manner = self.vocabulary.manner;
        let is_amid_thought = text.trim_end().ends_with(manner.thoughts.0);
        let beginning = if is_amid_thought { Beginning::Thought } else { Beginning::Answer };
        let constraint = self.constraints.of(&request, beginning)?;
        let mut output = Output::new(&request, manner, format!("{seed:016x}{id}"));
        if constraint.as_ref().is_some_and(|constraint| constraint.is_json_only) {
            output.without_reasoning();
        }
        if beginning == Beginning::Thought {
            output.begin_reasoning();
        }
        self.waiting.push_back(Job {
            id,
            left: request.sampling.max_tokens.map_or(room, |max| room.min(max as usize)),
            usage: Usage { input: prompt.len() as u64, ..Usage::default() },
            prompt,
            adapter,
            next: None,
            row: None,
            sampler: Sampler::new(&request.sampling, seed),
            constraint,
            told: request.sampling.top_logprobs.map(|count| Told::new(count as usize)),
            output,
        });
        Ok(())
    }

    /// Returns how many tokens the prompt of a request has, also where that is more than the context holds.
    pub(crate) fn count(&self, order: &Order) -> Result<u64, String> {
        let (_, prompt) = self.prompts.of(order)?;
        Ok(prompt.len() as u64)
    }

    /// Queues a request for vectors.
    pub(crate) fn embed(&mut self, order: &Order) -> Result<(), String> {
        if order.adapter.is_some() {
            return Err("an adapter has no vectors of its own; ask its model for them".to_owned());
        }
        let (model, tokens, threads) = (self.embedder.model, self.embedder.text_tokens_max, self.threads);
        self.embedder.admit(order.id, &order.request, || load::embedding_context(model, tokens, threads))
    }

    /// Lets go of a call; its slot keeps what was read.
    pub(crate) fn cancel(&mut self, id: u64) {
        self.waiting.retain(|job| job.id != id);
        self.embedder.cancel(id);
        for slot in &mut self.slots.all {
            slot.job.take_if(|job| job.id == id);
        }
    }

    pub(crate) fn wish(&self) -> Wish {
        if self.waiting.is_empty() && self.slots.are_idle() && self.embedder.is_idle() {
            Wish::Never
        } else {
            Wish::Now
        }
    }

    /// Takes all running calls one step on.
    pub(crate) fn step(&mut self, events: &mut Events) {
        self.embedder.step(events);
        self.place_waiting(events);
        let Some(adapter) = self.adapters.next(self.slots.adapters_with_calls()) else { return };
        self.batch.fill(&mut self.slots.all, adapter);
        let applied = self.adapters.apply(&mut self.context, adapter);
        let computed = applied.and_then(|()| self.context.decode(&mut self.batch.tokens).map_err(|e| e.to_string()));
        if let Err(error) = computed {
            self.fail_all(&format!("llama.cpp could not compute a batch: {error}"), events);
            return;
        }
        for slot in &mut self.slots.all {
            slot.commit();
            let Some(row) = slot.job.as_mut().and_then(|job| job.row.take()) else { continue };
            slot.advance(self.context.get_logits_ith(row), &self.vocabulary, events);
        }
    }

    /// Gives waiting calls slots, in the order in which they came.
    fn place_waiting(&mut self, events: &mut Events) {
        while let Some((id, prompt_tokens)) = self.slots.place_next(&mut self.context, &mut self.waiting) {
            events.push((id, WorkerEvent::Started { prompt_tokens }));
        }
    }

    /// Ends all running calls, and forgets what their slots have read, which may be half-written.
    fn fail_all(&mut self, what: &str, events: &mut Events) {
        for slot in &mut self.slots.all {
            slot.reading = 0;
            if let Some(job) = slot.job.take() {
                events.push((job.id, WorkerEvent::Failed(what.to_owned())));
            }
            slots::keep_cells(&mut self.context, slot, 0);
        }
    }
}
