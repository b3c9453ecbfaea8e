//! `freehold chat`: one question through a pipe, and turns on a terminal, with a model that answers from a script.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::running::{Ran, freehold};

/// A machine that shows nothing for so long has hung.
const PATIENCE: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// A home whose model `desk` answers from a script.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let script = r#"{"rules": [
        {"when": "parcel", "reasoning": "hm", "text": "It is on its way."},
        {"when": "wait", "text": "one two", "hold": true},
        {"when": "colour", "text": "\u001b[31mred"},
        {"when": "break", "fail": "no more"}
    ], "otherwise": {"text": "What?"}}"#;
    std::fs::write(home.path().join("script.json"), script).unwrap();
    let entry = "[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n";
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    home
}

fn ask(home: &Path, question: &str, flags: &[&str]) -> Ran {
    let mut command = freehold(home);
    command.args(["chat", "desk"]).args(flags);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn pipe_gets_the_answer_alone_on_stdout() {
    let home = home();
    let told = ask(home.path(), "Where is my parcel?\n", &[]);
    assert_eq!((told.code, told.stdout.as_str()), (0, "It is on its way.\n"), "{}", told.stderr);
    assert!(told.stderr.contains("tokens") && told.stderr.contains("prompt"), "{}", told.stderr);
    let told = ask(home.path(), "Where is my parcel?", &["--json"]);
    let answer: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&answer["text"], &answer["reasoning"]), (&"It is on its way.".into(), &"hm".into()));
    assert_eq!((&answer["finish"], &answer["stopped"]), (&"stop".into(), &false.into()));
    // A pipe gets what the model said; only a terminal is kept from being steered.
    assert_eq!(ask(home.path(), "a colour", &[]).stdout, "\u{1b}[31mred\n");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let home = home();
    let told = ask(home.path(), " \n", &[]);
    assert_eq!(told.code, 2);
    assert!(told.stderr.contains("nothing was asked"), "{}", told.stderr);
    let told = ask(home.path(), "break", &[]);
    assert_eq!(told.code, 4, "{}", told.stderr);
    assert!(told.stderr.contains("no more"), "{}", told.stderr);
    assert_eq!(ask(home.path(), "x", &["--temperature", "99"]).code, 2);
}

/// A terminal with a conversation on it.
struct Terminal {
    child: Child,
    person: OwnedFd,
    seen: String,
}

impl Terminal {
    fn start(home: &Path) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let program = std::fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let mut command = freehold(home);
        command.args(["chat", "desk"]);
        command.stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap()).stderr(program);
        Terminal { child: command.spawn().unwrap(), person, seen: String::new() }
    }

    /// Reads until the text stands there, and returns what came up to its end.
    fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                return self.seen.drain(..at + text.len()).collect();
            }
            let mut waiting = [PollFd::new(&self.person, PollFlags::IN)];
            assert!(poll(&mut waiting, Some(&PATIENCE)).unwrap() > 0, "no {text:?} in {:?}", self.seen);
            let mut bytes = [0; 4096];
            let count = rustix::io::read(&self.person, &mut bytes).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn types(&self, line: &str) {
        rustix::io::write(&self.person, line.as_bytes()).unwrap();
    }

    fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

#[test]
fn terminal_takes_turns_and_an_interrupt_stops_an_answer() {
    let home = home();
    let mut terminal = Terminal::start(home.path());
    terminal.until("> ");
    terminal.types("my parcel?\n");
    terminal.until("It is on its way.");
    terminal.until("tokens");
    terminal.until("> ");
    terminal.types("wait\n");
    terminal.until("one two");
    terminal.interrupt();
    terminal.until("stopped)");
    terminal.until("> ");
    // The model is still there after the interrupt, and cannot steer the terminal.
    terminal.types("a colour\n");
    terminal.until("a colour");
    assert!(!terminal.until("red").contains('\u{1b}'));
    terminal.until("> ");
    terminal.types("/reset\n");
    terminal.until("(forgotten)");
    terminal.types("/exit\n");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn interrupt_at_the_prompt_ends() {
    let home = home();
    let mut terminal = Terminal::start(home.path());
    terminal.until("> ");
    // The line shows that the prompt is waited at, and no longer printed.
    terminal.types("/x\n");
    terminal.until("/x is no command");
    terminal.until("> ");
    terminal.interrupt();
    assert!(terminal.child.wait().unwrap().success());
}
