//! The log: no prompt, no answer and no key gets into it, whatever goes wrong; and each call leaves a line where that is wanted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::running::{Up, freehold};

const PROMPT: &str = "MARKED-PROMPT-7f3a";
const KEY: &str = "MARKED-KEY-91cc";
const CONFIGURED_KEY: &str = "MARKED-CONFIGURED-04de";

/// Reads a request up to the end of its body; the model tells how it is answered.
fn serve_one(mut socket: TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let text = loop {
        let count = socket.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.contains("END-OF-BODY") {
            break text;
        }
    };
    let echo = format!(r#"{{"error":{{"message":"key {KEY} is wrong for {PROMPT}","type":"auth","code":"x"}}}}"#);
    let whole = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = match text {
        text if text.contains("\"refuse\"") => whole("401 Unauthorized", &echo),
        text if text.contains("\"fail\"") => whole("500 Internal Server Error", &echo),
        text if text.contains("\"garbage\"") => whole("200 OK", PROMPT),
        text if text.contains("\"cut\"") => {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n{PROMPT}")
        }
        text if text.contains("\"broken-stream\"") => {
            let event = format!("data: {{\"error\":{{\"message\":\"{PROMPT}\"}}}}\n\n");
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n{event}")
        }
        text if text.contains("\"hostile\"") => format!("HTTP/1.1 200 OK\r\n{PROMPT}\r\n\r\n"),
        _ => whole(
            "200 OK",
            r#"{"id":"c","object":"chat.completion","model":"fine","choices":[{"index":0,"message":{"role":"assistant","content":"MARKED-PROMPT-7f3a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2}}"#,
        ),
    };
    socket.write_all(answer.as_bytes()).ok()?;
    socket.shutdown(Shutdown::Both).ok()
}

fn vendor() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || serve_one(socket.unwrap()));
        }
    });
    address
}

/// A running gateway whose log goes to a file.
struct Logged(Up);

impl Logged {
    fn start(home: &Path, configuration: &str, filter: &str) -> Self {
        let log = std::fs::File::create(home.join("stderr")).unwrap();
        let mut command = freehold(home);
        command.args(["--log-format", "json"]).stderr(log);
        command.env("FREEHOLD_LOG", filter).env("VENDOR_KEY", CONFIGURED_KEY);
        Logged(Up::start_as(&mut command, home, configuration))
    }

    /// Posts a body and reads the answer to its end.
    fn post(&self, headers: &str, body: &str) -> String {
        let mut socket = TcpStream::connect(&self.0.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n{headers}content-length: {length}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // An answer that is cut is an answer too.
        socket.read_to_end(&mut answer).ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Stops the gateway and returns its log.
    fn stop(self, home: &Path) -> String {
        self.0.stop();
        std::fs::read_to_string(home.join("stderr")).unwrap()
    }
}

fn body(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{PROMPT}"}}],"user":"END-OF-BODY"}}"#)
}

fn configuration(vendor: &str) -> String {
    // Port 1 is nobody's; a free one could be another test's a moment later.
    format!(
        "[observe]\naccess_log = true\n\n[[upstream]]\nname = \"vendor\"\nbase_url = \"http://{vendor}\"\napis = [\"openai.chat\"]\n\n\
         [[upstream]]\nname = \"gone\"\nbase_url = \"http://127.0.0.1:1\"\napis = [\"openai.chat\"]\nkey = \"${{VENDOR_KEY}}\"\nmodels = [\"lost\"]\n"
    )
}

#[test]
fn nothing_that_is_secret_gets_into_the_log() {
    let home = tempfile::tempdir().unwrap();
    let up = Logged::start(home.path(), &configuration(&vendor()), "trace");
    let models = ["fine", "refuse", "fail", "garbage", "cut", "broken-stream", "hostile", "lost"];
    for model in models {
        let answer = up.post("x-freehold-step: probe\r\n", &body(model));
        assert!(answer.starts_with("HTTP/1.1 "), "{model}: {answer:?}");
    }
    up.post("x-freehold-step: probe\r\n", &format!("{{\"model\": {PROMPT} END-OF-BODY"));
    up.post("content-encoding: zip\r\n", PROMPT);
    up.post("origin: https://MARKED-PROMPT-7f3a.example\r\n", &body("fine"));
    up.post(&format!("{PROMPT} {KEY}\r\n"), &body("fine"));
    let log = up.stop(home.path());
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    for model in models {
        assert!(
            lines.iter().any(|line| line.contains(&format!("\"model\":\"{model}\""))),
            "{model} left no line in {log}"
        );
    }
    for secret in [KEY, CONFIGURED_KEY] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    // The origin of a page is an address and is named; what a caller says is not.
    let told: Vec<&&str> =
        lines.iter().filter(|line| line.contains(PROMPT) && !line.contains("may not call")).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn each_call_leaves_a_line_where_that_is_wanted_and_none_otherwise() {
    let home = tempfile::tempdir().unwrap();
    let vendor = vendor();
    let up = Logged::start(home.path(), &configuration(&vendor), "warn");
    up.post("x-freehold-step: triage\r\n", &body("fine"));
    let log = up.stop(home.path());
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let call = lines.iter().find(|line| line["target"] == "freehold::access").unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&call["step"], &call["outcome"], &call["level"]), (&"triage".into(), &"ok".into(), &"info".into()));
    assert_eq!((&call["input_tokens"], &call["status"], &call["message"]), (&10.into(), &200.into(), &"call".into()));
    assert!(call.get("cost_microusd").is_none(), "a cost that is not known is not there: {call}");
    let up =
        Logged::start(home.path(), &configuration(&vendor).replace("access_log = true", "access_log = false"), "warn");
    up.post("x-freehold-step: triage\r\n", &body("fine"));
    assert!(!up.stop(home.path()).contains("freehold::access"));
}
