//! Which headers pass through, which are ours, and whose credentials go to an upstream.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use freehold_wire::Api;

use crate::Secret;
use crate::keys::SECRET_PREFIX;

pub(crate) const CALL: HeaderName = HeaderName::from_static("x-freehold-call");
pub(crate) const STEP: HeaderName = HeaderName::from_static("x-freehold-step");
pub(crate) const RUN: HeaderName = HeaderName::from_static("x-freehold-run");
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-freehold-served-by");
pub(crate) const GENERATION: HeaderName = HeaderName::from_static("x-freehold-generation");
pub(crate) const SIMULATED: HeaderName = HeaderName::from_static("x-freehold-simulated");
pub(crate) const UPSTREAM: HeaderName = HeaderName::from_static("x-freehold-upstream");
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("x-freehold-attempts");
pub(crate) const TRANSLATED: HeaderName = HeaderName::from_static("x-freehold-translated");
pub(crate) const LOST: HeaderName = HeaderName::from_static("x-freehold-lost");
pub(crate) const REMOVED: HeaderName = HeaderName::from_static("x-freehold-removed");
pub(crate) const ESTIMATED: HeaderName = HeaderName::from_static("x-freehold-estimated");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const OURS: &str = "x-freehold-";

/// What belongs to one connection, beside what its `connection` header names.
static HOP_BY_HOP: [HeaderName; 7] = [
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Whose credentials a request carries to an upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Credentials<'a> {
    /// The caller's own.
    Callers,
    /// The upstream's, from the configuration, in the place of the caller's.
    Upstreams(&'a Secret),
    /// None: the caller's were meant for somebody else.
    None,
}

/// Makes a caller's headers ready for an upstream: all pass but those of the connection, and ours.
pub(crate) fn to_upstream(headers: &mut HeaderMap, api: Api, credentials: Credentials<'_>) {
    strip(headers);
    // The length is set anew from the body; it differs only where the body does, or where it came in chunks.
    for name in [header::HOST, header::EXPECT, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    if matches!(credentials, Credentials::Callers) {
        return;
    }
    drop_credentials(headers);
    let Credentials::Upstreams(key) = credentials else { return };
    let (name, text) = match api {
        Api::AnthropicMessages | Api::AnthropicCountTokens => (X_API_KEY, key.expose().to_owned()),
        _ => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
    };
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

/// Makes an upstream's headers ready for the caller: all pass but those of the connection, and ours.
pub(crate) fn to_caller(headers: &mut HeaderMap) {
    strip(headers);
}

/// Returns the secret of a virtual key, where a request carries one: as a bearer token, or where Anthropic's and Azure's clients
/// put theirs.
pub(crate) fn virtual_secret(headers: &HeaderMap) -> Option<&str> {
    let bearer = text(headers, &header::AUTHORIZATION).and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
    });
    let candidates = [bearer, text(headers, &X_API_KEY), text(headers, &API_KEY)];
    candidates.into_iter().flatten().find(|secret| secret.starts_with(SECRET_PREFIX))
}

/// Takes every credential out of a request.
pub(crate) fn drop_credentials(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, X_API_KEY, API_KEY] {
        headers.remove(name);
    }
}

/// Returns a header value for any text; what a header cannot carry is percent-encoded.
pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let escaped: String = text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'%' => out.push_str("%25"),
                0x20..0x7f => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        });
        HeaderValue::from_str(&escaped).expect("printable ASCII is a legal header value")
    })
}

/// Returns a header as text, where it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    let stays_here = |name: &&HeaderName| HOP_BY_HOP.contains(name) || name.as_str().starts_with(OURS);
    while let Some(name) = headers.keys().find(stays_here).cloned() {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    const FROM_CALLER: &[(&str, &str)] = &[
        ("host", "gateway"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("x-freehold-step", "triage"),
        ("authorization", "Bearer callers"),
        ("x-api-key", "callers"),
        ("accept-encoding", "gzip, br"),
        ("openai-organization", "org-1"),
        ("x-unknown", "kept"),
    ];

    #[test]
    fn only_connection_headers_and_ours_are_kept_from_the_upstream() {
        let mut headers = map(FROM_CALLER);
        to_upstream(&mut headers, Api::OpenAiChat, Credentials::Callers);
        let expected = map(&FROM_CALLER[6..]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn configured_key_replaces_every_credential_of_the_caller() {
        let key = Secret::new("ours");
        let mut headers = map(FROM_CALLER);
        to_upstream(&mut headers, Api::OpenAiChat, Credentials::Upstreams(&key));
        assert_eq!((text(&headers, &header::AUTHORIZATION), headers.get(X_API_KEY)), (Some("Bearer ours"), None));
        let mut headers = map(FROM_CALLER);
        to_upstream(&mut headers, Api::AnthropicMessages, Credentials::Upstreams(&key));
        assert_eq!((text(&headers, &X_API_KEY), headers.get(header::AUTHORIZATION)), (Some("ours"), None));
        assert!(!format!("{headers:?}").contains("ours"), "the key shows in debug output");
    }

    #[test]
    fn withheld_credentials_leave_none() {
        let mut headers = map(FROM_CALLER);
        to_upstream(&mut headers, Api::OpenAiChat, Credentials::None);
        assert!(headers.get(header::AUTHORIZATION).is_none() && headers.get(X_API_KEY).is_none());
    }

    #[test]
    fn any_text_becomes_a_header_value() {
        for (text, expected) in [("plain/m-1", "plain/m-1"), ("Schritt é\n", "Schritt %C3%A9%0A")] {
            assert_eq!(value(text).to_str().unwrap(), expected);
        }
    }
}
