//! What the tests share: engines, scripts and requests.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use freehold_engine::confine::Confinement;
use freehold_engine::{Backend, Engine, EngineConfig, Event, Generation, ModelSpec, WorkerCommand};
use freehold_wire::{Api, Message, Part, Request, ResponseFormat, Role, Sampling, ToolChoice};

/// How long anything here may take before a test is said to hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn worker() -> WorkerCommand {
    WorkerCommand { program: PathBuf::from(env!("CARGO_BIN_EXE_freehold-engine-worker")), args: Vec::new() }
}

/// A worker that is a shell script.
pub(crate) fn shell(script: &str) -> WorkerCommand {
    let args = ["-c".into(), script.into(), worker().program.into_os_string()];
    WorkerCommand { program: PathBuf::from("/bin/sh"), args: args.into_iter().collect::<Vec<OsString>>() }
}

pub(crate) fn config(worker: WorkerCommand) -> EngineConfig {
    EngineConfig {
        worker,
        restarts_max: 2,
        restart_window: Duration::from_secs(600),
        load_timeout: PATIENCE,
        hang_timeout: Duration::from_secs(60),
        confinement: Confinement::default(),
        crash_folder: None,
        queue_requests_max: 2,
        memory_bytes_max: None,
    }
}

pub(crate) fn engine() -> Engine {
    Engine::new(config(worker()))
}

/// A script in a folder that lives as long as this.
pub(crate) struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    pub(crate) fn new(rules: &serde_json::Value) -> Script {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script.json"), rules.to_string()).unwrap();
        Script { folder }
    }

    pub(crate) fn spec(&self, name: &str) -> ModelSpec {
        spec(name, &self.folder.path().join("script.json"), Backend::Scripted)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(crate) fn spec(name: &str, path: &Path, backend: Backend) -> ModelSpec {
    ModelSpec {
        name: name.into(),
        path: path.to_owned(),
        backend,
        adapters: Vec::new(),
        context_tokens: 256,
        slots: 2,
        threads: Some(1),
        memory_bytes: 0,
    }
}

pub(crate) fn ask(text: &str) -> Request {
    Request {
        api: Api::OpenAiChat,
        model: "m".into(),
        system: String::new(),
        messages: vec![Message { role: Role::User, parts: vec![Part::Text(text.into())] }],
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        response_format: ResponseFormat::Text,
        sampling: Sampling::default(),
        stream: true,
        stream_usage: false,
        metadata: Vec::new(),
        one_tool_call: false,
    }
}

/// Waits for the first piece of text.
pub(crate) async fn first_text(generation: &mut Generation) -> String {
    loop {
        match tokio::time::timeout(PATIENCE, generation.next()).await.unwrap() {
            Some(Event::Text(text)) => return text,
            Some(Event::Started { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The process ids of this process's worker children.
#[cfg(target_os = "linux")]
pub(crate) fn workers_of(parent: u32) -> Vec<i32> {
    let stat = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let id = text.split(' ').next()?.parse().ok()?;
        let mut rest = text.rsplit_once(')')?.1.split_whitespace();
        let is_alive = rest.next()? != "Z";
        let is_child = rest.next()?.parse::<u32>().ok()? == parent;
        let is_worker = text.contains("(freehold-engine");
        (is_alive && is_child && is_worker).then_some(id)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(stat).collect()
}

/// Waits until `is_so` holds, without a clock of its own.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}
