//! `freehold up` and the files that it may have open.

use std::process::Command;

use crate::running::Up;

const CONFIGURED: &str = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:9\"\napis = [\"openai.chat\"]\n";

/// Few files are what many systems begin with; the hard limit is what counts.
#[test]
fn limit_of_open_files_is_raised_as_far_as_it_goes() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 200 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_freehold"), "--home"])
        .arg(home.path());
    let up = Up::start_as(&mut command, home.path(), CONFIGURED);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", up.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert!(numbers[0] == numbers[1] && numbers[0] != "200", "{line}");
    up.stop();
}
