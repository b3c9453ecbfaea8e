//! A simulated vendor: answers the sample business from the gold with a declared error rate, in every dialect.
//!
//! It can also be taught a script, for trials of clients. It is no model and says so; it exists so that the whole story
//! can be seen without an account or a network.

mod answer;
mod telling;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use freehold_engine::script::Script;
use freehold_wire::write::{self, Head};
use freehold_wire::{Api, ErrorKind, Request, error_body, requests};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::telling::{Spoken, Wait};
use super::business::Ticket;

/// The model that it claims to serve; vendor facts know its price.
pub const MODEL: &str = "sim-frontier-1";

/// How the simulated vendor behaves; all of it is shown wherever its answers count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manner {
    /// The share of answers that are wrong.
    pub error_rate: f64,
    /// How long an answer takes.
    pub latency: Duration,
    /// Seed of its errors and wordings.
    pub seed: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Manner { error_rate: 0.03, latency: Duration::from_millis(25), seed: 1 }
    }
}

/// A fault on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// None.
    None = 0,
    /// Every call is answered 429 with `retry-after`.
    Throttled = 1,
    /// Every call is answered 503.
    Failing = 2,
    /// Every answer, streamed or not, is cut in the middle.
    Cut = 3,
}

/// The vendor's knowledge and mood.
struct Desk {
    manner: Manner,
    tickets: RwLock<HashMap<String, Ticket>>,
    script: RwLock<Option<Script>>,
    asked: AtomicU64,
    left: Arc<AtomicU64>,
    fault: AtomicU8,
}

/// A running simulated vendor.
pub struct Vendor {
    desk: Arc<Desk>,
    address: SocketAddr,
    serving: Option<(CancellationToken, TaskTracker)>,
}

impl Vendor {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start(manner: Manner) -> std::io::Result<Self> {
        let desk = Desk {
            manner,
            tickets: RwLock::default(),
            script: RwLock::default(),
            asked: AtomicU64::new(0),
            left: Arc::default(),
            fault: AtomicU8::new(0),
        };
        let mut vendor = Vendor { desk: Arc::new(desk), address: SocketAddr::from(([127, 0, 0, 1], 0)), serving: None };
        vendor.resume().await?;
        Ok(vendor)
    }

    /// Returns where it listens, or listened.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it tickets, which it can answer from then on.
    pub fn learn(&self, tickets: impl Iterator<Item = Ticket>) {
        let mut known = self.desk.tickets.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.extend(tickets.map(|ticket| (ticket.text.clone(), ticket)));
    }

    /// Tells it what to answer to everything that is no ticket.
    pub fn learn_script(&self, script: Script) {
        *self.desk.script.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(script);
    }

    /// Returns how many calls reached it.
    pub fn asked(&self) -> u64 {
        self.desk.asked.load(Ordering::Relaxed)
    }

    /// Returns how many streams were left by their receiver before they ended.
    pub fn left(&self) -> u64 {
        self.desk.left.load(Ordering::Relaxed)
    }

    /// Behaves in this way from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.desk.fault.store(fault as u8, Ordering::Relaxed);
    }

    /// Closes the port and every connection: the vendor is gone.
    pub async fn stop(&mut self) {
        if let Some((stop, tracker)) = self.serving.take() {
            stop.cancel();
            tracker.close();
            tracker.wait().await;
        }
    }

    /// Listens again, on the port it had.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn resume(&mut self) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::bind(self.address).await?;
        self.address = listener.local_addr()?;
        let routes = Router::new()
            .route(Api::OpenAiChat.path(), post(chat))
            .route(Api::OpenAiResponses.path(), post(responses))
            .route(Api::AnthropicMessages.path(), post(messages))
            .route(Api::AnthropicCountTokens.path(), post(count_tokens))
            .route("/simulated", get(counts))
            .with_state(self.desk.clone());
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let serving = stop.clone();
        tracker.spawn(async move {
            tokio::select! {
                ended = axum::serve(listener, routes).into_future() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the simulated vendor broke off");
                    }
                }
                () = serving.cancelled() => {}
            }
        });
        self.serving = Some((stop, tracker));
        Ok(())
    }
}

async fn chat(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    serve(&desk, Api::OpenAiChat, &body).await
}

async fn responses(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    serve(&desk, Api::OpenAiResponses, &body).await
}

async fn messages(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    serve(&desk, Api::AnthropicMessages, &body).await
}

/// Counts tokens as its answers do: so many bytes to a token.
async fn count_tokens(body: Bytes) -> Response {
    let api = Api::AnthropicCountTokens;
    match requests::read(api, &body) {
        Ok(_) => as_json(&json!({"input_tokens": telling::tokens(body.len())})),
        Err(error) => refuse(api, StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, &error.to_string()),
    }
}

/// Tells what it saw, for trials.
async fn counts(State(desk): State<Arc<Desk>>) -> Response {
    let (asked, left) = (desk.asked.load(Ordering::Relaxed), desk.left.load(Ordering::Relaxed));
    as_json(&json!({"asked": asked, "left": left}))
}

fn as_json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn serve(desk: &Desk, api: Api, body: &[u8]) -> Response {
    let number = desk.asked.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(desk.manner.latency).await;
    let fault = desk.fault.load(Ordering::Relaxed);
    if fault == Fault::Throttled as u8 {
        let told = refuse(api, StatusCode::TOO_MANY_REQUESTS, ErrorKind::Busy, "the simulated vendor is throttling");
        return ([(header::RETRY_AFTER, "1")], told).into_response();
    }
    if fault == Fault::Failing as u8 {
        return refuse(api, StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Upstream, "the simulated vendor is failing");
    }
    let request = match requests::read(api, body) {
        Ok(request) => request,
        Err(error) => return refuse(api, StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, &error.to_string()),
    };
    match desk.says(&request, body, number) {
        Ok(spoken) if spoken.fail.is_some() && !request.stream => {
            let what = spoken.fail.unwrap_or_default();
            refuse(api, StatusCode::INTERNAL_SERVER_ERROR, ErrorKind::Internal, &what)
        }
        Ok(spoken) => spell(&request, &spoken, number, (fault, &desk.left)),
        Err((status, kind, what)) => refuse(api, status, kind, &what),
    }
}

impl Desk {
    /// Answers a ticket from the gold, and everything else by the script.
    fn says(&self, request: &Request, body: &[u8], number: u64) -> Result<Spoken, (StatusCode, ErrorKind, String)> {
        let known = self.tickets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(answer) = answer::answer(&known, &self.manner, body, number) {
            return Ok(Spoken::at_once(answer));
        }
        let script = self.script.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*script {
            None => {
                let what = "the simulated vendor only knows the sample business".to_owned();
                Err((StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, what))
            }
            Some(_) if request.model != MODEL => {
                let what = format!("the simulated vendor has no model {:?}, only {MODEL:?}", request.model);
                Err((StatusCode::NOT_FOUND, ErrorKind::NotFound, what))
            }
            Some(script) => Ok(Spoken::by_rule(script.rule(request), body.len(), number)),
        }
    }
}

fn refuse(api: Api, status: StatusCode, kind: ErrorKind, what: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], error_body(api, kind, what)).into_response()
}

fn spell(request: &Request, spoken: &Spoken, number: u64, (fault, left): (u8, &Arc<AtomicU64>)) -> Response {
    let head = Head {
        id: format!("sim{number:08x}"),
        model: request.model.clone(),
        created_s: 0,
        stream_usage: request.stream_usage,
    };
    let (kind, pieces) = if request.stream {
        ("text/event-stream", telling::pieces(request.api, head, spoken))
    } else {
        ("application/json", [write::whole(request.api, &head, &spoken.answer).into()].into())
    };
    let body = match pieces.len() {
        1 if fault == Fault::Cut as u8 => cut(&pieces[0]),
        1 => Body::from(pieces[0].clone()),
        _ => Body::from_stream(telling::at_pace(pieces, spoken, Wait::new(left))),
    };
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Returns the first half of a body, and then a connection that breaks.
fn cut(whole: &Bytes) -> Body {
    let pieces = [Ok(whole.slice(..whole.len() / 2)), Err(std::io::Error::other("cut on demand"))];
    Body::from_stream(futures_util::stream::iter(pieces))
}
