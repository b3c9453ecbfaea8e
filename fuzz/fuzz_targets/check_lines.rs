//! Lines of a file of answers: every check scores them within 0 and 1 or refuses them.

#![no_main]

use freehold_evidence::check::LineScorer;
use libfuzzer_sys::fuzz_target;

const SPECS: [&str; 12] = [
    "exact",
    "regex:a(b*)",
    "numeric:1%",
    "json:strict",
    "schema",
    "fields:a=set;b=key=id;*.c=tolerance=1%",
    "field:a.0",
    "tool_call",
    "refusal",
    "answered",
    "text",
    "chrf2",
];

fuzz_target!(|line: &[u8]| {
    for spec in SPECS {
        let mut scorer = LineScorer::new(spec).expect("the spec is legal");
        if let Ok(score) = scorer.score(line) {
            assert!((0.0..=1.0).contains(&score.value), "{spec}: {}", score.value);
        }
    }
});
