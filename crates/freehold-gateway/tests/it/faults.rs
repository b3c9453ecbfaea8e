//! Upstreams and callers that misbehave: the caller has a whole answer or learns that it has none, and nothing piles up.

use std::time::Duration;

use freehold_wire::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::caller::{self, Reply};
use crate::house::{self, House};

const CHAT: &str = "/v1/chat/completions";
const ASKED: &str = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const MESSAGES_ASKED: &str =
    r#"{"model":"gpt-4o","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;

/// Answers the next request with a head and as many bytes as the other side takes; returns how many those were.
async fn pour(listener: TcpListener, bytes: usize) -> usize {
    pour_as("application/json", listener, bytes).await
}

async fn pour_as(kind: &str, listener: TcpListener, bytes: usize) -> usize {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = vec![0; 64 << 10];
    assert!(socket.read(&mut request).await.unwrap() > 0);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {bytes}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 64 << 10];
    let mut poured = 0;
    while poured < bytes {
        let wanted = piece.len().min(bytes - poured);
        match tokio::time::timeout(Duration::from_secs(3), socket.write(&piece[..wanted])).await {
            Ok(Ok(count)) => poured += count,
            Ok(Err(_)) | Err(_) => break,
        }
    }
    poured
}

pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

async fn large(record_bytes_max: usize) -> (House, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vendor = house::upstream("vendor", listener.local_addr().unwrap(), &[Api::OpenAiChat]);
    let mut config = house::config(vec![vendor]);
    config.record_bytes_max = record_bytes_max;
    (House::new(config).await, listener)
}

#[test]
fn answer_of_a_hundred_megabytes_passes_whole_in_little_memory() {
    house::run(async {
        let (house, listener) = large(1 << 20).await;
        let bytes = 100 << 20;
        let before = resident_bytes();
        let mut socket = caller::send(house.addr, caller::posted(CHAT, "", ASKED.as_bytes())).await;
        let reading = async {
            let mut buffer = vec![0; 256 << 10];
            let mut read = 0;
            while read < bytes {
                read += socket.read(&mut buffer).await.unwrap();
            }
            read
        };
        let (poured, read) = tokio::join!(pour(listener, bytes), reading);
        assert!(poured == bytes && read >= bytes, "{poured} {read}");
        if let (Some(before), Some(after)) = (before, resident_bytes()) {
            assert!(after - before < 48 << 20, "{} bytes more than before", after - before);
        }
    });
}

/// An answer that must be read here before it can be told in another dialect.
#[test]
fn answer_of_a_hundred_megabytes_is_not_translated_in_much_memory() {
    house::run(async {
        for (kind, status) in [("application/json", 502), ("text/event-stream", 200)] {
            let (house, listener) = large(1 << 20).await;
            let before = resident_bytes();
            let asked = MESSAGES_ASKED.replace("true", if status == 200 { "true" } else { "false" });
            let socket = caller::send(house.addr, caller::posted("/v1/messages", "", asked.as_bytes())).await;
            let reading = async {
                let mut reply = Reply::read(socket).await;
                (reply.status, String::from_utf8(reply.body().await.0).unwrap(), reply.call_id())
            };
            let (_, (found, told, id)) = tokio::join!(pour_as(kind, listener, 100 << 20), reading);
            assert!(found == status && told.contains("\"error\"") && told.len() < 4096, "{found} {told}");
            assert!(house.recorded(&id).failure.is_some());
            if let (Some(before), Some(after)) = (before, resident_bytes()) {
                assert!(after - before < 96 << 20, "{kind}: {} bytes more than before", after - before);
            }
        }
    });
}

#[test]
fn caller_that_does_not_read_stops_the_upstream_and_not_the_gateway() {
    house::run(async {
        let (house, listener) = large(1 << 20).await;
        let socket: TcpStream = caller::send(house.addr, caller::posted(CHAT, "", ASKED.as_bytes())).await;
        // What is taken beyond the caller's reading are the buffers of two sockets and of the gateway.
        let poured = pour(listener, 200 << 20).await;
        assert!(poured < 40 << 20, "{poured} bytes were taken for a caller who reads nothing");
        assert_eq!(caller::get(house.addr, "/healthz").await.status, 200);
        drop(socket);
    });
}

#[test]
fn upstream_whose_name_is_gone_is_an_error_in_the_callers_dialect() {
    house::run(async {
        let mut vendor = house::upstream("vendor", "127.0.0.1:1".parse().unwrap(), &Api::DIALECTS);
        vendor.base_url = "http://gone.invalid".parse().unwrap();
        let mut config = house::config(vec![vendor]);
        config.connect_timeout = Duration::from_secs(2);
        let house = House::new(config).await;
        let mut reply = caller::post(house.addr, "/v1/messages", "", MESSAGES_ASKED).await;
        let error = reply.json().await;
        assert!(matches!(reply.status, 502 | 504), "{error}");
        assert_eq!((error["type"].as_str(), error["error"]["type"].is_string()), (Some("error"), true));
        assert!(error["error"]["message"].as_str().unwrap().contains("\"vendor\""), "{error}");
        assert!(house.recorded(&reply.call_id()).failure.is_some());
    });
}
