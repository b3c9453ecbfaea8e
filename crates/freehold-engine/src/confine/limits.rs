//! Limits of a process: memory, processors, priority, files it may write, core dumps.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Confinement, Layer, MEMORY, machine};

const MIB: u64 = 1 << 20;
/// The most files that a worker has open at once; a model in hundreds of parts is not among them.
const WORKER_FILES_MAX: u64 = 256;
/// How readily the kernel ends a worker for want of memory: before the gateway, which it serves.
const OOM_SCORE: &str = "800";

/// A limit that the system did not accept.
#[derive(Debug, thiserror::Error)]
#[error("cannot limit {resource:?} to {most}")]
pub struct LimitError {
    resource: Resource,
    most: u64,
    source: io::Error,
}

/// Sets limits on this process and all that it becomes, which none of them can raise again.
///
/// # Errors
/// The system does not accept one; those before it are set.
pub fn set_limits(limits: &[(Resource, u64)]) -> Result<(), LimitError> {
    for &(resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| LimitError { resource, most, source: error.into() })?;
    }
    Ok(())
}

/// Sets what a worker may use, and says what came of each.
pub(super) fn limit_worker(to: &Confinement) -> Vec<Layer> {
    vec![
        Layer::of(MEMORY, memory(to.memory_mib_max)),
        Layer::of("processor", processor(to)),
        Layer::of("privileges", privileges()),
        Layer::of("core dumps", core_dumps()),
    ]
}

fn text(error: &LimitError) -> String {
    format!("{error}: {}", error.source)
}

fn core_dumps() -> Result<String, String> {
    // Nothing is written by a worker but what goes through the pipes that it was started with.
    set_limits(&[(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, WORKER_FILES_MAX)])
        .map_err(|error| text(&error))?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| format!("others may still look into it: {error}"))?;
    Ok("none are written, and no other process may look into it".to_owned())
}

/// Bounds what is allocated. The pages of a mapped file are not counted: they can be dropped and read again.
fn memory(mib_max: Option<u64>) -> Result<String, String> {
    // Where the kernel must end somebody, it shall be the one whose calls can be asked again.
    let first_to_go = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE).is_ok();
    let order = if first_to_go { ", and it goes before the gateway" } else { "" };
    let (mib, whose) = match mib_max {
        Some(mib) => (mib, "by the settings"),
        None => (machine::memory_mib().ok_or("it is not known how much this machine has")?, "all that there is"),
    };
    let begun = machine::status_kib(std::process::id(), "VmData").unwrap_or(0);
    set_limits(&[(Resource::Data, mib.saturating_mul(MIB).saturating_add(begun * 1024))])
        .map_err(|error| text(&error))?;
    Ok(format!("{mib} MiB beside the mapped file, {whose}{order}"))
}

fn processor(to: &Confinement) -> Result<String, String> {
    if to.nice > 0 {
        rustix::process::setpriority_process(None, i32::from(to.nice))
            .map_err(|error| format!("nice {} is refused: {error}", to.nice))?;
    }
    pin(&to.cpus)?;
    match (to.cpus.len(), to.nice) {
        (0, 0) => Err("no limit is set".to_owned()),
        (0, nice) => Ok(format!("nice {nice}")),
        (cpus, nice) => Ok(format!("{cpus} processors, nice {nice}")),
    }
}

#[cfg(target_os = "linux")]
fn pin(cpus: &[u32]) -> Result<(), String> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &cpu in cpus {
        let number = cpu as usize;
        if number >= CpuSet::MAX_CPU {
            return Err(format!("there is no processor {cpu}"));
        }
        set.set(number);
    }
    sched_setaffinity(None, &set).map_err(|error| format!("the processors {cpus:?} are refused: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn pin(cpus: &[u32]) -> Result<(), String> {
    if cpus.is_empty() { Ok(()) } else { Err("only Linux keeps a process to some processors".to_owned()) }
}

#[cfg(target_os = "linux")]
fn privileges() -> Result<String, String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("they may still be gained: {error}"))?;
    Ok("none can be gained any more".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn privileges() -> Result<String, String> {
    Err("only Linux is able to".to_owned())
}
