//! A simulated vendor: answers the sample business from the gold with a declared error rate, in both dialects.
//!
//! It is no model and says so; it exists so that the whole story can be seen without an account or a network.

mod answer;

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
use axum::routing::post;
use freehold_wire::write::{Head, StreamWriter};
use freehold_wire::{Answer, Api, ErrorKind, error_body};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    asked: AtomicU64,
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
        let desk = Desk { manner, tickets: RwLock::default(), asked: AtomicU64::new(0), fault: AtomicU8::new(0) };
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

    /// Returns how many calls reached it.
    pub fn asked(&self) -> u64 {
        self.desk.asked.load(Ordering::Relaxed)
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
            .route(Api::AnthropicMessages.path(), post(messages))
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

async fn messages(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    serve(&desk, Api::AnthropicMessages, &body).await
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
    let request = match freehold_wire::requests::read(api, body) {
        Ok(request) => request,
        Err(error) => return refuse(api, StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, &error.to_string()),
    };
    let known = desk.tickets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let answer = answer::answer(&known, &desk.manner, body, number);
    drop(known);
    match answer {
        Some(answer) => spell(api, number, (&request, &answer), fault),
        None => {
            let what = "the simulated vendor only knows the sample business";
            refuse(api, StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, what)
        }
    }
}

fn refuse(api: Api, status: StatusCode, kind: ErrorKind, what: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], error_body(api, kind, what)).into_response()
}

fn spell(api: Api, number: u64, (request, answer): (&freehold_wire::Request, &Answer), fault: u8) -> Response {
    let head = Head {
        id: format!("sim{number:08x}"),
        model: request.model.clone(),
        created_s: 0,
        stream_usage: request.stream_usage,
    };
    let (kind, mut bytes) = if request.stream {
        ("text/event-stream", streamed(api, head, answer))
    } else {
        ("application/json", freehold_wire::write::whole(api, &head, answer))
    };
    let length = bytes.len();
    if fault != Fault::Cut as u8 {
        return ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    }
    bytes.truncate(length / 2);
    let pieces = [Ok(Bytes::from(bytes)), Err(std::io::Error::other("cut on demand"))];
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(futures_util::stream::iter(pieces))).into_response()
}

fn streamed(api: Api, head: Head, answer: &Answer) -> Vec<u8> {
    let usage = answer.usage.unwrap_or_default();
    let mut writer = StreamWriter::new(api, head);
    let mut bytes = writer.start(usage.input);
    for piece in answer.text.split_inclusive(' ') {
        bytes.extend(writer.text(piece));
    }
    for call in &answer.tool_calls {
        bytes.extend(writer.tool_call(call));
    }
    bytes.extend(writer.finish(answer.finish.unwrap_or(freehold_wire::Finish::Stop), usage));
    bytes
}
