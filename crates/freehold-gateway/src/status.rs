//! What the gateway says of itself: health, readiness, and the models it serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use freehold_store::Generation;

use crate::breaker::Breaker;
use crate::config::{ENGINE, GatewayConfig, Upstream};
use crate::gateway::Shared;
use crate::metrics::Exposition;
use crate::observe;
use crate::reply::{self, ReplyBody};

/// Answers `/healthz`.
pub(crate) fn health(shared: &Shared) -> Response<ReplyBody> {
    let stats = shared.keeper.recorder.stats();
    let current = shared.current.load();
    let now = Instant::now();
    let one = |(upstream, breaker): (&Upstream, &Arc<Breaker>)| {
        let health = breaker.health(now);
        json!({
            "name": upstream.name,
            "breaker": health.word,
            "failures_in_row": health.failures_in_row,
            "rests_ms": health.rest.map(|rest| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)),
        })
    };
    let upstreams: Vec<Value> = current.config.upstreams.iter().zip(&current.breakers).map(one).collect();
    let body = json!({
        "status": "ok",
        "generation": shared.routes.current_number(),
        "calls": {"in_flight": shared.gate.in_flight(), "turned_away": shared.gate.turned_away()},
        "recorder": {
            "recorded": stats.recorded,
            "dropped": stats.dropped,
            "dropped_because": stats.dropped_because,
            "queued": stats.queued,
            "indexed": stats.indexed,
            "index_lag_calls": stats.index_lag_calls,
            "log_bytes": stats.log_bytes,
            "log_bytes_in_use": stats.log_bytes_in_use,
            "last_sync_us": stats.last_sync_us,
            "sync_failures": stats.sync_failures,
            "index_error": stats.index_error,
            "last_error": stats.last_error,
        },
        "upstreams": upstreams,
    });
    reply::json(StatusCode::OK, body.to_string().into_bytes())
}

/// Answers `/readyz`.
pub(crate) fn ready(stop: &CancellationToken) -> Response<ReplyBody> {
    let (status, word) = match stop.is_cancelled() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        false => (StatusCode::OK, "ready"),
    };
    reply::json(status, json!({"status": word}).to_string().into_bytes())
}

/// Answers `/metrics`.
pub(crate) fn metrics(shared: &Shared) -> Response<ReplyBody> {
    let mut response = reply::json(StatusCode::OK, observe::metrics(shared));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Exposition::MEDIA_TYPE));
    response
}

/// Answers `/v1/models` in a form that clients of both OpenAI and Anthropic read.
pub(crate) fn models(shared: &Shared) -> Response<ReplyBody> {
    let current = shared.current.load();
    let generation = shared.routes.snapshot();
    let served = served(shared, &current.config, &generation);
    let data: Vec<Value> = served.iter().map(|(model, by)| entry((model, by), &current.config, &generation)).collect();
    let end = |entry: Option<&Value>| entry.map_or(Value::Null, |entry| entry["id"].clone());
    let body = json!({
        "object": "list",
        "first_id": end(data.first()),
        "last_id": end(data.last()),
        "has_more": false,
        "data": data,
        "freehold": {
            "generation": generation.number,
            "steps": steps(&generation),
            "upstreams": upstreams(&current.config),
        },
    });
    reply::json(StatusCode::OK, body.to_string().into_bytes())
}

/// Answers `/v1/models/NAME`; `None` where the path names no model that is known here.
pub(crate) fn model(shared: &Shared, path: &str) -> Option<Response<ReplyBody>> {
    let name = unescaped(path.strip_prefix("/v1/models/")?)?;
    let current = shared.current.load();
    let generation = shared.routes.snapshot();
    let served = served(shared, &current.config, &generation);
    let body = entry(served.get_key_value(&name)?, &current.config, &generation);
    Some(reply::json(StatusCode::OK, body.to_string().into_bytes()))
}

/// Returns the models that are known by name, with those who serve them. An upstream of any model names none.
fn served(shared: &Shared, config: &GatewayConfig, generation: &Generation) -> BTreeMap<String, Vec<String>> {
    let mut served: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut serve = |model: &str, by: &str| {
        let by_whom = served.entry(model.to_owned()).or_default();
        if !by_whom.iter().any(|known| known == by) {
            by_whom.push(by.to_owned());
        }
    };
    for model in shared.engine.models() {
        serve(&model.name, ENGINE);
    }
    for upstream in &config.upstreams {
        upstream.models.iter().for_each(|model| serve(model, &upstream.name));
    }
    for route in generation.routes.values() {
        serve(&route.model, &route.upstream);
    }
    served
}

fn entry((model, served_by): (&String, &Vec<String>), config: &GatewayConfig, generation: &Generation) -> Value {
    let is_here = |route: &freehold_store::Route| route.model == *model && served_by.contains(&route.upstream);
    let steps: Vec<&String> =
        generation.routes.iter().filter(|(_, route)| is_here(route)).map(|(step, _)| step).collect();
    let mut ours = json!({"served_by": served_by, "steps": steps});
    if let Some(date) = config.retirements.get(model) {
        ours["retires_on"] = json!(date);
    }
    json!({
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": served_by.first(),
        "type": "model",
        "display_name": model,
        "created_at": "1970-01-01T00:00:00Z",
        "freehold": ours,
    })
}

/// Undoes the escapes of a path; `None` where what comes out is no text.
fn unescaped(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn steps(generation: &Generation) -> Map<String, Value> {
    let served_by = |route: &freehold_store::Route| format!("{}/{}", route.upstream, route.model);
    let one = |route| json!({"served_by": served_by(route), "stage": route.stage});
    generation.routes.iter().map(|(step, route)| (step.clone(), one(route))).collect()
}

fn upstreams(config: &GatewayConfig) -> Vec<Value> {
    let one = |upstream: &Upstream| {
        json!({
            "name": upstream.name,
            "apis": upstream.apis,
            "models": upstream.models,
            "simulated": upstream.simulated,
        })
    };
    config.upstreams.iter().map(one).collect()
}
