//! Calls that only pass through: any path of a vendor, any method, bytes both ways as they come.

use freehold_gateway::Secret;
use freehold_wire::Api;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const BOTH: [Api; 2] = [Api::OpenAiChat, Api::OpenAiResponses];

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn other_paths_pass_with_any_method_and_are_recorded_by_size_and_digest() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &BOTH)])).await;
        let request =
            "DELETE /v1/files/file-1?purge=yes HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer callers\r\n\r\n";
        let socket = caller::send(house.addr, request).await;
        let exchange = mock.next().await;
        assert_eq!(exchange.first_line, "DELETE /v1/files/file-1?purge=yes HTTP/1.1");
        assert_eq!(
            (exchange.header("authorization"), exchange.header("content-length")),
            (Some("Bearer callers"), None)
        );
        exchange.whole("200 OK", "content-type: application/octet-stream\r\nx-request-id: r1\r\n", "abc").await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(
            (reply.status, reply.header("content-length"), reply.header("x-request-id")),
            (200, Some("3"), Some("r1"))
        );
        assert_eq!(reply.header("x-freehold-step"), Some("opaque"));
        assert_eq!(reply.body().await, (b"abc".to_vec(), Piece::End));
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.api, call.upstream.as_str(), call.status, call.failure), (Api::Opaque, "vendor", 200, None));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let kept =
            |bytes, sha256| json!({"method": "DELETE", "path": "/v1/files/file-1", "bytes": bytes, "sha256": sha256});
        assert_eq!((parsed(&call.request), parsed(&call.response)), (kept(0, empty), kept(3, abc)));
    });
}

/// Reads a request with a body of so many bytes, answers it, and returns how many bytes of body came.
async fn swallow(socket: &mut TcpStream, body_bytes: usize) -> usize {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        socket.read_buf(&mut bytes).await.unwrap();
    };
    let mut received = bytes.len() - head_end;
    while received < body_bytes {
        received += socket.read(&mut buffer).await.unwrap();
    }
    socket.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    received
}

#[test]
fn upload_passes_piece_by_piece_beyond_every_limit_of_size() {
    house::run(async {
        let mock = Mock::start().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor = house::upstream("vendor", listener.local_addr().unwrap(), &BOTH);
        let mut config = house::config(vec![vendor, house::upstream("other", mock.addr, &BOTH)]);
        config.body_bytes_max = 1000;
        let house = House::new(config).await;
        let pieces = 3200;
        let piece = vec![b'x'; 32 << 10];
        let head = format!(
            "POST /v1/files HTTP/1.1\r\nhost: gateway\r\ncontent-type: multipart/form-data\r\ncontent-length: {}\r\n\r\n",
            pieces * piece.len()
        );
        let mut socket = caller::send(house.addr, head).await;
        let (mut upstream, _) = listener.accept().await.unwrap();
        let sending = async {
            for _ in 0..pieces {
                socket.write_all(&piece).await.unwrap();
            }
        };
        let receiving = swallow(&mut upstream, pieces * piece.len());
        let ((), received) = tokio::join!(sending, receiving);
        assert_eq!(received, 100 << 20);
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.body().await), (201, (b"ok".to_vec(), Piece::End)));
        let call = house.recorded(&reply.call_id());
        assert_eq!(parsed(&call.request)["bytes"], 100 << 20);
    });
}

#[test]
fn vendor_is_told_by_the_name_or_by_the_credentials_of_the_call() {
    house::run(async {
        let (mut openai, mut anthropic) = (Mock::start().await, Mock::start().await);
        let mut keyed = house::upstream("anthropic", anthropic.addr, &[Api::AnthropicMessages]);
        keyed.key = Some(Secret::new("ours"));
        let upstreams = vec![house::upstream("openai", openai.addr, &[Api::OpenAiChat]), keyed];
        let house = House::new(house::config(upstreams)).await;
        for (headers, is_anthropics) in [
            ("", false),
            ("anthropic-version: 2023-06-01\r\n", true),
            ("x-api-key: callers\r\n", true),
            ("x-freehold-upstream: anthropic\r\n", true),
            ("x-api-key: callers\r\nx-freehold-upstream: openai\r\n", false),
        ] {
            let socket = caller::send(house.addr, caller::posted("/v1/messages/batches", headers, b"{}")).await;
            let exchange = if is_anthropics { anthropic.next().await } else { openai.next().await };
            assert_eq!(exchange.header("x-freehold-upstream"), None);
            if is_anthropics {
                assert_eq!(exchange.header("x-api-key"), Some("ours"), "{headers}");
            }
            exchange.whole("200 OK", "", "{}").await;
            let mut reply = Reply::read(socket).await;
            assert_eq!((reply.status, reply.body().await.1), (200, Piece::End), "{headers}");
        }
        let mut unknown = caller::post(house.addr, "/v1/files", "x-freehold-upstream: gone\r\n", "{}").await;
        let message = unknown.json().await["error"]["message"].as_str().unwrap().to_owned();
        assert!(unknown.status == 404 && message.contains("\"gone\"") && message.contains("anthropic ("), "{message}");
        assert_eq!(caller::get(house.addr, "/v2/files").await.status, 404);
    });
}

#[test]
fn vectors_pass_unaltered_and_are_never_moved_to_another_model() {
    house::run(async {
        let mut mock = Mock::start().await;
        let upstreams = vec![house::upstream("vendor", mock.addr, &[Api::OpenAiChat])];
        let moves = [("index", "vendor", "nomic"), ("same", "vendor", "ada")];
        let house = House::with_routes(house::config(upstreams), house::generation(1, &moves)).await;
        let body = r#"{"model":"ada","input":["a","b"], "encoding_format":"base64"}"#;
        let answer = r#"{"object":"list","data":[{"embedding":"AAA="}],"model":"ada","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
        let socket =
            caller::send(house.addr, caller::posted("/v1/embeddings", "x-freehold-step: same\r\n", body.as_bytes()))
                .await;
        let exchange = mock.next().await;
        assert_eq!(
            (exchange.first_line.as_str(), exchange.body.as_slice()),
            ("POST /v1/embeddings HTTP/1.1", body.as_bytes())
        );
        exchange.whole("200 OK", "", answer).await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.body().await.0, answer.as_bytes());
        let call = house.recorded(&reply.call_id());
        assert_eq!(
            (call.api, call.usage.map(|usage| usage.input), call.failure),
            (Api::OpenAiEmbeddings, Some(2), None)
        );
        let mut refused = caller::post(house.addr, "/v1/embeddings", "x-freehold-step: index\r\n", body).await;
        let message = refused.json().await["error"]["message"].as_str().unwrap().to_owned();
        assert!(refused.status == 409 && message.contains("\"nomic\"") && message.contains("index"), "{message}");
        assert!(mock.is_untouched());
    });
}

#[test]
fn counts_of_tokens_pass_to_who_counts_and_are_estimated_for_the_others() {
    house::run(async {
        let (mut anthropic, mut vllm) = (Mock::start().await, Mock::start().await);
        let mut listed = house::upstream("vllm", vllm.addr, &[Api::OpenAiChat]);
        listed.models = vec!["qwen".into()];
        let upstreams = vec![house::upstream("anthropic", anthropic.addr, &[Api::AnthropicMessages]), listed];
        let house = House::new(house::config(upstreams)).await;
        let path = "/v1/messages/count_tokens";
        let body = |model: &str| {
            format!(
                r#"{{"model":"{model}","messages":[{{"role":"user","content":"how many tokens is this, more or less?"}}]}}"#
            )
        };
        let socket = caller::send(house.addr, caller::posted(path, "", body("claude").as_bytes())).await;
        let exchange = anthropic.next().await;
        assert_eq!(exchange.first_line, "POST /v1/messages/count_tokens HTTP/1.1");
        exchange.whole("200 OK", "", r#"{"input_tokens":17}"#).await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.header("x-freehold-estimated"), None);
        assert_eq!(reply.json().await["input_tokens"].as_u64(), Some(17));
        assert_eq!(house.recorded(&reply.call_id()).failure, None);
        let mut reply = caller::post(house.addr, path, "", body("qwen")).await;
        assert_eq!((reply.status, reply.header("x-freehold-estimated")), (200, Some("true")));
        let count = reply.json().await["input_tokens"].as_u64().unwrap();
        assert!((5..=20).contains(&count), "{count}");
        assert!(vllm.is_untouched());
    });
}
