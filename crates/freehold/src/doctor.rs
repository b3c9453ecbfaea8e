//! What this installation can do here: what was compiled in, what holds workers, what is written where, what the machine has.
//!
//! Nothing is assumed that can be tried: the home is written to, and a worker is started to say what holds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use freehold_engine::confine::Layer;
use freehold_engine::{Backend, crash_reports};
use serde::Serialize;

use crate::config::{Layers, Model, Settings};
use crate::exit::Exit;
use crate::home::{self, Place};
use crate::service;

const GIB: u64 = 1 << 30;

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Not there; everything works without.
    Absent,
    /// Something will not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to.
    pub topic: &'static str,
    /// What it is.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub detail: String,
    #[serde(skip)]
    exit: Exit,
}

impl Finding {
    fn new(topic: &'static str, name: &str, state: State, detail: impl Into<String>) -> Finding {
        let exit = if state == State::Bad { Exit::Input } else { Exit::Done };
        Finding { topic, name: name.to_owned(), state, detail: detail.into(), exit }
    }

    fn of_layer(layer: Layer) -> Finding {
        let state = if layer.is_active { State::Ok } else { State::Absent };
        Finding::new("isolation", &layer.name, state, layer.how)
    }
}

/// Returns how the command ends: by the first finding that is bad.
#[must_use]
pub fn exit(findings: &[Finding]) -> Exit {
    findings.iter().map(|finding| finding.exit).find(|exit| *exit != Exit::Done).unwrap_or(Exit::Done)
}

/// Looks at everything. `program` is this binary, of which workers are copies.
pub async fn examine(place: &Place, program: PathBuf) -> Vec<Finding> {
    let (settings, configuration) = configuration(place);
    let (home, written) = home_folder(place);
    let mut findings = vec![build(), configuration, home];
    findings.extend(machine());
    findings.extend(accelerators(Path::new("/")));
    if let Some(home) = written {
        findings.extend(isolation(&settings, program, &home).await);
        findings.push(crashes(&home));
    }
    findings
}

fn build() -> Finding {
    let engine = if cfg!(feature = "llama") {
        "llama.cpp is compiled in, for the processor only"
    } else {
        "no engine is compiled in (the `llama` feature); models are served by others"
    };
    let state = if cfg!(feature = "llama") { State::Ok } else { State::Absent };
    Finding::new("build", "engine", state, format!("freehold {}: {engine}", env!("CARGO_PKG_VERSION")))
}

/// Returns the settings, or what comes with the binary where they are wrong.
fn configuration(place: &Place) -> (Settings, Finding) {
    let file = place.config_file().map_or_else(|| "built-in defaults".to_owned(), |file| file.display().to_string());
    match place.settings() {
        Ok(settings) => (settings, Finding::new("build", "configuration", State::Ok, file)),
        Err(fault) => {
            let defaults = Layers::defaults(Path::new(".")).settings(&|_| None).expect("the defaults are right");
            (defaults, Finding::new("build", "configuration", State::Bad, fault.to_string()))
        }
    }
}

/// Writes a file into the home and takes it away; returns the home where that went well.
fn home_folder(place: &Place) -> (Finding, Option<PathBuf>) {
    let bad = |what: String| (Finding::new("home", "folder", State::Bad, what), None);
    let home = match place.home() {
        Ok(home) => home,
        Err(fault) => return bad(fault.to_string()),
    };
    let trial = home.join(format!("doctor-{}.tmp", std::process::id()));
    let written = fs::write(&trial, "a trial").and_then(|()| fs::remove_file(&trial));
    if let Err(error) = written {
        return bad(format!("{} cannot be written: {error}", home.display()));
    }
    let free = rustix::fs::statvfs(&home).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let free = free.map_or_else(|_| String::new(), |bytes| format!(", {:.1} GiB free", bytes as f64 / GIB as f64));
    (Finding::new("home", "folder", State::Ok, format!("{} can be written{free}", home.display())), Some(home))
}

fn machine() -> Vec<Finding> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = format!("{} {} {}", std::env::consts::OS, kernel.trim(), std::env::consts::ARCH);
    let processors = available_parallelism().map_or_else(|error| error.to_string(), |count| count.to_string());
    let memory = service::available_memory_bytes()
        .map_or_else(|| "not known".to_owned(), |bytes| format!("{:.1} GiB can be had", bytes as f64 / GIB as f64));
    vec![
        Finding::new("machine", "system", State::Ok, system),
        Finding::new("machine", "processors", State::Ok, processors),
        Finding::new("machine", "memory", State::Ok, memory),
    ]
}

/// Looks for accelerators by what their drivers leave below `root`.
fn accelerators(root: &Path) -> Vec<Finding> {
    let mut seen = Vec::new();
    if let Ok(version) = fs::read_to_string(root.join("proc/driver/nvidia/version")) {
        seen.push(format!(
            "NVIDIA, {} devices: {}",
            devices(root, "dev", "nvidia"),
            version.lines().next().unwrap_or("")
        ));
    }
    if root.join("dev/kfd").exists() {
        seen.push("AMD, by its kernel driver (/dev/kfd)".to_owned());
    }
    let render = devices(root, "dev/dri", "renderD");
    if render > 0 {
        seen.push(format!("{render} devices that compute by Vulkan, perhaps (/dev/dri)"));
    }
    if seen.is_empty() {
        return vec![Finding::new("machine", "accelerator", State::Absent, "none is seen")];
    }
    let unused = |what: String| {
        Finding::new("machine", "accelerator", State::Absent, format!("{what}; this build does not use it"))
    };
    seen.into_iter().map(unused).collect()
}

/// Counts the entries of a folder that are named so, with a number behind.
fn devices(root: &Path, folder: &str, name: &str) -> usize {
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let is_numbered = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    entries
        .filter(|entry| entry.file_name().to_str().and_then(|file| file.strip_prefix(name)).is_some_and(is_numbered))
        .count()
}

/// Starts a worker with a model that is an empty script, and asks what holds it.
async fn isolation(settings: &Settings, program: PathBuf, home: &Path) -> Vec<Finding> {
    let script = home.join(format!("doctor-{}.json", std::process::id()));
    let failed =
        |what: String| vec![Finding { exit: Exit::Upstream, ..Finding::new("isolation", "worker", State::Bad, what) }];
    if let Err(error) = fs::write(&script, "{}") {
        return failed(format!("a trial script cannot be written: {error}"));
    }
    let engine = service::engine(settings, program, home);
    let model = Model::of("doctor", script.clone(), Backend::Scripted);
    let loaded = service::load(&engine, &model).await;
    engine.shutdown().await;
    let removed = fs::remove_file(&script);
    match (loaded, removed) {
        (Ok(info), Ok(())) => info.isolation.into_iter().map(Finding::of_layer).collect(),
        (Err(error), _) => failed(format!("a worker cannot be started: {error:#}")),
        (_, Err(error)) => failed(format!("a trial script cannot be removed: {error}")),
    }
}

fn crashes(home: &Path) -> Finding {
    let folder = home::crashes(home);
    match crash_reports(&folder) {
        Ok(reports) => match reports.first() {
            None => Finding::new("engine", "crashes", State::Ok, "no worker has died"),
            Some(last) => {
                let (count, folder) = (reports.len(), folder.display());
                let what = format!("{count} reports in {folder}; the last: {}, {} {}", last.at, last.model, last.how);
                Finding::new("engine", "crashes", State::Ok, what)
            }
        },
        Err(error) => {
            Finding::new("engine", "crashes", State::Bad, format!("{} cannot be read: {error}", folder.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accelerators_are_told_by_what_their_drivers_leave() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(accelerators(root.path())[0].detail, "none is seen");
        fs::create_dir_all(root.path().join("proc/driver/nvidia")).unwrap();
        fs::create_dir_all(root.path().join("dev/dri")).unwrap();
        fs::write(root.path().join("proc/driver/nvidia/version"), "NVRM version: 570\nGCC\n").unwrap();
        for device in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "dri/renderD128"] {
            fs::write(root.path().join("dev").join(device), "").unwrap();
        }
        let found: Vec<String> = accelerators(root.path()).into_iter().map(|finding| finding.detail).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("NVIDIA, 2 devices: NVRM version: 570;"), "{found:?}");
    }

    #[test]
    fn first_bad_finding_decides_the_exit() {
        let fine = Finding::new("a", "b", State::Absent, "");
        let bad = Finding { exit: Exit::Upstream, ..Finding::new("a", "b", State::Bad, "") };
        assert_eq!(exit(std::slice::from_ref(&fine)), Exit::Done);
        assert_eq!(exit(&[fine, bad]), Exit::Upstream);
    }
}
