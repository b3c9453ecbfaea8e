//! Requests that go on from earlier answers, where whoever is to answer has not kept them.

use std::net::SocketAddr;

use freehold_engine::{Backend, ModelSpec};
use freehold_gateway::{GatewayConfig, Secret, digest};
use freehold_store::{Key, KeySecret, KeyTerms};
use freehold_wire::Api;
use serde_json::{Value, json};

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const PATH: &str = "/v1/responses";
const RULES: &str = r#"{
    "rules": [{"after": "it is done", "text": "two words"}, {"when": "tool", "text": "looking ", "tool_call": {"name": "refund", "arguments": {"order": 7}}}],
    "otherwise": {"text": "two words"}
}"#;

/// Makes a gateway before a server that speaks Chat Completions only, with a model of rules beside it that counts words.
async fn house_of(change: impl FnOnce(&mut GatewayConfig)) -> (House, Mock) {
    let mock = Mock::start().await;
    let mut vllm = house::upstream("vllm", mock.addr, &[Api::OpenAiChat]);
    vllm.key = Some(Secret::new("local"));
    let mut config = house::config(vec![vllm]);
    change(&mut config);
    let house = House::new(config).await;
    let path = house.home.path().join("rules.json");
    std::fs::write(&path, RULES).unwrap();
    let (name, backend) = ("desk-l".to_owned(), Backend::Scripted);
    let spec = ModelSpec {
        name,
        path,
        backend,
        adapters: Vec::new(),
        context_tokens: 64,
        slots: 1,
        threads: None,
        memory_bytes: 0,
    };
    house.engine.load(spec).await.unwrap();
    (house, mock)
}

/// Asks, and returns the response object of the answer with the whole reply.
async fn ask(to: SocketAddr, headers: &str, body: &Value) -> (Value, Reply) {
    let mut reply = caller::post(to, PATH, headers, body.to_string()).await;
    let response = response(&mut reply).await;
    (response, reply)
}

async fn response(reply: &mut Reply) -> Value {
    let (body, end) = reply.body().await;
    assert_eq!(end, Piece::End);
    let text = String::from_utf8(body).unwrap();
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
    let mut event: Value = serde_json::from_str(last.unwrap_or(&text)).unwrap();
    if last.is_some() { event["response"].take() } else { event }
}

/// Has the server of Chat Completions answer; returns what it was asked, a role with its text for each turn.
async fn answered(mock: &mut Mock, text: &str) -> Vec<(String, String)> {
    let exchange = mock.next().await;
    let sent: Value = serde_json::from_slice(&exchange.body).unwrap();
    let answer = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "qwen",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    });
    exchange.whole("200 OK", "content-type: application/json\r\n", answer.to_string()).await;
    let text = |content: &Value| content.as_str().or(content[0]["text"].as_str()).unwrap_or_default().to_owned();
    let turns = sent["messages"].as_array().unwrap().iter();
    turns.map(|turn| (turn["role"].as_str().unwrap().to_owned(), text(&turn["content"]))).collect()
}

fn turns(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(who, what)| (who.to_owned(), what.to_owned())).collect()
}

#[test]
fn engine_goes_on_from_whole_and_streamed_answers() {
    house::run(async {
        let (house, _mock) = house_of(|_| ()).await;
        for stream in [false, true] {
            let tools = json!([{"type": "function", "name": "refund", "parameters": {}}]);
            let first = json!({
                "model": "desk-l", "instructions": "one two three", "tools": tools, "input": "tool please",
                "stream": stream,
            });
            let (first, _) = ask(house.addr, "", &first).await;
            // The rules count words: three of the instructions, two of the question.
            assert_eq!(first["usage"]["input_tokens"], 5, "{first}");
            let call = first["output"][1]["call_id"].as_str().unwrap();
            let result = json!({"type": "function_call_output", "call_id": call, "output": "it is done"});
            let second = json!({
                "model": "desk-l", "stream": stream, "previous_response_id": first["id"], "input": [result],
            });
            let (second, _) = ask(house.addr, "", &second).await;
            assert_eq!(second["output"][0]["content"][0]["text"], "two words", "{second}");
            let counted = second["usage"]["input_tokens"].as_u64().unwrap();
            let third = json!({
                "model": "desk-l", "stream": stream, "previous_response_id": second["id"], "input": "and then?",
            });
            let (third, reply) = ask(house.addr, "", &third).await;
            // What was asked and answered in between, and no instructions of anybody before.
            assert_eq!(third["usage"]["input_tokens"], counted + 2 + 2, "{third}");
            assert!(counted < 5 + 3 + 1, "{counted}: the instructions are not carried over");
            let call = house.recorded(&reply.call_id());
            let recorded: Value = serde_json::from_slice(&call.request).unwrap();
            assert_eq!((&recorded["previous_response_id"], &recorded["input"]), (&second["id"], &json!("and then?")));
        }
        house.engine.shutdown().await;
    });
}

#[test]
fn translated_upstream_is_told_the_whole_conversation() {
    house::run(async {
        let (house, mut mock) = house_of(|_| ()).await;
        let mut asked = json!({"model": "qwen", "instructions": "Be brief.", "input": "one"});
        let mut expected = vec![("system", "Be brief."), ("user", "one")];
        for (says, next) in [("uno", "two"), ("due", "three"), ("tre", "four")] {
            let (saw, (response, reply)) = tokio::join!(answered(&mut mock, says), ask(house.addr, "", &asked));
            assert_eq!(saw, turns(&expected), "{asked}");
            assert_eq!(reply.header("x-freehold-translated"), Some("openai.chat"));
            let call = house.recorded(&reply.call_id());
            assert_eq!((call.request, call.failure), (asked.to_string().into_bytes(), None));
            asked = json!({"model": "qwen", "previous_response_id": response["id"], "input": next});
            expected.retain(|(who, _)| *who != "system");
            expected.extend([("assistant", says), ("user", next)]);
        }
        // Who answered before makes no difference.
        asked["model"] = "desk-l".into();
        let (response, _) = ask(house.addr, "", &asked).await;
        assert_eq!(response["usage"]["input_tokens"], 7, "{response}");
        house.engine.shutdown().await;
    });
}

#[test]
fn earlier_items_are_found_by_their_ids() {
    house::run(async {
        let (house, mut mock) = house_of(|_| ()).await;
        let first = json!({"model": "desk-l", "input": "one"});
        let (first, _) = ask(house.addr, "", &first).await;
        let item = json!({"type": "item_reference", "id": first["output"][0]["id"]});
        let said = json!({"role": "user", "content": "one"});
        let asked = json!({"model": "qwen", "input": [said, item, {"role": "user", "content": "two"}]});
        let (saw, _) = tokio::join!(answered(&mut mock, "x"), ask(house.addr, "", &asked));
        assert_eq!(saw, turns(&[("user", "one"), ("assistant", "two words"), ("user", "two")]));

        let unknown = json!({"model": "qwen", "input": [{"type": "item_reference", "id": "msg_1"}]});
        let (error, reply) = ask(house.addr, "", &unknown).await;
        assert_eq!((reply.status, &error["error"]["param"]), (404, &json!("input")), "{error}");
        let kept = json!({"model": "qwen", "conversation": "conv_1", "input": "hi"});
        let (error, reply) = ask(house.addr, "", &kept).await;
        assert_eq!((reply.status, &error["error"]["param"]), (400, &json!("conversation")), "{error}");
        assert!(mock.is_untouched());
        house.engine.shutdown().await;
    });
}

#[test]
fn answers_that_were_not_stored_or_never_given_are_not_found() {
    house::run(async {
        // A loss that is accepted is no leave to forget half of the talk.
        let (house, mut mock) = house_of(|config| config.upstreams[0].accept_loss = true).await;
        let unstored = json!({"model": "desk-l", "store": false, "input": "one"});
        let (unstored, _) = ask(house.addr, "", &unstored).await;
        let chat = json!({"model": "desk-l", "messages": [{"role": "user", "content": "hi"}]}).to_string();
        let chat = caller::post(house.addr, "/v1/chat/completions", "", chat).await.call_id();
        let failed = json!({"model": "desk-l", "input": "word ".repeat(100)});
        let (_, failed) = ask(house.addr, "", &failed).await;
        assert_eq!(failed.status, 400);
        let ids = [
            json!("resp_1"),
            json!("resp_019ab4c0-0000-7000-8000-000000000000"),
            unstored["id"].clone(),
            json!(format!("resp_{chat}")),
            json!(format!("resp_{}", failed.call_id())),
        ];
        for id in ids {
            for model in ["desk-l", "qwen"] {
                let asked = json!({"model": model, "previous_response_id": id, "input": "and then?", "stream": true});
                let (error, reply) = ask(house.addr, "", &asked).await;
                let error = &error["error"];
                assert_eq!((reply.status, &error["type"]), (400, &json!("invalid_request_error")), "{error}");
                let (param, code) = (&error["param"], &error["code"]);
                assert_eq!((param, code), (&json!("previous_response_id"), &json!("previous_response_not_found")));
                assert!(error["message"].as_str().unwrap().contains(id.as_str().unwrap()), "{error}");
                assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "refused");
            }
        }
        assert!(mock.is_untouched());
        house.engine.shutdown().await;
    });
}

#[test]
fn answers_to_another_key_are_not_found() {
    house::run(async {
        let (house, _mock) = house_of(|config| config.require_keys = true).await;
        let key = |name: &str, secret: &str| {
            let digest = digest(secret);
            let secret = KeySecret { digest, prefix: secret[..9].into(), created_ms: 0, until_ms: None };
            let (name, secrets) = (name.into(), vec![secret]);
            Key { name, created_ms: 0, expires_ms: None, revoked_ms: None, terms: KeyTerms::default(), secrets }
        };
        let secrets = ["fh-AAAAAAAAABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg", "fh-BBBBBBBBBBCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"];
        house.gateway.keys().set(vec![key("ci", secrets[0]), key("desk", secrets[1])]);
        let bearer = |secret: &str| format!("authorization: Bearer {secret}\r\n");
        let (first, _) = ask(house.addr, &bearer(secrets[0]), &json!({"model": "desk-l", "input": "one"})).await;
        let next = json!({"model": "desk-l", "previous_response_id": first["id"], "input": "two"});
        let (error, reply) = ask(house.addr, &bearer(secrets[1]), &next).await;
        assert_eq!((reply.status, &error["error"]["code"]), (400, &json!("previous_response_not_found")));
        let (second, reply) = ask(house.addr, &bearer(secrets[0]), &next).await;
        assert_eq!((reply.status, &second["usage"]["input_tokens"]), (200, &json!(4)), "{second}");
        house.engine.shutdown().await;
    });
}

#[test]
fn vendor_of_the_dialect_gets_the_reference_as_it_came_and_whoever_falls_in_for_it_the_conversation() {
    house::run(async {
        let mut vendor = Mock::start().await;
        let addr = vendor.addr;
        let (house, mut mock) = house_of(|config| {
            let mut openai = house::upstream("openai", addr, &[Api::OpenAiResponses]);
            openai.models = vec!["gpt".into()];
            openai.fallback = vec!["vllm/qwen".into()];
            config.upstreams.push(openai);
        })
        .await;
        let (first, _) = ask(house.addr, "", &json!({"model": "desk-l", "input": "one"})).await;
        let asked = json!({"model": "gpt", "previous_response_id": first["id"], "input": "two"});
        let serving = async {
            let exchange = vendor.next().await;
            let body = exchange.body.clone();
            exchange.whole("503 Service Unavailable", "", "{}").await;
            body
        };
        let (sent, saw, (_, reply)) = tokio::join!(serving, answered(&mut mock, "x"), ask(house.addr, "", &asked));
        assert_eq!(sent, asked.to_string().into_bytes());
        assert_eq!(saw, turns(&[("user", "one"), ("assistant", "two words"), ("user", "two")]));
        assert_eq!(reply.header("x-freehold-served-by"), Some("vllm/qwen"));
        house.engine.shutdown().await;
    });
}
