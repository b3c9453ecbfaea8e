//! Likeness of two texts by an upstream's embeddings.

use std::time::Duration;

use freehold_evidence::check::{Score, embeddings, similarity};
use freehold_wire::Api;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::config::{Settings, Upstream};
use crate::exit::Fault;
use crate::names::Target;

/// An embedding model of an upstream.
#[derive(Debug)]
pub(super) struct Embedding {
    target: Target,
    upstream: Upstream,
    client: Client,
    runtime: Runtime,
}

impl Embedding {
    pub(super) fn of(name: &str, settings: &Settings) -> Result<Self, Fault> {
        let target = Target::parse(name.trim(), settings)?;
        let upstream = target.upstream(settings).cloned().ok_or_else(|| {
            Fault::input(format!("the model {name} of our own engine gives no embeddings"))
                .hint("name one as UPSTREAM/MODEL")
        })?;
        let timeout = Duration::from_secs(settings.server.first_byte_timeout_s);
        let client =
            Client::new(timeout).map_err(|error| Fault::internal("cannot build the HTTP client").because(error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::internal("cannot start the HTTP client").because(error))?;
        Ok(Embedding { target, upstream, client, runtime })
    }

    pub(super) fn name(&self) -> String {
        self.target.to_string()
    }

    /// Returns the likeness of two texts, or why there is none. Waits; not to be called from an async task.
    pub(super) fn ask(&self, output: &str, reference: &str) -> Result<Score, String> {
        if output.trim().is_empty() || reference.trim().is_empty() {
            return Ok(if output.trim() == reference.trim() {
                Score { value: 1.0, reason: None }
            } else {
                Score::failed("one of the texts is empty")
            });
        }
        let body = json!({"model": self.target.model, "input": [output, reference], "encoding_format": "float"});
        // A thread of its own: this one may belong to another runtime.
        let answer = std::thread::scope(|scope| {
            let asking = scope.spawn(|| self.runtime.block_on(self.embeddings(body.to_string().into_bytes())));
            asking.join().map_err(|_| "the HTTP client broke".to_owned())?
        })?;
        let vectors = embeddings(&answer, 2).map_err(|error| format!("{}: {error}", self.upstream.name))?;
        Ok(similarity(&vectors[0], &vectors[1]))
    }

    async fn embeddings(&self, body: Vec<u8>) -> Result<Value, String> {
        let address = format!("{}{}", self.upstream.base_url.trim_end_matches('/'), Api::OpenAiEmbeddings.path());
        let bearer = self.upstream.key.as_ref().map(|key| format!("Bearer {}", key.expose()));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let reply = self.client.post(&address, &headers, body).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        })?;
        if !reply.status.is_success() {
            return Err(format!("{} answered {}", self.upstream.name, reply.status));
        }
        serde_json::from_slice(&reply.body).map_err(|_| format!("{} answered with no JSON", self.upstream.name))
    }
}
