//! Runs the binary: one command to its end, or `up` until the test is over.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Returns the binary with a home, without any environment of Freehold's.
pub(crate) fn freehold(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FREEHOLD_")) {
        command.env_remove(name);
    }
    command.arg("--home").arg(home).current_dir(home).env("NO_COLOR", "1").env("USER", "tester");
    command
}

/// Runs a command to its end.
pub(crate) fn run(home: &Path, arguments: &[&str]) -> Ran {
    let output = freehold(home).args(arguments).output().expect("the binary starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Returns exit code, stdout and stderr as one text, with the home's path taken out.
    pub(crate) fn shown(&self, home: &Path) -> String {
        let text = format!("exit {}\n-- stdout\n{}-- stderr\n{}", self.code, self.stdout, self.stderr);
        text.replace(&home.display().to_string(), "HOME")
    }
}

/// A running `freehold up`; killed when dropped.
pub(crate) struct Up {
    child: Child,
    pub(crate) address: String,
}

impl Up {
    /// Starts it with a configuration and waits until it printed where it listens.
    pub(crate) fn start(home: &Path, configuration: &str) -> Self {
        Up::start_as(&mut freehold(home), home, configuration)
    }

    /// Starts it as a command that has flags or variables of its own already.
    pub(crate) fn start_as(command: &mut Command, home: &Path, configuration: &str) -> Self {
        std::fs::write(home.join("freehold.toml"), configuration).unwrap();
        let command = command.args(["up", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let line = stdout.lines().next().expect("it prints where it listens").unwrap();
        let address = line.strip_prefix("export OPENAI_BASE_URL=http://").and_then(|rest| rest.strip_suffix("/v1"));
        let address = address.unwrap_or_else(|| panic!("unexpected first line {line:?}")).to_owned();
        Up { child, address }
    }

    /// Asks it for its models, with further lines in the head of the request, and returns the whole answer.
    pub(crate) fn models(&self, headers: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = "GET /v1/models HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n";
        write!(socket, "{request}{headers}\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks it something in JSON, and returns the status and the body of the answer.
    #[cfg(feature = "llama")]
    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.0\r\nhost: gateway\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill() {
            eprintln!("it was gone: {error}");
        }
        if let Err(error) = self.child.wait() {
            eprintln!("cannot wait: {error}");
        }
    }
}

/// Returns a file of the real-data folder, or says that it is absent and the test is skipped.
pub(crate) fn real_data(file: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no real data at {}", path.display());
    None
}
