//! Workers that die, and owners that die before their workers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use freehold_engine::{Engine, Error, ModelState};
use serde_json::json;

use crate::shop::{Script, ask, config, engine, first_text, until, worker, workers_of};

fn fragile() -> Script {
    Script::new(&json!({
        "rules": [{"when": "crash", "text": "so ", "abort": true}, {"when": "hold", "text": "x ", "hold": true}],
        "otherwise": {"text": "alive"},
    }))
}

async fn answer(engine: &Engine, text: &str) -> Result<String, Error> {
    engine.generate("m", &ask(text)).await?.collect().await.map(|answer| answer.text)
}

#[tokio::test]
async fn crash_names_every_call_and_the_worker_is_started_again() {
    let script = fragile();
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut held = engine.generate("m", &ask("hold")).await.unwrap();
    first_text(&mut held).await;
    let crashing = engine.generate("m", &ask("crash")).await.unwrap();
    for generation in [held, crashing] {
        let id = generation.id();
        let error = generation.collect().await.unwrap_err();
        assert!(matches!(error, Error::WorkerDied { call: Some(call), .. } if call == id), "{error}");
        assert!(error.to_string().contains("signal 6 (aborted)"), "{error}");
    }
    assert_eq!(answer(&engine, "hello").await.unwrap(), "alive");
    assert_eq!(engine.models()[0].state, ModelState::Serving);
}

#[tokio::test]
async fn other_models_do_not_notice() {
    let script = fragile();
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    engine.load(script.spec("n")).await.unwrap();
    let mut held = engine.generate("n", &ask("hold")).await.unwrap();
    first_text(&mut held).await;
    answer(&engine, "crash").await.unwrap_err();
    assert_eq!(engine.generate("n", &ask("hello")).await.unwrap().collect().await.unwrap().text, "alive");
}

#[tokio::test]
async fn spent_budget_leaves_the_model_down_until_it_is_loaded_again() {
    let script = fragile();
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    for _ in 0..3 {
        answer(&engine, "crash").await.unwrap_err();
    }
    until("the model is down", || matches!(engine.models()[0].state, ModelState::Down { .. })).await;
    let error = answer(&engine, "hello").await.unwrap_err();
    assert!(matches!(error, Error::Down { .. }), "{error}");
    assert!(error.to_string().contains("aborted") && error.to_string().contains("2 times"), "{error}");
    engine.load(script.spec("m")).await.unwrap();
    assert_eq!(answer(&engine, "hello").await.unwrap(), "alive");
}

#[tokio::test]
async fn calls_that_come_during_a_restart_wait_for_it() {
    let script = fragile();
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let crashing = engine.generate("m", &ask("crash")).await.unwrap();
    let (crashed, waited) = tokio::join!(crashing.collect(), async {
        until("the worker is being replaced", || engine.models()[0].state == ModelState::Restarting).await;
        answer(&engine, "hello").await
    });
    crashed.unwrap_err();
    assert_eq!(waited.unwrap(), "alive");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn killed_worker_is_told_from_a_crashed_one() {
    // A parent of its own, so that the workers of tests beside this one are not hit.
    let (mut owner, worker) = owner_with_worker();
    assert!(kill(worker));
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    // Which of these depends on whether this machine ran out of memory meanwhile, and on whether it says so.
    let told = [
        "killed by somebody, not for want of memory)",
        ", most likely for want of memory: ",
        "killed, perhaps for want of memory)",
    ];
    assert!(line.contains("was killed by signal 9"), "{line}");
    assert!(told.iter().any(|cause| line.contains(cause)), "{line}");
    owner.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(owner.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn worker_dies_with_its_owner() {
    let (mut owner, worker) = owner_with_worker();
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("the worker is gone", || !std::path::Path::new(&format!("/proc/{worker}")).exists()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dropped_engine_takes_its_workers_along() {
    let script = fragile();
    let engine = Engine::new(config(worker()));
    engine.load(script.spec("m")).await.unwrap();
    let held = engine.generate("m", &ask("hold")).await.unwrap();
    let mine = std::process::id();
    let before = workers_of(mine);
    assert!(!before.is_empty());
    drop(held);
    drop(engine);
    // Under a runner that gives each test its own process there is exactly one; otherwise at least one goes.
    until("a worker is gone", || before.iter().any(|worker| !workers_of(mine).contains(worker))).await;
}

#[cfg(target_os = "linux")]
fn kill(process: i32) -> bool {
    Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success()
}

/// Starts this test binary again as the owner of one worker, whose process id is returned.
#[cfg(target_os = "linux")]
fn owner_with_worker() -> (std::process::Child, i32) {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "deaths::owner_of_one_worker", "--nocapture"])
        .env("FREEHOLD_TEST_OWNER", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(owner.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the owner ended early");
    }
    owner.stdout = Some(output.into_inner());
    let workers = workers_of(owner.id());
    assert_eq!(workers.len(), 1, "{workers:?}");
    (owner, workers[0])
}

/// Not a test by itself: the owner in the tests above, which start it again in a process of its own.
#[tokio::test]
async fn owner_of_one_worker() {
    if std::env::var_os("FREEHOLD_TEST_OWNER").is_none() {
        return;
    }
    let script = fragile();
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut held = engine.generate("m", &ask("hold")).await.unwrap();
    first_text(&mut held).await;
    println!("ready");
    println!("{}", held.collect().await.unwrap_err());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    engine.shutdown().await;
}
