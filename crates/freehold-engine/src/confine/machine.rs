//! What the kernel tells of memory: how much there is, how much a process holds, and whether it has ended some for want of it.

use std::fs;

/// Returns the memory of this machine, or of the container it is, in MiB.
pub(crate) fn memory_mib() -> Option<u64> {
    let all = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")? / 1024;
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = files.iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok());
    Some(limit.map_or(all, |bytes| all.min(bytes >> 20)))
}

/// Returns a figure of a process in KiB, such as `VmHWM`; none where it is gone.
pub(crate) fn status_kib(process: u32, name: &str) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{process}/status")).ok()?, name)
}

/// Returns how many processes the kernel has ended for want of memory since it started, where it says so.
pub(crate) fn ended_for_memory() -> Option<u64> {
    field(&fs::read_to_string("/proc/vmstat").ok()?, "oom_kill")
}

/// Returns the number that follows a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.strip_prefix([':', ' '])
    })?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let status = "VmHWMore:\t9 kB\nVmHWM:\t  1234 kB\noom_kill_all 3\noom_kill 7\n";
        assert_eq!(field(status, "VmHWM"), Some(1234));
        assert_eq!(field(status, "oom_kill"), Some(7));
        assert_eq!(field(status, "VmRSS"), None);
    }
}
