//! `freehold costs` from the outside: figures, exit codes, and errors that name the next step.

use std::path::Path;

use serde_json::Value;

use crate::running::{Ran, run};

/// Two days of calls: gpt-4o with cached tokens, and a model that nobody lists.
fn calls(home: &Path) {
    let line = |id: &str, at: &str, model: &str, usage: &str| {
        format!(
            r#"{{"id":"{id}","at":"{at}","api":"openai.chat","step":"triage","request":{{"model":"{model}","messages":[{{"role":"user","content":"x"}}]}},"response":{{"id":"r","model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":"y"}},"finish_reason":"stop"}}]{usage}}}}}"#
        )
    };
    let usage = r#","usage":{"prompt_tokens":1000000,"completion_tokens":100000,"total_tokens":1100000,"prompt_tokens_details":{"cached_tokens":400000}}"#;
    let lines = [
        line("1", "2026-11-02T23:59:59Z", "gpt-4o", usage),
        line("2", "2026-11-03T00:00:00Z", "gpt-4o", usage),
        line("3", "2026-11-03T12:00:00Z", "my-own-model", usage),
        line("4", "2026-11-03T12:00:01Z", "gpt-4o", ""),
    ];
    std::fs::write(home.join("calls.jsonl"), lines.join("\n")).unwrap();
    assert_eq!(run(home, &["import", "calls.jsonl"]).code, 0);
}

fn costs(home: &Path, more: &[&str]) -> Ran {
    let mut arguments = vec!["costs", "--since", "2026-11-01", "--until", "2026-11-30"];
    arguments.extend_from_slice(more);
    run(home, &arguments)
}

#[test]
fn figures_say_what_is_known_and_what_is_not() {
    let home = tempfile::tempdir().unwrap();
    calls(home.path());
    insta::assert_snapshot!(costs(home.path(), &["--by", "model"]).shown(home.path()));
    let found: Value = serde_json::from_str(&costs(home.path(), &["--by", "day", "--json"]).stdout).unwrap();
    let of_day = |at: usize| (&found["lines"][at]["name"], &found["lines"][at]["cost_microusd"]);
    assert_eq!(of_day(0), (&"2026-11-02".into(), &3_000_000.into()), "600,000 at 2.50, 400,000 at 1.25, 100,000 at 10");
    assert_eq!(of_day(1), (&"2026-11-03".into(), &3_000_000.into()));
    let total = &found["total"];
    assert_eq!((&total["calls_without_price"], &total["calls_without_tokens"]), (&1.into(), &1.into()));
    assert_eq!(found["models_without_price"], serde_json::json!(["my-own-model"]));
}

#[test]
fn invoice_decides_the_exit_code_by_the_tolerance() {
    let home = tempfile::tempdir().unwrap();
    calls(home.path());
    let head = "date,model,input_tokens,cached_tokens,output_tokens,amount,currency";
    let row = |day: &str, amount: &str| format!("{day},gpt-4o,1000000,400000,100000,{amount},USD");
    let write =
        |rows: &[String]| std::fs::write(home.path().join("invoice.csv"), format!("{head}\n{}\n", rows.join("\n")));
    write(&[row("2026-11-02", "3.00"), row("2026-11-03", "3.02")]).unwrap();
    let within = run(home.path(), &["costs", "--invoice", "invoice.csv", "--json"]);
    let found: Value = serde_json::from_str(&within.stdout).unwrap();
    assert_eq!((within.code, &found["gap_microusd"], &found["within_tolerance"]), (0, &20_000.into(), &true.into()));
    assert_eq!(run(home.path(), &["costs", "--invoice", "invoice.csv", "--tolerance", "0.1"]).code, 1);
    write(&[row("2026-11-02", "3.00"), row("2026-11-03", "3.00"), row("2026-11-04", "3.00")]).unwrap();
    insta::assert_snapshot!(run(home.path(), &["costs", "--invoice", "invoice.csv"]).shown(home.path()));
}

#[test]
fn what_cannot_be_used_is_named() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("notes.txt"), "dear diary\n").unwrap();
    insta::assert_snapshot!(run(home.path(), &["costs", "--invoice", "notes.txt"]).shown(home.path()));
    assert_eq!(run(home.path(), &["costs", "--since", "soon"]).code, 2);
    assert_eq!(run(home.path(), &["costs", "--since", "2026-11-02", "--until", "2026-11-01"]).code, 2);
}

#[test]
fn machine_of_ones_own_has_no_price_by_the_token() {
    let home = tempfile::tempdir().unwrap();
    calls(home.path());
    let entry = "[[upstream]]\nname='import'\nbase_url='http://127.0.0.1:9'\napis=['openai.chat']\npriced_as='none'\n";
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    let found: Value = serde_json::from_str(&costs(home.path(), &["--json"]).stdout).unwrap();
    assert_eq!((&found["total"]["own_calls"], &found["total"]["cost_microusd"]), (&4.into(), &Value::Null));
    let step: Value = serde_json::from_str(&run(home.path(), &["steps", "--json"]).stdout).unwrap();
    assert_eq!((&step["usd"], &step["calls_without_cost"]), (&Value::Null, &4.into()), "steps go by the same rule");
}
