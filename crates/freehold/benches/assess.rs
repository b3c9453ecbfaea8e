//! What an assessment costs beside the same generations sent straight to the engine:
//! `cargo bench -p freehold --bench assess`. Both take turns in one run; the ratio is what counts.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use freehold::assess::{Assessor, Question};
use freehold::config::{Layers, Settings};
use freehold::facts::{PriceBook, Sellers};
use freehold::sample::business::{self, Earlier, Split, StepName};
use freehold::service;
use freehold_evidence::Rule;
use freehold_store::Store;
use freehold_wire::{Api, Call, Request, Timings};
use futures_util::StreamExt;
use serde_json::{Value, json};

const CASES: u64 = 400;
const ROUNDS: usize = 3;
const STEP: &str = "extract";

fn main() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let settings = settings(home.path())?;
    let calls: Vec<Call> = (0..CASES).map(call).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    for round in 0..ROUNDS {
        let straight = runtime.block_on(straight(&settings, &calls))?;
        let assessed = runtime.block_on(assessed(&settings, &calls))?;
        let ratio = assessed.as_secs_f64() / straight.as_secs_f64();
        println!("round {round}: straight {straight:.2?}, assessed {assessed:.2?}, ratio {ratio:.3}");
    }
    Ok(())
}

/// The worker is the product's own binary.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_freehold"))
}

fn settings(home: &Path) -> anyhow::Result<Settings> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/freehold-desk-m.gguf");
    let text = format!("[[model]]\nname = \"desk\"\npath = {model:?}\ncontext_tokens = 512\nslots = 8\n");
    let file = home.join("freehold.toml");
    std::fs::write(&file, text)?;
    let mut layers = Layers::defaults(home);
    layers.file(&file)?;
    Ok(layers.settings(&|_| None)?)
}

fn call(number: u64) -> Call {
    let ticket = business::ticket(1, number, Split::Demo);
    let earlier = Earlier { triage: &Value::Null, extract: &Value::Null, decision: &Value::Null };
    let request = business::request(StepName::Extract, &ticket, earlier, "sim-frontier-1");
    let message = json!({"role": "assistant", "content": ticket.gold.extract.to_string()});
    let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    let response = json!({"id": "x", "object": "chat.completion", "model": "sim-frontier-1", "choices": choices});
    Call {
        id: format!("c{number}"),
        at_ms: i64::try_from(number).unwrap_or(0),
        api: Api::OpenAiChat,
        step: STEP.to_owned(),
        step_by: "header".to_owned(),
        run: Some(ticket.id),
        model: "sim-frontier-1".to_owned(),
        upstream: "import".to_owned(),
        served_model: None,
        request: request.to_string().into_bytes(),
        response: response.to_string().into_bytes(),
        streamed: false,
        status: 200,
        failure: None,
        usage: None,
        timings: Timings::default(),
        reference: None,
        key: None,
        is_estimated: false,
        generation: 0,
        attempts: Vec::new(),
        kept: freehold_wire::Kept::default(),
    }
}

/// The same requests, at the same concurrency, to a freshly loaded model, answers thrown away.
async fn straight(settings: &Settings, calls: &[Call]) -> anyhow::Result<Duration> {
    let home = tempfile::tempdir()?;
    let begun = Instant::now();
    let engine = service::engine(settings, program(), home.path());
    let model = &settings.models[0];
    service::load(&engine, model).await?;
    let requests: Vec<Request> =
        calls.iter().map(|call| freehold_wire::requests::read(call.api, &call.request)).collect::<Result<_, _>>()?;
    let engine = &engine;
    let mut asked = futures_util::stream::iter(&requests)
        .map(|request| async move { engine.generate(&model.name, request).await?.collect().await })
        .buffer_unordered(model.slots as usize);
    while let Some(answer) = asked.next().await {
        answer?;
    }
    engine.shutdown().await;
    Ok(begun.elapsed())
}

async fn assessed(settings: &Settings, calls: &[Call]) -> anyhow::Result<Duration> {
    let home = tempfile::tempdir()?;
    let store = Store::open(home.path())?;
    store.import(calls)?;
    let prices = PriceBook::load(None, Sellers::default())?;
    let assessor = Assessor { store: &store, settings, prices: &prices, program: program() };
    let rule = Rule::new(0.05, 0.95)?;
    let question = Question { cases_max: calls.len(), concurrency: 8, ..Question::new(STEP, "desk", rule) };
    let begun = Instant::now();
    let result = assessor.assess(&question, &|_| {}).await?;
    assert_eq!(result.row.n, CASES, "every case was replayed");
    Ok(begun.elapsed())
}
