//! Imports: good lines kept, bad ones set aside with number and reason, twice is once.

use std::fmt::Write as _;

use freehold_store::Store;

use crate::running::run;

fn line(id: &str, text: &str) -> String {
    format!(
        r#"{{"id":"{id}","at":"2026-03-01T10:00:00Z","api":"openai.chat","run":"r1","request":{{"model":"gpt-4o-mini","messages":[{{"role":"system","content":"You sort mail."}},{{"role":"user","content":"{text}"}}]}},"response":{{"id":"x","object":"chat.completion","model":"gpt-4o-mini-2024-07-18","choices":[{{"index":0,"message":{{"role":"assistant","content":"bills"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":20,"completion_tokens":2,"total_tokens":22}}}}}}"#
    )
}

#[test]
fn bad_lines_are_set_aside_and_good_ones_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut text = String::new();
    writeln!(text, "{}", line("a", "one")).unwrap();
    writeln!(text, "{{\"id\": ").unwrap();
    writeln!(text, "{}", line("b", "two").replace("openai.chat", "openai.chatter")).unwrap();
    writeln!(text).unwrap();
    writeln!(text, "{}", line("c", "three").replace("\"messages\"", "\"massages\"")).unwrap();
    writeln!(text, "{}", line("d", "four").replace("2026-03-01T10:00:00Z", "last week")).unwrap();
    writeln!(text, "[1, 2]").unwrap();
    writeln!(text, "{}", line("a", "one again")).unwrap();
    let whole = line("e", "five");
    text.push_str(&whole[..whole.len() / 2]);
    std::fs::write(home.path().join("calls.jsonl"), &text).unwrap();

    insta::assert_snapshot!(run(home.path(), &["import", "calls.jsonl"]).shown(home.path()));
    insta::assert_snapshot!(std::fs::read_to_string(home.path().join("calls.jsonl.rejected.txt")).unwrap());
    let kept = std::fs::read_to_string(home.path().join("calls.jsonl.rejected.jsonl")).unwrap();
    assert_eq!(kept.lines().next(), Some("{\"id\": "));
    assert_eq!(kept.lines().last(), Some(&whole[..whole.len() / 2]));

    let call = Store::open(home.path()).unwrap().call("a").unwrap().expect("the good line was kept");
    assert!(String::from_utf8(call.request).unwrap().contains("\"content\":\"one\""));
    assert_eq!(call.at_ms, 1_772_359_200_000);
    assert_eq!(call.usage.unwrap().input, 20);
}

#[test]
fn importing_twice_adds_nothing() {
    let home = tempfile::tempdir().unwrap();
    let text: String = (0..50).map(|number| line(&format!("c{number}"), "x") + "\n").collect();
    std::fs::write(home.path().join("calls.jsonl"), text).unwrap();
    let first = run(home.path(), &["import", "calls.jsonl", "--json"]);
    assert!(first.stdout.contains("\"added\":50,\"present\":0"), "{}", first.stdout);
    let again = run(home.path(), &["import", "calls.jsonl", "--json"]);
    assert!(again.stdout.contains("\"added\":0,\"present\":50"), "{}", again.stdout);
    let steps = run(home.path(), &["steps", "--json"]);
    let step: serde_json::Value = serde_json::from_str(steps.stdout.trim()).unwrap();
    assert_eq!(
        (step["calls"].as_u64(), step["runs"].as_u64(), step["input_tokens"].as_u64()),
        (Some(50), Some(1), Some(1000))
    );
    assert!(step["usd"].as_f64().unwrap() > 0.0);
    assert_eq!(step["found_by"], "head");
}

#[test]
fn recorded_failures_are_calls_but_no_cases() {
    let home = tempfile::tempdir().unwrap();
    let text = r#"{"id":"f","api":"anthropic.messages","step":"s","request":{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]},"error":{"type":"overloaded_error"}}"#;
    std::fs::write(home.path().join("calls.jsonl"), text).unwrap();
    assert_eq!(run(home.path(), &["import", "calls.jsonl"]).code, 0);
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.steps().unwrap()[0].failures, 1);
    assert!(store.cases("s").unwrap().is_empty());
}

#[test]
fn line_that_the_readme_shows_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let shown = include_str!("../../../../README.md").lines().find(|line| line.starts_with("{\"id\"")).unwrap();
    std::fs::write(home.path().join("calls.jsonl"), shown).unwrap();
    let ran = run(home.path(), &["import", "calls.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
