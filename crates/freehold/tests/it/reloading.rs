//! `freehold up` takes a changed configuration up, and keeps the old one where the new one is bad.

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
