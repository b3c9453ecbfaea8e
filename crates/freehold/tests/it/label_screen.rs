//! The label screen on a real terminal: keys, sizes, the person's editor, and what is left when it ends or is ended.

use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use freehold_store::{Preference, Said, Store};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::labels::{STEP, assessed};
use crate::running::freehold;

/// A machine that shows nothing for so long has hung.
const PATIENCE: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// A terminal with the label screen on it.
struct Screen {
    child: Child,
    /// The person's side.
    person: OwnedFd,
    /// The program's side, held open so that the terminal stays when the program ends.
    program: std::fs::File,
    seen: String,
}

impl Screen {
    fn start(home: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let program = std::fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&person, size(24, 80)).unwrap();
        let mut command = freehold(home);
        command.args(["label", STEP, "--as", "ann"]).env("TERM", "xterm-256color");
        change(&mut command);
        let child = command.stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap()).spawn().unwrap();
        Screen { child, person, program, seen: String::new() }
    }

    /// Reads until the text stands there, and forgets what came before its end.
    fn until(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let mut waiting = [PollFd::new(&self.person, PollFlags::IN)];
            assert!(poll(&mut waiting, Some(&PATIENCE)).unwrap() > 0, "no {text:?} in {:?}", self.seen);
            let mut bytes = [0; 4096];
            let count = rustix::io::read(&self.person, &mut bytes).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn press(&self, keys: &str) {
        rustix::io::write(&self.person, keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(self.program.as_fd()).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, and holds that the terminal was given back.
    fn ended(mut self) -> ExitStatus {
        self.until("\x1b[?1049l");
        let status = self.child.wait().unwrap();
        assert!(!self.is_raw(), "the terminal is as it was");
        status
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn said(home: &Path) -> Vec<Said> {
    Store::open(home).unwrap().labels(STEP).unwrap().into_iter().map(|label| label.said).collect()
}

#[test]
fn keys_are_taken_and_the_terminal_given_back() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 6, 0);
    let mut screen = Screen::start(home.path(), |_| {});
    screen.until("0 labelled, at most 6 left");
    assert!(screen.is_raw());
    screen.press("=");
    screen.until("1 labelled, at most 5 left");
    screen.press("x");
    screen.until("2 labelled, at most 4 left");
    screen.press("u");
    screen.until("1 labelled, at most 5 left");
    screen.until("taken back");
    screen.press("ssq");
    assert!(screen.ended().success());
    let said = said(home.path());
    assert!(
        matches!(said[..], [Said::Pair { preference: Preference::BothFine, .. }, Said::Skipped, Said::Skipped]),
        "{said:?}"
    );
}

#[test]
fn killed_screen_has_kept_every_key() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 4, 0);
    let mut screen = Screen::start(home.path(), |_| {});
    screen.until("0 labelled");
    screen.press("1");
    screen.until("1 labelled");
    screen.press("2");
    screen.until("2 labelled");
    screen.child.kill().unwrap();
    screen.child.wait().unwrap();
    assert_eq!(said(home.path()).len(), 2);
    let mut screen = Screen::start(home.path(), |_| {});
    screen.until("2 labelled, at most 2 left");
    screen.press("q");
    assert!(screen.ended().success());
}

#[test]
fn ctrl_c_and_termination_give_the_terminal_back() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 2, 0);
    let mut screen = Screen::start(home.path(), |_| {});
    screen.until("0 labelled");
    screen.press("\x03");
    assert!(screen.ended().success());
    let mut screen = Screen::start(home.path(), |_| {});
    screen.until("0 labelled");
    screen.signal("TERM");
    assert!(screen.ended().success());
}

#[test]
fn screen_follows_the_size_and_shows_colour_only_where_it_may() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 2, 0);
    let mut screen = Screen::start(home.path(), |_| {});
    screen.until("\x1b[H");
    screen.until(&"─".repeat(80));
    assert!(!screen.seen.contains("\x1b[7m"), "NO_COLOR is set");
    tcsetwinsize(&screen.person, size(60, 200)).unwrap();
    screen.signal("WINCH");
    screen.until(&"─".repeat(200));
    screen.press("q");
    screen.ended();
    let mut screen = Screen::start(home.path(), |command| {
        command.env_remove("NO_COLOR");
    });
    screen.until("\x1b[7m0 labelled");
    screen.press("q");
    screen.ended();
}

#[test]
fn own_editor_writes_the_right_answer_on_a_terminal_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    assessed(home.path(), 2, 0);
    let editor = home.path().join("editor");
    let mut script = std::fs::File::create(&editor).unwrap();
    script.write_all(b"stty -a > stty.txt\ncp \"$1\" begun.txt\necho 'the parcel is lost' > \"$1\"\n").unwrap();
    drop(script);
    let mut screen = Screen::start(home.path(), |command| {
        command.env("EDITOR", format!("sh {}", editor.display())).env_remove("VISUAL");
    });
    screen.until("0 labelled");
    screen.press("e");
    screen.until("the right answer is kept");
    assert!(screen.is_raw(), "it asks on");
    screen.press("q");
    assert!(screen.ended().success());
    assert_eq!(said(home.path()), [Said::Gold("the parcel is lost".into())]);
    let during = std::fs::read_to_string(home.path().join("stty.txt")).unwrap();
    assert!(during.contains(" icanon"), "{during}");
    assert!(std::fs::read_to_string(home.path().join("begun.txt")).unwrap().contains("answer"));
}
