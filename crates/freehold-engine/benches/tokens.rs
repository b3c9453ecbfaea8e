//! Tokens per second through a worker process: `cargo bench -p freehold-engine --features llama -- MODEL.gguf`.
//!
//! Without a model, measures the process border alone with the scripted backend. Prints one line per figure.

#![expect(clippy::unwrap_used, reason = "a measurement that fails is thrown away")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use freehold_engine::confine::Confinement;
use freehold_engine::{Backend, Engine, EngineConfig, ModelSpec, WorkerCommand};
use freehold_wire::{Api, Message, Part, Request, ResponseFormat, Role, Sampling, ToolChoice};
use serde_json::json;

const CALLS: usize = 64;

fn engine() -> Engine {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_freehold-engine-worker"));
    Engine::new(EngineConfig {
        worker: WorkerCommand { program, args: Vec::new() },
        restarts_max: 0,
        restart_window: Duration::from_secs(1),
        load_timeout: Duration::from_secs(60),
        hang_timeout: Duration::from_secs(60),
        confinement: Confinement::default(),
        crash_folder: None,
        queue_requests_max: CALLS,
        memory_bytes_max: None,
    })
}

fn request(number: usize, response_format: ResponseFormat) -> Request {
    let text = format!("Order {} has not come, where is it?", 40_000 + number * 77);
    Request {
        api: Api::OpenAiChat,
        model: "m".into(),
        system: String::new(),
        messages: vec![Message { role: Role::User, parts: vec![Part::Text(text)] }],
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        response_format,
        sampling: Sampling { max_tokens: Some(64), temperature: Some(0.0), ..Sampling::default() },
        stream: false,
        stream_usage: false,
        metadata: Vec::new(),
        one_tool_call: false,
    }
}

/// Returns the processor time of all workers that have ended, in seconds (`cutime` and `cstime` in proc(5)).
fn worker_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(13).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Sends all calls, `at_once` at a time, stops the engine, and prints how fast the tokens came.
async fn measure(engine: Engine, what: &str, at_once: usize, format: &ResponseFormat) {
    let before = worker_seconds();
    let began = Instant::now();
    let (mut output, mut input, mut cached) = (0, 0, 0);
    let mut running = std::collections::VecDeque::new();
    for number in 0..CALLS {
        running.push_back(engine.generate("m", &request(number, format.clone())).await.unwrap());
        if running.len() == at_once || number + 1 == CALLS {
            while let Some(generation) = running.pop_front() {
                let usage = generation.collect().await.unwrap().usage.unwrap();
                output += usage.output;
                input += usage.input;
                cached += usage.cache_read;
            }
        }
    }
    let took = began.elapsed();
    engine.shutdown().await;
    let worker_us = (worker_seconds() - before) * 1e6 / output as f64;
    println!(
        "{what}: {at_once} at once: {:.0} tokens/s, {:.1} us/token ({worker_us:.0} of the worker's processor), {:.2} ms/call ({output} out, {input} in, {cached} cached)",
        output as f64 / took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / output as f64,
        took.as_secs_f64() * 1e3 / CALLS as f64,
    );
}

async fn load(path: &Path, backend: Backend, slots: u32, threads: Option<u32>) -> Engine {
    let engine = engine();
    let spec = ModelSpec {
        name: "m".into(),
        path: path.to_owned(),
        backend,
        adapters: Vec::new(),
        context_tokens: 512,
        slots,
        threads,
        memory_bytes: 0,
    };
    let info = engine.load(spec).await.unwrap();
    println!("loaded {} in {} ms", path.display(), info.load_ms);
    engine
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.json");
    std::fs::write(&script, json!({"otherwise": {"text": "word ".repeat(64)}}).to_string()).unwrap();
    for slots in [1, 8] {
        let engine = load(&script, Backend::Scripted, slots, None).await;
        measure(engine, "scripted", slots as usize, &ResponseFormat::Text).await;
    }
    let schema = ResponseFormat::JsonSchema(json!({
        "type": "object",
        "properties": {
            "category": {"enum": ["refund", "delivery", "other"]},
            "order": {"type": ["string", "null"]},
            "priority": {"enum": ["low", "high"]},
        },
        "required": ["category", "order", "priority"],
        "additionalProperties": false,
    }));
    for model in std::env::args().skip(1).filter(|argument| argument.ends_with(".gguf")) {
        for (slots, threads) in [(1, 1), (8, 1), (8, 2)] {
            for (what, format) in [("free", &ResponseFormat::Text), ("schema", &schema)] {
                let engine = load(Path::new(&model), Backend::Llama, slots, Some(threads)).await;
                measure(engine, &format!("{what}, {threads} threads"), slots as usize, format).await;
            }
        }
    }
}
