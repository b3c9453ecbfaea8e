//! How many files this process may have open: each call that is under way takes two, one for its caller and one for its upstream.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process needs beside its calls: the store, the log, the engine's pipes.
const OTHERS: u64 = 256;

/// Raises the limit of open files as far as the system allows, and says so in the log where calls of so many callers do not fit.
pub fn raise(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let wanted = 2 * connections_max as u64 + OTHERS;
    if let Some(files) = current.filter(|files| *files < wanted) {
        tracing::warn!(files, wanted, "the system lets fewer files be open at once than connections_max may need");
    }
}
