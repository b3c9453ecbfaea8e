//! Makes the request for an upstream: the caller's own bytes where both speak one dialect, a translation otherwise.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use freehold_wire::translate::{self, OnLoss};
use freehold_wire::{Api, requests};

use crate::calls::Arrived;
use crate::config::Upstream;
use crate::error::CallError;
use crate::headers::{self, Credentials};
use crate::outgoing::Outgoing;
use crate::record::OpenRecord;
use crate::route::Chosen;

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The version of Anthropic's dialect that translations are written in.
const ANTHROPIC_VERSION_SPOKEN: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Who is asked, for what, and on whose account.
#[derive(Debug, Clone, Copy)]
pub(super) struct To<'a> {
    pub upstream: &'a Upstream,
    pub model: Option<&'a str>,
    pub chosen: Chosen,
    pub spoken: Api,
}

/// A request that can be sent as often as need be.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether usage was asked for that the caller did not ask for.
    pub hides_usage: bool,
}

/// Whether the caller's headers are needed again for somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headers {
    Copied,
    Taken,
}

impl Sent {
    /// Makes the request of an attempt.
    pub(super) fn request(&self) -> Request<Outgoing> {
        let mut request = Request::new(Outgoing::whole(self.body.clone()));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

/// Makes the request for an upstream, and tells the record what was translated, lost or removed.
pub(super) fn make(
    to: To<'_>,
    arrived: &mut Arrived,
    record: &mut OpenRecord,
    headers: Headers,
) -> Result<Sent, CallError> {
    let told = record.told_mut();
    (told.translated, told.removed) = (None, None);
    told.lost.clear();
    let (body, hides_usage) = body(to, arrived, record)?;
    let mut sent = match headers {
        Headers::Copied => arrived.parts.headers.clone(),
        Headers::Taken => std::mem::take(&mut arrived.parts.headers),
    };
    if body.is_some() {
        sent.remove(CONTENT_ENCODING);
    }
    headers::to_upstream(&mut sent, to.spoken, credentials(to, arrived.api));
    if to.spoken != arrived.api {
        translate_headers(&mut sent, to.spoken);
    }
    if hides_usage {
        sent.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Some(parent) = record.parent_for_upstream() {
        sent.insert(headers::TRACEPARENT, parent);
    }
    let query = arrived.parts.uri.query().filter(|_| to.spoken == arrived.api);
    let uri = to.upstream.uri(to.spoken.path(), query);
    let uri = uri.map_err(|_| CallError::Internal("the upstream's address could not be built"))?;
    Ok(Sent { uri, headers: sent, body: body.unwrap_or_else(|| arrived.body.clone()), hides_usage })
}

/// Returns the body where it is not the caller's as it came, and whether it asks for usage behind the caller's back.
fn body(to: To<'_>, arrived: &Arrived, record: &mut OpenRecord) -> Result<(Option<Bytes>, bool), CallError> {
    let mut changed: Option<Bytes> = None;
    if let Some(without) = &arrived.view.without_billing
        && (to.spoken != arrived.api || !is_claude(to, &arrived.view.model))
    {
        changed = Some(without.clone());
        record.told_mut().removed = Some("billing-line");
    }
    let original = arrived.plain.as_ref().unwrap_or(&arrived.body);
    if to.spoken != arrived.api {
        let model = to.model.unwrap_or(&arrived.view.model);
        let body = arrived.view.completed.as_ref().or(changed.as_ref()).unwrap_or(original);
        return Ok((Some(translated(to, arrived, (body, model), record)?), false));
    }
    if let Some(model) = to.model {
        let body = changed.as_ref().unwrap_or(original);
        changed = Some(requests::with_model(body, model).map_err(CallError::Request)?.into());
    }
    if to.upstream.usage_in_streams && to.spoken == Api::OpenAiChat && arrived.view.is_stream {
        let body = changed.as_ref().unwrap_or(original);
        if let Some(asking) = requests::with_stream_usage(body) {
            return Ok((Some(asking.into()), true));
        }
    }
    Ok((changed, false))
}

fn translated(
    to: To<'_>,
    arrived: &Arrived,
    (body, model): (&[u8], &str),
    record: &mut OpenRecord,
) -> Result<Bytes, CallError> {
    let on_loss = if to.upstream.accept_loss { OnLoss::Accept } else { OnLoss::Refuse };
    let translated = translate::request(arrived.api, to.spoken, body, model, on_loss)?;
    let told = record.told_mut();
    told.translated = Some(to.spoken);
    told.lost = translated.lost;
    let spelling = to.upstream.spelling.filter(|_| to.spoken == Api::OpenAiChat);
    let spelled = spelling.and_then(|spelling| requests::spelled(&translated.body, spelling.reasoning));
    Ok(spelled.unwrap_or(translated.body).into())
}

/// Returns whether a Claude model will answer, for whose vendor the billing line is meant.
fn is_claude(to: To<'_>, asked: &str) -> bool {
    let host = to.upstream.base_url.host().unwrap_or_default();
    let model = to.model.unwrap_or(asked).to_ascii_lowercase();
    host == "anthropic.com" || host.ends_with(".anthropic.com") || model.contains("claude")
}

/// Returns whose credentials go along. Those of the caller are for the vendor whose dialect he speaks, and for nobody else.
fn credentials<'a>(to: To<'a>, api: Api) -> Credentials<'a> {
    match &to.upstream.key {
        Some(key) => Credentials::Upstreams(key),
        None if to.chosen == Chosen::ByCaller && to.spoken == api => Credentials::Callers,
        None => Credentials::None,
    }
}

/// Leaves out what only the caller's vendor understands, and adds what the other one needs.
fn translate_headers(headers: &mut HeaderMap, spoken: Api) {
    let is_foreign = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("anthropic-") || name.starts_with("openai-") || name.starts_with("x-stainless-")
    };
    let foreign: Vec<HeaderName> = headers.keys().filter(|name| is_foreign(name)).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // What comes back must be read here.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if spoken.is_anthropic() {
        headers.insert(ANTHROPIC_VERSION, ANTHROPIC_VERSION_SPOKEN);
    }
}
