//! Our own engine answering in every dialect, on a model made of rules.

use std::time::Duration;

use freehold_engine::{Backend, ModelSpec};
use freehold_wire::{Api, Finish, Usage, answers, stream};

use crate::caller::{self, Piece};
use crate::house::{self, House};
use crate::mock::Mock;

const RULES: &str = r#"{
    "rules": [
        {"when": "tool", "tool_call": {"name": "refund", "arguments": {"order": 7}}},
        {"when": "crash at once", "abort": true},
        {"when": "crash", "text": "so far so ", "abort": true},
        {"when": "fail at once", "fail": "no luck"},
        {"when": "hold", "text": "one ", "hold": true}
    ],
    "otherwise": {"text": "two words"}
}"#;

async fn with_engine(upstreams: Vec<freehold_gateway::Upstream>, moves: &[(&str, &str, &str)]) -> House {
    let house = House::with_routes(house::config(upstreams), house::generation(2, moves)).await;
    std::fs::write(house.home.path().join("rules.json"), RULES).unwrap();
    house.engine.load(spec(&house, "desk-l")).await.unwrap();
    house
}

fn spec(house: &House, name: &str) -> ModelSpec {
    ModelSpec {
        name: name.into(),
        path: house.home.path().join("rules.json"),
        backend: Backend::Scripted,
        adapters: Vec::new(),
        context_tokens: 64,
        slots: 1,
        threads: None,
        memory_bytes: 0,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wanted {
    Whole,
    Stream,
}

/// Returns a request of an API in which the user says something.
fn request(api: Api, says: &str, wanted: Wanted) -> String {
    let turns = serde_json::json!([{"role": "user", "content": says}]);
    let field = if api == Api::OpenAiResponses { "input" } else { "messages" };
    let tool = match api {
        Api::OpenAiChat => serde_json::json!([{"type": "function", "function": {"name": "refund", "parameters": {}}}]),
        Api::OpenAiResponses => serde_json::json!([{"type": "function", "name": "refund", "parameters": {}}]),
        _ => serde_json::json!([{"name": "refund", "input_schema": {}}]),
    };
    let mut body = serde_json::json!({"model": "desk-l", "stream": wanted == Wanted::Stream, "tools": tool});
    body[field] = turns;
    if api == Api::AnthropicMessages {
        body["max_tokens"] = 50.into();
    }
    body.to_string()
}

#[test]
fn whole_answers_are_spelt_in_every_dialect() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        for api in Api::DIALECTS {
            let mut reply = caller::post(house.addr, api.path(), "", request(api, "hello you", Wanted::Whole)).await;
            assert_eq!(reply.status, 200, "{api}");
            assert_eq!(reply.header("x-freehold-served-by"), Some("engine/desk-l"));
            assert_eq!(reply.header("content-type"), Some("application/json"));
            let (body, _) = reply.body().await;
            let answer = answers::read(api, &body).unwrap();
            assert_eq!((answer.text.as_str(), answer.model.as_str()), ("two words", "desk-l"), "{api}");
            let usage = Usage { input: 2, cache_read: 0, output: 2, ..Usage::default() };
            assert_eq!((answer.finish, answer.usage), (Some(Finish::Stop), Some(usage)), "{api}");
            let call = house.recorded(&reply.call_id());
            assert_eq!((call.response, call.usage, call.failure), (body, Some(usage), None), "{api}");
            assert_eq!((call.upstream.as_str(), call.served_model), ("engine", None), "{api}");
        }
        house.engine.shutdown().await;
    });
}

#[test]
fn streamed_answers_are_spelt_in_every_dialect() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        for api in Api::DIALECTS {
            for (says, text, tools) in [("hello you", "two words", 0), ("tool please", "", 1)] {
                let mut reply = caller::post(house.addr, api.path(), "", request(api, says, Wanted::Stream)).await;
                assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
                let (body, end) = reply.body().await;
                assert_eq!(end, Piece::End);
                let mut reader = stream::Reader::new(api);
                reader.push(&body);
                let outcome = reader.finish();
                assert!(outcome.is_complete && outcome.error.is_none(), "{api} {outcome:?}");
                assert_eq!((outcome.answer.text.as_str(), outcome.answer.tool_calls.len()), (text, tools), "{api}");
                let call = house.recorded(&reply.call_id());
                assert_eq!((call.response, call.streamed, call.failure), (body, true, None), "{api}");
                assert_eq!(call.usage.unwrap().input, 2, "{api}");
            }
        }
        house.engine.shutdown().await;
    });
}

#[test]
fn moved_step_is_served_by_the_engine_in_the_callers_dialect() {
    house::run(async {
        let mut vendor = Mock::start().await;
        let upstreams = vec![house::upstream("vendor", vendor.addr, &Api::DIALECTS)];
        let house = with_engine(upstreams, &[("triage", "engine", "desk-l")]).await;
        let body = r#"{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
        let mut reply = caller::post(house.addr, "/v1/messages", "x-freehold-step: triage\r\n", body).await;
        let answer = reply.json().await;
        assert_eq!(
            (answer["content"][0]["text"].as_str(), answer["model"].as_str()),
            (Some("two words"), Some("desk-l"))
        );
        assert_eq!(reply.header("x-freehold-served-by"), Some("engine/desk-l"));
        assert_eq!(reply.header("x-freehold-generation"), Some("2"));
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.model.as_str(), call.served_model.as_deref()), ("claude", Some("desk-l")));
        assert!(vendor.is_untouched());
        let models = caller::get(house.addr, "/v1/models").await.json().await;
        assert_eq!(models["data"][0]["freehold"].to_string(), r#"{"served_by":["engine"],"steps":["triage"]}"#);
        house.engine.shutdown().await;
    });
}

#[test]
fn tokens_of_the_engines_models_are_counted_and_not_estimated() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        // Its one slot is busy all the while.
        let body = request(Api::OpenAiChat, "hold", Wanted::Stream);
        let mut holding = caller::post(house.addr, "/v1/chat/completions", "", body).await;
        assert!(matches!(holding.piece().await, Piece::Bytes(_)));
        let body = r#"{"model":"desk-l","system":"be brief","messages":[{"role":"user","content":"antidisestablishmentarianism, really?"}]}"#;
        let mut reply = caller::post(house.addr, Api::AnthropicCountTokens.path(), "", body).await;
        assert_eq!((reply.status, reply.header("x-freehold-estimated")), (200, None));
        assert_eq!(reply.header("x-freehold-served-by"), Some("engine/desk-l"));
        assert_eq!(reply.json().await, serde_json::json!({"input_tokens": 4}));
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.failure, call.usage, call.is_estimated), (None, None, false));
        drop(holding);
        // What is answered then has taken as many.
        let body = body.replacen('{', "{\"max_tokens\":9,", 1);
        let answer = caller::post(house.addr, Api::AnthropicMessages.path(), "", body).await.json().await;
        assert_eq!(answer["usage"]["input_tokens"], 4);
        house.engine.shutdown().await;
    });
}

#[test]
fn model_without_room_is_busy_and_says_when_to_try_again() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        for name in ["one", "other"] {
            let memory_bytes = house::MODELS_BYTES_MAX;
            house.engine.load(ModelSpec { memory_bytes, ..spec(&house, name) }).await.unwrap();
        }
        let asked = |name: &str, says| request(Api::OpenAiChat, says, Wanted::Stream).replace("desk-l", name);
        let mut holding = caller::post(house.addr, "/v1/chat/completions", "", asked("other", "hold")).await;
        assert!(matches!(holding.piece().await, Piece::Bytes(_)));
        let mut refused = caller::post(house.addr, "/v1/chat/completions", "", asked("one", "hi")).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
        let error = refused.json().await["error"]["message"].to_string();
        assert!(error.contains("one") && error.contains("all busy"), "{error}");
        drop(holding);
        house.engine.shutdown().await;
    });
}

#[test]
fn failures_before_the_first_content_are_statuses() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        let long = "word ".repeat(100);
        for wanted in [Wanted::Whole, Wanted::Stream] {
            for (says, status, kind) in [("fail at once", 502, "engine"), (&long, 400, "refused")] {
                let body = request(Api::OpenAiChat, says, wanted);
                let mut reply = caller::post(house.addr, "/v1/chat/completions", "", body).await;
                let error = reply.json().await;
                assert_eq!(reply.status, status, "{says} {wanted:?} {error}");
                assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, kind);
            }
        }
        let body = r#"{"model":"desk-l","messages":{"not":"readable"}}"#;
        assert_eq!(caller::post(house.addr, "/v1/chat/completions", "", body).await.status, 400);
        house.engine.shutdown().await;
    });
}

#[test]
fn crash_in_mid_stream_is_an_error_event_and_the_gateway_serves_on() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        let body = request(Api::AnthropicMessages, "crash", Wanted::Stream);
        let mut reply = caller::post(house.addr, "/v1/messages", "", body).await;
        assert_eq!(reply.status, 200);
        let (body, _) = reply.body().await;
        let mut reader = stream::Reader::new(Api::AnthropicMessages);
        reader.push(&body);
        let outcome = reader.finish();
        assert!(!outcome.is_complete && outcome.error.is_some() && outcome.answer.text == "so far so ", "{outcome:?}");
        assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "engine");
        assert_eq!(caller::get(house.addr, "/healthz").await.status, 200);
        // The worker is not started again here, so the next call is told so, before any content.
        let next =
            caller::post(house.addr, "/v1/messages", "", request(Api::AnthropicMessages, "hi", Wanted::Stream)).await;
        assert_eq!(next.status, 502);
        house.engine.shutdown().await;
    });
}

#[test]
fn caller_that_leaves_frees_the_engines_slot() {
    house::run(async {
        let house = with_engine(vec![], &[]).await;
        let body = request(Api::OpenAiChat, "hold", Wanted::Stream);
        let mut reply = caller::post(house.addr, "/v1/chat/completions", "", body).await;
        assert!(matches!(reply.piece().await, Piece::Bytes(_)));
        let id = reply.call_id();
        drop(reply);
        // There is one slot, so this answer comes only once the slot is free again.
        let next =
            caller::post(house.addr, "/v1/chat/completions", "", request(Api::OpenAiChat, "hi", Wanted::Whole)).await;
        assert_eq!(next.status, 200);
        let (store, _home) = house.stop(Duration::from_secs(30)).await;
        assert_eq!(store.call(&id).unwrap().unwrap().failure.unwrap().kind, "client_left");
    });
}
