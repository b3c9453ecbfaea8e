//! Speaks to upstreams over HTTP: connections, their pool and their time limits. Bodies are not looked at.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::{GatewayConfig, Upstream};
use crate::error::{CallError, Error};
use crate::outgoing::Outgoing;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connections to all upstreams.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    client: Client<Dialer, Outgoing>,
    terms: Terms,
}

/// What a pool is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Terms {
    connect_timeout: Duration,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
    idle_max: usize,
    has_roots: bool,
}

impl Terms {
    fn of(config: &GatewayConfig) -> Self {
        Terms {
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
            idle_timeout: config.pool_idle_timeout,
            idle_max: config.pool_idle_max,
            has_roots: needs_roots(config).is_some(),
        }
    }
}

impl Pool {
    /// Makes an empty pool.
    pub(crate) fn new(config: &GatewayConfig) -> Result<Self, Error> {
        Ok(Pool::with_tls(config, tls(config)?))
    }

    /// Returns whether it serves a configuration as it is.
    pub(crate) fn suits(&self, config: &GatewayConfig) -> bool {
        let wanted = Terms::of(config);
        let has_roots = self.terms.has_roots || !wanted.has_roots;
        has_roots && Terms { has_roots: self.terms.has_roots, ..wanted } == self.terms
    }

    fn with_tls(config: &GatewayConfig, tls: ClientConfig) -> Self {
        let dialer = Dialer { inner: connector(config, tls), timeout: config.connect_timeout };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(config.pool_idle_timeout)
            .pool_max_idle_per_host(config.pool_idle_max)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(dialer);
        Pool { client, terms: Terms::of(config) }
    }

    /// Sends a request and waits for the head of the answer. Dropping the future, or the body, ends the exchange.
    pub(crate) async fn send(
        &self,
        upstream: &str,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, CallError> {
        let first_byte_timeout = self.terms.first_byte_timeout;
        match tokio::time::timeout(first_byte_timeout, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.explain(upstream, &error)),
            Err(_) => Err(CallError::FirstByte { upstream: upstream.to_owned(), after: first_byte_timeout }),
        }
    }

    fn explain(&self, upstream: &str, error: &legacy::Error) -> CallError {
        let upstream = upstream.to_owned();
        let mut deepest: &dyn std::error::Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        if deepest.is::<DialTimeout>() {
            return CallError::ConnectTimeout { upstream, after: self.terms.connect_timeout };
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

fn connector(config: &GatewayConfig, tls: ClientConfig) -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(config.connect_timeout));
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().wrap_connector(http)
}

/// Returns how TLS is spoken: with the system's roots, which are only read where an upstream needs them, as that takes
/// longer than all the rest of the start.
fn tls(config: &GatewayConfig) -> Result<ClientConfig, Error> {
    let Some(upstream) = needs_roots(config) else { return Ok(trusting(RootCertStore::empty())) };
    let failed = |source| Error::Roots { upstream: upstream.name.clone(), source };
    Ok(tls_builder().with_native_roots().map_err(failed)?.with_no_client_auth())
}

/// Returns how TLS is spoken to somebody else than an upstream.
pub(crate) fn tls_for(scheme: Option<&str>, whom: &str) -> Result<ClientConfig, Error> {
    if scheme != Some("https") {
        return Ok(trusting(RootCertStore::empty()));
    }
    let failed = |source| Error::Roots { upstream: whom.to_owned(), source };
    Ok(tls_builder().with_native_roots().map_err(failed)?.with_no_client_auth())
}

/// Returns the first upstream that is reached by https.
fn needs_roots(config: &GatewayConfig) -> Option<&Upstream> {
    config.upstreams.iter().find(|upstream| upstream.base_url.scheme_str() == Some("https"))
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    tls_builder().with_root_certificates(roots).with_no_client_auth()
}

fn tls_builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Serves one answer over TLS on a free port of loopback; returns its address and the certificate to trust.
    async fn secure_upstream() -> (Uri, rustls::pki_types::CertificateDer<'static>) {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let certificate = own.cert.der().clone();
        let tls = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://localhost:{}/v1/messages", listener.local_addr().unwrap().port()).parse().unwrap();
        tokio_util::task::TaskTracker::new().spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            // A caller that does not trust us ends the handshake.
            let Ok(mut socket) = TlsAcceptor::from(std::sync::Arc::new(tls)).accept(socket).await else { return };
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            socket.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        });
        (uri, certificate)
    }

    fn request(uri: Uri) -> Request<Outgoing> {
        Request::post(uri).body(Outgoing::whole(Bytes::from_static(b"{}"))).unwrap()
    }

    #[tokio::test]
    async fn upstream_with_a_trusted_certificate_is_reached_over_tls() {
        let (uri, certificate) = secure_upstream().await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let pool = Pool::with_tls(&GatewayConfig::default(), trusting(roots));
        assert_eq!(pool.send("vendor", request(uri)).await.unwrap().status(), StatusCode::CREATED);
    }

    #[tokio::test]
    async fn upstream_with_an_unknown_certificate_is_not_spoken_to() {
        let (uri, _) = secure_upstream().await;
        let pool = Pool::with_tls(&GatewayConfig::default(), trusting(RootCertStore::empty()));
        let error = pool.send("vendor", request(uri)).await.unwrap_err();
        assert!(matches!(&error, CallError::Connect { found, .. } if found.contains("certificate")), "{error}");
    }

    #[tokio::test]
    async fn upstream_that_is_silent_at_the_handshake_times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let config = GatewayConfig { connect_timeout: Duration::from_millis(30), ..GatewayConfig::default() };
        let pool = Pool::with_tls(&config, trusting(RootCertStore::empty()));
        let error = pool.send("vendor", request(uri)).await.unwrap_err();
        assert!(matches!(error, CallError::ConnectTimeout { .. }), "{error}");
    }
}
