//! The processes of the soak, as the kernel tells of them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Returns the processes that this one has started and that still run.
pub(crate) fn children() -> Vec<i32> {
    let own = std::process::id();
    let child = |entry: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let process = stat.split(' ').next()?.parse().ok()?;
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let runs = rest.next()? != "Z";
        let is_ours = rest.next()?.parse::<u32>().ok()? == own;
        (runs && is_ours).then_some(process)
    };
    fs::read_dir("/proc").into_iter().flatten().filter_map(child).collect()
}

/// Returns the memory that a process holds beside mapped files, or this one, in KiB.
pub(crate) fn held_kib(process: Option<i32>) -> Option<u64> {
    let process = process.map_or_else(|| "self".to_owned(), |process| process.to_string());
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Ends, or stops, the worker in the way of this round, and says how.
pub(crate) fn take_away(round: usize) -> Option<&'static str> {
    let ways =
        [(Signal::KILL, "killed"), (Signal::ABORT, "aborted"), (Signal::ILL, "crashed"), (Signal::STOP, "stopped")];
    let (signal, how) = ways[round % ways.len()];
    let worker = Pid::from_raw(*children().first()?)?;
    kill_process(worker, signal).ok().map(|()| how)
}
