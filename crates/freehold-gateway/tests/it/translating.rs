//! Calls whose upstream speaks another dialect than the caller.

use freehold_gateway::{GatewayConfig, Secret, Spelling};
use freehold_wire::{Api, Usage, answers, stream};
use serde_json::{Value, json};

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const ASKED: &str =
    r#"{"model":"qwen","max_tokens":50,"system":"Be brief.","messages":[{"role":"user","content":"hi"}]}"#;
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"qwen","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}}"#;
const STREAM: [&str; 4] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"qwen\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hel\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"qwen\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"qwen\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
    "data: [DONE]\n\n",
];

/// Makes a gateway before a server that speaks Chat Completions only.
async fn chat_only(change: impl FnOnce(&mut freehold_gateway::Upstream)) -> (House, Mock) {
    let mock = Mock::start().await;
    let mut vllm = house::upstream("vllm", mock.addr, &[Api::OpenAiChat]);
    vllm.key = Some(Secret::new("local"));
    change(&mut vllm);
    let config = GatewayConfig { upstreams: vec![vllm], ..house::config(vec![]) };
    (House::new(config).await, mock)
}

#[test]
fn whole_call_is_translated_both_ways_and_recorded_as_the_caller_saw_it() {
    house::run(async {
        let (house, mut mock) = chat_only(|_| ()).await;
        let headers =
            "x-api-key: callers\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: b\r\naccept-encoding: br\r\n";
        let socket =
            caller::send(house.addr, caller::posted("/v1/messages?beta=true", headers, ASKED.as_bytes())).await;
        let exchange = mock.next().await;
        assert_eq!(exchange.first_line, "POST /v1/chat/completions HTTP/1.1");
        assert_eq!((exchange.header("authorization"), exchange.header("x-api-key")), (Some("Bearer local"), None));
        assert_eq!((exchange.header("anthropic-version"), exchange.header("anthropic-beta")), (None, None));
        assert_eq!(exchange.header("accept-encoding"), Some("identity"));
        let sent: Value = serde_json::from_slice(&exchange.body).unwrap();
        assert_eq!((&sent["model"], &sent["messages"][1]["content"]), (&json!("qwen"), &json!("hi")), "{sent}");
        exchange.whole("200 OK", "content-type: application/json\r\nx-request-id: r1\r\n", ANSWER).await;
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.header("x-request-id")), (200, Some("r1")));
        assert_eq!(reply.header("x-freehold-translated"), Some("openai.chat"));
        assert_eq!((reply.header("x-freehold-lost"), reply.header("x-freehold-attempts")), (None, None));
        let (body, end) = reply.body().await;
        let answer = answers::read(Api::AnthropicMessages, &body).unwrap();
        assert_eq!((answer.text.as_str(), answer.model.as_str(), end), ("hello", "qwen", Piece::End));
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.request.as_slice(), call.response, call.failure), (ASKED.as_bytes(), body, None));
        assert_eq!((call.api, call.upstream.as_str(), call.status), (Api::AnthropicMessages, "vllm", 200));
        assert_eq!(call.usage, Some(Usage { input: 9, cache_read: 4, output: 2, ..Usage::default() }));
        assert!(!call.is_estimated);
    });
}

#[test]
fn translated_requests_are_spelt_as_the_engine_reads_them_where_it_is_named() {
    house::run(async {
        let asked = r#"{"model":"qwen","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
        for (spelling, bound) in
            [(None, "max_completion_tokens"), (Some(Spelling { reasoning: Some("reasoning") }), "max_tokens")]
        {
            let (house, mut mock) = chat_only(|vllm| vllm.spelling = spelling).await;
            let socket = caller::send(house.addr, caller::posted("/v1/messages", "", asked.as_bytes())).await;
            let exchange = mock.next().await;
            let sent: Value = serde_json::from_slice(&exchange.body).unwrap();
            assert_eq!(sent[bound], 50, "{sent}");
            exchange.whole("200 OK", "content-type: application/json\r\n", ANSWER).await;
            assert_eq!(Reply::read(socket).await.status, 200);
            // Nothing is altered between two sides that speak the same, whatever the engine.
            let plain = r#"{"model":"qwen","max_completion_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
            let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", plain.as_bytes())).await;
            let exchange = mock.next().await;
            assert_eq!(exchange.body, plain.as_bytes());
            exchange.whole("200 OK", "content-type: application/json\r\n", ANSWER).await;
            assert_eq!(Reply::read(socket).await.status, 200);
        }
    });
}

#[test]
fn stream_is_translated_piece_by_piece_and_its_usage_is_read_at_the_source() {
    house::run(async {
        let (house, mut mock) = chat_only(|_| ()).await;
        for (path, api, body) in [
            ("/v1/messages", Api::AnthropicMessages, ASKED.replace("{\"model", "{\"stream\":true,\"model")),
            (
                "/v1/responses",
                Api::OpenAiResponses,
                r#"{"model":"qwen","stream":true,"store":false,"input":"hi"}"#.to_owned(),
            ),
        ] {
            let socket = caller::send(house.addr, caller::posted(path, "", body.as_bytes())).await;
            let mut exchange = mock.next().await;
            let sent: Value = serde_json::from_slice(&exchange.body).unwrap();
            assert_eq!(
                (&sent["stream"], &sent["stream_options"]["include_usage"]),
                (&json!(true), &json!(true)),
                "{sent}"
            );
            exchange.begin_stream(STREAM[0]).await;
            let mut reply = Reply::read(socket).await;
            assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
            let Piece::Bytes(mut got) = reply.piece().await else { panic!("a piece comes before the end") };
            assert!(String::from_utf8_lossy(&got).contains("hel"), "the first text passes at once");
            for piece in &STREAM[1..] {
                exchange.chunk(piece).await;
            }
            exchange.end().await;
            let (rest, end) = reply.body().await;
            got.extend(rest);
            let mut reader = stream::Reader::new(api);
            reader.push(&got);
            let outcome = reader.finish();
            assert!(outcome.is_complete && end == Piece::End, "{outcome:?}");
            assert_eq!(outcome.answer.text, "hello");
            let call = house.recorded(&reply.call_id());
            assert_eq!((call.response, call.streamed, call.failure), (got, true, None));
            assert_eq!(call.usage, Some(Usage { input: 9, output: 2, ..Usage::default() }));
        }
    });
}

#[test]
fn cut_stream_ends_in_an_error_event_and_never_cleanly() {
    house::run(async {
        let (house, mut mock) = chat_only(|_| ()).await;
        let body = ASKED.replace("{\"model", "{\"stream\":true,\"model");
        let socket = caller::send(house.addr, caller::posted("/v1/messages", "", body.as_bytes())).await;
        let mut exchange = mock.next().await;
        exchange.begin_stream(STREAM[0]).await;
        let mut reply = Reply::read(socket).await;
        drop(exchange);
        let (body, _) = reply.body().await;
        let mut reader = stream::Reader::new(Api::AnthropicMessages);
        reader.push(&body);
        let outcome = reader.finish();
        assert!(!outcome.is_complete && outcome.error.is_some() && outcome.answer.text == "hel", "{outcome:?}");
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.failure.unwrap().kind.as_str(), call.is_estimated), ("cut", true));
    });
}

#[test]
fn errors_come_in_the_callers_dialect_with_status_and_message() {
    house::run(async {
        let (house, mut mock) = chat_only(|_| ()).await;
        let socket = caller::send(house.addr, caller::posted("/v1/messages", "", ASKED.as_bytes())).await;
        let error = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;
        mock.next().await.whole("429 Too Many Requests", "retry-after: 17\r\n", error).await;
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("17")));
        let body = reply.json().await;
        assert_eq!((body["type"].as_str(), body["error"]["message"].as_str()), (Some("error"), Some("slow down")));
        assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "upstream_status");

        let socket = caller::send(house.addr, caller::posted("/v1/messages", "", ASKED.as_bytes())).await;
        mock.next().await.whole("200 OK", "", "<html>").await;
        let mut reply = Reply::read(socket).await;
        let body = reply.json().await;
        assert_eq!((reply.status, body["type"].as_str()), (502, Some("error")), "{body}");
    });
}

#[test]
fn what_cannot_be_carried_is_refused_by_name_or_said_to_be_lost() {
    house::run(async {
        let asked = ASKED.replace("{\"model", "{\"top_k\":40,\"model");
        for accept_loss in [false, true] {
            let (house, mut mock) = chat_only(|vllm| vllm.accept_loss = accept_loss).await;
            let socket = caller::send(house.addr, caller::posted("/v1/messages", "", asked.as_bytes())).await;
            if accept_loss {
                mock.next().await.whole("200 OK", "", ANSWER).await;
            }
            let mut reply = Reply::read(socket).await;
            if accept_loss {
                assert_eq!((reply.status, reply.header("x-freehold-lost")), (200, Some("top_k")));
                continue;
            }
            let error = reply.json().await;
            assert_eq!((reply.status, error["type"].as_str()), (422, Some("error")));
            assert!(error["error"]["message"].as_str().unwrap().contains("top_k"), "{error}");
            assert!(mock.is_untouched());
        }
    });
}

/// Returns a request as Claude Code makes it, with the line that is another one each time.
fn of_claude_code(model: &str, stamp: &str) -> String {
    let line = format!("x-anthropic-billing-header: cc_version=2.1.{stamp}; cc_entrypoint=cli; cch={stamp};");
    let system = ["You are Claude Code, the official tool."].map(|text| json!({"type": "text", "text": text}));
    let system: Vec<Value> = std::iter::once(json!({"type": "text", "text": line})).chain(system).collect();
    let messages = json!([{"role": "user", "content": "hi"}]);
    json!({"model": model, "max_tokens": 5, "messages": messages, "system": system}).to_string()
}

#[test]
fn billing_line_reaches_only_claude_and_does_not_change_the_step() {
    house::run(async {
        let (mut claude, mut vllm) = (Mock::start().await, Mock::start().await);
        let mut own = house::upstream("vllm", vllm.addr, &[Api::AnthropicMessages]);
        own.models = vec!["qwen".into()];
        let upstreams = vec![house::upstream("anthropic", claude.addr, &[Api::AnthropicMessages]), own];
        let house = House::new(house::config(upstreams)).await;
        let mut steps = Vec::new();
        for stamp in ["00001", "9fe2c"] {
            let asked = of_claude_code("claude-opus", stamp);
            let socket = caller::send(house.addr, caller::posted("/v1/messages", "", asked.as_bytes())).await;
            let exchange = claude.next().await;
            assert_eq!(exchange.body, asked.as_bytes(), "what goes to Claude is the caller's own");
            exchange.whole("200 OK", "", "{}").await;
            let reply = Reply::read(socket).await;
            assert_eq!(reply.header("x-freehold-removed"), None);
            steps.push(reply.header("x-freehold-step").unwrap().to_owned());

            let asked = of_claude_code("qwen", stamp);
            let socket = caller::send(house.addr, caller::posted("/v1/messages", "", asked.as_bytes())).await;
            let exchange = vllm.next().await;
            let sent = String::from_utf8_lossy(&exchange.body).into_owned();
            assert!(!sent.contains("billing") && sent.contains("You are Claude Code"), "{sent}");
            exchange.whole("200 OK", "", "{}").await;
            let mut reply = Reply::read(socket).await;
            reply.body().await;
            assert_eq!(reply.header("x-freehold-removed"), Some("billing-line"));
            assert_eq!(house.recorded(&reply.call_id()).request, asked.as_bytes());
            steps.push(reply.header("x-freehold-step").unwrap().to_owned());
        }
        steps.dedup();
        assert_eq!(steps.len(), 1, "{steps:?}");
    });
}
