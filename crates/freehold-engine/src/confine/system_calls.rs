//! Seccomp: a list of the system calls that computing with a loaded model needs. All others do not exist for the worker.
//!
//! What is not on the list answers `ENOSYS`, at which the C library falls back to an older call that is on it.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// Calls that need no look at their arguments: memory, threads, time, signals of one's own, and reading what is open.
const FREE: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_get_mempolicy,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mbind,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mremap,
    libc::SYS_munlock,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pselect6,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_mempolicy,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// Older spellings of the same, which newer processors never had.
#[cfg(target_arch = "x86_64")]
const FREE_OLD: &[i64] = &[
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const FREE_OLD: &[i64] = &[];

/// Flags of `open` that let a file be changed or made.
const WRITING: i32 = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;

/// One system call with the values of an argument that are let through: the masked bits must equal the value.
struct Asked {
    call: i64,
    argument: u8,
    mask: u64,
    value: u64,
}

/// Takes every other call away from this thread and those that it starts; returns what holds, or why nothing does.
pub(crate) fn allow_computing() -> Result<String, String> {
    let program = compile().map_err(|error| format!("no filter could be made: {error}"))?;
    apply_filter(&program).map_err(|error| format!("this kernel takes no seccomp filter: {error}"))?;
    Ok("no sockets, no other programs, no tracing, no new code, nothing opened for writing (seccomp)".to_owned())
}

fn compile() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in FREE.iter().chain(FREE_OLD) {
        rules.insert(*call, Vec::new());
    }
    for Asked { call, argument, mask, value } in asked() {
        // The kernel looks at the whole register; what C declares as an int has rubbish in its upper half.
        let length = if call == libc::SYS_clone { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
        let condition = SeccompCondition::new(argument, length, SeccompCmpOp::MaskedEq(mask), value)?;
        rules.entry(call).or_default().push(SeccompRule::new(vec![condition])?);
    }
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules, missing, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn asked() -> Vec<Asked> {
    let whole = u64::from(u32::MAX);
    let own = u64::from(std::process::id());
    let bits = |bits: i32| u64::from(bits.unsigned_abs());
    let only = |call, argument, value| Asked { call, argument, mask: whole, value };
    let without = |call, argument, flags| Asked { call, argument, mask: bits(flags), value: 0 };
    vec![
        // Threads, but no processes. `clone3` hides its flags in memory, so it is not on the list.
        Asked { call: libc::SYS_clone, argument: 0, mask: bits(libc::CLONE_THREAD), value: bits(libc::CLONE_THREAD) },
        without(libc::SYS_mmap, 2, libc::PROT_EXEC),
        without(libc::SYS_mprotect, 2, libc::PROT_EXEC),
        without(libc::SYS_openat, 2, WRITING),
        #[cfg(target_arch = "x86_64")]
        without(libc::SYS_open, 1, WRITING),
        only(libc::SYS_kill, 0, own),
        only(libc::SYS_tgkill, 0, own),
        only(libc::SYS_prlimit64, 0, 0),
        only(libc::SYS_prctl, 0, bits(libc::PR_SET_NAME)),
        only(libc::SYS_prctl, 0, bits(libc::PR_SET_VMA)),
        only(libc::SYS_ioctl, 1, libc::TCGETS),
        only(libc::SYS_ioctl, 1, libc::FIOCLEX),
    ]
}
