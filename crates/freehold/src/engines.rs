//! What is known of the servers that open models are served by: what helps where one breaks a promise, with source and date.
//! The facts are data in a versioned file that is compiled in.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::probe::Promise;

const EMBEDDED: &str = include_str!("../facts/engine-facts.json");

static FACTS: LazyLock<File> =
    LazyLock::new(|| serde_json::from_str(EMBEDDED).expect("a test reads the embedded facts"));

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// llama.cpp's own server.
    LlamaServer,
    /// Ollama.
    Ollama,
    /// TensorRT-LLM's `trtllm-serve`.
    #[serde(rename = "tensorrt-llm")]
    #[value(name = "tensorrt-llm")]
    TensorRtLlm,
    /// Any other server of the OpenAI API, of which nothing more is known.
    Openai,
}

#[derive(Debug, Deserialize)]
struct File {
    engines: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Kind,
    title: String,
    facts: Vec<Fact>,
}

/// What helps against one broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// The promise.
    pub about: Promise,
    /// What helps.
    pub remedy: String,
    /// Where that is said.
    pub source: String,
    /// When it was read there.
    pub read_on: String,
    /// The name of the field of a request that it is about, where it is about one.
    #[serde(default)]
    pub field: Option<String>,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, read on {})", self.remedy, self.source, self.read_on)
    }
}

/// Returns what helps where a server of this kind breaks a promise, where that is known.
#[must_use]
pub fn remedy(kind: Kind, promise: Promise) -> Option<String> {
    let entry = FACTS.engines.iter().find(|entry| entry.kind == kind)?;
    let fact = entry.facts.iter().find(|fact| fact.about == promise)?;
    Some(format!("{}: {fact}", entry.title))
}

/// Returns the field in which a server of this kind reads reasoning of earlier turns, where that is known.
#[must_use]
pub fn reasoning_field(kind: Kind) -> Option<&'static str> {
    let facts = FACTS.engines.iter().filter(|entry| entry.kind == kind).flat_map(|entry| &entry.facts);
    facts.filter(|fact| fact.about == Promise::ReasoningKept).find_map(|fact| fact.field.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_about_a_promise_once_and_has_its_source() {
        let head: serde_json::Value = serde_json::from_str(EMBEDDED).unwrap();
        assert_eq!(head["format"], 1);
        let compiled_on = head["compiled_on"].as_str().unwrap();
        for entry in &FACTS.engines {
            assert!(!entry.facts.is_empty(), "{}", entry.title);
            for (place, fact) in entry.facts.iter().enumerate() {
                assert!(
                    fact.source.starts_with("https://")
                        && fact.read_on.as_str() <= compiled_on
                        && fact.read_on.len() == 10,
                    "{fact}"
                );
                assert!(entry.facts[..place].iter().all(|before| before.about != fact.about), "twice: {fact}");
            }
        }
    }

    #[test]
    fn a_remedy_is_that_of_the_engine_or_none() {
        let known = remedy(Kind::Ollama, Promise::Context).unwrap();
        assert!(known.contains("OLLAMA_CONTEXT_LENGTH") && known.contains("read on 2026-"), "{known}");
        assert_eq!(remedy(Kind::Openai, Promise::Context), None);
        assert_eq!(remedy(Kind::Ollama, Promise::Seed), None);
    }
}
