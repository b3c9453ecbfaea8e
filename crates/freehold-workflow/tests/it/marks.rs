//! Explicit marks: headers, metadata and traces.

use freehold_wire::{Api, Request, requests};
use freehold_workflow::identify::{RUN_CHARS_MAX, STEP_CHARS_MAX};
use freehold_workflow::{Marks, StepBy, identify};
use serde_json::{Value, json};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn request(metadata: &Value) -> Request {
    let body = json!({"model": "m", "messages": [], "metadata": metadata});
    requests::read(Api::OpenAiChat, body.to_string().as_bytes()).expect("the fixture is a request")
}

#[test]
fn header_names_the_step_before_the_field_and_the_field_before_the_head() {
    let marked = request(&json!({"step": "from/field"}));
    let header = Marks { step: Some("from.header"), ..Marks::default() };
    let identity = identify(&marked, header);
    assert_eq!((identity.step.as_str(), identity.by), ("from.header", StepBy::Header));
    let identity = identify(&marked, Marks { step: Some("  "), ..header });
    assert_eq!((identity.step.as_str(), identity.by), ("from/field", StepBy::Field));
    assert_eq!(identify(&request(&json!({"step": " "})), Marks::default()).by, StepBy::Head);
}

#[test]
fn step_names_are_cleaned() {
    let named = |name: &str| identify(&request(&Value::Null), Marks { step: Some(name), ..Marks::default() }).step;
    assert_eq!(named("  Triage/v2.1_a-b "), "Triage/v2.1_a-b");
    assert_eq!(named("two words\nund Ümlaut"), "two-words-und--mlaut");
    assert_eq!(named(&"x".repeat(200)), "x".repeat(STEP_CHARS_MAX));
}

#[test]
fn run_comes_from_the_header_then_the_field_then_the_trace() {
    let marks = Marks { run: Some(" r 1\u{7} "), traceparent: Some(TRACEPARENT), step: None };
    let fields = json!({"session_id": "s", "run_id": "i", "run": "f"});
    assert_eq!(identify(&request(&fields), marks).run.as_deref(), Some("r 1"));
    let marks = Marks { run: Some(" \t"), ..marks };
    assert_eq!(identify(&request(&fields), marks).run.as_deref(), Some("f"));
    assert_eq!(identify(&request(&json!({"session_id": "s", "run_id": "i"})), marks).run.as_deref(), Some("i"));
    assert_eq!(identify(&request(&json!({"session_id": "s"})), marks).run.as_deref(), Some("s"));
    let trace = Some("0af7651916cd43dd8448eb211c80319c");
    assert_eq!(identify(&request(&Value::Null), marks).run.as_deref(), trace);
    assert_eq!(identify(&request(&Value::Null), Marks::default()).run, None);
    let long = "ä".repeat(500);
    let run = identify(&request(&Value::Null), Marks { run: Some(&long), ..marks }).run;
    assert_eq!(run, Some("ä".repeat(RUN_CHARS_MAX)));
}

#[test]
fn only_valid_traces_name_a_run() {
    let trace =
        |header: &str| identify(&request(&Value::Null), Marks { traceparent: Some(header), ..Marks::default() }).run;
    assert!(trace(TRACEPARENT).is_some());
    assert!(trace("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
    for invalid in [
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert_eq!(trace(invalid), None, "{invalid:?}");
    }
}
