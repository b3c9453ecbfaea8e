//! `freehold check` on files: one answer a line in the same order, whatever the lines hold.

use serde_json::Value;

use crate::running::run;

fn scores(kind: &str, lines: &str) -> (i32, Vec<Value>, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("answers.jsonl");
    std::fs::write(&file, lines).unwrap();
    let done = run(home.path(), &["check", kind, file.to_str().unwrap(), "--json"]);
    let answers = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (done.code, answers, done.stderr)
}

fn values(answers: &[Value]) -> Vec<f64> {
    answers.iter().map(|answer| answer["score"].as_f64().unwrap()).collect()
}

#[test]
fn each_line_gets_its_score_in_order() {
    let (code, answers, stderr) = scores(
        "numeric:1%",
        "{\"output\":\"about $101\",\"reference\":\"100\"}\n{\"output\":3,\"reference\":\"4\"}\n\n\
         {\"output\":{\"text\":\"5\"},\"reference\":5}\n{\"output\":null,\"reference\":5}\n{\"reference\":5}\n",
    );
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(values(&answers), [1.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(answers[0], serde_json::json!({"score": 1.0, "reason": null}));
    assert_eq!(answers[3]["reason"], "there is no answer");
}

#[test]
fn bad_lines_are_told_by_number_and_keep_their_place() {
    let (code, answers, stderr) = scores(
        "exact",
        "{\"output\":\"a\",\"reference\":\"a\"}\nnot json\n[1]\n{\"output\":\"a\"}\n{\"output\":\"b\",\"reference\":\"B.\"}",
    );
    assert_eq!(code, 2);
    assert_eq!(values(&answers), [1.0, 0.0, 0.0, 0.0, 1.0]);
    let told: Vec<&str> = stderr.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(told, ["line 2", "line 3", "line 4"], "{stderr}");
    assert!(
        answers[1]["reason"].as_str().unwrap().starts_with("line 2: the line is no JSON: expected"),
        "{}",
        answers[1]
    );
    assert_eq!(answers[3]["reason"], "line 4: the line has no `reference`, which the check compares with");
}

#[test]
fn tool_calls_and_schemas_come_with_the_line() {
    let tools = r#"[{"name":"f","parameters":{"properties":{"x":{"type":"integer"}},"required":["x"]}}]"#;
    let line = |output: &str, reference: &str| {
        format!(
            "{{\"output\":{{\"tool_calls\":{output}}},\"reference\":{{\"tool_calls\":{reference}}},\"tools\":{tools}}}\n"
        )
    };
    let accepted = r#"[{"name":"f","args":{"x":[1,2]}}]"#;
    let lines = [
        line(r#"[{"name":"f","arguments":{"x":2}}]"#, accepted),
        line(r#"[{"name":"f","arguments":"{\"x\":3}"}]"#, accepted),
        line("[]", "null"),
        line(r#"[{"name":"f","arguments":{"x":2}}]"#, "null"),
    ];
    assert_eq!(values(&scores("tool_call", &lines.concat()).1), [1.0, 0.0, 1.0, 0.0]);

    let line = |output: &str, schema: &str| format!("{{\"output\":{output},\"schema\":{schema}}}\n");
    let object = r#"{"type":"object","required":["a"]}"#;
    let lines =
        [line(r#"{"a":1}"#, object), line("\"{}\"", object), line("[1]", r#"{"type":"array"}"#), line("1", "null")];
    let (code, answers, _) = scores("schema", &lines.concat());
    assert_eq!((code, values(&answers)), (2, vec![1.0, 0.0, 1.0, 0.0]));
    assert_eq!(answers[3]["reason"], "line 4: the check `schema` needs a schema, and there is none");
}

#[test]
fn the_table_says_mean_reasons_and_what_was_looked_past() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("answers.jsonl");
    let line = |output: &str| format!("{{\"output\":\"{output}\",\"reference\":\"billing\"}}\n");
    std::fs::write(&file, [line("Billing."), line("billing"), line("refund"), line("")].concat()).unwrap();
    insta::assert_snapshot!(run(home.path(), &["check", "exact", file.to_str().unwrap()]).shown(home.path()));
    insta::assert_snapshot!(run(home.path(), &["check", "exakt", file.to_str().unwrap()]).shown(home.path()));
}
