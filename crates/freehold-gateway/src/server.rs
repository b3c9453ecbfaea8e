//! Accepts connections, tells which dialect speaks, and stops in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use freehold_wire::Api;

use crate::gateway::Shared;
use crate::record::Stamp;
use crate::reply::{self, ReplyBody};
use crate::{Error, calls, opaque, status};

/// How long accepting rests after the system refused a connection for want of something (file handles, memory).
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// A gateway that serves. Dropping it stops it at once; `shutdown` lets calls end.
pub struct Serving {
    /// The address it listens on.
    pub addr: SocketAddr,
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

/// Listens and starts to serve.
pub(crate) async fn bind(shared: Arc<Shared>) -> Result<Serving, Error> {
    let address = shared.config.listen;
    let failed = |source| Error::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let serving = Serving { addr, shared: Arc::clone(&shared), stop: stop.clone(), abort: abort.clone() };
    let tracker = shared.keeper.tracker.clone();
    tracker.spawn(accept(listener, shared, stop, abort));
    Ok(serving)
}

impl Serving {
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

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken, abort: CancellationToken) {
    let seats = Arc::new(Semaphore::new(shared.config.connections_max.min(Semaphore::MAX_PERMITS)));
    let tracker = shared.keeper.tracker.clone();
    loop {
        let seated = async {
            let seat = Arc::clone(&seats).acquire_owned().await.ok()?;
            Some((seat, listener.accept().await))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = seated => accepted,
        };
        match accepted {
            Some((seat, Ok((socket, _)))) => {
                let ends = (stop.clone(), abort.clone());
                tracker.spawn(serve(socket, Arc::clone(&shared), seat, ends));
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_REST).await;
            }
            None => return,
        }
    }
}

async fn serve(
    socket: TcpStream,
    shared: Arc<Shared>,
    seat: OwnedSemaphorePermit,
    (stop, abort): (CancellationToken, CancellationToken),
) {
    // Without this every answer on a kept-alive connection may wait 40 ms for a delayed acknowledgement.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "could not switch off Nagle's algorithm");
    }
    let config = &shared.config;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(config.header_timeout).max_buf_size(config.header_bytes_max);
    let service = {
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        service_fn(move |request| {
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            async move { Ok::<_, Infallible>(answer(shared, request, &stop).await) }
        })
    };
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = abort.cancelled() => Ok(()),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = abort.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(seat);
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>, stop: &CancellationToken) -> Response<ReplyBody> {
    let path = request.uri().path();
    if let Some(api) = Api::at(path) {
        if request.method() != Method::POST {
            return reply::wrong_method(path, "POST");
        }
        return calls::serve(&shared, api, request, stamp()).await;
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/v1/models" | "/healthz" | "/readyz" | "/metrics" if !is_read => reply::wrong_method(path, "GET, HEAD"),
        "/v1/models" => status::models(&shared),
        _ if path.starts_with("/v1/") => match status::model(&shared, path).filter(|_| is_read) {
            Some(known) => known,
            None => opaque::serve(&shared, request, stamp()).await,
        },
        "/healthz" => status::health(&shared),
        "/readyz" => status::ready(stop),
        "/metrics" => status::metrics(&shared),
        _ => reply::unknown_path(path),
    }
}

/// Reads clock and randomness for a call, at the edge and nowhere below.
fn stamp() -> Stamp {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Stamp { id: Uuid::now_v7().to_string(), at_ms: i64::try_from(at_ms).unwrap_or(i64::MAX), begun: Instant::now() }
}
