//! Everything that can go wrong with a call, as its caller sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use freehold_gateway::{Error, Gateway, GatewayConfig, Listen};
use freehold_wire::Api;

use crate::caller::{self, Reply};
use crate::house::{self, House};
use crate::mock::{Deserted, Mock};

const CHAT: &str = "/v1/chat/completions";
const REQUEST: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"secret words"}]}"#;

async fn refused(house: &House, mut reply: Reply) -> (u16, String, String) {
    let error = reply.json().await;
    let message = error["error"]["message"].as_str().unwrap().to_owned();
    assert!(!message.contains("secret words"));
    let call = house.recorded(&reply.call_id());
    assert_eq!((call.status, call.response), (reply.status, error.to_string().into_bytes()));
    (reply.status, message, call.failure.unwrap().kind)
}

#[test]
fn upstream_that_cannot_be_reached_is_named() {
    house::run(async {
        let away = Deserted::new();
        let house = House::new(house::config(vec![house::upstream("vendor", away.addr, &Api::DIALECTS)])).await;
        let reply = caller::post(house.addr, CHAT, "", REQUEST).await;
        assert_eq!(reply.header("x-freehold-served-by"), Some("vendor/gpt-4o"));
        let (status, message, kind) = refused(&house, reply).await;
        assert_eq!((status, kind.as_str()), (502, "connect"));
        assert!(message.contains("\"vendor\"") && message.contains("refused"), "{message}");
    });
}

#[test]
fn upstream_that_does_not_begin_to_answer_times_out() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
        config.first_byte_timeout = Duration::from_millis(500);
        let house = House::new(config).await;
        let reply = caller::post(house.addr, CHAT, "", REQUEST).await;
        let (status, message, kind) = refused(&house, reply).await;
        assert_eq!((status, kind.as_str()), (504, "timeout"));
        assert!(message.contains("500 ms"), "{message}");
        mock.next().await.closed().await;
    });
}

#[test]
fn upstream_that_speaks_no_http_is_a_bad_gateway() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let socket = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        let mut exchange = mock.next().await;
        exchange.send("220 smtp.example ESMTP\r\n\r\n").await;
        let (status, _, kind) = refused(&house, Reply::read(socket).await).await;
        assert_eq!((status, kind.as_str()), (502, "cut"));
    });
}

#[test]
fn requests_that_cannot_be_served_say_why() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut upstream = house::upstream("vendor", mock.addr, &[Api::OpenAiChat]);
        upstream.models = vec!["gpt-4o".into()];
        let config = GatewayConfig { body_bytes_max: 1000, ..house::config(vec![upstream]) };
        let house = House::new(config).await;
        let long = "a".repeat(1001);
        let cases: [(&str, &str, &str, u16, &str); 6] = [
            (CHAT, "", "{\"model\":", 400, "not JSON (line 1, column 9)"),
            (CHAT, "", &long, 413, "1000 bytes"),
            (CHAT, "content-encoding: lzma\r\n", "x", 415, "lzma"),
            (CHAT, "", r#"{"model":"other","messages":[]}"#, 404, "vendor (openai.chat: gpt-4o)"),
            ("/v1/embeddings", "", r#"{"model":"ada","input":"a"}"#, 404, "openai.embeddings"),
            (CHAT, "", r#"{"messages":[]}"#, 404, "vendor"),
        ];
        for (path, headers, body, expected, part) in cases {
            let (status, message, kind) = refused(&house, caller::post(house.addr, path, headers, body).await).await;
            assert_eq!((status, kind.as_str()), (expected, "refused"), "{message}");
            assert!(message.contains(part), "{message}");
        }
        assert!(mock.is_untouched());
    });
}

#[test]
fn chunked_body_beyond_the_limit_is_refused_while_it_comes() {
    house::run(async {
        let config = GatewayConfig { body_bytes_max: 1000, ..house::config(vec![]) };
        let house = House::new(config).await;
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
        let socket = caller::send(house.addr, format!("{head}{chunk}{chunk}")).await;
        assert_eq!(Reply::read(socket).await.status, 413);
    });
}

#[test]
fn body_that_does_not_come_times_out() {
    house::run(async {
        let config = GatewayConfig { body_timeout: Duration::from_millis(50), ..house::config(vec![]) };
        let house = House::new(config).await;
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-length: 10\r\n\r\nhalf");
        let socket = caller::send(house.addr, head).await;
        let (status, message, kind) = refused(&house, Reply::read(socket).await).await;
        assert_eq!((status, kind.as_str()), (408, "timeout"), "{message}");
    });
}

#[test]
fn calls_beyond_the_limit_are_told_to_come_back() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
        config.calls_max = 1;
        let house = House::new(config).await;
        let socket = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        let mut reply = caller::post(house.addr, CHAT, "", REQUEST).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
        assert_eq!(reply.json().await["error"]["type"], "rate_limit_error");
        exchange.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 200);
        let health = caller::get(house.addr, "/healthz").await.json().await;
        assert_eq!(health["calls"]["turned_away"], 1);
    });
}

#[test]
fn pages_from_elsewhere_may_not_call() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let reply = caller::post(house.addr, CHAT, "origin: https://evil.example\r\n", REQUEST).await;
        assert_eq!(reply.status, 403);
        assert!(mock.is_untouched());
    });
}

#[test]
fn unknown_paths_and_methods_are_answered_in_json() {
    house::run(async {
        let house = House::new(house::config(vec![])).await;
        let mut unknown = caller::post(house.addr, "/v1/completions", "", "{}").await;
        assert_eq!(unknown.status, 404);
        assert!(unknown.json().await["error"]["message"].as_str().unwrap().contains("no upstream"));
        let mut unknown = caller::post(house.addr, "/completions", "", "{}").await;
        assert_eq!(unknown.status, 404);
        assert!(unknown.json().await["error"]["message"].as_str().unwrap().contains("/v1/chat/completions"));
        let mut method = caller::get(house.addr, CHAT).await;
        assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
        method.json().await;
        assert_eq!(caller::post(house.addr, "/healthz", "", "").await.status, 405);
    });
}

#[test]
fn head_beyond_the_limit_is_refused() {
    house::run(async {
        let config = GatewayConfig { header_bytes_max: 8192, ..house::config(vec![]) };
        let house = House::new(config).await;
        let header = format!("x-long: {}\r\n", "a".repeat(9000));
        assert_eq!(caller::post(house.addr, CHAT, &header, "{}").await.status, 431);
    });
}

#[test]
fn addresses_that_cannot_be_served_are_refused_at_start() {
    house::run(async {
        let house = House::new(house::config(vec![])).await;
        let start = |listen: SocketAddr| {
            let config = GatewayConfig { listen: vec![Listen::Plain(listen)], ..GatewayConfig::default() };
            Gateway::new(config, house.recorder.clone(), house.engine.clone(), house::generation(0, &[]))
        };
        let open = start(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        assert!(matches!(open, Err(Error::Config(_))));
        let taken = start(house.addr).unwrap().bind().await;
        let Err(Error::Bind { place, source }) = taken else { panic!("the port is taken") };
        assert_eq!((place, source.kind()), (Listen::Plain(house.addr), std::io::ErrorKind::AddrInUse));
    });
}
