//! Answers that are passed on as they come, and every way in which they can end.

use std::time::Duration;

use freehold_gateway::GatewayConfig;
use freehold_wire::{Api, Usage};

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::{Exchange, Mock};

const REQUEST: &str = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const FIRST: &str =
    "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\n";
const SECOND: &str = ": comment\r\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"y\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\r\n\r\n";
const DONE: &str = "data: [DONE]\n\n";

async fn streaming(change: impl FnOnce(&mut GatewayConfig)) -> (House, Mock) {
    let mock = Mock::start().await;
    let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
    change(&mut config);
    (House::new(config).await, mock)
}

async fn begun(house: &House, mock: &mut Mock) -> (Exchange, Reply) {
    let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", REQUEST.as_bytes())).await;
    let mut exchange = mock.next().await;
    exchange.begin_stream(FIRST).await;
    (exchange, Reply::read(socket).await)
}

fn bytes(text: &str) -> Piece {
    Piece::Bytes(text.as_bytes().to_vec())
}

#[test]
fn pieces_arrive_before_the_upstream_ends_and_are_recorded_as_they_came() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let (mut exchange, mut reply) = begun(&house, &mut mock).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(reply.piece().await, bytes(FIRST));
        exchange.chunk(SECOND).await;
        assert_eq!(reply.piece().await, bytes(SECOND));
        exchange.chunk(DONE).await;
        exchange.end().await;
        assert_eq!(reply.body().await, (DONE.as_bytes().to_vec(), Piece::End));
        let call = house.recorded(&reply.call_id());
        assert_eq!(call.response, format!("{FIRST}{SECOND}{DONE}").into_bytes());
        assert_eq!((call.streamed, call.status, call.failure.clone()), (true, 200, None));
        assert_eq!(call.usage, Some(Usage { input: 3, cache_read: 0, output: 2, ..Usage::default() }));
        assert!(call.timings.first_byte_us.unwrap() <= call.timings.total_us);
    });
}

#[test]
fn closing_event_waits_for_the_end_but_not_for_long() {
    house::run(async {
        let (house, mut mock) = streaming(|config| config.record_wait = Duration::from_millis(20)).await;
        let (mut exchange, mut reply) = begun(&house, &mut mock).await;
        assert_eq!(reply.piece().await, bytes(FIRST));
        exchange.chunk(DONE).await;
        // The upstream never ends, and still the closing event comes.
        assert_eq!(reply.piece().await, bytes(DONE));
        exchange.end().await;
        assert_eq!(reply.piece().await, Piece::End);
    });
}

#[test]
fn cut_stream_is_a_broken_connection_and_recorded_as_cut() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let (exchange, mut reply) = begun(&house, &mut mock).await;
        assert_eq!(reply.piece().await, bytes(FIRST));
        drop(exchange);
        assert_eq!(reply.piece().await, Piece::Broken);
        let id = reply.call_id();
        let (store, _home) = house.stop(Duration::from_secs(30)).await;
        let call = store.call(&id).unwrap().unwrap();
        assert_eq!((call.response.as_slice(), call.failure.unwrap().kind.as_str()), (FIRST.as_bytes(), "cut"));
    });
}

#[test]
fn whole_answer_that_is_cut_becomes_an_error_in_the_callers_dialect() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let body = r#"{"model":"m","max_tokens":5,"messages":[]}"#;
        let socket = caller::send(house.addr, caller::posted("/v1/messages", "", body.as_bytes())).await;
        let mut exchange = mock.next().await;
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":").await;
        drop(exchange);
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.status, 502);
        let error = reply.json().await;
        assert_eq!((error["type"].as_str(), error["error"]["type"].as_str()), (Some("error"), Some("api_error")));
        assert!(error["error"]["message"].as_str().unwrap().contains("vendor"), "{error}");
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.status, call.failure.unwrap().kind.as_str()), (502, "cut"));
        assert_eq!(call.response, error.to_string().into_bytes());
    });
}

#[test]
fn stream_until_the_connection_closes_is_whole_only_with_its_closing_event() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let head = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        for (rest, expected, failure) in [(DONE, Piece::End, None), ("", Piece::Broken, Some("cut"))] {
            let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", REQUEST.as_bytes())).await;
            let mut exchange = mock.next().await;
            exchange.send(format!("{head}{SECOND}{rest}")).await;
            drop(exchange);
            let mut reply = Reply::read(socket).await;
            assert_eq!(reply.body().await, (format!("{SECOND}{rest}").into_bytes(), expected));
            let id = reply.call_id();
            // A broken answer does not wait for its record, so the next commit is waited for.
            while house.store.call(&id).unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            assert_eq!(house.recorded(&id).failure.map(|failure| failure.kind).as_deref(), failure);
        }
    });
}

#[test]
fn stream_that_lacks_its_closing_event_passes_and_is_recorded_as_cut() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let (exchange, mut reply) = begun(&house, &mut mock).await;
        exchange.end().await;
        assert_eq!(reply.body().await, (FIRST.as_bytes().to_vec(), Piece::End));
        assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "cut");
    });
}

#[test]
fn caller_that_leaves_ends_the_exchange_with_the_upstream() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let (exchange, mut reply) = begun(&house, &mut mock).await;
        assert_eq!(reply.piece().await, bytes(FIRST));
        let id = reply.call_id();
        drop(reply);
        exchange.closed().await;
        let (store, _home) = house.stop(Duration::from_secs(30)).await;
        let call = store.call(&id).unwrap().unwrap();
        assert_eq!((call.response.as_slice(), call.status), (FIRST.as_bytes(), 200));
        assert_eq!(call.failure.unwrap().kind, "client_left");
    });
}

#[test]
fn caller_that_leaves_before_the_answer_begins_is_recorded_too() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let posted = caller::posted("/v1/chat/completions", "x-freehold-step: impatient\r\n", REQUEST.as_bytes());
        let socket = caller::send(house.addr, posted).await;
        let exchange = mock.next().await;
        drop(socket);
        exchange.closed().await;
        let (store, _home) = house.stop(Duration::from_secs(30)).await;
        let steps = store.steps().unwrap();
        assert_eq!((steps.len(), steps[0].step.as_str(), steps[0].calls, steps[0].failures), (1, "impatient", 1, 1));
    });
}

#[test]
fn stream_that_stands_still_ends_in_an_error_event() {
    house::run(async {
        let (house, mut mock) = streaming(|config| config.idle_timeout = Duration::from_millis(50)).await;
        let (exchange, mut reply) = begun(&house, &mut mock).await;
        assert_eq!(reply.piece().await, bytes(FIRST));
        let (rest, end) = reply.body().await;
        let (rest, id) = (String::from_utf8(rest).unwrap(), reply.call_id());
        assert_eq!(end, Piece::End);
        assert!(rest.starts_with("data: {\"error\":{") && rest.contains("stood still for 50 ms"), "{rest}");
        exchange.closed().await;
        let (store, _home) = house.stop(Duration::from_secs(30)).await;
        let call = store.call(&id).unwrap().unwrap();
        assert_eq!((call.failure.unwrap().kind.as_str(), call.response), ("timeout", format!("{FIRST}{rest}").into()));
    });
}

#[test]
fn stream_that_stands_still_within_an_event_is_broken_off() {
    house::run(async {
        let (house, mut mock) = streaming(|config| config.idle_timeout = Duration::from_millis(50)).await;
        let (mut exchange, mut reply) = begun(&house, &mut mock).await;
        assert_eq!(reply.piece().await, bytes(FIRST));
        exchange.chunk("data: {\"half\":").await;
        assert_eq!(reply.body().await, (b"data: {\"half\":".to_vec(), Piece::Broken));
        exchange.closed().await;
    });
}

#[test]
fn slow_whole_answer_is_passed_on_as_it_comes() {
    house::run(async {
        let (house, mut mock) = streaming(|config| config.hold_max = Duration::from_millis(1)).await;
        let body = r#"{"model":"gpt-4o","messages":[]}"#;
        let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", body.as_bytes())).await;
        let mut exchange = mock.next().await;
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.header("content-length"), Some("10"));
        assert_eq!(reply.piece().await, bytes("12345"));
        exchange.send("67890").await;
        assert_eq!(reply.body().await, (b"67890".to_vec(), Piece::End));
        assert_eq!(house.recorded(&reply.call_id()).response, b"1234567890");
    });
}

#[test]
fn record_of_an_answer_beyond_the_limit_keeps_what_fits_and_says_so() {
    house::run(async {
        let (house, mut mock) = streaming(|config| config.record_bytes_max = 20).await;
        let (mut exchange, mut reply) = begun(&house, &mut mock).await;
        exchange.chunk(DONE).await;
        exchange.end().await;
        assert_eq!(reply.body().await, (format!("{FIRST}{DONE}").into_bytes(), Piece::End));
        let call = house.recorded(&reply.call_id());
        assert_eq!(call.response, &FIRST.as_bytes()[..20]);
        assert_eq!(call.failure.unwrap().kind, "over_limit");
    });
}

const FINISH: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n";

#[test]
fn usage_that_only_we_asked_for_is_recorded_and_kept_from_the_caller() {
    house::run(async {
        let (house, mut mock) = streaming(|config| config.upstreams[0].usage_in_streams = true).await;
        let asking = REQUEST.replace("true,", "true,\"stream_options\":{\"include_usage\":true},");
        for (asked, is_hidden) in [(REQUEST, true), (asking.as_str(), false)] {
            let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", asked.as_bytes())).await;
            let mut exchange = mock.next().await;
            let sent: serde_json::Value = serde_json::from_slice(&exchange.body).unwrap();
            assert_eq!(sent["stream_options"]["include_usage"], true);
            exchange.begin_stream(FIRST).await;
            for piece in [FINISH, USAGE, DONE] {
                exchange.chunk(piece).await;
            }
            exchange.end().await;
            let mut reply = Reply::read(socket).await;
            let (body, end) = reply.body().await;
            let usage = if is_hidden { "" } else { USAGE };
            assert_eq!((String::from_utf8(body).unwrap(), end), (format!("{FIRST}{FINISH}{usage}{DONE}"), Piece::End));
            let call = house.recorded(&reply.call_id());
            assert_eq!((call.usage.map(|usage| usage.output), call.is_estimated, call.failure), (Some(2), false, None));
            assert_eq!((call.request.as_slice(), call.response.ends_with(DONE.as_bytes())), (asked.as_bytes(), true));
        }
    });
}

#[test]
fn stream_without_usage_is_estimated_and_says_so() {
    house::run(async {
        let (house, mut mock) = streaming(|_| ()).await;
        let (mut exchange, mut reply) = begun(&house, &mut mock).await;
        exchange.chunk(FINISH).await;
        exchange.chunk(DONE).await;
        exchange.end().await;
        assert_eq!(reply.body().await.1, Piece::End);
        let call = house.recorded(&reply.call_id());
        assert!(
            call.is_estimated && call.usage.is_some_and(|usage| usage.input > 0 && usage.output > 0),
            "{:?}",
            call.usage
        );
    });
}
