//! Programs that are started as workers and are none.

use std::time::Duration;

use freehold_engine::{Engine, Error, ErrorKind, WorkerCommand};
use serde_json::json;

use crate::shop::{Script, ask, config, shell, worker};

async fn load_error(worker: WorkerCommand) -> Error {
    let script = Script::new(&json!({"otherwise": {"text": "x"}}));
    let mut config = config(worker);
    config.load_timeout = Duration::from_secs(20);
    let engine = Engine::new(config);
    let error = engine.load(script.spec("m")).await.unwrap_err();
    assert!(engine.models().is_empty());
    error
}

/// A frame, written by a shell.
fn frame(json: &str) -> String {
    let length = (json.len() as u32).to_le_bytes().map(|byte| format!("\\{byte:03o}")).concat();
    format!("printf '{length}'; printf '%s' '{json}'; cat > /dev/null")
}

#[tokio::test]
async fn absent_program_is_named() {
    let mut command = worker();
    command.program = "/nonexistent/worker".into();
    let error = load_error(command).await;
    assert_eq!(error.to_string(), "cannot start the worker /nonexistent/worker");
    assert_eq!(error.kind(), ErrorKind::Engine);
}

#[tokio::test]
async fn other_build_is_told_apart() {
    let error = load_error(shell(&frame("{\"hello\":{\"protocol\":0,\"build\":\"an old one\",\"process\":1}}"))).await;
    assert!(matches!(error, Error::VersionMismatch { .. }), "{error}");
    assert!(error.to_string().contains("protocol 0 of an old one"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn garbage_is_no_frame() {
    let error = load_error(shell("echo Usage: something else; cat > /dev/null")).await;
    assert!(matches!(error, Error::Protocol { .. }) && error.to_string().contains("\"Usag\""), "{error}");
}

#[tokio::test]
async fn oversize_frame_is_refused_without_being_read() {
    let error = load_error(shell("printf '\\377\\377\\377\\177'; cat > /dev/null")).await;
    assert!(matches!(error, Error::Protocol { .. }) && error.to_string().contains("2147483647"), "{error}");
}

#[tokio::test]
async fn frame_that_is_no_message_is_refused() {
    let error = load_error(shell(&frame("{\"howdy\":1}"))).await;
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn message_out_of_turn_is_refused() {
    let error = load_error(shell(&frame("{\"load_failed\":{\"what\":\"early\"}}"))).await;
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn early_death_is_quoted() {
    let error = load_error(shell("echo first >&2; echo library not found >&2; exit 7")).await;
    let text = error.to_string();
    assert!(matches!(error, Error::WorkerDied { call: None, .. }), "{text}");
    assert!(text.contains("ended with status 7; it last wrote: first | library not found"), "{text}");
}

#[tokio::test]
async fn output_cut_within_a_frame_is_seen() {
    let error = load_error(shell("printf '\\020\\000\\000\\000{'")).await;
    assert!(matches!(error, Error::Protocol { .. }) && error.to_string().contains("within a frame"), "{error}");
}

#[tokio::test]
async fn silent_program_runs_into_the_time_limit() {
    let script = Script::new(&json!({}));
    let mut config = config(shell("cat > /dev/null"));
    config.load_timeout = Duration::from_millis(100);
    let error = Engine::new(config).load(script.spec("m")).await.unwrap_err();
    assert!(matches!(error, Error::LoadTimeout { .. }), "{error}");
}

/// A worker that goes wrong while it serves is replaced like one that died.
#[tokio::test]
async fn garbage_while_serving_is_a_death() {
    let script = Script::new(&json!({"otherwise": {"text": "x ", "hold": true}}));
    let flag = script.path("second");
    // The first run adds noise to the worker's output as soon as the file exists; later runs leave it alone.
    let noisy = format!(
        "if [ -e {0} ]; then exec \"$0\"; fi; touch {0}; exec 3>&1; (while [ ! -e {0}.now ]; do :; done; echo noise >&3) & exec \"$0\"",
        flag.display()
    );
    let engine = Engine::new(config(shell(&noisy)));
    engine.load(script.spec("m")).await.unwrap();
    let generation = engine.generate("m", &ask("x")).await.unwrap();
    std::fs::write(flag.with_extension("now"), "").unwrap();
    let error = generation.collect().await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    engine.generate("m", &ask("x")).await.unwrap();
}
