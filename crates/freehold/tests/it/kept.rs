//! What is kept of calls: exported and imported again, masked, sealed, and refused where the settings are wrong.

use std::path::Path;

use freehold_store::{Limits, Seal, Store};
use freehold_wire::{Api, Attempt, Call, Digest, Failure, Instead, Kept, Reference, ReferenceKind, Timings, Usage};
use serde_json::{Value, json};

use crate::running::run;

const KEY: &str = "+wQNFh8oMTpDTFVeZ3B5gouUnaavuMHK09zl7vcACRI=";

fn call(id: &str, request: impl Into<Vec<u8>>, response: impl Into<Vec<u8>>) -> Call {
    Call {
        step: "triage".to_owned(),
        step_by: "head".to_owned(),
        model: "large".to_owned(),
        upstream: "vendor".to_owned(),
        request: request.into(),
        response: response.into(),
        status: 200,
        timings: Timings { first_byte_us: None, total_us: 5 },
        ..Call::new(id, 1_772_359_200_123, Api::OpenAiChat)
    }
}

fn failure(kind: &str, message: &str) -> Failure {
    Failure { kind: kind.to_owned(), message: message.to_owned() }
}

fn tried_before() -> Vec<Attempt> {
    let failure = failure("connect", "refused");
    vec![Attempt { upstream: "first".to_owned(), model: Some("large-3".to_owned()), failure, after_us: 4 }]
}

/// One call of each kind that the record can hold.
fn every_kind() -> Vec<Call> {
    let digest = |bytes| Digest { bytes, sha256: [bytes as u8; 32] };
    let whole = call("whole", r#"{"model" : "large","messages":[ ]}"#, r#"{"choices":[1.0,1e3,"\u00e9é"]}"#);
    vec![
        Call {
            run: Some("r".to_owned()),
            served_model: Some("large-2".to_owned()),
            usage: Some(Usage { input: 9, cache_read: 1, cache_write: 2, output: 3, reasoning: 1 }),
            is_estimated: true,
            timings: Timings { first_byte_us: Some(3), total_us: 5 },
            reference: Some(Reference { kind: ReferenceKind::Label, value: json!({"a": [1, null]}) }),
            key: Some("team".to_owned()),
            generation: 7,
            attempts: tried_before(),
            kept: Kept { masked: true, instead: None },
            step_by: "header".to_owned(),
            ..whole.clone()
        },
        Call {
            streamed: true,
            id: "stream".to_owned(),
            response: b"data: {\"a\":1}\n\ndata: [DONE]\n\n".to_vec(),
            ..whole.clone()
        },
        Call {
            status: 429,
            failure: Some(failure("upstream_status", "429")),
            ..call("failed", "{}", r#"{"error":{"type":"rate_limit"}}"#)
        },
        Call { failure: Some(failure("connect", "refused")), ..Call { status: 502, ..call("unanswered", "{}", "") } },
        call("two lines", "{\n  \"model\": \"large\"\n}", " {} "),
        Call { api: Api::Opaque, ..call("bytes", [0, 159, 255], [255]) },
        Call { api: Api::AnthropicMessages, at_ms: -1, ..call("no JSON", "plain \"text\"", "also\tplain") },
        Call {
            kept: Kept { masked: false, instead: Some(Instead::Digests { request: digest(3), response: digest(4) }) },
            ..call("bare", "", "")
        },
        Call { kept: Kept { masked: false, instead: Some(Instead::Expired) }, ..call("expired", "", "") },
    ]
}

#[test]
fn what_is_exported_is_imported_again_as_it_was() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let calls = every_kind();
    Store::open(one.path()).unwrap().import(&calls).unwrap();
    let first = run(one.path(), &["export"]);
    assert_eq!((first.code, first.stdout.lines().count()), (0, calls.len()), "{}", first.stderr);
    std::fs::write(two.path().join("calls.jsonl"), &first.stdout).unwrap();
    let done = run(two.path(), &["import", "calls.jsonl"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let out = two.path().join("again.jsonl");
    let again = run(two.path(), &["export", "--out", out.to_str().unwrap()]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(out).unwrap(), first.stdout);
    let store = Store::open(two.path()).unwrap();
    for call in calls {
        assert_eq!(store.call(&call.id).unwrap(), Some(call));
    }
}

#[test]
fn an_export_is_chosen_by_step_and_time() {
    let home = tempfile::tempdir().unwrap();
    let day = |id: &str, step: &str, day: i64| Call {
        at_ms: day * 86_400_000,
        step: step.to_owned(),
        ..call(id, "{}", "{}")
    };
    Store::open(home.path())
        .unwrap()
        .import(&[day("a", "x", 20_000), day("b", "y", 20_000), day("c", "x", 20_001)])
        .unwrap();
    let ids = |arguments: &[&str]| {
        let ran = run(home.path(), arguments);
        let ids = ran
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>().join("")
    };
    assert_eq!(ids(&["export", "--step", "x"]), "ac");
    assert_eq!(ids(&["export", "--until", "2024-10-04"]), "ab");
    assert_eq!(ids(&["export", "--since", "2024-10-05", "--step", "x"]), "c");
    assert_eq!(run(home.path(), &["export", "--since", "soon"]).code, 2);
}

#[test]
fn a_stream_can_be_imported_as_text() {
    let home = tempfile::tempdir().unwrap();
    let events = "data: {\"id\":\"x\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"bills\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let line = |id: &str, events: &str| {
        json!({"id": id, "api": "openai.chat", "step": "s", "request": {"model": "m", "messages": [{"role": "user", "content": "x"}]}, "response_events": events}).to_string()
    };
    let text = line("whole", events) + "\n" + &line("cut", &events[..events.len() - 20]);
    std::fs::write(home.path().join("calls.jsonl"), text).unwrap();
    let ran = run(home.path(), &["import", "calls.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let store = Store::open(home.path()).unwrap();
    let whole = store.call("whole").unwrap().unwrap();
    assert_eq!(
        (whole.streamed, whole.response.as_slice(), whole.served_model.as_deref()),
        (true, events.as_bytes(), Some("m-1"))
    );
    assert_eq!(store.call("cut").unwrap().unwrap().failure.unwrap().kind, "cut");
    assert_eq!(store.cases("s").unwrap().len(), 1);
}

fn configured(home: &Path, record: &str) {
    std::fs::write(home.join("freehold.toml"), format!("[record]\n{record}\n")).unwrap();
}

#[test]
fn an_import_is_masked_and_sealed_as_the_settings_say() {
    let home = tempfile::tempdir().unwrap();
    configured(home.path(), &format!("mask = [\"email\"]\nencrypt_key = \"{KEY}\""));
    let line = json!({"id": "a", "api": "openai.chat", "step": "s", "request": {"model": "m", "messages": [{"role": "user", "content": "I am ada@example.org"}]}, "response": {"id": "x", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}});
    std::fs::write(home.path().join("calls.jsonl"), line.to_string()).unwrap();
    let ran = run(home.path(), &["import", "calls.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let store = Store::open_sealed(home.path(), Limits::default(), Some(Seal::parse(KEY).unwrap())).unwrap();
    let call = store.call("a").unwrap().unwrap();
    assert!(call.kept.masked && String::from_utf8(call.request).unwrap().contains("I am [email]"));
    assert!(run(home.path(), &["export"]).stdout.contains("I am [email]"));

    configured(home.path(), "");
    let ran = run(home.path(), &["steps"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("sealed with the key") && ran.stderr.contains("encrypt_key"), "{}", ran.stderr);
}

#[test]
fn wrong_settings_of_the_record_are_named() {
    let home = tempfile::tempdir().unwrap();
    for (record, named) in [
        ("mask = [\"emails\"]", "emails"),
        ("mask_patterns = [\"(\"]", "\"(\""),
        ("encrypt_key = \"secret\"", "32 bytes"),
        ("encrypt_key = \"${NOT_SET_ANYWHERE}\"", "NOT_SET_ANYWHERE"),
        ("bodies = \"half\"", "half"),
    ] {
        configured(home.path(), record);
        let ran = run(home.path(), &["config", "check"]);
        assert_eq!(ran.code, 2, "{record}");
        assert!(ran.stderr.contains(named), "{record}: {}", ran.stderr);
    }
    configured(
        home.path(),
        &format!(
            "mask = [\"email\", \"card\"]\nencrypt_key = \"{KEY}\"\nretention_days = 30\n[[step]]\nname = \"x\"\nbodies = \"metadata\"\nretention_days = 0"
        ),
    );
    assert_eq!(run(home.path(), &["config", "check"]).code, 0);
    let shown = run(home.path(), &["config", "show"]).stdout;
    assert!(shown.contains("***") && !shown.contains(&KEY[..10]), "{shown}");
}
