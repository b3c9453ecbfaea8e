//! Measures the stages of a call's path that cost no input or output: `cargo bench -p freehold-gateway`.
//!
//! Name parts to run only those: `cargo bench -p freehold-gateway -- identify`. Bodies have 1.2 KB unless said. The time of `record`
//! is that of the thread that serves; the thread that writes has its own.

#![expect(clippy::unwrap_used, reason = "a measurement stops where something is not as it expects")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use freehold_engine::confine::Confinement;
use freehold_engine::{Engine, EngineConfig, WorkerCommand};
use freehold_gateway::stages::{Sample, Stages};
use freehold_gateway::{Gateway, GatewayConfig, Upstream};
use freehold_store::{Generation, RecorderConfig, Route, Store};
use freehold_wire::{Api, requests};
use http::header::{HeaderMap, HeaderName, HeaderValue};

const HEADERS: [(&str, &str); 9] = [
    ("host", "127.0.0.1:8787"),
    ("authorization", "Bearer sk-0123456789abcdef"),
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate"),
    ("user-agent", "OpenAI/Python 1.99.0"),
    ("x-stainless-lang", "python"),
    ("x-stainless-runtime", "CPython"),
    ("content-length", "1200"),
];

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let measure = |name: &str, run: &mut dyn FnMut()| {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            println!("{name:<28} {:>9.2} us", per_run_us(run));
        }
    };
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let recorder = store.recorder(RecorderConfig::default()).unwrap();
    let gateway = Gateway::new(config(), recorder.clone(), engine(), generation(1000)).unwrap();
    let stages = Stages::new(&gateway);
    for (size, bytes) in [("1.2 KB", 1200), ("32 KB", 32 << 10)] {
        let sample = sample(bytes);
        measure(&format!("parse, {size}"), &mut || drop(black_box(requests::read(sample.api, &sample.request))));
        measure(&format!("identify, {size}"), &mut || drop(black_box(stages.identify(&sample))));
        measure(&format!("route, {size}"), &mut || {
            black_box(stages.route(&sample, ("gpt-4o", "step-500")));
        });
        measure(&format!("headers, {size}"), &mut || {
            black_box(stages.headers(&sample));
        });
        let mut count = 0_u64;
        measure(&format!("record, {size}"), &mut || {
            count += 1;
            stages.record(&sample, format!("{bytes}-a-{count:016x}"));
        });
        measure(&format!("all of it, {size}"), &mut || {
            count += 1;
            let step = stages.identify(&sample);
            black_box(stages.route(&sample, ("gpt-4o", &step)));
            black_box(stages.headers(&sample));
            stages.record(&sample, format!("{bytes}-b-{count:016x}"));
        });
    }
    let stats = recorder.stats();
    println!("{} calls recorded, {} dropped by a full queue", stats.recorded, stats.dropped);
    recorder.close();
}

/// Returns the least mean time of a run over a few rounds, so that what else the machine does counts little.
fn per_run_us(run: &mut dyn FnMut()) -> f64 {
    (0..5).map(|_| round(run)).min().map_or(0.0, |least| least.as_secs_f64() * 1e6 / 2000.0)
}

fn round(run: &mut dyn FnMut()) -> Duration {
    let begun = Instant::now();
    (0..2000).for_each(|_| run());
    begun.elapsed()
}

fn sample(bytes: usize) -> Sample {
    let text = "lorem ipsum dolor sit amet ".repeat(bytes / 27);
    let request = format!(
        r#"{{"model":"gpt-4o","temperature":0.2,"messages":[{{"role":"system","content":"You sort the mail of a shop."}},{{"role":"user","content":"{text}"}}]}}"#
    );
    let answer = format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":300,"completion_tokens":64,"total_tokens":364}}}}"#,
        "token ".repeat(64)
    );
    let header =
        |(name, value): (&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    Sample {
        api: Api::OpenAiChat,
        headers: HeaderMap::from_iter(HEADERS.map(header)),
        request: Bytes::from(request),
        answer: Bytes::from(answer),
    }
}

fn config() -> GatewayConfig {
    let vendor = Upstream::new("vendor", "http://127.0.0.1:9".parse().unwrap(), &Api::DIALECTS);
    GatewayConfig { upstreams: vec![vendor], ..GatewayConfig::default() }
}

fn engine() -> Engine {
    Engine::new(EngineConfig {
        worker: WorkerCommand { program: "nobody".into(), args: vec![] },
        restarts_max: 0,
        restart_window: Duration::from_secs(60),
        load_timeout: Duration::from_secs(30),
        hang_timeout: Duration::from_secs(60),
        confinement: Confinement::default(),
        crash_folder: None,
        queue_requests_max: 8,
        memory_bytes_max: None,
    })
}

fn generation(steps: usize) -> Generation {
    let route = Route {
        upstream: "vendor".into(),
        model: "gpt-4o-mini".into(),
        stage: "owned".into(),
        assessment: None,
        certificate: None,
        despite: None,
    };
    let routes = (0..steps).map(|step| (format!("step-{step}"), route.clone())).collect();
    Generation { number: 1, routes, ..Generation::default() }
}
