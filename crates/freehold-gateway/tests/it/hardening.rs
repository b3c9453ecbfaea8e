//! Callers who mean harm: connections that can be read in two ways, callers who are slow on purpose, headers that are meant for others.

use std::time::Duration;

use freehold_wire::Api;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{self, Piece, Reply};
use crate::faults::resident_bytes;
use crate::house::{self, House};
use crate::mock::{Exchange, Mock};

const CHAT: &str = "/v1/chat/completions";
const REQUEST: &str = r#"{"model":"gpt-4o","messages":[]}"#;
/// What a smuggler hides behind his request; nobody may answer it.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n";

/// Idle streams at once, and how many of them begin together; each takes four file handles of this process.
const STREAMS: u64 = 2_000;
const TOGETHER: u64 = 50;

/// Sends bytes and returns everything that comes until the gateway closes the connection.
async fn all(house: &House, bytes: &str) -> String {
    let mut socket = caller::send(house.addr, bytes).await;
    let mut answer = Vec::new();
    // A reset is a close too.
    socket.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn with_mock() -> (House, Mock) {
    let mock = Mock::start().await;
    (House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await, mock)
}

#[test]
fn requests_that_can_be_read_in_two_ways_are_refused_and_end_the_connection() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let chunked = format!("{:x}\r\n{REQUEST}\r\n0\r\n\r\n", REQUEST.len());
        let length = REQUEST.len();
        let cases = [
            (format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), chunked.clone()),
            (format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), chunked.clone()),
            (format!("content-length: {length}\r\ncontent-length: {length}\r\n"), REQUEST.to_owned()),
            (format!("content-length: {length}\r\ncontent-length: 0\r\n"), REQUEST.to_owned()),
            (format!("content-length: +{length}\r\n"), REQUEST.to_owned()),
            ("transfer-encoding: xchunked\r\n".to_owned(), chunked.clone()),
            ("transfer-encoding: chunked, identity\r\n".to_owned(), chunked.clone()),
            ("transfer-encoding: gzip, chunked\r\n".to_owned(), chunked.clone()),
            ("transfer-encoding : chunked\r\n".to_owned(), chunked.clone()),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".to_owned(), chunked.clone()),
            (format!("x: a\r\n content-length: 0\r\ncontent-length: {length}\r\n"), REQUEST.to_owned()),
            (format!("x: a\ncontent-length: {length}\r\n"), REQUEST.to_owned()),
            (format!("host: elsewhere\r\ncontent-length: {length}\r\n"), REQUEST.to_owned()),
        ];
        for (headers, body) in cases {
            let request = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n{body}{HIDDEN}");
            let answer = all(&house, &request).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{headers:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers:?}: {answer}");
        }
        let nameless = all(&house, &format!("POST {CHAT} HTTP/1.1\r\ncontent-length: 0\r\n\r\n{HIDDEN}")).await;
        assert!(nameless.starts_with("HTTP/1.1 400 "), "{nameless}");
        assert!(mock.is_untouched());
    });
}

#[test]
fn chunks_that_can_be_read_in_two_ways_are_refused_and_end_the_connection() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        for body in
            ["2;x=y\r\n{}\r\n0\r\n\r\n", "2\n{}\r\n0\r\n\r\n", "2\r\n{}xx\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n"]
        {
            let head = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n");
            let answer = all(&house, &format!("{head}{body}{HIDDEN}")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{body:?}: {answer}");
        }
        assert!(mock.is_untouched());
    });
}

#[test]
fn what_is_refused_is_refused_however_it_is_cut() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let request = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{{}}"
        );
        for cut in [3, 30, 60, 75, 92, 100] {
            let mut socket = TcpStream::connect(house.addr).await.unwrap();
            socket.set_nodelay(true).unwrap();
            socket.write_all(&request.as_bytes()[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            // The gateway may have refused already.
            socket.write_all(&request.as_bytes()[cut..]).await.ok();
            let mut answer = Vec::new();
            let end = socket.read_to_end(&mut answer).await;
            assert!(answer.starts_with(b"HTTP/1.1 400 "), "{cut}, {end:?}: {}", String::from_utf8_lossy(&answer));
        }
        assert!(mock.is_untouched());
    });
}

#[test]
fn requests_that_come_together_are_answered_in_turn() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let chunked = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{REQUEST}\r\n0\r\n\r\n",
            REQUEST.len()
        );
        let plain = String::from_utf8(caller::posted(CHAT, "", REQUEST.as_bytes())).unwrap();
        let mut socket = caller::send(house.addr, format!("{HIDDEN}{chunked}{plain}{HIDDEN}")).await;
        for answer in ["first", "second"] {
            mock.next().await.whole("200 OK", "", answer).await;
        }
        let mut answers = String::new();
        while answers.matches("HTTP/1.1 200 OK").count() < 4 || !answers.ends_with('}') {
            let mut piece = [0; 4096];
            let count = socket.read(&mut piece).await.unwrap();
            assert!(count > 0, "{answers}");
            answers.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        let at = |text: &str| answers.find(text).unwrap();
        assert!(at("first") < at("second"), "{answers}");
    });
}

#[test]
fn expectation_is_met_before_the_body_comes_and_goes_no_further() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            REQUEST.len()
        );
        let mut socket = caller::send(house.addr, head).await;
        let mut told = [0; 25];
        socket.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(REQUEST.as_bytes()).await.unwrap();
        let exchange = mock.next().await;
        assert_eq!(exchange.header("expect"), None);
        exchange.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 200);
    });
}

#[test]
fn upgrades_and_tunnels_are_not_offered() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let headers = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
        let socket = caller::send(house.addr, caller::posted(CHAT, headers, REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        for name in ["connection", "upgrade", "http2-settings"] {
            assert_eq!(exchange.header(name), None, "{name}");
        }
        exchange.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 200);
        let tunnel = caller::send(house.addr, "CONNECT vendor:443 HTTP/1.1\r\nhost: vendor:443\r\n\r\n").await;
        assert_eq!(Reply::read(tunnel).await.status, 404);
    });
}

#[test]
fn target_and_host_of_a_caller_decide_nothing() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let mut elsewhere = Mock::start().await;
        let target = format!("http://{}{CHAT}", elsewhere.addr);
        let head =
            format!("POST {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", elsewhere.addr, REQUEST.len());
        let socket = caller::send(house.addr, format!("{head}{REQUEST}")).await;
        let exchange = mock.next().await;
        assert_eq!(exchange.header("host"), Some(mock.addr.to_string().as_str()));
        assert!(exchange.first_line.starts_with(&format!("POST {CHAT} ")), "{}", exchange.first_line);
        exchange.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 200);
        assert!(elsewhere.is_untouched());
    });
}

#[test]
fn headers_of_the_connection_pass_neither_way() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let headers = "connection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nte: trailers\r\nproxy-connection: a\r\n\
            proxy-authorization: b\r\nx-kept: yes\r\n";
        let socket = caller::send(house.addr, caller::posted(CHAT, headers, REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        for name in ["connection", "x-hop", "keep-alive", "te", "proxy-connection", "proxy-authorization"] {
            assert_eq!(exchange.header(name), None, "{name}");
        }
        assert_eq!(exchange.header("x-kept"), Some("yes"));
        let back = "connection: x-inner\r\nx-inner: 1\r\nkeep-alive: timeout=5\r\nupgrade: h2\r\nx-freehold-call: forged\r\nx-kept: yes\r\n";
        exchange.whole("200 OK", back, "{}").await;
        let reply = Reply::read(socket).await;
        for name in ["x-inner", "keep-alive", "upgrade", "connection"] {
            assert_eq!(reply.header(name), None, "{name}");
        }
        assert_eq!((reply.header("x-kept"), reply.header("x-freehold-call") == Some("forged")), (Some("yes"), false));
    });
}

#[test]
fn values_of_others_cannot_add_headers() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        // A model's name comes from the body, where it may hold anything.
        let body = r#"{"model":"a\r\nx-injected: 1\r\n\r\nHTTP/1.1 200 OK","messages":[]}"#;
        let socket = caller::send(house.addr, caller::posted(CHAT, "", body.as_bytes())).await;
        mock.next().await.whole("200 OK", "", "{}").await;
        let reply = Reply::read(socket).await;
        assert_eq!(reply.header("x-injected"), None);
        assert!(reply.header("x-freehold-served-by").unwrap().contains("%0D%0Ax-injected"));

        // An upstream whose head is no head is none of the caller's business.
        for head in ["x: a\rx-injected: 1\r\n", "x: a\r\n folded: 1\r\n", "x: a\0b\r\n"] {
            let socket = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
            mock.next().await.whole("200 OK", head, "{}").await;
            let reply = Reply::read(socket).await;
            assert_eq!((reply.status, reply.header("x-injected")), (502, None), "{head:?}");
        }
    });
}

#[test]
fn heads_with_too_many_headers_are_refused() {
    house::run(async {
        let (house, mut mock) = with_mock().await;
        let headers: String = (0..2_000).map(|number| format!("x-{number}: 1\r\n")).collect();
        let answer = all(&house, std::str::from_utf8(&caller::posted(CHAT, &headers, b"{}")).unwrap()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(mock.is_untouched());
    });
}

#[test]
fn caller_who_is_slow_to_ask_is_let_go() {
    house::run(async {
        let mut config = house::config(vec![]);
        config.header_timeout = Duration::from_millis(50);
        config.body_timeout = Duration::from_millis(50);
        let house = House::new(config).await;
        for begun in ["", "POST /v1/chat", "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx: "] {
            let answer = all(&house, begun).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{begun:?}: {answer}");
        }
        let slow_body = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-length: 100\r\n\r\n{{");
        assert_eq!(Reply::read(caller::send(house.addr, slow_body).await).await.status, 408);
        let slow_chunk = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{{");
        assert_eq!(Reply::read(caller::send(house.addr, slow_chunk).await).await.status, 408);
    });
}

#[test]
fn caller_who_takes_nothing_is_let_go_and_the_upstream_with_him() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
        config.write_timeout = Duration::from_millis(100);
        config.hold_max = Duration::ZERO;
        let house = House::new(config).await;
        let _socket = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        let mut exchange = mock.next().await;
        exchange.begin_stream("data: {}\n\n").await;
        // More than all buffers between the two take; the write fails once the gateway has given up.
        let piece = format!("data: {}\n\n", "x".repeat(1 << 16));
        while exchange.try_chunk(&piece).await.is_ok() {}
        exchange.closed().await;
        while house.in_flight().await > 0 {
            tokio::task::yield_now().await;
        }
    });
}

/// Lets this process have so many files open at once, where it may.
fn may_open(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let is_low = limit.current.is_some_and(|current| current < files);
    !is_low || setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: limit.maximum }).is_ok()
}

/// Begins some streams, of which the first piece is here.
async fn begin_together(house: &House, mock: &mut Mock) -> Vec<(Reply, Exchange)> {
    let body = br#"{"model":"gpt-4o","stream":true,"messages":[]}"#;
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..TOGETHER {
        sockets.push(caller::send(house.addr, caller::posted(CHAT, "", body)).await);
    }
    for socket in sockets {
        let mut exchange = mock.next().await;
        exchange.begin_stream("data: {}\n\n").await;
        streams.push((socket, exchange));
    }
    let mut begun = Vec::new();
    for (socket, exchange) in streams {
        let mut reply = Reply::read(socket).await;
        assert!(matches!(reply.piece().await, Piece::Bytes(_)));
        begun.push((reply, exchange));
    }
    begun
}

#[test]
fn idle_streams_keep_nobody_else_waiting() {
    house::run(async {
        let handles = STREAMS * 4 + 500;
        if !may_open(handles) {
            return eprintln!("skipped: {handles} files may not be open at once here");
        }
        let mut mock = Mock::start().await;
        let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
        config.calls_max = 4096;
        let house = House::new(config).await;
        let before = resident_bytes();
        let mut idle = Vec::new();
        for _ in 0..STREAMS / TOGETHER {
            idle.extend(begin_together(&house, &mut mock).await);
        }
        if let (Some(before), Some(after)) = (before, resident_bytes()) {
            let each = (after - before) / STREAMS;
            assert!(each < 64 << 10, "{each} bytes for each stream, with both of its ends");
        }
        assert_eq!(house.in_flight().await, STREAMS);
        let socket = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        mock.next().await.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.body().await, (b"{}".to_vec(), Piece::End));
        drop(idle);
        while house.in_flight().await > 0 {
            tokio::task::yield_now().await;
        }
    });
}
