//! Vectors of texts: pooled over the tokens, of length one, from a context of their own that is made on first use.
//!
//! One text is read per step, so that answers in progress wait for no more than that.

use std::collections::VecDeque;

use freehold_wire::{Part, Request};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::protocol::WorkerEvent;
use crate::worker::backend::Events;

/// The most texts in one request, as OpenAI has it.
const TEXTS_MAX: usize = 2048;

/// The most tokens in a text: it is read in one batch, whose buffers grow with it.
const TEXT_TOKENS_MAX: usize = 2048;

/// A request for vectors.
struct Texts {
    id: u64,
    unread: VecDeque<Vec<LlamaToken>>,
    vectors: Vec<Vec<f32>>,
    prompt_tokens: u64,
}

/// Makes vectors with one model.
pub(crate) struct Embedder {
    pub(crate) model: &'static LlamaModel,
    /// The longest text that is read.
    pub(crate) text_tokens_max: usize,
    context: Option<LlamaContext<'static>>,
    waiting: VecDeque<Texts>,
}

impl Embedder {
    pub(crate) fn new(model: &'static LlamaModel, context_tokens: usize) -> Embedder {
        let text_tokens_max = context_tokens.min(TEXT_TOKENS_MAX);
        Embedder { model, text_tokens_max, context: None, waiting: VecDeque::new() }
    }

    /// Queues the texts of a request; `make` makes the context where there is none yet.
    pub(crate) fn admit(
        &mut self,
        id: u64,
        request: &Request,
        make: impl FnOnce() -> Result<LlamaContext<'static>, String>,
    ) -> Result<(), String> {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let unread = parts.map(|part| self.tokens(part)).collect::<Result<VecDeque<_>, String>>()?;
        if unread.is_empty() || unread.len() > TEXTS_MAX {
            return Err(format!("it has {} texts; from 1 to {TEXTS_MAX} can be embedded", unread.len()));
        }
        if self.context.is_none() {
            self.context = Some(make()?);
        }
        let prompt_tokens = unread.iter().map(|tokens| tokens.len() as u64).sum();
        self.waiting.push_back(Texts { id, unread, vectors: Vec::new(), prompt_tokens });
        Ok(())
    }

    /// Returns the tokens of a text, or the tokens that stand in its place.
    fn tokens(&self, part: &Part) -> Result<Vec<LlamaToken>, String> {
        let vocabulary = self.model.vocab();
        let tokens: Vec<LlamaToken> = match part {
            Part::Text(text) if text.is_empty() => return Err("a text is empty".to_owned()),
            Part::Text(text) => vocabulary.tokenize(text.as_bytes(), true, false),
            _ => return Err("it holds something other than text".to_owned()),
        };
        if tokens.is_empty() || tokens.len() > self.text_tokens_max {
            return Err(format!(
                "a text is {} tokens long; from 1 to {} can be embedded",
                tokens.len(),
                self.text_tokens_max
            ));
        }
        Ok(tokens)
    }

    pub(crate) fn cancel(&mut self, id: u64) {
        self.waiting.retain(|texts| texts.id != id);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Reads one text.
    pub(crate) fn step(&mut self, events: &mut Events) {
        let Some(texts) = self.waiting.front_mut() else { return };
        let read = match (&mut self.context, texts.unread.pop_front()) {
            (Some(context), Some(tokens)) => vector(context, &tokens),
            _ => Err("there is nothing to read".to_owned()),
        };
        let is_done = match read {
            Ok(vector) => {
                texts.vectors.push(vector);
                texts.unread.is_empty()
            }
            Err(what) => {
                events.push((texts.id, WorkerEvent::Failed(what)));
                self.waiting.pop_front();
                return;
            }
        };
        if is_done && let Some(texts) = self.waiting.pop_front() {
            let Texts { id, vectors, prompt_tokens, .. } = texts;
            events.push((id, WorkerEvent::Embedded { vectors, prompt_tokens }));
        }
    }
}

/// Returns the pooled vector of a text, of length one.
fn vector(context: &mut LlamaContext<'static>, tokens: &[LlamaToken]) -> Result<Vec<f32>, String> {
    context.clear_kv_cache();
    let mut batch = LlamaBatch::new(tokens.len(), 1);
    for (position, token) in (0i32..).zip(tokens) {
        batch.add(*token, position, &[0], true).map_err(|error| error.to_string())?;
    }
    context.decode(&mut batch).map_err(|error| format!("llama.cpp could not read a text: {error}"))?;
    let pooled = context.embeddings_seq_ith(0).map_err(|error| format!("the model gave no vector: {error}"))?;
    Ok(of_length_one(pooled))
}

/// Scales a vector to length one; one of no length stays as it is.
fn of_length_one(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|part| f64::from(*part).powi(2)).sum::<f64>().sqrt();
    if length == 0.0 {
        return vector.to_vec();
    }
    vector.iter().map(|part| (f64::from(*part) / length) as f32).collect()
}
