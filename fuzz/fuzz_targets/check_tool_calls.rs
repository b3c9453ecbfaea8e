//! Tool calls against accepted values: `[calls, reference, tools]`, of any shape. A call is right against itself.

#![no_main]

use freehold_evidence::check::LineScorer;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Value::Array(parts)) = serde_json::from_slice(bytes) else { return };
    let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
    let mut scorer = LineScorer::new("tool_call").expect("the spec is legal");
    let mut score = |calls: Value, reference: Value| {
        let line = json!({"output": {"tool_calls": calls}, "reference": {"tool_calls": reference}, "tools": part(2)});
        scorer.score(line.to_string().as_bytes())
    };
    if let Ok(score) = score(part(0), part(1)) {
        assert!(score.value == 0.0 || score.value == 1.0);
        assert!(score.value == 1.0 || score.reason.is_some());
    }
});
