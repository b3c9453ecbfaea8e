//! Upstreams that fail, for each dialect that they speak and each that the caller speaks: the caller has a whole answer or learns, in its
//! own dialect, that it has none, and the gateway serves on.

use std::time::Duration;

use freehold_gateway::GatewayConfig;
use freehold_wire::write::{Head, StreamWriter};
use freehold_wire::{Api, ErrorKind, Finish, Usage, error_body, stream};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

/// What a request says of `stream`.
const STREAMED: &str = "true";
const WHOLE: &str = "false";

const TEXT: [&str; 2] = ["he said ", "nothing"];

async fn speaking(spoken: Api, change: impl FnOnce(&mut GatewayConfig)) -> (House, Mock) {
    let mock = Mock::start().await;
    let mut config = house::config(vec![house::upstream("vendor", mock.addr, &[spoken])]);
    config.upstreams[0].breaker.failures_max = 0;
    change(&mut config);
    (House::new(config).await, mock)
}

async fn ask(house: &House, api: Api, stream: &str) -> TcpStream {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let (path, rest) = match api {
        Api::AnthropicMessages => ("/v1/messages", format!(r#""max_tokens":9,{messages}"#)),
        Api::OpenAiResponses => ("/v1/responses", r#""input":"hi","store":false"#.to_owned()),
        _ => ("/v1/chat/completions", messages.to_owned()),
    };
    let body = format!(r#"{{"model":"m","stream":{stream},{rest}}}"#);
    caller::send(house.addr, caller::posted(path, "", body.as_bytes())).await
}

/// Every pair of a dialect that is spoken behind the gateway and one that is spoken before it.
fn pairs() -> impl Iterator<Item = (Api, Vec<Api>)> {
    Api::DIALECTS.into_iter().map(|spoken| (spoken, Api::DIALECTS.to_vec()))
}

fn whole_stream(spoken: Api) -> String {
    let head = Head { id: "c".to_owned(), model: "m".to_owned(), created_s: 1, stream_usage: false };
    let mut writer = StreamWriter::new(spoken, head);
    let mut bytes = writer.start(3);
    TEXT.iter().for_each(|piece| bytes.extend(writer.text(piece)));
    bytes.extend(writer.finish(Finish::Stop, Usage { input: 3, output: 2, ..Usage::default() }));
    String::from_utf8(bytes).unwrap()
}

fn read(api: Api, body: &[u8]) -> stream::Outcome {
    let mut reader = stream::Reader::new(api);
    reader.push(body);
    reader.finish()
}

/// Returns the message of an error in a dialect.
fn told(api: Api, error: &Value) -> String {
    let is_spelt = (error["type"] == "error") == (api == Api::AnthropicMessages);
    assert!(is_spelt && error["error"]["type"].is_string(), "{api}: {error}");
    error["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn stream_that_is_cut_at_any_tenth_byte_is_never_taken_for_a_whole_one() {
    house::run(async {
        for (spoken, callers) in pairs() {
            let (house, mut mock) = speaking(spoken, |_| ()).await;
            let answer = whole_stream(spoken);
            assert!(read(spoken, answer.as_bytes()).is_complete, "{spoken}: {answer}");
            for (cut, &api) in
                (10..answer.len() - 10).step_by(10).flat_map(|cut| callers.iter().map(move |api| (cut, api)))
            {
                let socket = ask(&house, api, STREAMED).await;
                let mut exchange = mock.next().await;
                exchange.begin_stream(&answer[..cut]).await;
                // A cut at the very moment of the head would leave the caller with no answer at all, which nobody mistakes for one.
                let mut reply = Reply::read(socket).await;
                drop(exchange);
                let (body, end) = reply.body().await;
                let (outcome, shown) = (read(api, &body), String::from_utf8_lossy(&body).into_owned());
                let at = format!("{spoken} to {api} cut at {cut}: {shown}");
                assert!(!outcome.is_complete && TEXT.concat().starts_with(&outcome.answer.text), "{at}");
                if api == spoken {
                    assert_eq!((shown.as_str(), end), (&answer[..cut], Piece::Broken), "{at}");
                } else {
                    assert!(outcome.error.is_some() && end == Piece::End, "{at}");
                }
            }
        }
    });
}

#[test]
fn errors_of_an_upstream_reach_every_caller_in_its_own_dialect() {
    house::run(async {
        for (spoken, callers) in pairs() {
            let (house, mut mock) = speaking(spoken, |_| ()).await;
            for (status, api) in
                [429, 500, 503, 529].into_iter().flat_map(|status| callers.iter().map(move |api| (status, *api)))
            {
                let socket = ask(&house, api, STREAMED).await;
                let said = error_body(spoken, ErrorKind::Busy, "no luck");
                let head = "content-type: application/json\r\nretry-after: 17\r\n";
                mock.next().await.whole(&format!("{status} Unlucky"), head, &said).await;
                let mut reply = Reply::read(socket).await;
                assert_eq!((reply.status, reply.header("retry-after")), (status, Some("17")), "{spoken} to {api}");
                let (body, end) = reply.body().await;
                assert_eq!((end, api != spoken || body == said), (Piece::End, true));
                assert_eq!(told(api, &serde_json::from_slice(&body).unwrap()), "no luck");
                assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "upstream_status");
            }
            assert!(mock.is_untouched());
        }
    });
}

#[test]
fn answer_that_hangs_is_an_error_of_the_callers_dialect_or_breaks_off() {
    house::run(async {
        for (spoken, callers) in pairs() {
            let quick = |config: &mut GatewayConfig| {
                (config.idle_timeout, config.hold_max) = (Duration::from_millis(50), Duration::from_millis(1));
            };
            let (house, mut mock) = speaking(spoken, quick).await;
            for api in callers {
                let socket = ask(&house, api, STREAMED).await;
                let mut exchange = mock.next().await;
                let answer = whole_stream(spoken);
                let begun = answer.find("\n\n").unwrap() + 2;
                exchange.begin_stream(&answer[..begun]).await;
                let (body, end) = Reply::read(socket).await.body().await;
                let outcome = read(api, &body);
                let shown = String::from_utf8_lossy(&body);
                assert!(
                    !outcome.is_complete && outcome.error.is_some() && end == Piece::End,
                    "{spoken} to {api}: {shown}"
                );
                assert!(shown.contains("stood still"), "{shown}");
                exchange.closed().await;

                let socket = ask(&house, api, WHOLE).await;
                let mut exchange = mock.next().await;
                exchange.send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{").await;
                let mut reply = Reply::read(socket).await;
                if api == spoken {
                    assert_eq!(reply.body().await, (b"{".to_vec(), Piece::Broken));
                } else {
                    assert!(reply.status == 504 && told(api, &reply.json().await).contains("stood still"));
                }
                exchange.closed().await;
            }
        }
    });
}

#[test]
fn garbage_in_the_place_of_an_answer_is_passed_on_or_told_of_and_recorded_as_such() {
    house::run(async {
        for (spoken, callers) in pairs() {
            let (house, mut mock) = speaking(spoken, |_| ()).await;
            for api in callers {
                let socket = ask(&house, api, WHOLE).await;
                mock.next().await.whole("200 OK", "content-type: application/json\r\n", "<html>\0no</html>").await;
                let mut reply = Reply::read(socket).await;
                if api == spoken {
                    assert_eq!((reply.status, reply.body().await.0), (200, b"<html>\0no</html>".to_vec()));
                } else {
                    assert!(reply.status == 502 && told(api, &reply.json().await).contains("vendor"));
                }
                assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "unreadable", "{spoken} to {api}");

                let socket = ask(&house, api, STREAMED).await;
                let mut exchange = mock.next().await;
                let garbage = "<html>\n\nevent: \u{1}\ndata: {broken\n\ndata: [1]\r\r:\n\n";
                exchange.begin_stream(garbage).await;
                exchange.end().await;
                let mut reply = Reply::read(socket).await;
                let (body, end) = reply.body().await;
                let outcome = read(api, &body);
                let shown = String::from_utf8_lossy(&body);
                assert!(!outcome.is_complete && end == Piece::End, "{spoken} to {api}: {shown}");
                assert!(
                    if api == spoken { shown == garbage } else { outcome.error.is_some() },
                    "{spoken} to {api}: {shown}"
                );
                assert!(house.recorded(&reply.call_id()).failure.is_some());
            }
        }
    });
}

#[test]
fn what_is_no_http_is_a_bad_gateway_in_the_callers_dialect() {
    house::run(async {
        let (house, mut mock) = speaking(Api::OpenAiChat, |_| ()).await;
        let heads: [&[u8]; 6] = [
            b"\x16\x03\x01\x00\x05hello",
            b"HTTP/1.1 200",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"\r\n\r\n\r\n",
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"",
        ];
        for (head, api) in heads.into_iter().flat_map(|head| Api::DIALECTS.map(|api| (head, api))) {
            let socket = ask(&house, api, STREAMED).await;
            let mut exchange = mock.next().await;
            exchange.send(head).await;
            drop(exchange);
            let mut reply = Reply::read(socket).await;
            assert_eq!(reply.status, 502, "{head:?} to {api}");
            assert!(told(api, &reply.json().await).contains("vendor"));
        }
        assert_eq!(caller::get(house.addr, "/healthz").await.status, 200);
    });
}
