//! `freehold up` takes a changed configuration up, and keeps the old one where the new one is bad.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::running::Up;

const FIRST: &str = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:9\"\napis = [\"openai.chat\"]\nmodels = [\"gpt-4o\"]\n";

fn hang_up(up: &Up) {
    assert!(Command::new("kill").args(["-HUP", &up.pid().to_string()]).status().unwrap().success());
}

/// Waits until the answer holds a text; what never comes ends in the test's own time limit.
fn wait_for(up: &Up, text: &str) -> String {
    loop {
        let answer = up.models("");
        if answer.contains(text) {
            return answer;
        }
        std::thread::yield_now();
    }
}

#[test]
fn changed_configuration_is_taken_up_and_a_bad_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let up = Up::start(home.path(), FIRST);
    assert!(up.models("").contains("\"one\""));
    let file = home.path().join("freehold.toml");
    std::fs::write(&file, FIRST.replace("\"one\"", "\"second\"")).unwrap();
    hang_up(&up);
    let answer = wait_for(&up, "\"second\"");
    assert!(!answer.contains("\"one\"") && answer.contains("\"retires_on\"") == retires("gpt-4o"), "{answer}");

    std::fs::write(&file, "[[upstream]]\nname = \"bad\"\n").unwrap();
    hang_up(&up);
    // The next good one is taken up after it, so the bad one has been looked at.
    std::fs::write(&file, FIRST.replace("\"one\"", "\"third\"")).unwrap();
    hang_up(&up);
    wait_for(&up, "\"third\"");
    up.stop();
}

fn retires(model: &str) -> bool {
    freehold::facts::Facts::embedded().retirement(model).is_some()
}

/// Sends a call that no upstream takes, and returns its id.
fn asked(address: &str, words: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    let body = format!("{{\"model\":\"gpt-4o\",\"messages\":[{{\"role\":\"user\",\"content\":\"{words}\"}}]}}");
    let head =
        format!("host: {address}\r\nconnection: close\r\nx-freehold-step: triage\r\ncontent-length: {}", body.len());
    socket.write_all(format!("POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let mark = answer.lines().find_map(|line| line.strip_prefix("x-freehold-call: "));
    mark.unwrap_or_else(|| panic!("no call in {answer}")).trim().to_owned()
}

#[test]
fn what_is_kept_of_calls_changes_without_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let up = Up::start(home.path(), FIRST);
    let before = asked(&up.address, "I am ada@example.org");
    let reload = |more: &str, names: [&str; 2]| {
        // The second time is begun when the first is done.
        for name in names {
            let text = format!("{}\n{more}", FIRST.replace("\"one\"", &format!("\"{name}\"")));
            std::fs::write(home.path().join("freehold.toml"), text).unwrap();
            hang_up(&up);
            wait_for(&up, &format!("\"{name}\""));
        }
    };
    reload("[record]\nmask = [\"email\"]", ["second", "third"]);
    let masked = asked(&up.address, "I am ada@example.org");
    reload("[[step]]\nname = \"triage\"\nbodies = \"metadata\"", ["fourth", "fifth"]);
    let bare = asked(&up.address, "I am ada@example.org");
    up.stop();
    let kept = |id: &str| exported(home.path(), id);
    assert!(kept(&before).contains("ada@example.org"), "{}", kept(&before));
    assert!(kept(&masked).contains("I am [email]"), "{}", kept(&masked));
    assert!(!kept(&bare).contains("I am") && kept(&bare).contains("sha256"), "{}", kept(&bare));
}

/// Returns the line of an exported call.
fn exported(home: &Path, id: &str) -> String {
    let lines = crate::running::run(home, &["export"]).stdout;
    lines.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{id} is not in {lines}")).to_owned()
}
