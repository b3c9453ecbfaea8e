//! What is asked to be loaded, and what was loaded.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::confine::Layer;

/// What runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// llama.cpp, for GGUF files; needs the `llama` feature.
    #[default]
    Llama,
    /// A JSON file of rules instead of weights, for tests of everything around a model.
    Scripted,
}

/// A low-rank adapter (LoRA; Hu et al. 2021, arXiv 2106.09685), which changes the weights of a model for some requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterSpec {
    /// The name that requests ask for, instead of the model's.
    pub name: String,
    /// The GGUF file.
    pub path: PathBuf,
    /// By how much its change counts: 1 as it was trained.
    #[serde(default = "as_trained")]
    pub scale: f32,
}

fn as_trained() -> f32 {
    1.0
}

/// A model to load.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    /// The name that requests ask for.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What runs it.
    pub backend: Backend,
    /// The adapters that are loaded beside it, each under a name of its own.
    pub adapters: Vec<AdapterSpec>,
    /// The context of each slot, in tokens; what the model was trained for is never exceeded.
    pub context_tokens: u32,
    /// How many requests run at once.
    pub slots: u32,
    /// Threads of computation; by default chosen from the machine and the model's size.
    pub threads: Option<u32>,
    /// How much memory it takes, in bytes, as far as a budget counts it.
    pub memory_bytes: u64,
}

/// How a conversation becomes a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptStyle {
    /// By the model's own chat template.
    Template,
    /// The model has no template: all texts are joined by line ends and continued.
    Plain,
}

/// Whether a model answers at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ModelState {
    /// It answers.
    Serving,
    /// Its worker died and is being started again; requests wait.
    Restarting,
    /// It made room for another model; the next request brings it back.
    Asleep,
    /// Its worker died too often; load it again to try once more.
    Down {
        /// How it ended last.
        reason: String,
    },
}

/// A loaded model, or an adapter of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The name that requests ask for.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The model whose weights an adapter changes; the rest is that model's.
    pub base: Option<String>,
    /// What runs it.
    pub backend: Backend,
    /// The family of the model.
    pub architecture: String,
    /// The number of its weights.
    pub parameters: u64,
    /// The context of each slot, in tokens.
    pub context_tokens: u32,
    /// How many requests run at once.
    pub slots: u32,
    /// Threads of computation.
    pub threads: u32,
    /// How long starting and loading took, in milliseconds.
    pub load_ms: u64,
    /// The engine's exact build.
    pub engine_build: String,
    /// How a conversation becomes a prompt.
    pub prompt_style: PromptStyle,
    /// What holds its worker, or does not.
    pub isolation: Vec<Layer>,
    /// Whether it answers at the moment.
    pub state: ModelState,
}
