//! Builds the responses: bodies held whole or passed on, errors in the caller's dialect, and the headers that say who served.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

use freehold_wire::{Api, Call, ErrorKind, error_body, error_body_blaming};

use crate::error::CallError;
use crate::headers;
use crate::tee::Tee;

/// The body of a response.
pub(crate) enum ReplyBody {
    /// All of it at once, so that head and body leave in one write.
    Whole(Option<Bytes>),
    /// An answer that is passed on as it comes.
    Tee(Box<Tee>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            ReplyBody::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            ReplyBody::Tee(tee) => Pin::new(tee.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            ReplyBody::Tee(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ReplyBody::Tee(_) => SizeHint::default(),
        }
    }
}

/// Returns a response with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Some(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns the answer to a call that failed, in the caller's dialect.
pub(crate) fn error(api: Api, error: &CallError) -> Response<ReplyBody> {
    let body = error_body_blaming(api, error.kind(), &error.to_string(), error.blames());
    let mut response = json(error.status(), body);
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.is_lasting() {
        // The clients of OpenAI and Anthropic would try again at once otherwise.
        response.headers_mut().insert(headers::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// Returns the event that ends a stream which failed, in the caller's dialect.
pub(crate) fn error_event(api: Api, error: &CallError) -> Vec<u8> {
    let body = error_body(api, error.kind(), &error.to_string());
    let event: &[u8] = match api {
        Api::OpenAiResponses => {
            let code = if error.kind() == ErrorKind::Quota { "insufficient_quota" } else { "server_error" };
            let body = json!({"type": "error", "code": code, "message": error.to_string(), "param": null});
            return format!("event: error\ndata: {body}\n\n").into_bytes();
        }
        Api::AnthropicMessages | Api::AnthropicCountTokens => b"event: error\n",
        Api::OpenAiChat | Api::OpenAiEmbeddings | Api::Opaque => b"",
    };
    [event, b"data: ", &body, b"\n\n"].concat()
}

/// Returns the answer to a path that is not served.
pub(crate) fn unknown_path(path: &str) -> Response<ReplyBody> {
    let path: String = path.chars().take(200).collect();
    let known = "/v1/chat/completions, /v1/responses, /v1/messages, /v1/models, /healthz, /readyz";
    refusal(StatusCode::NOT_FOUND, &format!("nothing is served at {path:?}; served are {known}"))
}

/// Returns the answer to a method that a path does not take.
pub(crate) fn wrong_method(path: &str, allowed: &'static str) -> Response<ReplyBody> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("{path} takes {allowed}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Says in the headers which call this is, who served it, and how often somebody was asked where that was more than once.
pub(crate) fn mark(response: &mut HeaderMap, call: &Call) {
    let value = |text: &str| headers::value(text);
    response.insert(headers::CALL, value(&call.id));
    response.insert(headers::STEP, value(&call.step));
    let model = call.served_model.as_deref().unwrap_or(&call.model);
    response.insert(headers::SERVED_BY, value(&format!("{}/{model}", call.upstream)));
    response.insert(headers::GENERATION, HeaderValue::from(call.generation));
    if !call.attempts.is_empty() {
        response.insert(headers::ATTEMPTS, HeaderValue::from(call.attempts.len() + 1));
    }
}

fn refusal(status: StatusCode, message: &str) -> Response<ReplyBody> {
    let body: Value =
        json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}});
    json(status, body.to_string().into_bytes())
}
