//! One answer of a file server, from a byte on: redirects followed, its body handed out piece by piece.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, ETAG, IF_RANGE, LOCATION, RANGE};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::source;
use crate::client;

/// The most redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// How long a server may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);

type Inner = hyper_util::client::legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A file could not be fetched, or not on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The system's certificates cannot be read.
    #[error("cannot read this system's certificates")]
    Certificates(#[source] std::io::Error),
    /// The request cannot be built.
    #[error("the address or a header is not valid")]
    Parts(#[from] http::Error),
    /// There was no answer, or it broke off.
    #[error("the connection to {host} broke")]
    Broken {
        host: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing came for too long.
    #[error("{host} said nothing for {} s", SILENCE_MAX.as_secs())]
    Silent { host: String },
    /// The server led around in a circle, to a place that is no address, or away from encryption.
    #[error("{host} redirects to {to:?}, which is not followed")]
    Redirect { host: String, to: String },
}

impl Error {
    /// Returns whether it may go better at once: the connection failed, not the request.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Error::Broken { .. } | Error::Silent { .. })
    }
}

/// The part of a file that is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The first byte.
    pub(crate) from: u64,
    /// The mark of the file whose rest is wanted; another file is wanted from its first byte.
    pub(crate) of: Option<String>,
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The digest of the whole file, where a hub says it before it redirects.
    pub(crate) sha256: Option<String>,
    /// The commit that the file was found at, where a hub says it.
    pub(crate) commit: Option<String>,
    host: String,
    body: Incoming,
}

/// Fetches files.
#[derive(Debug)]
pub(crate) struct Fetcher {
    inner: Inner,
    token: Option<String>,
}

impl Fetcher {
    /// Returns a fetcher; the token goes to the first address only, never to where it redirects.
    pub(crate) fn new(token: Option<String>) -> Result<Self, Error> {
        let connector = client::connector().map_err(Error::Certificates)?;
        Ok(Fetcher { inner: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector), token })
    }

    /// Asks for a file and returns its answer's head.
    pub(crate) async fn get(&self, url: &Uri, wanted: &Wanted) -> Result<Reply, Error> {
        let mut url = url.clone();
        let (mut sha256, mut commit) = (None, None);
        for redirects in 0..=REDIRECTS_MAX {
            let host = url.host().unwrap_or_default().to_owned();
            let token = self.token.as_deref().filter(|_| redirects == 0);
            let answer = self.send(&url, wanted, token).await?;
            let said = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            sha256 = sha256.or_else(|| said("x-linked-etag").and_then(|mark| digest_of(&mark)));
            commit = commit.or_else(|| said("x-repo-commit"));
            if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
                let (head, body) = answer.into_parts();
                return Ok(Reply { status: head.status, headers: head.headers, sha256, commit, host, body });
            }
            let to = said(LOCATION.as_str()).unwrap_or_default();
            url = followed(&url, &to).ok_or(Error::Redirect { host, to })?;
        }
        Err(Error::Redirect { host: url.host().unwrap_or_default().to_owned(), to: url.to_string() })
    }

    async fn send(&self, url: &Uri, wanted: &Wanted, token: Option<&str>) -> Result<Response<Incoming>, Error> {
        let host = url.host().unwrap_or_default();
        let mut request = Request::get(url);
        if wanted.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", wanted.from));
            if let Some(mark) = &wanted.of {
                request = request.header(IF_RANGE, mark);
            }
        }
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::new())?;
        let answer = tokio::time::timeout(SILENCE_MAX, self.inner.request(request)).await;
        let answer = answer.map_err(|_| Error::Silent { host: host.to_owned() })?;
        answer.map_err(|error| Error::Broken { host: host.to_owned(), source: error.into() })
    }
}

impl Reply {
    /// Returns the next piece of the body, or `None` after the last.
    ///
    /// # Errors
    /// The connection broke before the end, or nothing came for too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let frame = frame.map_err(|_| Error::Silent { host: self.host.clone() })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Error::Broken { host: self.host.clone(), source: error.into() })?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }

    /// Returns the mark by which the same file can be asked for again: a strong one only, since a weak one may be another's.
    pub(crate) fn mark(&self) -> Option<String> {
        let mark = self.headers.get(ETAG)?.to_str().ok()?;
        (!mark.starts_with("W/")).then(|| mark.to_owned())
    }

    /// Returns the length of the whole file, where the answer says, and the first byte of what comes.
    pub(crate) fn extent(&self) -> (u64, Option<u64>) {
        let text = |name| self.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        if self.status != StatusCode::PARTIAL_CONTENT {
            return (0, text(http::header::CONTENT_LENGTH).and_then(|length| length.parse().ok()));
        }
        let range = text(http::header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
        let (span, whole) = range.and_then(|range| range.split_once('/')).unwrap_or_default();
        let first = span.split_once('-').and_then(|(first, _)| first.parse().ok());
        (first.unwrap_or(u64::MAX), whole.parse().ok())
    }
}

/// Returns where a redirect leads: never from an encrypted address to an open one.
fn followed(from: &Uri, to: &str) -> Option<Uri> {
    let to: Uri = match to.starts_with('/') && !to.starts_with("//") {
        true => format!("{}://{}{to}", from.scheme_str()?, from.authority()?).parse().ok()?,
        false => to.parse().ok()?,
    };
    let is_kept = match to.scheme_str()? {
        "https" => true,
        "http" => from.scheme_str() == Some("http"),
        _ => false,
    };
    // A stranger's server must not reach what only this machine can.
    let is_inward = source::is_loopback(&to) && !source::is_loopback(from);
    (is_kept && !is_inward && to.host().is_some()).then_some(to)
}

/// Returns the SHA-256 that a mark of a hub is.
fn digest_of(mark: &str) -> Option<String> {
    let mark = mark.trim_matches('"');
    let is_digest = mark.len() == 64 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| mark.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{digest_of, followed};

    #[test]
    fn redirects_never_lose_encryption_nor_lead_inward() {
        let follow = |from: &str, to: &str| followed(&from.parse().unwrap(), to).map(|to| to.to_string());
        assert_eq!(follow("https://a/x", "/y"), Some("https://a/y".to_owned()));
        assert_eq!(follow("https://a/x", "https://b/y"), Some("https://b/y".to_owned()));
        assert_eq!(follow("http://127.0.0.1/x", "http://127.0.0.1/y"), Some("http://127.0.0.1/y".to_owned()));
        for to in ["http://b/y", "file:///etc/passwd", "//b/y", "", "https://127.0.0.1/y", "https://localhost/y"] {
            assert_eq!(follow("https://a/x", to), None, "{to}");
        }
    }

    #[test]
    fn only_a_whole_digest_is_one() {
        let digest = "A".repeat(64);
        assert_eq!(digest_of(&format!("\"{digest}\"")), Some(digest.to_lowercase()));
        assert_eq!(digest_of("\"abc\""), None);
    }
}
