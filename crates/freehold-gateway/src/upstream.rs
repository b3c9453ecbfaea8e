//! Speaks to upstreams over HTTP: connections, their pool and their time limits. Bodies are not looked at.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::GatewayConfig;
use crate::error::{CallError, Error};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connections to all upstreams.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    client: Client<Dialer, Full<Bytes>>,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
}

impl Pool {
    /// Makes an empty pool.
    pub(crate) fn new(config: &GatewayConfig) -> Result<Self, Error> {
        let dialer = Dialer { inner: connector(config)?, timeout: config.connect_timeout };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(config.pool_idle_timeout)
            .pool_max_idle_per_host(config.pool_idle_max)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(dialer);
        Ok(Pool { client, connect_timeout: config.connect_timeout, first_byte_timeout: config.first_byte_timeout })
    }

    /// Sends a request and waits for the head of the answer. Dropping the future, or the body, ends the exchange.
    pub(crate) async fn send(
        &self,
        upstream: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        match tokio::time::timeout(self.first_byte_timeout, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.explain(upstream, &error)),
            Err(_) => Err(CallError::FirstByte { upstream: upstream.to_owned(), after: self.first_byte_timeout }),
        }
    }

    fn explain(&self, upstream: &str, error: &legacy::Error) -> CallError {
        let upstream = upstream.to_owned();
        let mut deepest: &dyn std::error::Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        if deepest.is::<DialTimeout>() {
            return CallError::ConnectTimeout { upstream, after: self.connect_timeout };
        }
        let found = deepest.to_string();
        if error.is_connect() { CallError::Connect { upstream, found } } else { CallError::Cut { upstream, found } }
    }
}

/// Connects within a time limit, TLS included.
#[derive(Debug, Clone)]
struct Dialer {
    inner: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
struct DialTimeout;

impl Service<Uri> for Dialer {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.inner.call(to);
        let timeout = self.timeout;
        Box::pin(
            async move { tokio::time::timeout(timeout, connecting).await.unwrap_or_else(|_| Err(DialTimeout.into())) },
        )
    }
}

fn connector(config: &GatewayConfig) -> Result<HttpsConnector<HttpConnector>, Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(config.connect_timeout));
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    // Reading the system's roots takes longer than all the rest of the start, so it is left out where nothing needs them.
    let https = config.upstreams.iter().find(|upstream| upstream.base_url.scheme_str() == Some("https"));
    let builder = match https {
        Some(upstream) => builder
            .with_provider_and_native_roots(provider)
            .map_err(|source| Error::Roots { upstream: upstream.name.clone(), source })?,
        None => builder.with_tls_config(without_roots(provider)),
    };
    Ok(builder.https_or_http().enable_all_versions().wrap_connector(http))
}

fn without_roots(provider: rustls::crypto::CryptoProvider) -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
