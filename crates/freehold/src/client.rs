//! A small HTTP client: one JSON body there, one body back, with a time limit and a limit on its size.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const ANSWER_BYTES_MAX: usize = 64 << 20;

type Inner = hyper_util::client::legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A request could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's certificates cannot be read.
    #[error("cannot read this system's certificates")]
    Certificates(#[source] std::io::Error),
    /// The request cannot be built from its parts.
    #[error("the address or a header is not valid")]
    Parts(#[from] http::Error),
    /// There was no answer.
    #[error("no answer from {authority}")]
    NoAnswer {
        /// The server.
        authority: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer took too long.
    #[error("no whole answer from {authority} within {seconds} s")]
    TimedOut {
        /// The server.
        authority: String,
        /// The limit.
        seconds: u64,
    },
}

/// The client; cheap to clone, keeps connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
    timeout: Duration,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// Builds a client whose every call ends within `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(timeout: Duration) -> Result<Self, Error> {
        let connector = connector().map_err(Error::Certificates)?;
        Ok(Client {
            inner: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector).into(),
            timeout,
        })
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn post(&self, address: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Reply, Error> {
        let mut request = Request::post(address).header(http::header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(Bytes::from(body)))?).await
    }

    /// Gets a page.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn get(&self, address: &str) -> Result<Reply, Error> {
        self.send(Request::get(address).body(Full::default())?).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, Error> {
        let authority = authority(request.uri());
        let exchange = async {
            let answer = self.inner.request(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Reply {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(source)) => Err(Error::NoAnswer { authority, source }),
            Err(_) => Err(Error::TimedOut { authority, seconds: self.timeout.as_secs() }),
        }
    }
}

/// Builds what opens connections, over TLS by the system's certificates where the address says so.
///
/// # Errors
/// The certificates cannot be read.
pub(crate) fn connector() -> std::io::Result<hyper_rustls::HttpsConnector<HttpConnector>> {
    let roots = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots()?;
    Ok(roots.https_or_http().enable_http1().build())
}

fn authority(address: &Uri) -> String {
    address.authority().map(ToString::to_string).unwrap_or_default()
}
