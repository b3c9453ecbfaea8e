//! What is told of calls as they end: counts, spans, lines of the log.

use std::sync::Arc;
use std::time::Duration;

use freehold_gateway::{GatewayConfig, Observe, TraceConfig};
use freehold_wire::Api;
use serde_json::Value;

use crate::caller::{self, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT: &str = "/v1/chat/completions";
const ASKED: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"MARKED-PROMPT"}]}"#;
const ANSWER: &str = r#"{"id":"c","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant",
    "content":"MARKED-ANSWER"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
    "prompt_tokens_details":{"cached_tokens":60}}}"#;
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn config(mock: &Mock, observe: Observe) -> GatewayConfig {
    let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
    config.observe = observe;
    config
}

/// Sends a call and answers it; returns what the upstream was told as the parent, and the answer.
async fn exchange(house: &House, mock: &mut Mock, headers: &str) -> (Option<String>, Reply) {
    let headers = format!("x-freehold-step: triage\r\nauthorization: Bearer MARKED-KEY\r\n{headers}");
    let socket = caller::send(house.addr, caller::posted(CHAT, &headers, ASKED.as_bytes())).await;
    let exchange = mock.next().await;
    let parent = exchange.header("traceparent").map(str::to_owned);
    exchange.whole("200 OK", "content-type: application/json\r\n", ANSWER).await;
    let mut reply = Reply::read(socket).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body().await.0.starts_with(b"{\"id\":\"c\""));
    (parent, reply)
}

async fn metrics(house: &House) -> String {
    let mut reply = caller::get(house.addr, "/metrics").await;
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(reply.body().await.0).unwrap()
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[test]
fn metrics_count_what_has_ended_with_tokens_and_cost() {
    house::run(async {
        let mut mock = Mock::start().await;
        let pricing: freehold_gateway::Pricing = Arc::new(|upstream, model, usage| {
            (upstream == "vendor" && model == "gpt-4o-2024-08-06").then(|| usage.input + 2 * usage.output)
        });
        let house = House::new(config(&mock, Observe { pricing: Some(pricing), ..Observe::default() })).await;
        exchange(&house, &mut mock, "").await;
        let socket =
            caller::send(house.addr, caller::posted(CHAT, "x-freehold-step: triage\r\n", ASKED.as_bytes())).await;
        mock.next().await.whole("429 Too Many Requests", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 429);
        let text = metrics(&house).await;
        let served = r#"step="triage",upstream="vendor",model="gpt-4o-2024-08-06""#;
        let asked = r#"step="triage",upstream="vendor",model="gpt-4o""#;
        let lines = [
            format!("freehold_calls_total{{{served},outcome=\"ok\"}} 1"),
            format!("freehold_calls_total{{{asked},outcome=\"upstream_429\"}} 1"),
            format!("freehold_tokens_total{{{served},kind=\"cache_read\"}} 60"),
            format!("freehold_cost_microusd_total{{{served}}} 140"),
            format!("freehold_calls_of_unknown_cost_total{{{asked}}} 1"),
            "freehold_calls_in_flight 0".to_owned(),
            "freehold_recorder_dropped_total 0".to_owned(),
            "freehold_upstream_breaker{upstream=\"vendor\"} 0".to_owned(),
            "freehold_generation 0".to_owned(),
        ];
        for line in lines {
            assert!(has_line(&text, &line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("MARKED"), "{text}");
        assert_eq!(caller::post(house.addr, "/metrics", "", "").await.status, 405);
    });
}

#[test]
fn caller_who_leaves_is_counted_as_such() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock, Observe::default())).await;
        let socket = caller::send(house.addr, caller::posted(CHAT, "x-freehold-step: s\r\n", ASKED.as_bytes())).await;
        let exchange = mock.next().await;
        drop(socket);
        exchange.closed().await;
        let line = r#"freehold_calls_total{step="s",upstream="vendor",model="gpt-4o",outcome="client_left"} 1"#;
        while !has_line(&metrics(&house).await, line) {
            tokio::task::yield_now().await;
        }
    });
}

fn traced(collector: &Mock) -> Observe {
    let url = format!("http://{}", collector.addr).parse().unwrap();
    let traces = TraceConfig { url, authorization: None, sample: 1.0, reparent: false };
    Observe { traces: Some(traces), ..Observe::default() }
}

/// Returns the value of an attribute, whatever its type.
fn attribute<'s>(span: &'s Value, key: &str) -> Option<&'s Value> {
    let attributes = span["attributes"].as_array().unwrap();
    let value = &attributes.iter().find(|attribute| attribute["key"] == key)?["value"];
    value.as_object().unwrap().values().next()
}

/// Waits for a request of the exporter, checks it against the names of OTLP, answers it, and returns its spans.
async fn collected(collector: &mut Mock) -> Vec<Value> {
    let exchange = collector.next().await;
    assert_eq!(exchange.first_line, "POST /v1/traces HTTP/1.1");
    assert_eq!(exchange.header("content-type"), Some("application/json"));
    assert!(!String::from_utf8_lossy(&exchange.body).contains("MARKED"), "a prompt, an answer or a key is in a span");
    let body: Value = serde_json::from_slice(&exchange.body).unwrap();
    exchange.whole("200 OK", "content-type: application/json\r\n", r#"{"partialSuccess":{}}"#).await;
    let resource = &body["resourceSpans"][0];
    let service = &resource["resource"]["attributes"][0];
    assert_eq!((&service["key"], &service["value"]["stringValue"]), (&"service.name".into(), &"freehold".into()));
    let scope = &resource["scopeSpans"][0];
    assert_eq!(scope["scope"]["name"], "freehold");
    let spans = scope["spans"].as_array().unwrap().clone();
    let known = [
        "traceId",
        "spanId",
        "parentSpanId",
        "name",
        "kind",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "attributes",
        "status",
    ];
    for span in &spans {
        assert!(span.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{span:#}");
        let is_hex = |key: &str, digits| {
            let text = span[key].as_str().unwrap();
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        assert!(is_hex("traceId", 32) && is_hex("spanId", 16), "{span:#}");
        let time = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    }
    spans
}

#[test]
fn span_joins_the_callers_trace_and_leaves_its_header_alone() {
    house::run(async {
        let (mut mock, mut collector) = (Mock::start().await, Mock::start().await);
        let house = House::new(config(&mock, traced(&collector))).await;
        let (parent, reply) = exchange(&house, &mut mock, &format!("traceparent: {CALLER}\r\n")).await;
        assert_eq!(parent.as_deref(), Some(CALLER));
        let spans = collected(&mut collector).await;
        let [span] = spans.as_slice() else { panic!("{spans:#?}") };
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(
            (&span["parentSpanId"], &span["kind"], &span["name"]),
            (&"00f067aa0ba902b7".into(), &3.into(), &"chat gpt-4o".into())
        );
        let expected: [(&str, Value); 12] = [
            ("gen_ai.operation.name", "chat".into()),
            ("gen_ai.provider.name", "openai".into()),
            ("gen_ai.request.model", "gpt-4o".into()),
            ("gen_ai.response.model", "gpt-4o-2024-08-06".into()),
            ("gen_ai.usage.input_tokens", "100".into()),
            ("gen_ai.usage.output_tokens", "20".into()),
            ("gen_ai.usage.cache_read.input_tokens", "60".into()),
            ("server.address", "127.0.0.1".into()),
            ("server.port", mock.addr.port().to_string().into()),
            ("http.response.status_code", "200".into()),
            ("freehold.step", "triage".into()),
            ("freehold.call", reply.call_id().into()),
        ];
        for (key, value) in expected {
            assert_eq!(attribute(span, key), Some(&value), "{key} in {span:#}");
        }
        assert_eq!(span["status"], serde_json::json!({}));
    });
}

#[test]
fn upstream_is_told_our_span_where_that_is_asked_for() {
    house::run(async {
        let (mut mock, mut collector) = (Mock::start().await, Mock::start().await);
        let mut observe = traced(&collector);
        observe.traces.as_mut().unwrap().reparent = true;
        let house = House::new(config(&mock, observe)).await;
        let (parent, _) = exchange(&house, &mut mock, &format!("traceparent: {CALLER}\r\n")).await;
        let span = collected(&mut collector).await.remove(0);
        let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", span["spanId"].as_str().unwrap());
        assert_eq!(parent, Some(expected));
    });
}

#[test]
fn failed_call_is_an_error_and_begins_a_trace_where_the_caller_brings_none() {
    house::run(async {
        let (mut mock, mut collector) = (Mock::start().await, Mock::start().await);
        let house = House::new(config(&mock, traced(&collector))).await;
        let socket =
            caller::send(house.addr, caller::posted(CHAT, "traceparent: nonsense\r\n", ASKED.as_bytes())).await;
        mock.next().await.whole("503 Service Unavailable", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 503);
        let span = collected(&mut collector).await.remove(0);
        assert_eq!(span["status"], serde_json::json!({"code": 2}));
        assert_eq!(attribute(&span, "error.type"), Some(&"upstream_5xx".into()));
        assert!(span.get("parentSpanId").is_none());
    });
}

#[test]
fn collector_that_is_gone_costs_spans_and_nothing_else() {
    house::run(async {
        let (mut mock, collector) = (Mock::start().await, Mock::start().await);
        let mut observe = traced(&collector);
        if let Some(traces) = &mut observe.traces {
            // Nobody listens on the discard port of this machine.
            traces.url = "http://127.0.0.1:9".parse().unwrap();
        }
        let house = House::new(config(&mock, observe)).await;
        for _ in 0..3 {
            exchange(&house, &mut mock, "").await;
        }
        let drained = house.serving.shutdown(Duration::from_secs(5)).await;
        assert_eq!(drained.calls_cut, 0);
    });
}

#[test]
fn stop_sends_the_spans_that_wait() {
    house::run(async {
        let (mut mock, mut collector) = (Mock::start().await, Mock::start().await);
        let house = House::new(config(&mock, traced(&collector))).await;
        exchange(&house, &mut mock, "").await;
        exchange(&house, &mut mock, "").await;
        let (drained, spans) = tokio::join!(house.serving.shutdown(Duration::from_secs(5)), collected(&mut collector));
        assert_eq!((drained.calls_cut, spans.len()), (0, 2));
    });
}
