//! Commands on bad input: a clear error with the next step, the right exit code, nothing lost.

use std::net::TcpListener;

use crate::running::run;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn config(home: &tempfile::TempDir, text: &str) {
    std::fs::write(home.path().join("freehold.toml"), text).unwrap();
}

#[test]
fn unknown_key_names_the_nearest() {
    let home = home();
    config(&home, "[server]\nlisen = \"127.0.0.1:1\"\n");
    insta::assert_snapshot!(run(home.path(), &["config", "check"]).shown(home.path()));
}

#[test]
fn wrong_value_says_where_it_is() {
    let home = home();
    config(&home, "[record]\nwait_ms_max = \"soon\"\n");
    insta::assert_snapshot!(run(home.path(), &["config", "check"]).shown(home.path()));
}

#[test]
fn missing_key_of_an_upstream_is_named() {
    let home = home();
    config(&home, "[[upstream]]\nname = \"openai\"\napis = [\"openai.chat\"]\n");
    insta::assert_snapshot!(run(home.path(), &["config", "check"]).shown(home.path()));
}

#[test]
fn unset_variable_is_named() {
    let home = home();
    config(
        &home,
        "[[upstream]]\nname='a'\nbase_url='http://127.0.0.1:9'\napis=['openai.chat']\nkey='${NOT_SET_HERE}'\n",
    );
    insta::assert_snapshot!(run(home.path(), &["config", "check"]).shown(home.path()));
}

#[test]
fn nothing_configured_is_nothing_to_serve() {
    let home = home();
    insta::assert_snapshot!(run(home.path(), &["up"]).shown(home.path()));
}

#[test]
fn port_in_use_is_said() {
    let home = home();
    config(&home, "[[upstream]]\nname='a'\nbase_url='http://127.0.0.1:9'\napis=['openai.chat']\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let shown = run(home.path(), &["up", "--listen", &address]).shown(home.path());
    insta::assert_snapshot!(shown.replace(&address, "ADDRESS"));
}

#[test]
fn binding_beyond_loopback_is_refused() {
    let home = home();
    config(&home, "[[upstream]]\nname='a'\nbase_url='http://127.0.0.1:9'\napis=['openai.chat']\n");
    insta::assert_snapshot!(run(home.path(), &["up", "--listen", "0.0.0.0:0"]).shown(home.path()));
}

#[test]
fn model_cut_in_half_is_refused_before_it_is_loaded() {
    let home = home();
    let mut gguf = b"GGUF".to_vec();
    gguf.extend(3u32.to_le_bytes());
    gguf.extend(1000u64.to_le_bytes());
    gguf.extend(7u64.to_le_bytes());
    std::fs::write(home.path().join("half.gguf"), gguf).unwrap();
    config(&home, "[[model]]\nname = \"half\"\npath = \"half.gguf\"\n");
    insta::assert_snapshot!(run(home.path(), &["up", "--listen", "127.0.0.1:0"]).shown(home.path()));
}

/// By the same estimate as `models fit` gives.
#[test]
fn model_that_takes_more_memory_than_there_is_is_refused_before_it_is_loaded() {
    let home = home();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/freehold-desk-s.gguf");
    config(&home, &format!("[[model]]\nname = \"wide\"\npath = \"{model}\"\nslots = 1000000000\n"));
    let told = run(home.path(), &["up", "--listen", "127.0.0.1:0"]);
    assert_ne!(told.code, 0);
    assert!(told.stderr.contains("wide does not fit in memory: it wants about"), "{}", told.stderr);
    assert!(told.stderr.contains("lower context_tokens or slots"), "{}", told.stderr);
}

#[test]
fn missing_model_is_said() {
    let home = home();
    config(&home, "[[model]]\nname = \"gone\"\npath = \"gone.gguf\"\n");
    insta::assert_snapshot!(run(home.path(), &["up", "--listen", "127.0.0.1:0"]).shown(home.path()));
}

#[test]
fn store_of_a_newer_version_is_left_alone() {
    let home = home();
    assert_eq!(run(home.path(), &["steps"]).code, 0);
    let database = home.path().join("freehold.db");
    let status = std::process::Command::new("python3")
        .args([
            "-c",
            "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version=999'); c.commit()",
        ])
        .arg(&database)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no python3 to age the store with");
        return;
    }
    insta::assert_snapshot!(run(home.path(), &["steps"]).shown(home.path()));
}

#[test]
fn file_that_is_no_store_is_left_alone() {
    let home = home();
    std::fs::write(home.path().join("freehold.db"), "dear diary, this is not a database at all\n".repeat(40)).unwrap();
    insta::assert_snapshot!(run(home.path(), &["steps"]).shown(home.path()));
}

#[test]
fn unknown_candidate_names_what_there_is() {
    let home = home();
    config(&home, "[[model]]\nname = \"desk-l\"\npath = \"x.gguf\"\n");
    let line = r#"{"id":"1","api":"openai.chat","step":"triage","request":{"model":"m","messages":[{"role":"user","content":"x"}]},"response":{"id":"r","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"y"},"finish_reason":"stop"}]}}"#;
    std::fs::write(home.path().join("calls.jsonl"), line).unwrap();
    assert_eq!(run(home.path(), &["import", "calls.jsonl"]).code, 0);
    insta::assert_snapshot!(run(home.path(), &["assess", "triage", "--candidate", "desk-x"]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["assess", "triag3", "--candidate", "desk-l"]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["move", "triage", "--to", "desk-l"]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["rollback"]).shown(home.path()));
}

#[test]
fn subsets_of_a_file_of_scores_are_decided_apart() {
    let home = home();
    let kind = |case: u32| if case < 560 { "reading" } else { "physics" };
    let rows =
        (0..600).map(|case| format!("{case},1,{},{}\n", u8::from(kind(case) == "reading" || case % 4 > 0), kind(case)));
    let file = format!("case,incumbent,candidate,subset\n{}", rows.collect::<String>());
    std::fs::write(home.path().join("pairs.csv"), file).unwrap();
    insta::assert_snapshot!(run(home.path(), &["verdict", "pairs.csv", "--margin", "0.05"]).shown(home.path()));
    let ran = run(home.path(), &["verdict", "pairs.csv", "--margin", "0.05", "--json"]);
    let row: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((row["verdict"].as_str(), row["n"].as_u64()), (Some("adequate"), Some(600)));
    assert_eq!(
        (row["subsets"][0]["value"].as_str(), row["subsets"][0]["verdict"].as_str()),
        (Some("physics"), Some("not_adequate"))
    );
}

#[test]
fn scores_that_are_no_scores_are_named_by_row() {
    let home = home();
    std::fs::write(home.path().join("pairs.csv"), "case,incumbent,candidate\na,1,0\nb,1,maybe\n").unwrap();
    insta::assert_snapshot!(run(home.path(), &["verdict", "pairs.csv", "--margin", "0.05"]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["verdict", "pairs.csv", "--margin", "1.5"]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["verdict", "none.csv", "--margin", "0.05"]).shown(home.path()));
}

#[test]
fn help_shows_every_command_and_an_example() {
    let home = home();
    let help = run(home.path(), &["--help"]);
    assert_eq!(help.code, 0);
    for command in ["up", "import", "steps", "assess", "verdict", "move", "rollback", "config", "completions"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is missing in\n{}", help.stdout);
        let own = run(home.path(), &[command, "--help"]);
        assert_eq!(own.code, 0, "{command}");
        assert!(own.stdout.contains("freehold ") || own.stdout.contains("Example"), "{command} has no example");
    }
    assert_eq!(run(home.path(), &["no-such-command"]).code, 2);
}
