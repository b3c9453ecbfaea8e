//! Serves connections in the protocol they speak, tells which dialect a call is in, and stops in order.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use freehold_wire::Api;

use crate::gateway::Shared;
use crate::listener::{self, Accepted, Listen, Listener};
use crate::record::Stamp;
use crate::reply::{self, ReplyBody};
use crate::socket::{self, Socket, Spoken};
use crate::{Error, calls, opaque, status};

/// How long accepting rests after the system refused a connection for want of something (file handles, memory).
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// How often an HTTP/2 connection is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A gateway that serves. Dropping it stops it at once; `shutdown` lets calls end.
pub struct Serving {
    /// Where it listens, with the ports that were given, in the order of the configuration.
    pub listening: Vec<Listen>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    abort: CancellationToken,
}

/// How a shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Calls that had not ended when the time was up, and were cut off.
    pub calls_cut: usize,
}

/// What every connection needs.
struct Door {
    shared: Arc<Shared>,
    stop: CancellationToken,
    abort: CancellationToken,
}

/// Listens and starts to serve.
pub(crate) async fn bind(shared: Arc<Shared>) -> Result<Serving, Error> {
    let listeners = listener::bind(&shared.config).await?;
    let listening = listeners.iter().map(|listener| listener.place.clone()).collect();
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let serving = Serving { listening, shared: Arc::clone(&shared), stop: stop.clone(), abort: abort.clone() };
    let seats = Arc::new(Semaphore::new(shared.config.connections_max.min(Semaphore::MAX_PERMITS)));
    let tracker = shared.keeper.tracker.clone();
    let door = Arc::new(Door { shared, stop, abort });
    for listener in listeners {
        tracker.spawn(accept(listener, Arc::clone(&seats), Arc::clone(&door)));
    }
    Ok(serving)
}

impl Serving {
    /// Returns the first address that it listens on without encryption, else with; `None` where there is but a Unix socket.
    pub fn addr(&self) -> Option<SocketAddr> {
        let plain = self.listening.iter().find(|place| matches!(place, Listen::Plain(_)));
        plain.or(self.listening.first()).and_then(Listen::address)
    }

    /// Stops to accept, lets calls in flight end for at most `drain`, then cuts off what is left and records it as cut.
    pub async fn shutdown(self, drain: Duration) -> Drained {
        self.stop.cancel();
        let tracker = &self.shared.keeper.tracker;
        tracker.close();
        if tokio::time::timeout(drain, tracker.wait()).await.is_ok() {
            self.shared.keeper.observer.finish().await;
            return Drained { calls_cut: 0 };
        }
        let calls_cut = self.shared.gate.in_flight();
        self.shared.keeper.is_stopping.store(true, Ordering::Relaxed);
        self.abort.cancel();
        tracker.wait().await;
        self.shared.keeper.observer.finish().await;
        Drained { calls_cut }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.keeper.is_stopping.store(true, Ordering::Relaxed);
        self.stop.cancel();
        self.abort.cancel();
    }
}

async fn accept(listener: Listener, seats: Arc<Semaphore>, door: Arc<Door>) {
    let tracker = door.shared.keeper.tracker.clone();
    loop {
        let seated = async {
            let seat = Arc::clone(&seats).acquire_owned().await.ok()?;
            Some((seat, listener.accept().await))
        };
        let accepted = tokio::select! {
            () = door.stop.cancelled() => return,
            accepted = seated => accepted,
        };
        match accepted {
            Some((seat, Ok(accepted))) => {
                tracker.spawn(serve(accepted, Arc::clone(&door), seat));
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_REST).await;
            }
            None => return,
        }
    }
}

async fn serve(accepted: Accepted, door: Arc<Door>, seat: OwnedSemaphorePermit) {
    match accepted {
        Accepted::Plain(io) => begin(io, door).await,
        Accepted::Unix(io) => begin(io, door).await,
        Accepted::Tls(io, identity) => {
            let shaking = TlsAcceptor::from(identity.current()).accept(io);
            let Some(agreed) = opened(&door, door.shared.config.handshake_timeout, shaking).await else { return };
            let is_http2 = agreed.get_ref().1.alpn_protocol() == Some(b"h2");
            let spoken = if is_http2 { Spoken::Http2 } else { Spoken::Http1 };
            converse(agreed, spoken, Bytes::new(), door).await;
        }
    }
    drop(seat);
}

/// Begins a conversation without encryption, in which the first bytes tell what is spoken.
async fn begin<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut io: S, door: Arc<Door>) {
    let config = &door.shared.config;
    let (spoken, first) = match config.http2 {
        false => (Spoken::Http1, Bytes::new()),
        true => match opened(&door, config.header_timeout, socket::sniff(&mut io)).await {
            Some(told) => told,
            None => return,
        },
    };
    converse(io, spoken, first, door).await;
}

/// Waits for the opening of a connection; `None` where it fails, takes too long, or the gateway stops.
async fn opened<T>(door: &Door, limit: Duration, opening: impl Future<Output = std::io::Result<T>>) -> Option<T> {
    let timed = tokio::select! {
        timed = tokio::time::timeout(limit, opening) => timed,
        () = door.stop.cancelled() => return None,
    };
    match timed {
        Ok(Ok(opened)) => Some(opened),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection did not open");
            None
        }
        Err(_) => {
            tracing::debug!("a connection did not open in time");
            None
        }
    }
}

async fn converse<S>(io: S, spoken: Spoken, first: Bytes, door: Arc<Door>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Socket::new(io, spoken, first, door.shared.config.write_timeout));
    let ended = match spoken {
        Spoken::Http1 => speak_http1(io, door).await,
        Spoken::Http2 => speak_http2(io, door).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn speak_http1<S>(io: TokioIo<Socket<S>>, door: Arc<Door>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = &door.shared.config;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(config.header_timeout).max_buf_size(config.header_bytes_max);
    let service = service_fn(|request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(answer(&door.shared, request, &door.stop).await) }
    });
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        // Nothing is aborted before it was told to stop.
        () = door.stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = connection => ended,
        () = door.abort.cancelled() => Ok(()),
    }
}

async fn speak_http2<S>(io: TokioIo<Socket<S>>, door: Arc<Door>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = &door.shared.config;
    let tasks = Tasks { tracker: door.shared.keeper.tracker.clone(), abort: door.abort.clone() };
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(config.streams_max)
        .keep_alive_interval(Some(PING_INTERVAL))
        .keep_alive_timeout(PING_TIMEOUT);
    let begun = AtomicU64::new(0);
    let service = service_fn(|request| {
        begun.fetch_add(1, Ordering::Relaxed);
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(answer(&door.shared, request, &door.stop).await) }
    });
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    let idle = async {
        let mut seen = u64::MAX;
        while seen != begun.load(Ordering::Relaxed) {
            seen = begun.load(Ordering::Relaxed);
            tokio::time::sleep(config.header_timeout).await;
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = door.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        // Nothing new was asked for a while: what is in flight may end, and the connection with it.
        () = idle => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = connection => ended,
        () = door.abort.cancelled() => Ok(()),
    }
}

/// Runs the calls of HTTP/2 connections as tasks that a shutdown waits for, and ends when it must.
#[derive(Clone)]
struct Tasks {
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let abort = self.abort.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                _ = task => {}
                () = abort.cancelled() => {}
            }
        });
    }
}

async fn answer(shared: &Shared, mut request: Request<Incoming>, stop: &CancellationToken) -> Response<ReplyBody> {
    let path = request.uri().path();
    if let Some(api) = Api::at(path) {
        if request.method() != Method::POST {
            return reply::wrong_method(path, "POST");
        }
        return calls::serve(shared, api, request, stamp()).await;
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/v1/models" | "/healthz" | "/readyz" | "/metrics" if !is_read => reply::wrong_method(path, "GET, HEAD"),
        "/healthz" => status::health(shared),
        "/readyz" => status::ready(stop),
        "/v1/models" | "/metrics" => status_for(shared, &mut request),
        _ if path.starts_with("/v1/") => match is_read.then(|| model_for(shared, &mut request)).flatten() {
            Some(known) => known,
            None => opaque::serve(shared, request, stamp()).await,
        },
        _ => reply::unknown_path(path),
    }
}

/// Answers what tells of steps, models and upstreams, to those who may know.
fn status_for(shared: &Shared, request: &mut Request<Incoming>) -> Response<ReplyBody> {
    if let Err(error) = shared.gate.principal(request.headers_mut(), stamp().at_ms) {
        return reply::error(Api::OpenAiChat, &error.into());
    }
    match request.uri().path() {
        "/metrics" => status::metrics(shared),
        _ => status::models(shared),
    }
}

/// Answers what is asked of one model, where it is known here.
fn model_for(shared: &Shared, request: &mut Request<Incoming>) -> Option<Response<ReplyBody>> {
    let known = status::model(shared, request.uri().path())?;
    let principal = shared.gate.principal(request.headers_mut(), stamp().at_ms);
    Some(principal.map_or_else(|error| reply::error(Api::OpenAiChat, &error.into()), |_| known))
}

/// Reads clock and randomness for a call, at the edge and nowhere below.
fn stamp() -> Stamp {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Stamp { id: Uuid::now_v7().to_string(), at_ms: i64::try_from(at_ms).unwrap_or(i64::MAX), begun: Instant::now() }
}
