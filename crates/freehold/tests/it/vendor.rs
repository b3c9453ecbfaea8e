//! The simulated vendor's faults, as an application sees them through the gateway.

use std::time::Duration;

use freehold::client::{Client, Reply};
use freehold::sample::business::{self, Earlier, Split, StepName};
use freehold::sample::vendor::{Fault, MODEL, Manner, Vendor};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::running::Up;

#[test]
fn faults_on_demand_reach_the_caller_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exact = Manner { error_rate: 0.0, latency: Duration::ZERO, seed: 1 };
    let mut vendor = runtime.block_on(Vendor::start(exact)).unwrap();
    let ticket = business::ticket(7, 0, Split::Demo);
    vendor.learn(std::iter::once(ticket.clone()));
    let address = vendor.address();
    let entry = format!("[[upstream]]\nname = \"vendor\"\nbase_url = \"http://{address}\"\napis = [\"openai.chat\"]\n");
    let up = Up::start(home.path(), &entry);
    let earlier = Earlier { triage: &Value::Null, extract: &Value::Null, decision: &Value::Null };
    let body = business::request(StepName::Triage, &ticket, earlier, MODEL).to_string().into_bytes();
    let ask = || -> Reply {
        runtime.block_on(async {
            let client = Client::new(Duration::from_secs(20)).unwrap();
            client.post(&format!("http://{}/v1/chat/completions", up.address), &[], body.clone()).await.unwrap()
        })
    };
    assert_eq!(ask().status, 200);
    vendor.set_fault(Fault::Throttled);
    let throttled = ask();
    assert_eq!((throttled.status.as_u16(), throttled.headers["retry-after"].to_str().unwrap()), (429, "1"));
    vendor.set_fault(Fault::Failing);
    assert_eq!(ask().status, 503);
    vendor.set_fault(Fault::Cut);
    assert_eq!(ask().status, 502, "an answer cut in the middle is no answer");
    vendor.set_fault(Fault::None);
    runtime.block_on(vendor.stop());
    assert_eq!(ask().status, 502, "a vendor that is gone");
    runtime.block_on(vendor.resume()).unwrap();
    assert_eq!(vendor.address(), address);
    assert_eq!(ask().status, 200);
    up.stop();
}

/// What a script teaches it, it says in every dialect; a stream that is left before its end is counted.
#[test]
fn script_answers_in_every_dialect() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exact = Manner { error_rate: 0.0, latency: Duration::ZERO, seed: 1 };
    let mut vendor = runtime.block_on(Vendor::start(exact)).unwrap();
    let rules = json!([
        {"when": "wait", "text": "one two", "hold": true},
        {"when": "break", "text": "one", "fail": "the script says so"},
    ]);
    let script = json!({"rules": rules, "otherwise": {"text": "all is well"}});
    vendor.learn_script(serde_json::from_value(script).unwrap());
    let client = Client::new(Duration::from_secs(20)).unwrap();
    let ask = |path: &str, body: Value| -> (u16, String) {
        let url = format!("http://{}{path}", vendor.address());
        let reply = runtime.block_on(client.post(&url, &[], body.to_string().into_bytes())).unwrap();
        (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap())
    };
    let turns = |text: &str| json!([{"role": "user", "content": text}]);
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages"] {
        let content = if path == "/v1/responses" { "input" } else { "messages" };
        let said = ask(path, json!({"model": MODEL, "max_tokens": 9, content: turns("how is it?")}));
        assert!(said.0 == 200 && said.1.contains("all is well"), "{path}: {said:?}");
        let unknown = ask(path, json!({"model": "none", "max_tokens": 9, content: turns("how is it?")}));
        assert!(unknown.0 == 404 && unknown.1.contains("none"), "{path}: {unknown:?}");
        let broken = ask(path, json!({"model": MODEL, "max_tokens": 9, content: turns("break")}));
        assert!(broken.0 == 500 && broken.1.contains("the script says so"), "{path}: {broken:?}");
    }
    let counted = ask("/v1/messages/count_tokens", json!({"model": MODEL, "messages": turns("how is it?")}));
    assert!(counted.0 == 200 && counted.1.contains("input_tokens"), "{counted:?}");
    runtime.block_on(leave_a_stream(&vendor));
    assert_eq!(vendor.left(), 1);
    runtime.block_on(vendor.stop());
}

/// Begins to read a stream that the script holds, and goes away.
async fn leave_a_stream(vendor: &Vendor) {
    let turns = json!([{"role": "user", "content": "wait"}]);
    let waiting = json!({"model": MODEL, "stream": true, "messages": turns}).to_string();
    let mut stream = tokio::net::TcpStream::connect(vendor.address()).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: v\r\ncontent-length: {}\r\n\r\n", waiting.len());
    stream.write_all(format!("{head}{waiting}").as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("two") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "it ended: {}", String::from_utf8_lossy(&seen));
    }
    assert_eq!(vendor.left(), 0);
    drop(stream);
    while vendor.left() == 0 {
        tokio::task::yield_now().await;
    }
}
