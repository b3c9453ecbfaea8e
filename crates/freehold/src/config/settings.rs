//! The settings as checked types, with their units in their names.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use freehold_engine::AdapterSpec;
use freehold_gateway::Secret;
use freehold_vault::Sampling;
use freehold_wire::Api;
use serde::Deserialize;

use super::{Server, StepBudget};
use crate::assess::{Adapting, Divider};
use crate::engines::Kind;
use crate::facts::Sellers;

/// All settings of one start.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Where and within which limits the gateway serves.
    pub server: Server,
    /// How calls are recorded.
    pub record: Record,
    /// How our own engine runs.
    pub engine: Engine,
    /// What an assessment takes when nothing is said.
    pub assess: Assess,
    /// What is told of calls as they end, and how the log is written.
    pub observe: Observe,
    /// Where newer vendor facts lie; the embedded ones are used otherwise.
    #[serde(default)]
    pub facts: Facts,
    /// The upstreams that can be called.
    #[serde(default, rename = "upstream")]
    pub upstreams: Vec<Upstream>,
    /// The GGUF files that our own engine serves.
    #[serde(default, rename = "model")]
    pub models: Vec<Model>,
    /// What is kept of single steps' calls, and how they are assessed.
    #[serde(default, rename = "step")]
    pub steps: Vec<StepKept>,
    /// What steps may spend.
    #[serde(default, rename = "budget")]
    pub budgets: Vec<StepBudget>,
}

impl Settings {
    /// Returns the model of ours that answers to a name: its own, or that of one of its adapters.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.names().any(|known| known == name))
    }

    /// Returns every name that a model of ours answers to.
    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().flat_map(Model::names)
    }

    /// Returns whose prices apply to the calls of which upstream.
    #[must_use]
    pub fn sellers(&self) -> Sellers {
        let mut sellers = Sellers::default();
        for upstream in &self.upstreams {
            if let Some(priced_as) = &upstream.priced_as {
                sellers.insert(&upstream.name, priced_as);
            }
        }
        sellers
    }
}

/// `[record]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    /// What happens to a call that cannot be recorded.
    pub on_failure: OnFailure,
    /// How long the end of an answer waits for its record at most; 0 does not wait.
    pub wait_ms_max: u64,
    /// When a call counts as recorded.
    pub mode: RecordMode,
    /// How long a recorded call may be missing from the disk, where `mode` is not `strict`.
    pub window_ms: u64,
    /// The most calls that wait for the log.
    pub queue_calls_max: usize,
    /// The most bytes that wait for the log.
    pub queue_mib_max: usize,
    /// The most bytes of the log of calls that are not in the store's tables yet.
    pub log_mib_max: u64,
    /// The kinds of text that are masked: `email`, `phone`, `card`, `iban`, `key`.
    pub mask: Vec<String>,
    /// Regular expressions whose matches are masked too.
    pub mask_patterns: Vec<String>,
    /// How much of a call is kept.
    pub bodies: BodiesKept,
    /// How long bodies are kept; 0 keeps them for ever.
    pub retention_days: u32,
    /// The key that what is kept is sealed with; empty for none.
    pub encrypt_key: Secret,
}

/// How much of a call is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodiesKept {
    /// Request and response too.
    Full,
    /// Their sizes and digests only.
    Metadata,
}

/// `[[step]]`: what is kept of one step's calls, where it differs.
#[derive(Debug, Clone, Deserialize)]
pub struct StepKept {
    /// The step's name.
    pub name: String,
    /// How much of a call is kept.
    #[serde(default)]
    pub bodies: Option<BodiesKept>,
    /// How long bodies are kept; 0 keeps them for ever.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// What divides its cases when it is assessed.
    #[serde(default)]
    pub subsets: Vec<Divider>,
    /// The check of its answers.
    #[serde(default, deserialize_with = "crate::checks::deserialize_spec")]
    pub check: Option<String>,
    /// Which adaptations its requests may take when it is assessed.
    #[serde(default)]
    pub adapt: Option<Adapting>,
}

/// When a call counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordMode {
    /// When the kernel has it.
    Kernel,
    /// When the disk has it.
    Strict,
}

/// What happens to a call that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is answered, and the gap is counted.
    Serve,
    /// It is refused.
    Refuse,
}

/// `[engine]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Engine {
    /// How often a crashed worker is started again within the window.
    pub restarts_max: u32,
    /// The window of the restart budget.
    pub restart_window_s: u64,
    /// How long loading a model may take.
    pub load_timeout_s: u64,
    /// How long a worker may say nothing while it has work.
    pub hang_timeout_s: NonZeroU64,
    /// The most requests that wait for one model.
    pub queue_requests_max: usize,
    /// How much must hold a worker.
    pub isolation: freehold_engine::confine::Policy,
    /// The most memory of a worker beside its model file; 0 for all that there is.
    pub memory_mib_max: u64,
    /// How much memory all loaded models may take together; 0 for no limit.
    pub models_mib_max: u64,
    /// How far workers give way to other processes.
    pub nice: Nice,
    /// The processors that workers may use; all when empty.
    pub cpus: Vec<u32>,
}

/// How far a process gives way to others: 0 not at all, 19 altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Nice(u8);

impl Nice {
    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Nice {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if number < 20 { Ok(Nice(number)) } else { Err("nice is a number from 0 to 19") }
    }
}

/// `[assess]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Assess {
    /// The largest loss of score that is accepted.
    pub margin: f64,
    /// The one-sided level of the decision.
    pub confidence: f64,
    /// The most cases that are replayed.
    pub cases_max: usize,
    /// The most replays in flight.
    pub concurrency: usize,
    /// How long a check's own program may take for one answer.
    pub command_timeout_s: u64,
    /// The most memory of such a program.
    pub command_memory_mib: u64,
    /// How long a certificate is good.
    pub certificate_days: NonZeroU32,
}

/// `[observe]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Observe {
    /// A collector of traces; none are made without one.
    #[serde(default)]
    pub otlp_url: Option<String>,
    /// What the header `authorization` says to it.
    #[serde(default)]
    pub otlp_authorization: Option<Secret>,
    /// The share of traces that begin here and are sent.
    pub trace_sample: f64,
    /// Whether upstreams are told our span as their parent, in the place of the caller's.
    pub trace_reparent: bool,
    /// Whether every call leaves a line in the log.
    pub access_log: bool,
    /// How the log is written.
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[facts]`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Facts {
    /// A vendor facts file that replaces the embedded one.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// `[[upstream]]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Upstream {
    /// Its name here.
    pub name: String,
    /// The address below which the API's paths lie, without `/v1`.
    pub base_url: String,
    /// The dialects it speaks.
    pub apis: Vec<Api>,
    /// The key to send; without one the caller's own passes through.
    #[serde(default)]
    pub key: Option<Secret>,
    /// The models it serves; empty for any.
    #[serde(default)]
    pub models: Vec<String>,
    /// What kind of server it is, where it serves open models.
    #[serde(default)]
    pub engine: Option<Kind>,
    /// How its model's card says it is to be sampled.
    #[serde(default)]
    pub sampling: Option<Sampling>,
    /// How many tokens its model may think before it answers, where it does.
    #[serde(default)]
    pub thinking_tokens: u32,
    /// Whether it only plays a vendor; said wherever it shows.
    #[serde(default)]
    pub simulated: bool,
    /// By which vendor's prices its calls are priced; `none` for a machine of one's own. Otherwise its name or the model's tells.
    #[serde(default)]
    pub priced_as: Option<String>,
    /// Whether calls that are translated for it may lose what its dialect cannot say.
    #[serde(default)]
    pub accept_loss: bool,
    /// How often it is asked again before somebody else is, or the failure is passed on.
    #[serde(default)]
    pub retries_max: u32,
    /// Who is asked where it fails: `NAME`, `NAME/MODEL` or `engine/MODEL`, in order.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// Whether its Chat Completions streams are asked for their usage.
    #[serde(default)]
    pub usage_in_streams: bool,
    /// After how many failures in a row it is no longer asked; 0 for never.
    #[serde(default = "breaker_failures_max")]
    pub breaker_failures_max: u32,
    /// For how long.
    #[serde(default = "breaker_pause_ms")]
    pub breaker_pause_ms: u64,
}

/// `[[model]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Model {
    /// Its name here, which callers may ask for.
    pub name: String,
    /// The GGUF file; relative to the configuration file.
    pub path: PathBuf,
    /// The longest prompt and answer together, per sequence.
    #[serde(default = "context_tokens")]
    pub context_tokens: u32,
    /// How many sequences run at once.
    #[serde(default = "slots")]
    pub slots: u32,
    /// Threads of the worker; as many as there are cores when not said.
    #[serde(default)]
    pub threads: Option<u32>,
    /// The backend: `llama`, or `scripted` for trials without weights.
    #[serde(default)]
    pub backend: freehold_engine::Backend,
    /// How its card says it is to be sampled; the file's header says it when not said.
    #[serde(default)]
    pub sampling: Option<Sampling>,
    /// How many tokens it may think before it answers, where it does.
    #[serde(default)]
    pub thinking_tokens: u32,
    /// Low-rank adapters of its weights, each served under a name of its own; relative to the configuration file.
    #[serde(default, rename = "adapter")]
    pub adapters: Vec<AdapterSpec>,
}

impl Model {
    /// Returns a model with what goes without saying.
    #[must_use]
    pub fn of(name: &str, path: PathBuf, backend: freehold_engine::Backend) -> Self {
        let (context_tokens, slots) = (context_tokens(), slots());
        Model {
            name: name.to_owned(),
            path,
            context_tokens,
            slots,
            threads: None,
            backend,
            sampling: None,
            thinking_tokens: 0,
            adapters: Vec::new(),
        }
    }

    /// Returns its adapter of this name, if it has one.
    #[must_use]
    pub fn adapter(&self, name: &str) -> Option<&AdapterSpec> {
        self.adapters.iter().find(|adapter| adapter.name == name)
    }

    /// Returns its name and those of its adapters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.adapters.iter().map(|adapter| adapter.name.as_str()))
    }
}

fn breaker_failures_max() -> u32 {
    5
}

fn breaker_pause_ms() -> u64 {
    10_000
}

fn context_tokens() -> u32 {
    2048
}

fn slots() -> u32 {
    4
}
