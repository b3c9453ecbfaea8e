//! Scores that somebody's own program gives, in a child process with limits on time and memory and without a network.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use freehold_evidence::check::{Score, given};
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};

use super::{Outside, confined};
use crate::exit::Fault;

/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// The first bytes of what the program says on stderr, for the reason.
const COMPLAINT_BYTES_MAX: u64 = 2_000;
/// How long the complaint of a program that has ended is waited for.
const COMPLAINT_WAIT: Duration = Duration::from_secs(1);
/// A digest is shown by so many characters.
const VERSION_CHARS: usize = 16;
/// What takes the network away, where the system lets everyone do so.
const WITHOUT_NETWORK: [&str; 4] = ["unshare", "--user", "--net", "--"];

/// Somebody's program.
#[derive(Debug)]
pub(super) struct Program {
    command: String,
    words: Vec<String>,
    version: String,
    memory_mib: u64,
    timeout: Duration,
    this: PathBuf,
    has_network: bool,
}

impl Program {
    /// Looks for the program. The command is split at blanks; no shell reads it.
    pub(super) fn find(command: &str, outside: Outside<'_>) -> Result<Self, Fault> {
        let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let Some(program) = words.first().and_then(|name| find(name)) else {
            return Err(Fault::input(format!("the check's program {command:?} is not there"))
                .hint("write command:PROGRAM ARGUMENTS, where PROGRAM is a path or lies in the PATH"));
        };
        words[0] = program.display().to_string();
        let assess = &outside.settings.assess;
        Ok(Program {
            command: command.trim().to_owned(),
            version: digest(&words)?,
            words,
            memory_mib: assess.command_memory_mib,
            timeout: Duration::from_secs(assess.command_timeout_s),
            this: outside.program.clone(),
            has_network: !can_go_without_network(),
        })
    }

    pub(super) fn command(&self) -> &str {
        &self.command
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let reachable =
            "this system does not let the check's program be cut off from the network: `unshare --user --net` fails";
        self.has_network.then(|| reachable.to_owned()).into_iter().collect()
    }

    /// Asks for a score, or says why the program gave none. Waits; not to be called from an async task.
    pub(super) fn ask(&self, asked: &[u8]) -> Result<Score, String> {
        let mut child = self.start().map_err(|error| format!("cannot start the check's program: {error}"))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child has a number");
        let mut stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let (told, complaint) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        let asked = asked.to_vec();
        // A program that answers without reading to the end breaks the pipe; its answer counts all the same. Nobody waits for these
        // threads: what the program started may hold its pipes for longer.
        thread::spawn(move || drop(stdin.write_all(&asked)));
        thread::spawn(move || drop(told.send(first_of(stderr, COMPLAINT_BYTES_MAX))));
        thread::spawn(move || {
            let answer = first_of(stdout, ANSWER_BYTES_MAX);
            drop(ended.send((answer, child.wait())));
        });
        let end = end.recv_timeout(self.timeout);
        // Whatever it started goes with it; mostly nothing is left, which is no fault.
        let is_left = kill_process_group(group, Signal::KILL).is_ok();
        tracing::trace!(is_left, "ended a check's program");
        let (answer, status) = end.map_err(|_| format!("no answer within {} s", self.timeout.as_secs()))?;
        let status = status.map_err(|error| format!("the check's program is lost: {error}"))?;
        if !status.success() {
            return Err(failure(status, &complaint.recv_timeout(COMPLAINT_WAIT).unwrap_or_default()));
        }
        given(&answer).map_err(|error| error.to_string())
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.this);
        command.args(["check-program", "--memory-mib", &self.memory_mib.to_string()]);
        command.args(["--cpu-s", &(self.timeout.as_secs() + 1).to_string(), "--"]);
        if !self.has_network {
            command.args(WITHOUT_NETWORK);
        }
        // Keys and tokens live in the environment; the program gets none of it but what finds other programs.
        command.args(&self.words).env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()
    }
}

fn first_of(mut from: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let first = from.by_ref().take(bytes_max).read_to_end(&mut bytes);
    // The rest is read and dropped, so that the program does not wait for a reader.
    let rest = first.and_then(|_| std::io::copy(&mut from, &mut std::io::sink()));
    if rest.is_err() { Vec::new() } else { bytes }
}

fn failure(status: ExitStatus, complaint: &[u8]) -> String {
    let said = String::from_utf8_lossy(complaint);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing on stderr");
    let how = match status.code() {
        Some(code) if code == i32::from(confined::CANNOT_START) => "could not be started".to_owned(),
        Some(code) => format!("ended with {code}"),
        None => "was killed, as by a limit on memory or time".to_owned(),
    };
    format!("the check's program {how}: {last}")
}

fn find(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| path.is_file();
    if name.contains('/') {
        return std::path::absolute(name).ok().filter(is_program);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(is_program)
}

/// A digest of the program, and of every argument that is a file: a script is as much the check as its interpreter.
fn digest(words: &[String]) -> Result<String, Fault> {
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update([0]);
        if Path::new(word).is_file() {
            let bytes = std::fs::read(word)
                .map_err(|error| Fault::input(format!("cannot read the check's program {word}")).because(error))?;
            hasher.update(Sha256::digest(bytes));
        }
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{}", &digest[..VERSION_CHARS]))
}

fn can_go_without_network() -> bool {
    let mut trial = Command::new(WITHOUT_NETWORK[0]);
    trial.args(&WITHOUT_NETWORK[1..]).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success())
}
