//! Bytes and headers that pass unaltered both ways, and what the record keeps of them.

use std::io::Write;

use freehold_gateway::Secret;
use freehold_wire::{Api, Call, Usage};

use crate::caller::{self, Piece};
use crate::house::{self, House};
use crate::mock::Mock;

/// Odd whitespace, unknown fields, an escaped and a raw letter: everything that a rebuilt body would lose.
const REQUEST: &str = "{ \"model\" :\"gpt-4o\",\n\t\"x_unknown\": [1.0, 1e3, {}],  \"messages\":[{\"role\":\"user\",\"content\":\"caf\\u00e9 é\"}] }\n";
const ANSWER: &str = "{\"id\":\"chatcmpl-1\",  \"object\":\"chat.completion\",\"created\":1,\"model\":\"gpt-4o-2024-08-06\",\n\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"h\\u0069\"},\"finish_reason\":\"stop\",\"x\":null}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":2,\"total_tokens\":13},\"zz\":1.50}";

#[test]
fn body_and_headers_pass_unaltered_both_ways_and_are_recorded() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let headers = "authorization: Bearer callers\r\nx-odd: a b\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                       x-freehold-step: triage\r\nx-freehold-run: run-7\r\naccept-encoding: br;q=0.5\r\ncontent-type: application/json\r\n";
        let asking =
            caller::send(house.addr, caller::posted("/v1/chat/completions?a=b%20c", headers, REQUEST.as_bytes()));
        let socket = asking.await;
        let exchange = mock.next().await;
        assert_eq!(exchange.first_line, "POST /v1/chat/completions?a=b%20c HTTP/1.1");
        assert_eq!(exchange.body, REQUEST.as_bytes());
        let mut seen = exchange.headers.clone();
        seen.sort();
        let expected = [
            ("accept-encoding", "br;q=0.5".to_owned()),
            ("authorization", "Bearer callers".to_owned()),
            ("content-length", REQUEST.len().to_string()),
            ("content-type", "application/json".to_owned()),
            ("host", mock.addr.to_string()),
            ("x-odd", "a b".to_owned()),
        ];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
        let extra = "content-type: application/json\r\nx-request-id: req_1\r\nx-ratelimit-remaining: 9\r\nx-freehold-step: forged\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n";
        exchange.whole("200 OK", extra, ANSWER).await;

        let mut reply = caller::Reply::read(socket).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-length"), Some(ANSWER.len().to_string().as_str()));
        assert_eq!(reply.header("connection"), None);
        assert_eq!(reply.header("x-request-id"), Some("req_1"));
        assert_eq!(reply.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
        assert_eq!(reply.headers.iter().filter(|(name, _)| name == "x-freehold-step").count(), 1);
        assert_eq!(reply.header("x-freehold-step"), Some("triage"));
        assert_eq!(reply.header("x-freehold-served-by"), Some("vendor/gpt-4o"));
        assert_eq!(reply.header("x-freehold-generation"), Some("0"));
        assert_eq!(reply.body().await, (ANSWER.as_bytes().to_vec(), Piece::End));

        check_record(&house.recorded(&reply.call_id()));
    });
}

fn check_record(call: &Call) {
    assert_eq!((call.request.as_slice(), call.response.as_slice()), (REQUEST.as_bytes(), ANSWER.as_bytes()));
    assert_eq!((call.step.as_str(), call.step_by.as_str(), call.run.as_deref()), ("triage", "header", Some("run-7")));
    assert_eq!((call.api, call.status, call.streamed, call.failure.clone()), (Api::OpenAiChat, 200, false, None));
    assert_eq!(call.usage, Some(Usage { input: 11, cache_read: 0, output: 2, ..Usage::default() }));
    assert_eq!((call.model.as_str(), call.upstream.as_str()), ("gpt-4o", "vendor"));
    assert_eq!(call.served_model.as_deref(), Some("gpt-4o-2024-08-06"));
    assert!(call.timings.first_byte_us.is_some_and(|first| first <= call.timings.total_us));
    assert_eq!(call.generation, 0);
}

#[test]
fn every_api_reaches_its_path_below_the_base_address() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut upstream = house::upstream("vendor", mock.addr, &Api::DIALECTS);
        upstream.base_url = format!("http://{}/proxy/v1", mock.addr).parse().unwrap();
        let house = House::new(house::config(vec![upstream])).await;
        for (path, body) in [
            ("/v1/chat/completions", r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#),
            ("/v1/responses", r#"{"model":"m","input":"a"}"#),
            ("/v1/messages", r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}]}"#),
        ] {
            let socket = caller::send(house.addr, caller::posted(path, "", body.as_bytes())).await;
            let exchange = mock.next().await;
            assert_eq!(exchange.first_line, format!("POST /proxy{path} HTTP/1.1"));
            exchange.whole("200 OK", "", "{}").await;
            let mut reply = caller::Reply::read(socket).await;
            assert_eq!(reply.body().await, (b"{}".to_vec(), Piece::End));
            // An answer that nobody here can read passes, and its record says so.
            assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "unreadable");
        }
    });
}

#[test]
fn configured_key_is_sent_in_the_place_of_the_callers() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut upstream = house::upstream("vendor", mock.addr, &[Api::AnthropicMessages]);
        upstream.key = Some(Secret::new("sk-ours"));
        upstream.simulated = true;
        let house = House::new(house::config(vec![upstream])).await;
        let headers = "x-api-key: sk-callers\r\nauthorization: Bearer sk-callers\r\nanthropic-version: 2023-06-01\r\n";
        let body = r#"{"model":"m","max_tokens":5,"messages":[]}"#;
        let socket = caller::send(house.addr, caller::posted("/v1/messages", headers, body.as_bytes())).await;
        let exchange = mock.next().await;
        assert_eq!((exchange.header("x-api-key"), exchange.header("authorization")), (Some("sk-ours"), None));
        assert_eq!(exchange.header("anthropic-version"), Some("2023-06-01"));
        exchange.whole("200 OK", "", "{}").await;
        assert_eq!(caller::Reply::read(socket).await.header("x-freehold-simulated"), Some("true"));
    });
}

#[test]
fn errors_of_the_upstream_pass_unaltered_with_their_headers() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        for (status, extra, body) in [
            ("429 Too Many Requests", "retry-after: 17\r\n", r#"{"error": {"message":"slow down"} }"#),
            ("500 Internal Server Error", "content-type: text/html\r\n", "<html>oops"),
            ("401 Unauthorized", "www-authenticate: Bearer\r\n", ""),
        ] {
            let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", REQUEST.as_bytes())).await;
            mock.next().await.whole(status, extra, body).await;
            let mut reply = caller::Reply::read(socket).await;
            let (name, value) = extra.trim_end().split_once(": ").unwrap();
            assert_eq!(reply.status.to_string(), status[..3]);
            assert_eq!(reply.header(name), Some(value));
            assert_eq!(reply.body().await, (body.as_bytes().to_vec(), Piece::End));
            let call = house.recorded(&reply.call_id());
            assert_eq!((call.status, call.response.as_slice()), (reply.status, body.as_bytes()));
            assert_eq!(call.failure.unwrap().kind, "upstream_status");
        }
    });
}

#[test]
fn compressed_bodies_pass_as_they_are_and_are_recorded_readable() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let (asked, answer) = (gzip(REQUEST), gzip(ANSWER));
        let headers = "content-encoding: gzip\r\naccept-encoding: gzip, br\r\n";
        let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", headers, &asked)).await;
        let exchange = mock.next().await;
        assert_eq!((exchange.body.as_slice(), exchange.header("content-encoding")), (asked.as_slice(), Some("gzip")));
        assert_eq!(exchange.header("accept-encoding"), Some("gzip, br"));
        exchange.whole("200 OK", "content-encoding: gzip\r\n", &answer).await;
        let mut reply = caller::Reply::read(socket).await;
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        assert_eq!(reply.body().await, (answer, Piece::End));
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.request.as_slice(), call.response.as_slice()), (REQUEST.as_bytes(), ANSWER.as_bytes()));
        assert_eq!((call.usage.map(|usage| usage.input), call.failure), (Some(11), None));
    });
}

#[test]
fn requests_that_only_the_vendor_understands_pass_too() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let body = r#"{"model":"next-year","messages":{"a":"form that does not exist yet"}}"#;
        let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", body.as_bytes())).await;
        let exchange = mock.next().await;
        assert_eq!(exchange.body, body.as_bytes());
        exchange.whole("200 OK", "", ANSWER).await;
        let mut reply = caller::Reply::read(socket).await;
        assert_eq!(reply.body().await.1, Piece::End);
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.model.as_str(), call.step.as_str()), ("next-year", "unread"));
    });
}

#[test]
fn large_bodies_pass_unaltered_and_are_recorded() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let asked = REQUEST.replace("caf", &"caf ".repeat(200_000));
        let answer = ANSWER.replace("\"h", &format!("\"{}", "word ".repeat(200_000)));
        let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", asked.as_bytes())).await;
        let exchange = mock.next().await;
        assert!(exchange.body == asked.as_bytes());
        exchange.whole("200 OK", "", &answer).await;
        let mut reply = caller::Reply::read(socket).await;
        let (body, end) = reply.body().await;
        assert!(end == Piece::End && body == answer.as_bytes());
        let call = house.recorded(&reply.call_id());
        assert!(call.request == asked.as_bytes() && call.response == answer.as_bytes());
        assert_eq!(
            (call.model.as_str(), call.usage.map(|usage| usage.output), call.failure),
            ("gpt-4o", Some(2), None)
        );
    });
}

#[test]
fn calls_at_once_and_in_turn_never_mix() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let asked = |mark: usize| format!("{{\"model\":\"m\",\"messages\":[],\"mark\":{mark}}}");
        let call = async |mark: usize| {
            let posted = caller::posted("/v1/chat/completions", "", asked(mark).as_bytes());
            let mut reply = caller::Reply::read(caller::send(house.addr, posted).await).await;
            let first = reply.body().await.0;
            let posted = caller::posted("/v1/chat/completions", "", asked(mark + 1000).as_bytes());
            let mut reply = caller::Reply::read(reply.again(posted).await).await;
            assert_eq!((first, reply.body().await.0), (asked(mark).into_bytes(), asked(mark + 1000).into_bytes()));
            let recorded = house.recorded(&reply.call_id());
            assert_eq!((recorded.request, recorded.response), (asked(mark + 1000).into(), asked(mark + 1000).into()));
        };
        let echo = async {
            for _ in 0..100 {
                let exchange = mock.next().await;
                let body = exchange.body.clone();
                exchange.whole("200 OK", "", body).await;
            }
        };
        tokio::join!(futures_util::future::join_all((0..50).map(call)), echo);
    });
}
