//! Steps whose prompts vary: learned while calls come, the same after a restart, and named, merged and split by people.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::running::{Up, run};

const NOBODY: &str = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:9\"\napis = [\"openai.chat\"]\nmodels = [\"gpt-4o\"]\n";

/// Sends a call that nobody answers with a name in its prompt; returns the step that it was found to be of.
fn step_of(up: &Up, task: &str, nth: usize) -> String {
    let name: String = (0..8).map(|at| char::from(b'a' + (nth * 7919 / (at + 1) % 26) as u8)).collect();
    let system = format!("You help {name}{nth:x} with the contract.\n{task}\nStay polite and name the clause.");
    let body = json!({"model": "gpt-4o", "messages": [
        {"role": "system", "content": system}, {"role": "user", "content": "May I cancel?"}]});
    let mut socket = TcpStream::connect(&up.address).unwrap();
    let body = body.to_string();
    let head = format!("host: gateway\r\nconnection: close\r\ncontent-length: {}", body.len());
    socket.write_all(format!("POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let mark = answer.lines().find_map(|line| line.strip_prefix("x-freehold-step: "));
    mark.unwrap_or_else(|| panic!("no step in {answer}")).trim().to_owned()
}

/// Sends calls until two in a row are of one step; what never comes ends in the test's own time limit.
fn learned(up: &Up, task: &str, calls: &mut usize) -> String {
    let mut before = String::new();
    loop {
        let step = step_of(up, task, *calls);
        *calls += 1;
        if step == before {
            return step;
        }
        before = step;
    }
}

fn steps(home: &Path) -> Vec<(String, u64)> {
    let lines = run(home, &["steps", "--json"]);
    assert_eq!(lines.code, 0, "{}", lines.stderr);
    let line = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let lines = lines.stdout.lines().map(line);
    lines.map(|line| (line["step"].as_str().unwrap().to_owned(), line["calls"].as_u64().unwrap())).collect()
}

#[test]
fn steps_are_learned_kept_over_a_restart_and_changed_by_people() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = ("Find what the contract says of it.", "Write down what the caller wants of us.");
    let up = Up::start(home.path(), NOBODY);
    let (mut calls, mut others) = (0, 0);
    let one = learned(&up, first, &mut calls);
    let other = learned(&up, second, &mut others);
    assert_ne!(one, other);
    up.stop();
    let expected = |calls: usize, others: usize| {
        let mut expected = vec![(one.clone(), calls as u64), (other.clone(), others as u64)];
        expected.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        expected
    };
    assert_eq!(steps(home.path()), expected(calls, others));

    let up = Up::start(home.path(), NOBODY);
    assert_eq!(step_of(&up, first, 100_000), one);
    assert_eq!(step_of(&up, second, 100_001), other);
    let said = run(home.path(), &["steps", "merge", &other, &one]);
    assert_eq!((said.code, said.stdout.contains("belong to")), (0, true), "{}", said.stderr);
    // The running gateway takes it up.
    let mut merged = 2;
    while step_of(&up, second, 100_000 + merged) != one {
        merged += 1;
    }
    up.stop();
    let all = (calls + others + merged + 1) as u64;
    assert_eq!(steps(home.path()), [(one.clone(), all)]);
    assert!(run(home.path(), &["steps", &other]).stdout.contains(&format!("{one}; also ")));

    assert!(run(home.path(), &["steps", "undo"]).stdout.contains("no longer merged"));
    assert_eq!(steps(home.path()).len(), 2);
    assert_eq!(run(home.path(), &["steps", "split", &other]).code, 2);
    let named = run(home.path(), &["steps", "rename", &one, "answer"]);
    assert_eq!(named.code, 0, "{}", named.stderr);
    assert!(run(home.path(), &["steps", "answer"]).stdout.contains(&one));
    assert_eq!(run(home.path(), &["steps", "rename", &other, "answer"]).code, 2);
    let suggested = run(home.path(), &["steps", "rename", &other]);
    assert!(suggested.stdout.contains(&format!("{other} is called ")), "{}{}", suggested.stdout, suggested.stderr);
}
