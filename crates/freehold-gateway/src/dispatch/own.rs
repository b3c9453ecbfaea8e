//! Has our own engine answer a call, in the caller's dialect.

use std::collections::VecDeque;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};

use freehold_wire::write::Head;
use freehold_wire::{Answer, Api, Usage, estimate, translate};

use crate::calls::Arrived;
use crate::error::CallError;
use crate::identify::View;
use crate::local;
use crate::record::{Ending, OpenRecord, Shape};

use super::{Answered, Content, On};

/// Asks a model of our own engine.
pub(super) async fn ask(
    on: On<'_>,
    model: &str,
    arrived: &Arrived,
    record: &mut OpenRecord,
) -> Result<Answered, CallError> {
    let request = match &arrived.view.request {
        Ok(request) => request,
        Err(error) => return Err(CallError::Unread(error.to_string())),
    };
    if arrived.view.without_billing.is_some() {
        record.told_mut().removed = Some("billing-line");
    }
    let asked = local::Asked { model, request, first_byte_timeout: on.current.config.first_byte_timeout };
    match arrived.api {
        Api::AnthropicCountTokens => {
            return Ok(tokens_counted(local::count(&on.shared.engine, asked).await?, record));
        }
        Api::OpenAiEmbeddings => {
            let body = arrived.plain.as_ref().unwrap_or(&arrived.body);
            let (vectors, tokens) = local::embed(&on.shared.engine, asked, body).await?;
            let usage = Usage { input: tokens, ..Usage::default() };
            return Ok(told_whole(vectors, Ending { usage: Some(usage), ..Ending::default() }, record));
        }
        Api::OpenAiResponses | Api::OpenAiChat | Api::AnthropicMessages | Api::Opaque => {}
    }
    let head = Head { stream_usage: request.stream_usage, ..head(record, model) };
    if request.stream {
        let source = local::streamed(&on.shared.engine, asked, head).await?;
        record.we_answer(StatusCode::OK, Shape::Streamed);
        return Ok(Answered {
            status: StatusCode::OK,
            headers: stream_headers(),
            content: Content::Flowing(source, VecDeque::new()),
        });
    }
    let (body, usage) = local::whole(&on.shared.engine, asked, &head).await?;
    Ok(told_whole(body, Ending { usage, ..Ending::default() }, record))
}

/// Answers with a whole body of JSON.
fn told_whole(body: Bytes, ending: Ending, record: &mut OpenRecord) -> Answered {
    record.we_answer(StatusCode::OK, Shape::Whole);
    record.copy(&body);
    Answered { status: StatusCode::OK, headers: json_headers(), content: Content::Whole(body, ending) }
}

/// Answers how many tokens a request has for somebody who does not count, by an estimate that says that it is one.
pub(super) fn tokens_estimated(view: &View, record: &mut OpenRecord) -> Answered {
    let estimated = |request| estimate::usage(request, &Answer::default()).input;
    record.told_mut().is_estimated = true;
    tokens_counted(view.request.as_ref().map_or(0, estimated), record)
}

fn tokens_counted(input: u64, record: &mut OpenRecord) -> Answered {
    told_whole(translate::count_tokens_answer(input).into(), Ending::default(), record)
}

/// Returns the head of an answer that is written here, and tells no usage where it is streamed.
pub(super) fn head(record: &OpenRecord, model: &str) -> Head {
    let call = record.call();
    Head { id: call.id.clone(), model: model.to_owned(), created_s: call.at_ms / 1000, stream_usage: false }
}

/// Returns the headers of an answer in JSON.
pub(super) fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// Returns the headers of a stream that is written here.
pub(super) fn stream_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers
}
