//! How much memory serving a model takes: weights, cache, buffers, and what a worker takes before it holds any of them.

use serde::{Deserialize, Serialize};

use crate::Description;

/// The most rows that are computed at once; the engine's physical batch.
const BATCH_ROWS_MAX: u64 = 512;
/// What a worker takes before it has a model: its code and the runtime. Found by looking at workers of the release build.
const WORKER_BYTES: u64 = 18 << 20;
/// What rendering chat templates adds to that.
const TEMPLATE_BYTES: u64 = 3 << 20;
/// What llama.cpp and the tables of grammars keep of each token of the vocabulary.
const TOKEN_BYTES: u64 = 600;
/// What is kept of each slot beside its cache.
const SLOT_BYTES: u64 = 80 << 10;

/// How the elements of the cache are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheType {
    /// Single precision.
    F32,
    /// Half precision; what our engine uses.
    #[default]
    F16,
    /// Eight bits and a scale for 32 elements.
    Q8_0,
    /// Five bits and a scale for 32 elements.
    Q5_0,
    /// Four bits and a scale for 32 elements.
    Q4_0,
}

impl CacheType {
    /// Returns how many bytes hold 32 elements.
    fn bytes_of_32(self) -> u64 {
        match self {
            CacheType::F32 => 128,
            CacheType::F16 => 64,
            CacheType::Q8_0 => 34,
            CacheType::Q5_0 => 22,
            CacheType::Q4_0 => 18,
        }
    }
}

/// How a model is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// The context of each slot, in tokens; never more than the model was trained for.
    pub context_tokens: u64,
    /// How many sequences run at once.
    pub slots: u64,
    /// How the cache is stored.
    pub cache: CacheType,
}

/// What serving takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The weights.
    pub weights: u64,
    /// Keys and values of all slots, and the state of recurrent layers.
    pub cache: u64,
    /// The buffers of one batch, as far as they come to be used.
    pub buffers: u64,
    /// The same buffers as they are reserved.
    pub buffers_reserved: u64,
    /// The worker itself, with the vocabulary.
    pub worker: u64,
}

impl Memory {
    /// Returns what is likely to be taken.
    pub fn likely(&self) -> u64 {
        self.with(self.buffers)
    }

    /// Returns what may be taken: everything that is reserved.
    pub fn reserved(&self) -> u64 {
        self.with(self.buffers_reserved)
    }

    fn with(&self, buffers: u64) -> u64 {
        [self.weights, self.cache, buffers, self.worker].into_iter().fold(0, u64::saturating_add)
    }
}

impl Description {
    /// Returns an estimate of what serving takes.
    ///
    /// Where the attention's shape is not known, twice the width per layer is taken for the cache. The buffers are those of
    /// llama.cpp's graph: six rows of the model's width, two of the width between, the mask of one batch, and, reserved, logits.
    pub fn memory(&self, serving: &Serving) -> Memory {
        let width = self.embedding_length.unwrap_or(0);
        let per_token = self
            .cache_elements_per_token
            .unwrap_or_else(|| self.layers.unwrap_or(0).saturating_mul(width.saturating_mul(2)));
        let context = self.context(serving.context_tokens);
        let elements = context.saturating_mul(serving.slots).saturating_mul(per_token);
        let cache = elements.saturating_mul(serving.cache.bytes_of_32()) / 32;
        let rows = BATCH_ROWS_MAX.min(context).max(serving.slots);
        let vocabulary = self.vocabulary.unwrap_or(0);
        let between = self.feed_forward_length.unwrap_or_else(|| width.saturating_mul(4));
        let row = width.saturating_mul(6).saturating_add(between.saturating_mul(2)).saturating_mul(4);
        // The mask has a row for each token of a batch, in half precision; what attention works in was seen to take half of that again.
        let mask = context.saturating_mul(rows).saturating_mul(3);
        let buffers = rows.saturating_mul(row).saturating_add(mask);
        let logits = rows.saturating_mul(vocabulary).saturating_mul(4);
        let template = if self.chat_template.is_some() { TEMPLATE_BYTES } else { 0 };
        Memory {
            weights: self.tensor_bytes,
            cache: cache.saturating_add(self.state_bytes_per_slot.saturating_mul(serving.slots)),
            buffers,
            buffers_reserved: buffers.saturating_add(logits),
            worker: WORKER_BYTES
                .saturating_add(template)
                .saturating_add(vocabulary.saturating_mul(TOKEN_BYTES))
                .saturating_add(serving.slots.saturating_mul(SLOT_BYTES)),
        }
    }

    /// Returns the context that a slot can have where `wanted` tokens are asked for.
    pub fn context(&self, wanted: u64) -> u64 {
        self.context_length.filter(|trained| *trained > 0).map_or(wanted, |trained| wanted.min(trained))
    }
}
