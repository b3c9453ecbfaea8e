//! Finds out which promises of the Chat Completions API a server keeps, before anybody blames the model behind it.
//!
//! Each promise is answered `kept`, `broken` or `cannot tell`. Broken is said only where the server decides, whatever the
//! model can do: by what it refuses, counts, enforces or cuts. Where the model's skill decides, it is `cannot tell`.

mod calls;
mod cutting;
mod promise;
mod reach;
mod repeating;
mod said;
mod server;
mod talk;
mod turns;
mod wording;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use promise::Promise;
pub use server::{Own, Server};
pub use talk::{Address, Error, Talk};

use crate::engines;

/// How many checks run at once.
const CHECKS_AT_ONCE: usize = 4;

/// What is known of one promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The server keeps it.
    Kept,
    /// The server breaks it, whatever the model can do.
    Broken,
    /// What was seen does not tell.
    CannotTell,
}

impl Kept {
    /// Returns the words for people.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Kept::Kept => "kept",
            Kept::Broken => "broken",
            Kept::CannotTell => "cannot tell",
        }
    }
}

/// What a check found, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    kept: Kept,
    evidence: String,
}

impl Found {
    fn kept(evidence: impl Into<String>) -> Self {
        Found { kept: Kept::Kept, evidence: evidence.into() }
    }

    fn broken(evidence: impl Into<String>) -> Self {
        Found { kept: Kept::Broken, evidence: evidence.into() }
    }

    fn cannot_tell(evidence: impl Into<String>) -> Self {
        Found { kept: Kept::CannotTell, evidence: evidence.into() }
    }
}

/// One promise with what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The promise.
    pub promise: Promise,
    /// Whether it is kept.
    pub answer: Kept,
    /// What was seen.
    pub evidence: String,
    /// What is known to help, where it is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// All that one probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The address that was probed.
    pub address: String,
    /// The model that was asked for.
    pub model: String,
    /// The promises, in their order.
    pub findings: Vec<Finding>,
    /// Requests that were made.
    pub requests: u64,
    /// How long it took.
    pub took_ms: u64,
}

impl Report {
    /// Returns the promises that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.answer == Kept::Broken)
    }
}

/// How much is probed.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The promises.
    pub promises: Vec<Promise>,
    /// The longest prompt that is tried.
    pub context_tokens: u64,
    /// The time for all of it.
    pub budget: Duration,
}

/// Probes a server; `progress` is told of each promise as it is answered.
///
/// # Errors
/// The server does not answer the plainest request at all.
pub async fn run(address: Address, scope: &Scope, progress: &(dyn Fn(&Finding) + Sync)) -> Result<Report, Error> {
    let begun = Instant::now();
    let talk = Talk::begin(address, begun + scope.budget).await?;
    let (alone, together): (Vec<Promise>, Vec<Promise>) =
        scope.promises.iter().partition(|promise| promise.needs_quiet());
    let mut findings = Vec::new();
    for (promises, at_once) in [(together, CHECKS_AT_ONCE), (alone, 1)] {
        let mut checks =
            stream::iter(promises).map(|promise| Box::pin(check(&talk, promise, scope))).buffer_unordered(at_once);
        while let Some(finding) = checks.next().await {
            progress(&finding);
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| Promise::ALL.iter().position(|promise| *promise == finding.promise));
    Ok(Report {
        address: talk.base_url().to_owned(),
        model: talk.model().to_owned(),
        findings,
        requests: talk.requests(),
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

async fn check(talk: &Talk, promise: Promise, scope: &Scope) -> Finding {
    let found = match tokio::time::timeout_at(talk.deadline(), look(talk, promise, scope)).await {
        Ok(Ok(found)) => found,
        Ok(Err(trouble)) => trouble.into(),
        Err(_) => Found::cannot_tell("there was no time left to find out"),
    };
    let known = || talk.engine().and_then(|kind| engines::remedy(kind, promise));
    let remedy = (found.kept == Kept::Broken).then(|| known().unwrap_or_else(|| promise.remedy().to_owned()));
    Finding { promise, answer: found.kept, evidence: found.evidence, remedy }
}

async fn look(talk: &Talk, promise: Promise, scope: &Scope) -> Result<Found, talk::Trouble> {
    match promise {
        Promise::Schema => wording::schema(talk).await,
        Promise::ToolChoiceRequired => calls::required(talk).await,
        Promise::ToolChoiceNamed => calls::named(talk).await,
        Promise::ToolChoiceNone => calls::none(talk).await,
        Promise::ParallelCalls => calls::parallel(talk).await,
        Promise::EmptyArguments => calls::empty_arguments(talk).await,
        Promise::StreamedCalls => calls::streamed(talk).await,
        Promise::Stop => cutting::stop(talk).await,
        Promise::MaxTokens => cutting::max_tokens(talk).await,
        Promise::Seed => repeating::seed(talk).await,
        Promise::Logprobs => wording::logprobs(talk).await,
        Promise::UsageInStreams => wording::usage_in_streams(talk).await,
        Promise::ReasoningApart => turns::reasoning_apart(talk).await,
        Promise::ReasoningKept => turns::reasoning_kept(talk).await,
        Promise::SystemRole => turns::system_role(talk).await,
        Promise::SystemBlocks => turns::system_blocks(talk).await,
        Promise::DeveloperRole => turns::developer_role(talk).await,
        Promise::Unicode => wording::unicode(talk).await,
        Promise::Context => reach::context(talk, scope.context_tokens).await,
        Promise::RepeatsUnderLoad => repeating::under_load(talk).await,
    }
}
