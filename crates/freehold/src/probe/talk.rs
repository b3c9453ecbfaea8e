//! Talks with the server that is probed: one request there, one answer back, counted and within the time.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Found;
use super::said::{Said, shown};
use crate::client::{self, Client, Reply};
use crate::engines::Kind;

const PATH: &str = "/v1/chat/completions";
/// What a model that thinks may write beside its answer.
const THINKING_TOKENS: u32 = 1024;
/// How often a server that stumbles is asked.
const ATTEMPTS: usize = 2;
/// How often the plainest request is spelt anew.
const SPELLINGS_MAX: usize = 3;

/// Whom to probe.
#[derive(Clone)]
pub struct Address {
    /// The client.
    pub client: Client,
    /// The address below which `/v1` lies.
    pub base_url: String,
    /// The key, where one is needed.
    pub key: Option<freehold_gateway::Secret>,
    /// The model to ask for.
    pub model: String,
    /// What kind of server it is, where that is known.
    pub engine: Option<Kind>,
}

/// The server cannot be probed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer at all.
    #[error("{base_url} does not answer")]
    Silent {
        /// The address.
        base_url: String,
        /// Why.
        #[source]
        source: client::Error,
    },
    /// It refuses the plainest request.
    #[error("{base_url} refuses the plainest request for {model}: {status} {message}")]
    Refuses {
        /// The address.
        base_url: String,
        /// The model.
        model: String,
        /// The status.
        status: StatusCode,
        /// What the server says.
        message: String,
    },
    /// What it answers is no answer of this API.
    #[error("what {base_url} answers is no chat completion: {shown}")]
    Foreign {
        /// The address.
        base_url: String,
        /// The beginning of it.
        shown: String,
    },
}

/// One request went wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server says no, and would say so again.
    Refused { status: StatusCode, message: String },
    /// It did not come to an answer.
    Failed(String),
}

impl From<Trouble> for Found {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused { status, message } => Found::broken(format!("the server refuses it: {status} {message}")),
            Trouble::Failed(why) => Found::cannot_tell(format!("a request failed: {why}")),
        }
    }
}

/// A request in the making.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    body: Value,
    tokens: u32,
}

impl Ask {
    /// Begins with what a user says.
    pub(super) fn user(text: &str) -> Self {
        Ask::turns(&json!([{"role": "user", "content": text}]))
    }

    /// Begins with a conversation.
    pub(super) fn turns(messages: &Value) -> Self {
        const TOKENS: u32 = 64;
        Ask { body: json!({"messages": messages, "temperature": 0}), tokens: TOKENS }
    }

    /// Bounds the answer, thinking not counted.
    pub(super) fn tokens(mut self, tokens: u32) -> Self {
        self.tokens = tokens;
        self
    }

    /// Sets a member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body[name] = value.into();
        self
    }
}

/// How an answer is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Whole,
    Streamed,
}

/// How this server wants to be asked.
#[derive(Debug, Clone, Copy)]
struct Manner {
    cap: &'static str,
    has_temperature: bool,
    thinking_tokens: u32,
}

/// A conversation with one server.
pub struct Talk {
    address: Address,
    deadline: Instant,
    manner: Manner,
    thinks: bool,
    requests: AtomicU64,
}

impl Talk {
    /// Asks the plainest request, and learns from it how this server wants to be asked.
    ///
    /// # Errors
    /// It is not answered.
    pub async fn begin(address: Address, deadline: Instant) -> Result<Self, Error> {
        let manner = Manner { cap: "max_tokens", has_temperature: true, thinking_tokens: THINKING_TOKENS };
        let mut talk = Talk { address, deadline, manner, thinks: false, requests: AtomicU64::new(0) };
        let base_url = talk.address.base_url.clone();
        for _ in 0..SPELLINGS_MAX {
            let reply = talk.post(&Ask::user("Say hello."), How::Whole).await;
            let reply = reply.map_err(|source| Error::Silent { base_url: base_url.clone(), source })?;
            if reply.status.is_success() {
                let said = Said::whole(&reply.body).ok_or_else(|| Error::Foreign {
                    base_url: base_url.clone(),
                    shown: shown(&String::from_utf8_lossy(&reply.body)),
                })?;
                talk.thinks = said.reasoning_field.is_some() || said.reasoning_in_text().is_some();
                talk.manner.thinking_tokens = if talk.thinks { THINKING_TOKENS } else { 0 };
                return Ok(talk);
            }
            let message = message_of(&reply);
            if !talk.manner.learn(&message) {
                let model = talk.address.model.clone();
                return Err(Error::Refuses { base_url, model, status: reply.status, message });
            }
        }
        let (model, status) = (talk.address.model.clone(), StatusCode::BAD_REQUEST);
        Err(Error::Refuses { base_url, model, status, message: "in every spelling that is known".to_owned() })
    }

    /// Returns the address that is probed.
    pub(super) fn base_url(&self) -> &str {
        &self.address.base_url
    }

    /// Returns the model that is asked for.
    pub(super) fn model(&self) -> &str {
        &self.address.model
    }

    /// Returns what kind of server it is, where that is known.
    pub(super) fn engine(&self) -> Option<Kind> {
        self.address.engine
    }

    /// Returns when everything must be over.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns whether the model reasons before it answers.
    pub(super) fn thinks(&self) -> bool {
        self.thinks
    }

    /// Returns the bound that a request with this bound is sent with.
    pub(super) fn tokens_of(&self, tokens: u32) -> u64 {
        u64::from(tokens + self.manner.thinking_tokens)
    }

    /// Returns how many requests were made.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Asks for a whole answer.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Said, Trouble> {
        let reply = self.answered(ask, How::Whole).await?;
        Said::whole(&reply.body).ok_or_else(|| foreign(&reply))
    }

    /// Asks for a stream, and hears it to its end.
    pub(super) async fn hear(&self, ask: &Ask) -> Result<Said, Trouble> {
        let reply = self.answered(ask, How::Streamed).await?;
        Said::streamed(&reply.body).ok_or_else(|| foreign(&reply))
    }

    async fn answered(&self, ask: &Ask, how: How) -> Result<Reply, Trouble> {
        let mut last = Trouble::Failed("it was not asked".to_owned());
        for _ in 0..ATTEMPTS {
            match self.post(ask, how).await {
                Ok(reply) if reply.status.is_success() => return Ok(reply),
                Ok(reply) => last = trouble(&reply),
                Err(error) => return Err(Trouble::Failed(error.to_string())),
            }
            if let Trouble::Refused { status, .. } = &last
                && status.is_client_error()
            {
                break;
            }
        }
        Err(last)
    }

    async fn post(&self, ask: &Ask, how: How) -> Result<Reply, client::Error> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let Address { client, base_url, key, model, .. } = &self.address;
        let mut body = ask.body.clone();
        body["model"] = model.as_str().into();
        body["stream"] = (how == How::Streamed).into();
        body[self.manner.cap] = (ask.tokens + self.manner.thinking_tokens).into();
        if let (false, Value::Object(members)) = (self.manner.has_temperature, &mut body) {
            members.remove("temperature");
        }
        let bearer = key.as_ref().map(|key| format!("Bearer {}", key.expose()));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let address = format!("{}{PATH}", base_url.trim_end_matches('/'));
        client.post(&address, &headers, body.to_string().into_bytes()).await
    }
}

impl Manner {
    /// Learns from a refusal; false where it teaches nothing new.
    fn learn(&mut self, message: &str) -> bool {
        if message.contains("max_completion_tokens") && self.cap == "max_tokens" {
            self.cap = "max_completion_tokens";
            return true;
        }
        if message.contains("temperature") && self.has_temperature {
            self.has_temperature = false;
            return true;
        }
        false
    }
}

/// Tells a refusal from a stumble. Templates that cannot render a request answer 500, so that counts as a refusal.
fn trouble(reply: &Reply) -> Trouble {
    let message = message_of(reply);
    match reply.status.as_u16() {
        408 | 409 | 429 | 502..=504 | 529 => Trouble::Failed(format!("{} {message}", reply.status)),
        _ => Trouble::Refused { status: reply.status, message },
    }
}

fn foreign(reply: &Reply) -> Trouble {
    Trouble::Failed(format!("the answer cannot be read: {}", shown(&String::from_utf8_lossy(&reply.body))))
}

/// Returns what an error says.
fn message_of(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let said = [&body["error"]["message"], &body["message"], &body["detail"], &body["error"]];
    match said.into_iter().find_map(Value::as_str) {
        Some(text) => shown(text),
        None => shown(&String::from_utf8_lossy(&reply.body)),
    }
}
