//! What a loaded model really takes: the peak of its worker's memory, as the kernel counts it.

use std::path::Path;

use freehold_engine::{Engine, ErrorKind};
use freehold_wire::Sampling;

use super::chat::Conversation;
use crate::config::Model;
use crate::exit::Fault;
use crate::service;

/// The most words of the prompt that is tried, so that a large model with a long context does not read for an hour.
const WORDS_MAX: usize = 4_096;
/// Tokens of the answer.
const ANSWER_TOKENS: u32 = 8;

/// What a worker took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// The most memory it held at any time.
    pub(crate) peak_bytes: u64,
    /// The length of the prompt that it was given.
    pub(crate) prompt_tokens: u64,
}

/// Loads a model, has it read a prompt as long as a batch, and returns what its worker took.
///
/// # Errors
/// It cannot be loaded or does not answer, or the kernel does not say what a process takes.
pub(crate) async fn measure(engine: &Engine, model: &Model) -> anyhow::Result<Measured> {
    let before = workers();
    service::load(engine, model).await?;
    let sampling = Sampling { max_tokens: Some(ANSWER_TOKENS), temperature: Some(0.0), ..Sampling::default() };
    let mut conversation = Conversation::new(engine.clone(), &model.name, "", sampling);
    let mut words = WORDS_MAX;
    let turn = loop {
        let prompt = "word ".repeat(words);
        match conversation.ask(&prompt, std::future::pending(), &mut |_| ()).await {
            // It is too long for the context, which is to be filled: the buffers grow with what is in it.
            Err(error) if error.kind() == ErrorKind::User && words > 1 => words -= words.div_ceil(16),
            other => break other.map_err(|error| Fault::upstream("the model did not answer").because(error))?,
        }
    };
    let peak: u64 = workers().into_iter().filter(|worker| !before.contains(worker)).filter_map(peak_bytes).sum();
    if peak == 0 {
        return Err(Fault::upstream("this system does not say how much memory a process takes")
            .hint("go by the estimate: leave --measure out")
            .into());
    }
    Ok(Measured { peak_bytes: peak, prompt_tokens: turn.usage.map_or(0, |usage| usage.input) })
}

/// Returns the processes that this one started.
fn workers() -> Vec<u32> {
    let Ok(entries) = Path::new("/proc").read_dir() else { return Vec::new() };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let own = std::process::id().to_string();
    numbers.filter(|process| status(*process, "PPid:").is_some_and(|parent| parent == own)).collect()
}

fn peak_bytes(process: u32) -> Option<u64> {
    let kib: u64 = status(process, "VmHWM:")?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

fn status(process: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)).map(|value| value.trim().to_owned())
}
