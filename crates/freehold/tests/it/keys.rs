//! `freehold keys` from outside, alone and with a gateway that runs.

use std::path::Path;

use serde_json::Value;

use crate::running::{Up, freehold, run};

const UPSTREAM: &str = "[[upstream]]\nname='a'\nbase_url='http://127.0.0.1:9'\napis=['openai.chat']\nkey='k'\n";

fn secret_of(stdout: &str) -> String {
    let secret = stdout.trim_end();
    assert!(secret.starts_with("fh-") && secret.len() == 46, "{stdout:?}");
    secret.to_owned()
}

fn listed(home: &Path) -> Value {
    let list = run(home, &["keys", "list", "--json"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    serde_json::from_str(list.stdout.lines().next().unwrap()).unwrap()
}

/// Returns the status that the gateway gives to a request for its models.
fn status(up: &Up, secret: &str) -> u16 {
    let answer = up.models(&format!("x-api-key: {secret}\r\n"));
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn secret_is_shown_once_and_kept_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let added =
        run(home.path(), &["keys", "add", "ci", "--models", "gpt-*,o3", "--budget", "2.5usd/day", "--rate", "10/s"]);
    let secret = secret_of(&added.stdout);
    assert!(added.code == 0 && added.stderr.contains("shown this once"), "{}", added.stderr);
    let list = run(home.path(), &["keys", "list"]);
    for part in ["ci", &secret[..9], "good", "never", "model gpt-*, model o3", "0usd of 2.5usd/day", "10/s"] {
        assert!(list.stdout.contains(part), "{part}: {}", list.stdout);
    }
    assert!(!list.stdout.contains(&secret));
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_there, "the secret lies in {}", path.display());
    }
}

#[test]
fn keys_are_changed_rotated_and_revoked() {
    let home = tempfile::tempdir().unwrap();
    let first =
        secret_of(&run(home.path(), &["keys", "add", "ci", "--steps", "a", "--budget", "10tokens/hour"]).stdout);
    let changed = run(home.path(), &["keys", "change", "ci", "--budget", "20tokens/hour", "--concurrent", "3"]);
    assert_eq!(changed.code, 0, "{}", changed.stderr);
    let key = listed(home.path());
    assert_eq!(
        (&key["budgets"][0]["amount"], &key["concurrent"], &key["steps"][0]),
        (&20.into(), &3.into(), &"a".into())
    );

    let rotated = run(home.path(), &["keys", "rotate", "ci", "--grace", "1h", "--json"]);
    let told: Value = serde_json::from_str(&rotated.stdout).unwrap();
    assert!(secret_of(told["secret"].as_str().unwrap()) != first && rotated.stderr.contains("good until"));
    let secrets = listed(home.path())["secrets"].clone();
    assert_eq!((secrets.as_array().unwrap().len(), secrets[0]["until"].is_null()), (2, true));
    assert!(secrets[1]["until"].is_string());

    assert_eq!(run(home.path(), &["keys", "revoke", "ci"]).code, 0);
    assert_eq!(listed(home.path())["state"], "revoked");
    for arguments in [&["keys", "rotate", "ci"][..], &["keys", "revoke", "ci"], &["keys", "add", "ci"]] {
        let refused = run(home.path(), arguments);
        assert!(refused.code == 2 && refused.stderr.contains("\"ci\""), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn what_is_no_key_is_refused_with_the_way_to_write_it() {
    let home = tempfile::tempdir().unwrap();
    let cases = [
        (&["keys", "add", "two words"][..], "cannot name a key"),
        (&["keys", "add", "a", "--budget", "50"], "50usd/month"),
        (&["keys", "add", "a", "--rate", "fast"], "10/s"),
        (&["keys", "add", "a", "--expires", "soon"], "90d"),
        (&["keys", "revoke", "nobody"], "keys list"),
    ];
    for (arguments, part) in cases {
        let refused = run(home.path(), arguments);
        assert!(refused.code == 2 && refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(run(home.path(), &["keys", "list"]).stdout, "");
}

#[test]
fn running_gateway_takes_up_keys_and_revocations() {
    let home = tempfile::tempdir().unwrap();
    let up = Up::start(home.path(), &format!("[server]\nrequire_keys = true\n{UPSTREAM}"));
    assert_eq!(status(&up, "fh-unknown"), 401);
    let secret = secret_of(&run(home.path(), &["keys", "add", "ci"]).stdout);
    while status(&up, &secret) != 200 {
        std::thread::yield_now();
    }
    assert_eq!(run(home.path(), &["keys", "revoke", "ci"]).code, 0);
    while status(&up, &secret) != 401 {
        std::thread::yield_now();
    }
    up.stop();
}

#[test]
fn gateway_on_a_unix_socket_alone_is_found_by_other_commands() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("freehold.sock");
    let settings = format!("[server]\nlisten = []\nunix_socket = 'freehold.sock'\n{UPSTREAM}");
    std::fs::write(home.path().join("freehold.toml"), settings).unwrap();
    let mut child = freehold(home.path()).arg("up").spawn().unwrap();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "it did not start");
        std::thread::yield_now();
    }
    while !home.path().join("gateway.json").exists() {
        std::thread::yield_now();
    }
    let back = run(home.path(), &["rollback", "0"]);
    assert!(back.stderr.contains("the running gateway serves it now"), "{}", back.stderr);
    child.kill().unwrap();
    child.wait().unwrap();
}
