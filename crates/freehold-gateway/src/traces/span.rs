//! A span, and how OTLP spells it in JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`).

use serde_json::{Value, json};

use freehold_wire::{Api, Call};

use super::context::{Context, hex};
use crate::config::ENGINE;
use crate::metrics::{self, Cost};

/// What is kept of a call for its span.
#[derive(Debug)]
pub(super) struct Span {
    own: Context,
    parent: Option<[u8; 8]>,
    begin_ms: i64,
    total_us: u64,
    name: String,
    is_failed: bool,
    attributes: Vec<Value>,
}

/// SPAN_KIND_CLIENT, as the conventions want it for calls to models.
const KIND_CLIENT: u8 = 3;
/// STATUS_CODE_ERROR.
const STATUS_ERROR: u8 = 2;

impl Span {
    /// Makes the span of a call.
    pub(super) fn of(
        call: &Call,
        (own, caller): (Context, Option<Context>),
        server: Option<&(String, u16)>,
        cost: Cost,
    ) -> Self {
        let operation = operation(call.api);
        let name = if call.model.is_empty() { operation.to_owned() } else { format!("{operation} {}", call.model) };
        Span {
            own,
            parent: caller.map(|caller| caller.span),
            begin_ms: call.at_ms,
            total_us: call.timings.total_us,
            name,
            is_failed: call.failure.is_some(),
            attributes: attributes(call, server, cost),
        }
    }

    /// Returns the span as OTLP spells it; 64-bit numbers are texts there.
    fn json(&self) -> Value {
        let begin_ns = i128::from(self.begin_ms) * 1_000_000;
        let end_ns = begin_ns + i128::from(self.total_us) * 1_000;
        let mut span = json!({
            "traceId": hex(&self.own.trace),
            "spanId": hex(&self.own.span),
            "name": self.name,
            "kind": KIND_CLIENT,
            "startTimeUnixNano": begin_ns.max(0).to_string(),
            "endTimeUnixNano": end_ns.max(0).to_string(),
            "attributes": self.attributes,
            "status": if self.is_failed { json!({"code": STATUS_ERROR}) } else { json!({}) },
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = hex(parent).into();
        }
        span
    }
}

/// Returns the body of a request to a collector.
pub(super) fn request(spans: &[Span]) -> Vec<u8> {
    let named = |key: &str, value: &str| json!({"key": key, "value": text(value)});
    let version = env!("CARGO_PKG_VERSION");
    let body = json!({"resourceSpans": [{
        "resource": {"attributes": [named("service.name", "freehold"), named("service.version", version)]},
        "scopeSpans": [{
            "scope": {"name": "freehold", "version": version},
            "spans": spans.iter().map(Span::json).collect::<Vec<_>>(),
        }],
    }]});
    body.to_string().into_bytes()
}

fn operation(api: Api) -> &'static str {
    match api {
        Api::OpenAiChat | Api::OpenAiResponses | Api::AnthropicMessages => "chat",
        Api::OpenAiEmbeddings => "embeddings",
        Api::AnthropicCountTokens => "count_tokens",
        Api::Opaque => "opaque",
    }
}

fn provider(call: &Call) -> &'static str {
    match call.api {
        _ if call.upstream == ENGINE => "freehold",
        api if api.is_anthropic() => "anthropic",
        _ => "openai",
    }
}

fn text(text: &str) -> Value {
    json!({"stringValue": text})
}

fn number(number: u64) -> Value {
    json!({"intValue": number.to_string()})
}

fn attributes(call: &Call, server: Option<&(String, u16)>, cost: Cost) -> Vec<Value> {
    let mut out = Vec::with_capacity(24);
    let mut put = |key: &str, value: Value| out.push(json!({"key": key, "value": value}));
    put("gen_ai.operation.name", text(operation(call.api)));
    put("gen_ai.provider.name", text(provider(call)));
    if !call.model.is_empty() {
        put("gen_ai.request.model", text(&call.model));
        put("gen_ai.response.model", text(call.served_model.as_deref().unwrap_or(&call.model)));
    }
    if let Some((host, port)) = server {
        put("server.address", text(host));
        put("server.port", number(u64::from(*port)));
    }
    if call.status > 0 {
        put("http.response.status_code", number(u64::from(call.status)));
    }
    if call.failure.is_some() {
        put("error.type", text(metrics::outcome_word(call)));
    }
    used(call, &mut put);
    our_own(call, cost, &mut put);
    out
}

/// Says the tokens, where they are known.
fn used(call: &Call, put: &mut impl FnMut(&str, Value)) {
    let Some(usage) = &call.usage else { return };
    put("gen_ai.usage.input_tokens", number(usage.input));
    put("gen_ai.usage.output_tokens", number(usage.output));
    let parts = [
        ("gen_ai.usage.cache_read.input_tokens", usage.cache_read),
        ("gen_ai.usage.cache_creation.input_tokens", usage.cache_write),
        ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
    ];
    parts.into_iter().filter(|(_, count)| *count > 0).for_each(|(key, count)| put(key, number(count)));
    put("freehold.usage.estimated", json!({"boolValue": call.is_estimated}));
}

/// Says what the conventions have no word for.
fn our_own(call: &Call, cost: Cost, put: &mut impl FnMut(&str, Value)) {
    put("freehold.call", text(&call.id));
    put("freehold.step", text(&call.step));
    put("freehold.upstream", text(&call.upstream));
    put("freehold.generation", number(call.generation));
    put("freehold.streamed", json!({"boolValue": call.streamed}));
    for (key, name) in [("freehold.run", &call.run), ("freehold.key", &call.key)] {
        if let Some(name) = name {
            put(key, text(name));
        }
    }
    if let Some(first_byte_us) = call.timings.first_byte_us {
        put("freehold.time_to_first_byte", json!({"doubleValue": first_byte_us as f64 / 1e6}));
    }
    if let Cost::Known(microusd) = cost {
        put("freehold.cost_microusd", number(microusd));
    }
}
