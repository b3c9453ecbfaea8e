//! What a worker cannot do to the machine, whatever its model makes of it; and what is left behind when it dies of it.

use std::path::Path;
use std::time::Duration;

use freehold_engine::confine::{Confinement, FILES, Policy, SYSTEM_CALLS};
use freehold_engine::{Cause, CrashReport, Doing, Engine, EngineConfig, Error, crash_reports};
use serde_json::{Value, json};

use crate::shop::{Script, ask, config, first_text, until, worker, workers_of};

/// Tries each misdeed once, and returns what came of it.
async fn attempts(confinement: Confinement, script: &Script, misdeeds: &[(&str, Value)]) -> Vec<String> {
    let rules: Vec<Value> =
        misdeeds.iter().map(|(name, misdeed)| json!({"when": name, "fault": {"try": misdeed}})).collect();
    std::fs::write(script.path("script.json"), json!({"rules": rules}).to_string()).unwrap();
    let engine = Engine::new(EngineConfig { confinement, ..config(worker()) });
    engine.load(script.spec("m")).await.unwrap();
    let mut outcomes = Vec::new();
    for (name, _) in misdeeds {
        outcomes.push(engine.generate("m", &ask(name)).await.unwrap().collect().await.unwrap().text);
    }
    engine.shutdown().await;
    outcomes
}

fn misdeeds(folder: &Path) -> Vec<(&'static str, Value)> {
    let there = folder.join("there");
    std::fs::write(&there, "kept").unwrap();
    vec![
        ("internet", json!("internet")),
        ("listen", json!("listen")),
        ("local", json!("local_socket")),
        ("passwd", json!({"read": "/etc/passwd"})),
        ("environment", json!({"read": "/proc/self/environ"})),
        ("neighbour", json!({"read": there})),
        ("list", json!({"list": folder})),
        ("write", json!({"write": folder.join("new")})),
        ("append", json!({"append": there})),
        ("remove", json!({"remove": there})),
        ("run", json!({"run": "/bin/true"})),
        ("signal", json!("signal")),
    ]
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn confined_worker_can_do_nothing_but_compute() {
    let script = Script::new(&json!({}));
    let folder = tempfile::tempdir().unwrap();
    let misdeeds = misdeeds(folder.path());
    for ((name, _), outcome) in misdeeds.iter().zip(attempts(Confinement::default(), &script, &misdeeds).await) {
        assert!(outcome.starts_with("refused"), "{name}: {outcome}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("there")).unwrap(), "kept");
    assert!(!folder.path().join("new").exists());
    // What it must be able to do.
    let needed = [("thread", json!("thread")), ("model", json!({"read": script.path("script.json")}))];
    assert_eq!(attempts(Confinement::default(), &script, &needed).await, ["done", "done"]);
}

/// The misdeeds are real ones: unconfined, each of them succeeds.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn unconfined_worker_could_do_it_all() {
    let script = Script::new(&json!({}));
    let folder = tempfile::tempdir().unwrap();
    // Not what the limits forbid in any case: to write more than nothing.
    let misdeeds: Vec<_> = misdeeds(folder.path()).into_iter().filter(|(name, _)| *name != "write").collect();
    let off = Confinement { policy: Policy::Off, ..Confinement::default() };
    for ((name, _), outcome) in misdeeds.iter().zip(attempts(off, &script, &misdeeds).await) {
        assert_eq!(outcome, "done", "{name}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_thread_of_a_worker_is_held_and_it_says_so() {
    let script = Script::new(&json!({"otherwise": {"text": "x ", "hold": true}}));
    let required = Confinement { policy: Policy::Required, ..Confinement::default() };
    let engine = Engine::new(EngineConfig { confinement: required, ..config(worker()) });
    let info = engine.load(script.spec("m")).await.unwrap();
    let state = |name: &str| info.isolation.iter().find(|layer| layer.name == name).unwrap();
    for layer in [FILES, SYSTEM_CALLS, "memory", "privileges", "core dumps"] {
        assert!(state(layer).is_active, "{:?}", state(layer));
    }
    assert!(!state("processor").is_active, "nothing was asked for");
    let process = worker_process(&engine).await;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("\nSeccomp:\t2\n") && status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn priority_and_processors_are_as_asked_for() {
    let script = Script::new(&json!({"otherwise": {"text": "x ", "hold": true}}));
    let confinement = Confinement { nice: 7, cpus: vec![0], ..Confinement::default() };
    let engine = Engine::new(EngineConfig { confinement, ..config(worker()) });
    engine.load(script.spec("m")).await.unwrap();
    let process = worker_process(&engine).await;
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
    assert_eq!(read("stat").rsplit_once(") ").unwrap().1.split(' ').nth(16), Some("7"));
    assert!(read("status").contains("\nCpus_allowed_list:\t0\n"));
    assert_eq!(read("oom_score_adj").trim(), "800");
}

/// Returns the process of the only worker; the runner gives each test a process of its own.
async fn worker_process(engine: &Engine) -> i32 {
    let mut held = engine.generate("m", &ask("anything")).await.unwrap();
    first_text(&mut held).await;
    let workers = workers_of(std::process::id());
    let [process] = workers[..] else { panic!("{workers:?}: run these with a process for each test") };
    process
}

fn watched(folder: &Path) -> EngineConfig {
    EngineConfig { crash_folder: Some(folder.join("crashes")), ..config(worker()) }
}

async fn ending(engine: &Engine, text: &str) -> Error {
    engine.generate("m", &ask(text)).await.unwrap().collect().await.unwrap_err()
}

/// Stops the engine, sees that no worker is left, and returns the only report.
async fn only_report(engine: Engine, folder: &Path) -> CrashReport {
    engine.shutdown().await;
    until("no worker is left", || workers_of(std::process::id()).is_empty()).await;
    let mut reports = crash_reports(&folder.join("crashes")).unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

#[tokio::test]
async fn worker_that_hangs_is_killed_with_the_cause() {
    let script = Script::new(
        &json!({"rules": [{"when": "hang", "text": "so ", "fault": "hang"}], "otherwise": {"text": "alive"}}),
    );
    let engine =
        Engine::new(EngineConfig { hang_timeout: Duration::from_secs(2), ..watched(script.path("").as_path()) });
    engine.load(script.spec("m")).await.unwrap();
    let error = ending(&engine, "hang").await;
    assert!(error.to_string().contains("did nothing for 2s with 1 calls to answer, and was killed"), "{error}");
    let answer = engine.generate("m", &ask("hello")).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.text, "alive");
    let report = only_report(engine, &script.path("")).await;
    assert_eq!((report.cause, report.doing, report.restarts), (Cause::Hang, Doing::Serving, 0));
    assert_eq!((report.calls.len(), report.calls[0].events), (1, 2));
}

/// A slow model is no hanging one: it answers for itself between two steps.
#[tokio::test]
async fn worker_that_waits_with_work_is_left_alone() {
    let script = Script::new(&json!({"otherwise": {"text": "slow ", "hold": true}}));
    let engine =
        Engine::new(EngineConfig { hang_timeout: Duration::from_millis(800), ..watched(script.path("").as_path()) });
    engine.load(script.spec("m")).await.unwrap();
    let mut held = engine.generate("m", &ask("hello")).await.unwrap();
    first_text(&mut held).await;
    let nothing = tokio::time::timeout(Duration::from_millis(1200), held.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(crash_reports(&script.path("crashes")).unwrap(), []);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn worker_that_takes_all_memory_dies_of_its_limit() {
    let script = Script::new(&json!({"rules": [{"when": "hoard", "fault": "hoard"}], "otherwise": {"text": "alive"}}));
    let mut config = watched(script.path("").as_path());
    config.confinement.memory_mib_max = Some(64);
    let engine = Engine::new(config);
    engine.load(script.spec("m")).await.unwrap();
    let error = ending(&engine, "hoard").await;
    assert!(error.to_string().contains("ran out of memory (64 MiB beside the mapped file"), "{error}");
    assert_eq!(engine.generate("m", &ask("hello")).await.unwrap().collect().await.unwrap().text, "alive");
    let report = only_report(engine, &script.path("")).await;
    assert_eq!((report.cause, report.signal), (Cause::MemoryLimit, Some(6)), "{report:?}");
    assert!(report.last_lines.iter().any(|line| line.contains("memory allocation of")), "{report:?}");
    assert!(report.isolation.iter().any(|layer| layer.name == FILES && layer.is_active), "{report:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn killed_worker_leaves_a_report_of_its_calls() {
    let script = Script::new(&json!({"otherwise": {"text": "x ", "hold": true}}));
    let engine = Engine::new(watched(script.path("").as_path()));
    engine.load(script.spec("m")).await.unwrap();
    let mut held = engine.generate("m", &ask("hello")).await.unwrap();
    first_text(&mut held).await;
    let workers = workers_of(std::process::id());
    let pid = rustix_pid(workers[0]);
    rustix::process::kill_process(pid, rustix::process::Signal::ILL).unwrap();
    let error = held.collect().await.unwrap_err();
    assert!(error.to_string().contains("signal 4 (illegal instruction)"), "{error}");
    let report = only_report(engine, &script.path("")).await;
    assert_eq!((report.cause, report.signal, report.process), (Cause::Signal, Some(4), u32::try_from(workers[0]).ok()));
    assert!(report.engine_build.is_some_and(|build| build.starts_with("scripted")));
}

fn rustix_pid(process: i32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(process).unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn worker_that_dies_while_loading_is_reported_as_loading() {
    let script = Script::new(&json!({}));
    let dying = crate::shop::shell("echo the shelf broke >&2; kill -ILL $$");
    let config = EngineConfig { worker: dying, ..watched(script.path("").as_path()) };
    let engine = Engine::new(config);
    engine.load(script.spec("m")).await.unwrap_err();
    let report = only_report(engine, &script.path("")).await;
    assert_eq!((report.doing, report.signal), (Doing::Loading, Some(4)));
    assert_eq!(report.last_lines, ["the shelf broke"]);
}

/// Keys stand in the environment of a gateway; what strangers' models run in gets none of them.
#[tokio::test]
async fn environment_with_its_secrets_stays_outside() {
    let script = Script::new(&json!({}));
    let telling = crate::shop::shell("env | cut -d= -f1 | tr '\\n' ' ' >&2; exit 3");
    let error = Engine::new(config(telling)).load(script.spec("m")).await.unwrap_err().to_string();
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "a variable that is here");
    assert!(error.contains("PATH") && !error.contains("CARGO") && !error.contains("HOME"), "{error}");
}
