//! Measures what bodies take, in bytes and in time: `cargo bench -p freehold-store --bench bodies [-- FILE.jsonl]`.
//!
//! Without a file of import lines it takes runs of an invented agent, half of them streamed.

#![expect(clippy::unwrap_used, reason = "a measurement stops where something is not as it expects")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use freehold_store::Store;
use freehold_wire::{Api, Call, Digest, Instead, Kept, Timings};
use serde_json::{Value, json};

const BATCH: usize = 500;
const RUNS: usize = 300;
const TURNS: usize = 12;
const SINGLE: usize = 20_000;

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if let Some(file) = file {
        measure(&file, &lines(&std::fs::read_to_string(&file).unwrap()));
    } else {
        measure("runs of an agent", &invented());
        measure("single questions", &single());
    }
}

fn measure(what: &str, calls: &[Call]) {
    let json: usize = calls.iter().map(|call| call.request.len() + call.response.len()).sum();
    let nothing = Digest { bytes: 0, sha256: [0; 32] };
    let instead = Some(Instead::Digests { request: nothing, response: nothing });
    let bare: Vec<Call> = calls
        .iter()
        .map(|call| Call {
            request: Vec::new(),
            response: Vec::new(),
            kept: Kept { masked: false, instead: instead.clone() },
            ..call.clone()
        })
        .collect();
    let (without, _, bare_bytes) = kept(&bare);
    let (with, read, bytes) = kept(calls);
    let each = |took: Duration| took.as_secs_f64() * 1e6 / calls.len() as f64;
    println!("{what}: {} calls, {:.1} KB of JSON each", calls.len(), json as f64 / calls.len() as f64 / 1e3);
    println!("store: {bytes} bytes, 1/{:.1} of the JSON; without bodies {bare_bytes}", json as f64 / bytes as f64);
    println!("import: {:.1} us a call, of which bodies {:.1} us", each(with), each(with.saturating_sub(without)));
    println!("read: {:.1} us a call", each(read));
}

/// Returns how long this thread has been on a processor; where the system does not tell, how long it has been.
fn busy() -> Duration {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begun = BEGUN.get_or_init(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

/// Imports and reads all calls; returns both times and the bytes of the file.
fn kept(calls: &[Call]) -> (Duration, Duration, u64) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let begun = busy();
    for batch in calls.chunks(BATCH) {
        assert_eq!(store.import(batch).unwrap().added, batch.len() as u64);
    }
    let written = busy() - begun;
    let begun = busy();
    for call in calls {
        assert!(store.call(&call.id).unwrap().unwrap().request == call.request);
    }
    let read = busy() - begun;
    store.compact().unwrap();
    (written, read, std::fs::metadata(store.path()).unwrap().len())
}

fn call(id: String, run: &str, request: String, response: String) -> Call {
    Call {
        step: "agent".to_owned(),
        step_by: "head".to_owned(),
        run: Some(run.to_owned()),
        model: "large".to_owned(),
        upstream: "vendor".to_owned(),
        streamed: response.starts_with("data:"),
        request: request.into_bytes(),
        response: response.into_bytes(),
        status: 200,
        timings: Timings { first_byte_us: None, total_us: 900_000 },
        ..Call::new(id, 1_700_000_000_000, Api::OpenAiChat)
    }
}

fn lines(text: &str) -> Vec<Call> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        call(text("id"), &text("run"), line["request"].to_string(), line["response"].to_string())
    };
    text.lines().map(line).collect()
}

fn invented() -> Vec<Call> {
    let tools: Vec<Value> = (0..12).map(|n| json!({"type": "function", "function": {"name": format!("tool_{n}"), "description": words(n, 40), "parameters": {"type": "object", "properties": {"id": {"type": "string", "description": words(n + 9, 12)}}}}})).collect();
    let mut calls = Vec::new();
    for run in 0..RUNS {
        let mut messages = vec![json!({"role": "system", "content": words(7, 700)})];
        for turn in 0..TURNS {
            let seed = run * TURNS + turn;
            messages.push(json!({"role": "user", "content": words(seed * 31, 30)}));
            let said = words(seed * 17 + 3, 60);
            let request = json!({"model": "large", "messages": messages, "tools": tools, "temperature": 0}).to_string();
            let answer = if run.is_multiple_of(2) { whole(seed, &said) } else { streamed(seed, &said) };
            calls.push(call(format!("{run}/{turn}"), &run.to_string(), request, answer));
            messages.push(json!({"role": "assistant", "content": said}));
        }
    }
    calls
}

/// Questions of 1.2 KB that have nothing in common but their form, each answered in 64 tokens.
fn single() -> Vec<Call> {
    let single = |n: usize| {
        let messages =
            json!([{"role": "system", "content": "You sort mail."}, {"role": "user", "content": words(n * 13, 190)}]);
        let request = json!({"model": "large", "messages": messages, "temperature": 0}).to_string();
        let said = words(n * 7 + 5, 50);
        call(
            format!("q{n}"),
            &n.to_string(),
            request,
            if n.is_multiple_of(2) { whole(n, &said) } else { streamed(n, &said) },
        )
    };
    (0..SINGLE).map(single).collect()
}

fn whole(seed: usize, said: &str) -> String {
    json!({"id": format!("chatcmpl-{seed:024x}"), "object": "chat.completion", "model": "large", "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1000 + seed, "completion_tokens": 90}}).to_string()
}

fn streamed(seed: usize, said: &str) -> String {
    let mut events = String::new();
    for word in said.split_inclusive(' ') {
        let event = json!({"id": format!("chatcmpl-{seed:024x}"), "object": "chat.completion.chunk", "model": "large", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]});
        write!(events, "data: {event}\n\n").unwrap();
    }
    events + "data: [DONE]\n\n"
}

/// Returns words whose order depends on the seed alone.
fn words(seed: usize, count: usize) -> String {
    const WORDS: &[&str] = &[
        "order", "refund", "parcel", "the", "a", "of", "please", "customer", "is", "ready", "status", "invoice",
        "late", "we", "will", "send", "it", "today", "account", "address", "number", "payment", "card", "cancel",
        "booking", "flight", "hotel", "and", "or", "not", "with", "for",
    ];
    let mut state = seed as u64 + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let roll = (state >> 33) as usize;
        if roll.is_multiple_of(11) { format!("{}", roll % 100_000) } else { WORDS[roll % WORDS.len()].to_owned() }
    };
    std::iter::repeat_with(next).take(count).collect::<Vec<_>>().join(" ")
}
