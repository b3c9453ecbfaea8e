//! A server that calls may go to, as it is configured.

use std::time::Duration;

use http::Uri;

use freehold_wire::Api;

use super::{ENGINE, NOBODY};
use crate::Secret;

/// Names with a meaning of their own in routes and records.
const RESERVED: [&str; 3] = [ENGINE, NOBODY, "import"];

/// The most retries of one upstream; more would only make an outage worse.
const RETRIES_MAX: u32 = 10;

/// A server that calls may go to: a vendor, or any server that speaks one of the dialects.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name in routes, headers and records.
    pub name: String,
    /// Its address, such as `https://api.openai.com`; a path below it is kept, and a closing `/v1` is understood.
    pub base_url: Uri,
    /// The dialects it speaks.
    pub apis: Vec<Api>,
    /// Its key. `None`: the caller's credentials pass through; `Some`: this replaces them.
    pub key: Option<Secret>,
    /// The models it serves; empty for any.
    pub models: Vec<String>,
    /// Whether it only plays a vendor, as in the demonstration.
    pub simulated: bool,
    /// Whether a call that must be translated for it may lose what its dialect cannot say; such calls are refused otherwise.
    pub accept_loss: bool,
    /// How often it is asked again after 429, 502, 503, 504 or 529, or after an exchange that broke off before the answer
    /// began. What was never sent, because no connection came about, is tried again in any case.
    pub retries_max: u32,
    /// Who is asked where it fails, in order: `NAME`, or `NAME/MODEL` for another model; `engine/MODEL` is our own engine.
    pub fallback: Vec<String>,
    /// Whether Chat Completions streams ask it for their usage; the event that this adds is kept from callers who did not ask.
    pub usage_in_streams: bool,
    /// How it spells Chat Completions that are translated for it, where it is known which engine serves it.
    pub spelling: Option<Spelling>,
    /// When it is no longer asked for a while.
    pub breaker: Breaker,
}

/// How an engine of open models spells what Chat Completions leaves open; the bound of an answer is `max_tokens` for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    /// The field in which it reads reasoning of earlier turns, where that is known.
    pub reasoning: Option<&'static str>,
}

/// When an upstream that fails is no longer asked, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// After how many failures in a row; 0 for never.
    pub failures_max: u32,
    /// For how long; then one call finds out whether it is back.
    pub pause: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker { failures_max: 5, pause: Duration::from_secs(10) }
    }
}

impl Upstream {
    /// Returns an upstream of any model with nothing special about it.
    pub fn new(name: impl Into<String>, base_url: Uri, apis: &[Api]) -> Self {
        Upstream {
            name: name.into(),
            base_url,
            apis: apis.to_vec(),
            key: None,
            models: Vec::new(),
            simulated: false,
            accept_loss: false,
            retries_max: 0,
            fallback: Vec::new(),
            usage_in_streams: false,
            spelling: None,
            breaker: Breaker::default(),
        }
    }

    /// Returns the address of a path below it, with the caller's query.
    pub(crate) fn uri(&self, path: &str, query: Option<&str>) -> Result<Uri, http::Error> {
        let prefix = self.base_url.path().trim_end_matches('/');
        let prefix = prefix.strip_suffix("/v1").unwrap_or(prefix);
        let path = match query {
            Some(query) => format!("{prefix}{path}?{query}"),
            None => format!("{prefix}{path}"),
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = self.base_url.scheme().cloned();
        parts.authority = self.base_url.authority().cloned();
        parts.path_and_query = Some(path.parse()?);
        Ok(Uri::from_parts(parts)?)
    }

    /// Returns whether it speaks an API.
    pub(crate) fn speaks(&self, api: Api) -> bool {
        self.apis.contains(&api)
    }

    /// Returns whether it takes calls of an API as they are. Who speaks a dialect of a vendor is taken to have the calls
    /// beside it too: vectors, token counts, and whatever else lies below `/v1/`.
    pub(crate) fn takes(&self, api: Api) -> bool {
        self.speaks(api)
            || match api {
                Api::OpenAiEmbeddings => self.is_openais(),
                Api::AnthropicCountTokens => self.speaks(Api::AnthropicMessages),
                Api::Opaque | Api::OpenAiChat | Api::OpenAiResponses | Api::AnthropicMessages => false,
            }
    }

    /// Returns whether it speaks a dialect of OpenAI's.
    pub(crate) fn is_openais(&self) -> bool {
        self.speaks(Api::OpenAiChat) || self.speaks(Api::OpenAiResponses) || self.speaks(Api::OpenAiEmbeddings)
    }

    /// Returns the upstreams, and models where others are named, that are asked where this one fails.
    pub(crate) fn fallbacks(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fallback.iter().map(|entry| match entry.split_once('/') {
            Some((name, model)) => (name, Some(model)),
            None => (entry.as_str(), None),
        })
    }

    /// Returns what makes it unusable beside `others`, all those configured.
    pub(super) fn fault(&self, others: &[Upstream]) -> Option<String> {
        let authority = self.base_url.authority().map_or("", http::uri::Authority::as_str);
        if self.name.is_empty() || self.name.contains('/') || RESERVED.contains(&self.name.as_str()) {
            return Some(format!("a name must not be empty, contain a slash or be one of {}", RESERVED.join(", ")));
        }
        if !matches!(self.base_url.scheme_str(), Some("http" | "https")) || authority.is_empty() {
            return Some("base_url must begin with http:// or https:// and name a host".to_owned());
        }
        if authority.contains('@') {
            return Some("base_url must not contain credentials: use key".to_owned());
        }
        if self.base_url.query().is_some() {
            return Some("base_url must not contain a query".to_owned());
        }
        if self.apis.is_empty() {
            return Some("apis is empty: name at least one dialect it speaks".to_owned());
        }
        let is_header =
            |key: &Secret| !key.expose().is_empty() && key.expose().bytes().all(|b| (0x21..0x7f).contains(&b));
        if self.key.as_ref().is_some_and(|key| !is_header(key)) {
            return Some("key must not be empty, nor contain spaces or control characters".to_owned());
        }
        if self.retries_max > RETRIES_MAX {
            return Some(format!("retries_max is {}, and at most {RETRIES_MAX} make sense", self.retries_max));
        }
        if self.breaker.failures_max > 0 && self.breaker.pause.is_zero() {
            return Some("the breaker's pause must be above zero; write failures_max = 0 to do without it".to_owned());
        }
        self.fallback_fault(others)
    }

    fn fallback_fault(&self, others: &[Upstream]) -> Option<String> {
        self.fallbacks().find_map(|(name, model)| match (name, model) {
            (_, Some("")) => Some(format!("fallback {name:?} names an empty model")),
            (ENGINE, None) => Some(format!("fallback {ENGINE:?} needs a model: write \"{ENGINE}/MODEL\"")),
            (ENGINE, Some(_)) => None,
            (name, None) if name == self.name => Some("fallback names the upstream itself".to_owned()),
            (name, _) if others.iter().all(|other| other.name != name) => {
                Some(format!("fallback {name:?} is not the name of an upstream"))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_is_joined_with_the_path_of_the_api() {
        let table = [
            ("https://api.openai.com", None, "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com/", Some("a=1&b"), "https://api.openai.com/v1/chat/completions?a=1&b"),
            ("http://127.0.0.1:8000/v1", None, "http://127.0.0.1:8000/v1/chat/completions"),
            ("https://host/openai/v1/", Some(""), "https://host/openai/v1/chat/completions?"),
        ];
        for (base, query, expected) in table {
            let upstream = Upstream::new("vendor", base.parse().unwrap(), &[Api::OpenAiChat]);
            assert_eq!(upstream.uri(Api::OpenAiChat.path(), query).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn who_speaks_a_dialect_takes_what_its_vendor_has_beside_it() {
        let with = |api: Api| Upstream::new("vendor", "http://localhost:1".parse().unwrap(), &[api]);
        let openai = with(Api::OpenAiResponses);
        assert!(openai.takes(Api::OpenAiEmbeddings) && !openai.takes(Api::OpenAiChat) && openai.is_openais());
        let anthropic = with(Api::AnthropicMessages);
        assert!(anthropic.takes(Api::AnthropicCountTokens) && !anthropic.takes(Api::OpenAiEmbeddings));
        assert!(!with(Api::Opaque).takes(Api::OpenAiEmbeddings) && with(Api::Opaque).takes(Api::Opaque));
    }
}
