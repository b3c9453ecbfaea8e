//! What host and worker say to each other: length-prefixed JSON frames over the worker's input and output.
//!
//! The worker speaks first. Both sides are the same build, so there is no compatibility to keep: a difference is an error.

pub(crate) mod frames;

use std::path::{Path, PathBuf};

use freehold_wire::{Finish, Request, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::confine::{Confinement, Layer};
use crate::model::{AdapterSpec, Backend, PromptStyle};

/// Raised with every change of the messages below.
pub(crate) const PROTOCOL_VERSION: u32 = 5;

/// The most files that one model may lie in.
const PARTS_MAX: u32 = 200;

/// The build that both sides must share.
pub(crate) const BUILD: &str = if cfg!(feature = "llama") {
    concat!("freehold-engine ", env!("CARGO_PKG_VERSION"), " with llama")
} else {
    concat!("freehold-engine ", env!("CARGO_PKG_VERSION"), " without llama")
};

/// Host to worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToWorker {
    Hello(Hello),
    Load(LoadOrder),
    Generate(Box<Order>),
    /// Asks how long the prompt of a request is; `Counted` or `Refused` is all that comes of it.
    Count(Box<Order>),
    /// Asks for the vectors of the texts of a request; `Embedded`, `Refused` or `Failed` is all that comes of it.
    Embed(Box<Order>),
    Cancel {
        id: u64,
    },
    /// Asks for a `Pong` as soon as the model is between two steps.
    Ping,
    Bye,
}

/// Worker to host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromWorker {
    Hello(Hello),
    /// What holds the worker, said before it reads its model.
    Confined(Vec<Layer>),
    Loaded(Facts),
    LoadFailed {
        what: String,
    },
    Event {
        id: u64,
        event: WorkerEvent,
    },
    Pong,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) build: String,
    pub(crate) process: u32,
}

impl Hello {
    pub(crate) fn ours() -> Hello {
        Hello { protocol: PROTOCOL_VERSION, build: BUILD.to_owned(), process: std::process::id() }
    }

    pub(crate) fn is_compatible(&self) -> bool {
        self.protocol == PROTOCOL_VERSION && self.build == BUILD
    }

    pub(crate) fn describe(&self) -> String {
        // What another program sends may be of any length.
        let build: String = self.build.chars().take(80).collect();
        format!("protocol {} of {build}", self.protocol)
    }
}

/// What to load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadOrder {
    pub(crate) path: PathBuf,
    pub(crate) backend: Backend,
    pub(crate) adapters: Vec<AdapterSpec>,
    pub(crate) context_tokens: u32,
    pub(crate) slots: u32,
    pub(crate) threads: Option<u32>,
    /// The processors that the worker may use, as the host sees them: a confined worker cannot look.
    pub(crate) processors: u32,
    pub(crate) confinement: Confinement,
}

impl LoadOrder {
    /// Returns every file that the model is read from: all that the worker may see.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        // Each field is named, so that a new one that is a file cannot be overlooked.
        let LoadOrder {
            path,
            backend: _,
            adapters,
            context_tokens: _,
            slots: _,
            threads: _,
            processors: _,
            confinement: _,
        } = self;
        parts(path).into_iter().chain(adapters.iter().map(|adapter| adapter.path.clone())).collect()
    }
}

/// Returns the files of a model that lies in several, `NAME-00001-of-00003.gguf`, or the one that it is.
fn parts(path: &Path) -> Vec<PathBuf> {
    let split = || {
        let (before, count) = path.file_name()?.to_str()?.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (name, _number) = before.rsplit_once('-')?;
        let count: u32 = count.parse().ok().filter(|count| (1..=PARTS_MAX).contains(count))?;
        Some((1..=count).map(|part| path.with_file_name(format!("{name}-{part:05}-of-{count:05}.gguf"))).collect())
    };
    split().unwrap_or_else(|| vec![path.to_owned()])
}

/// What was loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) architecture: String,
    pub(crate) parameters: u64,
    pub(crate) context_tokens: u32,
    pub(crate) slots: u32,
    pub(crate) threads: u32,
    pub(crate) engine_build: String,
    pub(crate) prompt_style: PromptStyle,
}

/// What to answer. Randomness and time come from the host, so that the worker has none of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) request: Request,
    /// The number of the adapter that answers with the model's weights; none for the weights alone.
    pub(crate) adapter: Option<usize>,
    /// The sampler's seed where the request names none.
    pub(crate) seed: u64,
    /// The time that a chat template may print, in milliseconds since the Unix epoch.
    pub(crate) at_ms: i64,
}

#[cfg(feature = "llama")]
impl Order {
    pub(crate) fn effective_seed(&self) -> u64 {
        self.request.sampling.seed.unwrap_or(self.seed)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkerEvent {
    Started {
        prompt_tokens: u64,
    },
    Counted {
        prompt_tokens: u64,
    },
    Text(String),
    Reasoning(String),
    /// A tool call begins; pieces of its arguments and its end follow before anything else.
    ToolStart {
        id: String,
        name: String,
    },
    ToolArguments(String),
    ToolEnd,
    /// One vector of length one for each text, in order.
    Embedded {
        vectors: Vec<Vec<f32>>,
        prompt_tokens: u64,
    },
    /// The log probabilities of the tokens of the next piece of text, in the spelling of Chat Completions.
    Logprobs(Vec<Value>),
    Done {
        finish: Finish,
        usage: Usage,
    },
    Refused(String),
    Failed(String),
    Cancelled,
}
