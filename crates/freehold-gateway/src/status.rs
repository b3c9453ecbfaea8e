//! What the gateway says of itself: health, readiness, and the models it serves.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use freehold_store::Generation;

use crate::config::ENGINE;
use crate::gateway::Shared;
use crate::metrics::Exposition;
use crate::observe;
use crate::reply::{self, ReplyBody};

/// Answers `/healthz`.
pub(crate) fn health(shared: &Shared) -> Response<ReplyBody> {
    let stats = shared.keeper.recorder.stats();
    let body = json!({
        "status": "ok",
        "generation": shared.routes.current_number(),
        "calls": {"in_flight": shared.gate.in_flight(), "turned_away": shared.gate.turned_away()},
        "recorder": {
            "recorded": stats.recorded,
            "dropped": stats.dropped,
            "queued": stats.queued,
            "last_error": stats.last_error,
        },
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
    let generation = shared.routes.snapshot();
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
    for upstream in &shared.config.upstreams {
        upstream.models.iter().for_each(|model| serve(model, &upstream.name));
    }
    for route in generation.routes.values() {
        serve(&route.model, &route.upstream);
    }
    let data: Vec<Value> = served.iter().map(|(model, by)| entry(model, by, &generation)).collect();
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
            "upstreams": upstreams(shared),
        },
    });
    reply::json(StatusCode::OK, body.to_string().into_bytes())
}

fn entry(model: &str, served_by: &[String], generation: &Generation) -> Value {
    let is_here = |route: &freehold_store::Route| route.model == model && served_by.contains(&route.upstream);
    let steps: Vec<&String> =
        generation.routes.iter().filter(|(_, route)| is_here(route)).map(|(step, _)| step).collect();
    json!({
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": served_by.first(),
        "type": "model",
        "display_name": model,
        "created_at": "1970-01-01T00:00:00Z",
        "freehold": {"served_by": served_by, "steps": steps},
    })
}

fn steps(generation: &Generation) -> Map<String, Value> {
    let served_by = |route: &freehold_store::Route| format!("{}/{}", route.upstream, route.model);
    let one = |route| json!({"served_by": served_by(route), "stage": route.stage});
    generation.routes.iter().map(|(step, route)| (step.clone(), one(route))).collect()
}

fn upstreams(shared: &Shared) -> Vec<Value> {
    let one = |upstream: &crate::Upstream| {
        json!({
            "name": upstream.name,
            "apis": upstream.apis,
            "models": upstream.models,
            "simulated": upstream.simulated,
        })
    };
    shared.config.upstreams.iter().map(one).collect()
}
