//! Before a model is judged: does the server in front of it keep the promises that the step needs?
//! A broken one is a serving fault, and is said to be one; it is never held against the model in silence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use freehold_store::Store;
use freehold_wire::{Api, ResponseFormat, ToolChoice};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::adapt::Adaptation;
use super::cases::{Case, Chosen};
use super::{Assessor, Trial};
use crate::client::Client;
use crate::config::Model;
use crate::probe::{self, Address, Finding, Kept, Promise, Scope, Server};

/// Whether the server is probed before the model is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probing {
    /// What the step needs, once a day.
    First,
    /// Not at all.
    Never,
}

/// The time for a probe before an assessment.
const BUDGET: Duration = Duration::from_secs(40);
/// The shortest context that is tried.
const CONTEXT_TOKENS_MIN: u64 = 512;
/// Bytes of a request that make a token, at the least that is common; a guess where nobody counted.
const TOKEN_BYTES: u64 = 3;

/// What is known of the server in front of the candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// What the step needs and what was found, in the order of the promises.
    pub findings: Vec<Finding>,
    /// Why nothing was found out, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl Serving {
    /// Returns the promises that the step needs and the server breaks.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.answer == Kept::Broken)
    }

    /// Returns what is declared of it before an answer is seen: each promise with its answer.
    pub(super) fn declared(&self) -> Value {
        let named = self.findings.iter().map(|finding| (finding.promise.name().to_owned(), json!(finding.answer)));
        Value::Object(named.collect())
    }

    /// Returns what a reader must know, beside a verdict.
    pub(super) fn told(&self, verdict: &str) -> Vec<String> {
        let mut told: Vec<String> = self.faults().map(fault).collect();
        if !told.is_empty() && verdict != "adequate" {
            let verdict = verdict.replace('_', " ");
            told.insert(0, format!(
                "{verdict} as it is served: the server breaks what this step needs, so that this says nothing against the model; mend the server and assess again"
            ));
        }
        told.extend(self.unknown.iter().map(|why| format!("the server was not probed: {why}")));
        told
    }
}

fn fault(finding: &Finding) -> String {
    let remedy = finding.remedy.as_deref().unwrap_or("none is known");
    let (name, said) = (finding.promise.name(), finding.promise.said());
    format!("serving fault: {name} is broken ({said}): {}; remedy: {remedy}", finding.evidence)
}

/// Probes the server of the candidate for what the step needs, or finds what was found today.
pub(super) async fn look(assessor: &Assessor<'_>, trial: Trial<'_>, adapted: &[Adaptation]) -> Serving {
    let unknown = |why: String| Serving { unknown: Some(why), ..Serving::default() };
    let Trial { question, target, chosen } = trial;
    let plays = target.upstream(assessor.settings).is_some_and(|upstream| upstream.simulated)
        || target.own_model(assessor.settings).is_some_and(|model| model.backend == freehold_engine::Backend::Scripted);
    if question.probing == Probing::Never || plays {
        return Serving::default();
    }
    let (promises, context_tokens) = (spared(needed(chosen), adapted), context_tokens(chosen));
    if promises.is_empty() {
        return unknown("only Chat Completions are probed, and the calls are of another dialect".to_owned());
    }
    let server = match Server::named(assessor.settings, (&question.candidate, None)) {
        Ok(server) => server,
        Err(fault) => return unknown(fault.to_string()),
    };
    let key = key_of(&server);
    let book = Book::beside(assessor.store);
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let mut known = book.of(&key, (&today, context_tokens));
    let missing: Vec<Promise> =
        promises.iter().copied().filter(|promise| known.iter().all(|finding| finding.promise != *promise)).collect();
    let mut failed = None;
    if !missing.is_empty() {
        let scope = Scope { promises: missing, context_tokens, budget: BUDGET };
        match probed(assessor, server, &scope).await {
            Ok(report) => {
                known.extend(report.findings);
                let entry = Entry { day: today, context_tokens, findings: known.clone() };
                if let Err(error) = book.keep(&key, entry) {
                    tracing::warn!(%error, "what was probed is not kept for the next assessment of the day");
                }
            }
            Err(error) => failed = Some(format!("{error:#}")),
        }
    }
    known.retain(|finding| promises.contains(&finding.promise));
    known.sort_by_key(|finding| Promise::ALL.iter().position(|promise| *promise == finding.promise));
    Serving { findings: known, unknown: failed }
}

async fn probed(assessor: &Assessor<'_>, server: Server<'_>, scope: &Scope) -> anyhow::Result<probe::Report> {
    match server {
        Server::Upstream { base_url, model, key, engine } => {
            let address = Address { client: Client::new(scope.budget)?, base_url, key, model, engine };
            Ok(probe::run(address, scope, &|_| ()).await?)
        }
        Server::Own { model, name } => {
            let home = home_of(assessor.store);
            let own = probe::Own { settings: assessor.settings, home: &home, program: assessor.program.clone() };
            own.probe((model, name), scope, &|_| ()).await
        }
    }
}

/// Returns what the recorded requests make use of.
fn needed(chosen: &Chosen) -> Vec<Promise> {
    let cases = || chosen.cases.iter().filter(|case| case.call.api == Api::OpenAiChat);
    let raw: Vec<Value> = cases().filter_map(|case| serde_json::from_slice(&case.call.request).ok()).collect();
    let any = |has: &dyn Fn(&Case) -> bool| cases().any(has);
    let says = |name: &str| raw.iter().any(|request| request.get(name).is_some_and(|value| !value.is_null()));
    let counts = |role: &str| raw.iter().map(|request| count_of(request, role)).max().unwrap_or(0);
    let has_tools = any(&|case| !case.request.tools.is_empty());
    let chooses = |choice: fn(&ToolChoice) -> bool| has_tools && any(&|case| choice(&case.request.tool_choice));
    let streams = any(&|case| case.request.stream);
    let needs = |promise: Promise| match promise {
        Promise::Schema => any(&|case| matches!(case.request.response_format, ResponseFormat::JsonSchema(_))),
        Promise::ToolChoiceRequired => chooses(|choice| matches!(choice, ToolChoice::Required)),
        Promise::ToolChoiceNamed => chooses(|choice| matches!(choice, ToolChoice::Named(_))),
        Promise::ToolChoiceNone => chooses(|choice| matches!(choice, ToolChoice::None)),
        Promise::ParallelCalls | Promise::EmptyArguments => has_tools,
        Promise::StreamedCalls => has_tools && streams,
        Promise::Stop => says("stop"),
        Promise::MaxTokens => says("max_tokens") || says("max_completion_tokens"),
        Promise::Seed => says("seed"),
        Promise::Logprobs => raw.iter().any(|request| request["logprobs"] == true),
        Promise::UsageInStreams => any(&|case| case.request.stream_usage),
        Promise::Unicode => streams,
        Promise::SystemRole => counts("system") > 0,
        Promise::SystemBlocks => counts("system") > 1,
        Promise::DeveloperRole => counts("developer") > 0,
        Promise::ReasoningApart | Promise::Context => !raw.is_empty(),
        Promise::ReasoningKept => raw.iter().any(|request| request["messages"].to_string().contains("\"reasoning")),
        Promise::RepeatsUnderLoad => false,
    };
    Promise::ALL.into_iter().filter(|promise| needs(*promise)).collect()
}

/// Leaves out what the step no longer needs once its requests are adapted.
fn spared(mut needed: Vec<Promise>, adapted: &[Adaptation]) -> Vec<Promise> {
    let is_merged = adapted.contains(&Adaptation::SystemMerged) || adapted.contains(&Adaptation::DeveloperAsSystem);
    if is_merged && !needed.contains(&Promise::SystemRole) {
        needed.push(Promise::SystemRole);
    }
    needed.retain(|promise| match promise {
        Promise::DeveloperRole => !adapted.contains(&Adaptation::DeveloperAsSystem),
        Promise::SystemBlocks => !adapted.contains(&Adaptation::SystemMerged),
        _ => true,
    });
    needed
}

fn count_of(request: &Value, role: &str) -> usize {
    request["messages"].as_array().into_iter().flatten().filter(|turn| turn["role"] == role).count()
}

/// Returns how long a prompt must be carried: the longest recorded one, with a quarter more for another tokenizer.
fn context_tokens(chosen: &Chosen) -> u64 {
    let counted = |case: &Case| case.recorded.usage.as_ref().map(|usage| usage.input);
    let guessed = |case: &Case| case.call.request.len() as u64 / TOKEN_BYTES;
    let longest =
        chosen.cases.iter().map(|case| counted(case).filter(|tokens| *tokens > 0).unwrap_or_else(|| guessed(case)));
    let longest = longest.max().unwrap_or(0);
    (longest + longest / 4).max(CONTEXT_TOKENS_MIN)
}

/// Returns what tells a server and its model from others; a file that changed is another model.
fn key_of(server: &Server<'_>) -> String {
    match server {
        Server::Upstream { base_url, model, .. } => format!("{base_url} {model}"),
        Server::Own { model, name } => format!("own {name} {}", stamp(model, name)),
    }
}

fn stamp(model: &Model, name: &str) -> String {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|about| Ok((about.len(), about.modified()?))).ok();
    let adapter = model.adapter(name).map(|adapter| (changed(&adapter.path), adapter.scale));
    let adapter = adapter.map(|adapter| format!(" {adapter:?}")).unwrap_or_default();
    format!("{:?} {} {}{adapter}", changed(&model.path), model.context_tokens, env!("CARGO_PKG_VERSION"))
}

fn home_of(store: &Store) -> PathBuf {
    store.path().parent().unwrap_or(Path::new(".")).to_owned()
}

/// What was found of one server on one day.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    day: String,
    /// The longest prompt that was tried.
    context_tokens: u64,
    findings: Vec<Finding>,
}

/// The file of what was probed, beside the store; a cache that may be lost.
struct Book(PathBuf);

impl Book {
    fn beside(store: &Store) -> Self {
        Book(home_of(store).join("probes.json"))
    }

    fn read(&self) -> BTreeMap<String, Entry> {
        // A file that is missing or of another version is as good as none: it is probed again.
        std::fs::read(&self.0).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Returns what was found that day, about the context only where as long a one was tried.
    fn of(&self, key: &str, (day, context_tokens): (&str, u64)) -> Vec<Finding> {
        let Some(entry) = self.read().remove(key).filter(|entry| entry.day == day) else { return Vec::new() };
        let is_long = entry.context_tokens >= context_tokens;
        // What could not be told may be told the next time.
        let findings = entry.findings.into_iter().filter(|finding| finding.answer != Kept::CannotTell);
        findings.filter(|finding| is_long || finding.promise != Promise::Context).collect()
    }

    fn keep(&self, key: &str, entry: Entry) -> std::io::Result<()> {
        let mut entries = self.read();
        entries.retain(|_, kept| kept.day == entry.day);
        entries.insert(key.to_owned(), entry);
        let text = serde_json::to_vec(&entries).map_err(std::io::Error::other)?;
        let beside = self.0.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&beside, text)?;
        std::fs::rename(beside, &self.0)
    }
}
