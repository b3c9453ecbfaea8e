//! `freehold check`: one answer a line in the same order, whatever the lines hold; programs, embeddings, single cases.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::assess::{STEP, assess, import, model, tickets};
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

/// What a program of somebody's answers to lines that say what is to go wrong.
const PROGRAM: &str = r#"line=$(cat)
case "$line" in
*stands-still*) exec tail -f /dev/null ;;
*eats-memory*) head -c 200m /dev/zero | tail -c 190m >/dev/null || exit 7 ;;
*talks*) echo "as I see it"; exit 0 ;;
*looks-around*) [ -z "$HOME" ] && [ "$(grep -c : /proc/net/dev)" = 1 ] || exit 8 ;;
*half*) echo '{"score": 0.5, "reason": "half"}'; exit 0 ;;
esac
echo '{"score": 1}'
"#;

#[test]
fn a_program_scores_within_its_limits() {
    let home = tempfile::tempdir().unwrap();
    let settings = "[assess]\ncommand_timeout_s = 2\ncommand_memory_mib = 64\n";
    std::fs::write(home.path().join("freehold.toml"), settings).unwrap();
    std::fs::write(home.path().join("score.sh"), PROGRAM).unwrap();
    let says = ["fine", "half", "", "talks", "eats-memory", "stands-still", "looks-around", "fine"];
    let lines: String = says.iter().map(|text| format!("{{\"output\":\"{text}\",\"reference\":\"r\"}}\n")).collect();
    std::fs::write(home.path().join("answers.jsonl"), lines).unwrap();
    let kind = "command:sh score.sh";
    let done = run(home.path(), &["check", kind, "answers.jsonl", "--json"]);
    let answers: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reason = |line: usize| answers[line]["reason"].as_str().unwrap_or_default().to_owned();
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert_eq!(values(&answers)[..6], [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!((reason(1).as_str(), reason(2).as_str()), ("half", "the answer is empty"));
    assert_eq!(reason(3), "line 4: the answer is no JSON object");
    assert!(reason(4).contains("the check's program ended with 7"), "{}", reason(4));
    assert_eq!(reason(5), "line 6: no answer within 2 s");
    assert_eq!(values(&answers)[7], 1.0, "the lines after go on");
    let told = run(home.path(), &["check", kind, "answers.jsonl"]).stdout;
    assert!(told.contains("version sha256:"), "{told}");
    // Where the system does not let everyone take the network away, that is said.
    assert!(values(&answers)[6] == 1.0 || told.contains("cut off from the network"), "{told}");

    for kind in ["command:not-there-at-all", "command:"] {
        let done = run(home.path(), &["check", kind, "answers.jsonl"]);
        assert!(done.code == 2 && done.stderr.contains("is not there"), "{}", done.stderr);
    }
}

/// Answers embeddings: for each text how often it says a and b.
fn embeddings_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            loop {
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    let lower = line.to_ascii_lowercase();
                    length =
                        lower.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
                    line.clear();
                }
                if length == 0 {
                    break;
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let asked: Value = serde_json::from_slice(&body).unwrap();
                let count = |text: &Value, wanted| text.as_str().unwrap().matches(wanted).count();
                let texts = asked["input"].as_array().unwrap().iter().enumerate();
                let data: Vec<Value> = texts
                    .map(|(index, text)| json!({"index": index, "embedding": [count(text, "a"), count(text, "b")]}))
                    .collect();
                let answer = json!({"model": asked["model"], "data": data}).to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                reader.get_mut().write_all(format!("{head}{answer}").as_bytes()).unwrap();
            }
        }
    });
    address
}

#[test]
fn embeddings_of_an_upstream_score_by_their_angle() {
    let home = tempfile::tempdir().unwrap();
    let settings = |address: &str| {
        let entry = format!("[[upstream]]\nname='em'\nbase_url='http://{address}'\napis=['openai.chat']\nkey='k'\n");
        std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    };
    settings(&embeddings_server());
    let lines = "{\"output\":\"aa\",\"reference\":\"a\"}\n{\"output\":\"b\",\"reference\":\"a\"}\n\
                 {\"output\":\"ab\",\"reference\":\"b\"}\n{\"output\":\"\",\"reference\":\"a\"}\n{\"output\":\"c\",\"reference\":\"a\"}\n";
    std::fs::write(home.path().join("answers.jsonl"), lines).unwrap();
    let done = run(home.path(), &["check", "embedding:em/small", "answers.jsonl", "--json"]);
    let answers: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rounded: Vec<f64> = values(&answers).iter().map(|value| (value * 1e3).round()).collect();
    assert_eq!((done.code, rounded), (0, vec![1000.0, 0.0, 707.0, 0.0, 0.0]), "{}", done.stderr);
    let told = run(home.path(), &["check", "embedding:em/small", "answers.jsonl"]).stdout;
    assert!(told.contains("beware  the angle between embeddings"), "{told}");

    settings("127.0.0.1:9");
    let done = run(home.path(), &["check", "embedding:em/small", "answers.jsonl", "--json"]);
    assert!(done.code == 2 && done.stderr.contains("line 1: no answer from 127.0.0.1:9"), "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 5);
    assert_eq!(run(home.path(), &["check", "embedding:nobody/x", "answers.jsonl"]).code, 2);
}

fn configure_step(home: &Path, check: &str) {
    let file = home.join("freehold.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}\n[[step]]\nname = \"{STEP}\"\ncheck = \"{check}\"\n")).unwrap();
}

#[test]
fn a_case_is_tried_with_the_check_of_its_step() {
    let home = tempfile::tempdir().unwrap();
    let (home, tickets) = (home.path(), tickets(60));
    import(home, &tickets);
    model(home, &tickets, 30, &Value::Null);
    let tried = |id: &str, more: &[&str]| {
        let ran = run(home, &[&["check", STEP, "--case", id, "--json"], more].concat());
        serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
    };
    // Without a setting, by the step's shape.
    assert_eq!(tried(&tickets[0].id, &[])["check"], "fields_exact");
    configure_step(home, "field:category");
    let (_, row) = assess(home, &[]);
    assert_eq!(row["check"], "field:category");
    let looks_past = |note: &Value| note.as_str().unwrap().starts_with("the check field:category looks past: nfkc");
    assert!(row["notes"].as_array().unwrap().iter().any(looks_past), "{}", row["notes"]);
    assert_eq!(assess(home, &["--check", "fields"]).1["check"], "fields");

    let wrong = tried(&tickets[59].id, &[]);
    assert_eq!((&wrong["check"], &wrong["check_version"]), (&json!("field:category"), &json!("1")));
    assert_eq!(wrong["answers"][0]["score"], 1.0);
    let candidate = &wrong["answers"][1];
    assert_eq!((&candidate["by"], &candidate["score"]), (&json!("desk"), &json!(0.0)));
    assert_eq!(candidate["reason"], "field `category` differs");
    assert_eq!(tried(&tickets[0].id, &[])["answers"][1]["score"], 1.0);
    assert_eq!(tried(&tickets[59].id, &["--check", "fields"])["check"], "fields");
    let shown = run(home, &["check", STEP, "--case", &tickets[59].id]).stdout;
    for part in [
        "check field:category version 1",
        "reference (the incumbent's answer)",
        "desk  0.0000: field `category` differs",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let unknown = run(home, &["check", STEP, "--case", "nobody"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("no call has the id \"nobody\""), "{}", unknown.stderr);
}

#[test]
fn a_failing_check_blames_nobody_in_an_assessment() {
    let home = tempfile::tempdir().unwrap();
    let (home, tickets) = (home.path(), tickets(60));
    import(home, &tickets);
    model(home, &tickets, 60, &Value::Null);
    std::fs::write(home.join("score.sh"), "cat >/dev/null; echo oops >&2; exit 3\n").unwrap();
    let broken = run(home, &["assess", STEP, "--candidate", "desk", "--check", "command:sh score.sh"]);
    assert_eq!(broken.code, 4, "{}", broken.stderr);
    assert!(broken.stderr.contains("the check's program ended with 3: oops"), "{}", broken.stderr);
    let good = "input=$(cat); case \"$input\" in *nonsense*) echo '{\"score\":0}' ;; *) echo '{\"score\":1}' ;; esac\n";
    std::fs::write(home.join("score.sh"), good).unwrap();
    let (ran, row) = assess(home, &["--check", "command:sh score.sh"]);
    assert_eq!((ran.code, row["n"].as_u64()), (0, Some(60)), "{row}");
}

#[test]
fn a_setting_that_names_no_check_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("freehold.toml"), "").unwrap();
    configure_step(home.path(), "exakt");
    let done = run(home.path(), &["config", "check"]);
    assert!(done.code == 2 && done.stderr.contains("the nearest is `exact`"), "{}", done.stderr);
}
