//! What a process gives up before it touches what strangers wrote: files, network, other programs, memory beyond a limit.
//!
//! The worker confines itself with all of it; the programs of checks share the limits. Nothing here can be taken back, and
//! where the kernel lacks a part the others still hold: [`Layer`] says which, and why not.

#[cfg(target_os = "linux")]
mod files;
mod limits;
pub(crate) mod machine;
#[cfg(target_os = "linux")]
mod system_calls;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use limits::{LimitError, set_limits};

/// The layer that hides all files but the model's.
pub const FILES: &str = "files";
/// The layer that bounds what is allocated.
pub(crate) const MEMORY: &str = "memory";
/// The layer that leaves only the system calls that computing needs.
pub const SYSTEM_CALLS: &str = "system calls";

/// How much must hold for a model to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// As much as the kernel offers.
    #[default]
    BestEffort,
    /// No model is loaded where files or system calls cannot be confined.
    Required,
    /// Nothing but the limits, for debuggers and profilers.
    Off,
}

/// What a worker is confined to, beside its model files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// How much must hold.
    pub policy: Policy,
    /// The most memory beside the file's own pages, in MiB; what the machine has when not said.
    pub memory_mib_max: Option<u64>,
    /// How far its computing gives way to others, from 0 to 19.
    pub nice: u8,
    /// The processors it may use, by number; all when empty.
    pub cpus: Vec<u32>,
}

/// One of the things that hold a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// What is held.
    pub name: String,
    /// Whether it is.
    pub is_active: bool,
    /// By what, or why not.
    pub how: String,
}

impl Layer {
    /// Makes a layer of what came of trying: by what it holds, or why it does not.
    fn of(name: &str, tried: Result<String, String>) -> Layer {
        let (is_active, how) = match tried {
            Ok(by) => (true, by),
            Err(why) => (false, why),
        };
        Layer { name: name.to_owned(), is_active, how }
    }
}

/// A worker could not be confined as it must be.
#[derive(Debug, thiserror::Error)]
#[error("isolation is required and {} cannot be confined here: {}", .0.name, .0.how)]
pub(crate) struct Unconfined(Layer);

/// Confines this process, which must have one thread only, to reading `files` and computing.
///
/// # Errors
/// The policy requires a layer that this kernel does not offer.
pub(crate) fn confine(to: &Confinement, files: &[PathBuf]) -> Result<Vec<Layer>, Unconfined> {
    let mut layers = limits::limit_worker(to);
    let off = || Err("turned off by the settings".to_owned());
    let (reading, calling) = match to.policy {
        Policy::Off => (off(), off()),
        Policy::BestEffort | Policy::Required => hold(files),
    };
    let kernel = [Layer::of(FILES, reading), Layer::of(SYSTEM_CALLS, calling)];
    if to.policy == Policy::Required
        && let Some(missing) = kernel.iter().find(|layer| !layer.is_active)
    {
        return Err(Unconfined(missing.clone()));
    }
    layers.splice(0..0, kernel);
    Ok(layers)
}

/// Takes files and system calls away, and sees for itself that they are gone.
#[cfg(target_os = "linux")]
fn hold(files: &[PathBuf]) -> (Result<String, String>, Result<String, String>) {
    let reading = files::allow_reading(files);
    // Last, because it takes away the calls that the others are made with.
    let calling = system_calls::allow_computing();
    let stays_open = std::fs::File::open("/proc/self/status").is_ok();
    let has_sockets = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).is_ok();
    let seen = |held: Result<String, String>, is_broken: bool, what: &str| match held {
        Ok(_) if is_broken => Err(format!("the kernel said yes, and {what} all the same")),
        held => held,
    };
    (seen(reading, stays_open, "other files can be read"), seen(calling, has_sockets, "sockets can be made"))
}

#[cfg(not(target_os = "linux"))]
fn hold(_files: &[PathBuf]) -> (Result<String, String>, Result<String, String>) {
    let absent = || Err("only Linux is able to".to_owned());
    (absent(), absent())
}
