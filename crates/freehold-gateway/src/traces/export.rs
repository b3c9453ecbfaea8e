//! Sends spans to a collector by OTLP over HTTP, as JSON, in batches and with a few patient retries.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::span::{self, Span};
use super::{SpanCounts, TraceConfig};
use crate::{Error, upstream};

/// The most spans in one request.
const BATCH_SPANS_MAX: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(1000);
/// How long a collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long is waited before each further attempt.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// The longest answer of a collector that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The task's own state.
pub(super) struct Exporter {
    spans: mpsc::Receiver<Span>,
    counts: Arc<SpanCounts>,
    stop: CancellationToken,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    authorization: Option<HeaderValue>,
    has_complained: bool,
}

/// How an attempt ended.
enum Sent {
    /// The collector took all but so many.
    Taken { rejected: u64 },
    /// It may take them later.
    Later(String),
    /// It will not take them.
    Never(String),
}

impl Exporter {
    pub(super) fn new(
        config: &TraceConfig,
        spans: mpsc::Receiver<Span>,
        counts: Arc<SpanCounts>,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let url = with_path(&config.url)?;
        let tls = upstream::tls_for(url.scheme_str(), "the collector of traces")?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(TIMEOUT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let authorization = config.authorization.as_ref().and_then(|secret| {
            let mut value = HeaderValue::from_str(secret.expose()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Exporter { spans, counts, stop, client, url, authorization, has_complained: false })
    }

    /// Sends until told to stop, then what is left, once.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_SPANS_MAX);
        let stop = self.stop.clone();
        loop {
            let gathered = async {
                if self.spans.recv_many(&mut batch, BATCH_SPANS_MAX).await == 0 {
                    return false;
                }
                let more = async {
                    while batch.len() < BATCH_SPANS_MAX {
                        let room = BATCH_SPANS_MAX - batch.len();
                        if self.spans.recv_many(&mut batch, room).await == 0 {
                            return;
                        }
                    }
                };
                // A batch goes out when it is full or its time has come, whichever is first.
                drop(tokio::time::timeout(GATHER, more).await);
                true
            };
            let is_open = tokio::select! {
                () = stop.cancelled() => false,
                is_open = gathered => is_open,
            };
            if !is_open {
                break;
            }
            self.send(&mut batch).await;
        }
        loop {
            while batch.len() < BATCH_SPANS_MAX {
                let Ok(span) = self.spans.try_recv() else { break };
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.send(&mut batch).await;
        }
    }

    /// Sends a batch, again where that may help; counts what became of it.
    async fn send(&mut self, batch: &mut Vec<Span>) {
        let count = batch.len() as u64;
        if count == 0 {
            return;
        }
        let body = Bytes::from(span::request(batch));
        batch.clear();
        let mut pauses = PAUSES.iter();
        let found = loop {
            match self.attempt(body.clone()).await {
                Sent::Taken { rejected } => {
                    let rejected = rejected.min(count);
                    self.counts.sent.fetch_add(count - rejected, Ordering::Relaxed);
                    self.counts.failed.fetch_add(rejected, Ordering::Relaxed);
                    self.has_complained = false;
                    return;
                }
                Sent::Never(found) => break found,
                Sent::Later(found) => {
                    let Some(pause) = pauses.next().filter(|_| !self.stop.is_cancelled()) else { break found };
                    tokio::select! {
                        () = tokio::time::sleep(*pause) => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        };
        self.counts.failed.fetch_add(count, Ordering::Relaxed);
        if !std::mem::replace(&mut self.has_complained, true) {
            tracing::warn!(%found, spans = count, "the collector of traces did not take spans; they are lost");
        }
    }

    async fn attempt(&self, body: Bytes) -> Sent {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| deepest(&error))?;
            let status = response.status();
            let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok::<_, String>((status, answer.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
        };
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Err(_) => Sent::Later(format!("no answer within {} s", TIMEOUT.as_secs())),
            Ok(Err(found)) => Sent::Later(found),
            Ok(Ok((status, answer))) if status.is_success() => Sent::Taken { rejected: rejected(&answer) },
            Ok(Ok((status, _))) if may_help(status) => Sent::Later(format!("status {}", status.as_u16())),
            Ok(Ok((status, _))) => Sent::Never(format!("status {}", status.as_u16())),
        }
    }
}

/// Returns whether OTLP has it that the same request may be sent again.
fn may_help(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// Returns how many spans the collector refused though it took the request.
fn rejected(answer: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0)
}

fn with_path(url: &Uri) -> Result<Uri, Error> {
    let path = match url.path() {
        "" | "/" => "/v1/traces",
        path => path,
    };
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    let scheme = url.scheme_str().unwrap_or("");
    let usable = matches!(scheme, "http" | "https") && !authority.is_empty() && !authority.contains('@');
    let built = usable.then(|| Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok());
    built.flatten().ok_or_else(|| Error::Collector { url: url.to_string() })
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
