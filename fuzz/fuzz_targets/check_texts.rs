//! Answers as texts: JSON found in them, numbers read, refusals told, a judge's choice. What is found reads again as what it was.

#![no_main]

use freehold_evidence::check::{Check, Output, extract, normalise, refuses};
use freehold_evidence::judge::Choice;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(found) = extract(text) {
        let again = extract(&found.value.to_string()).expect("JSON is JSON");
        assert!(again.is_strict);
        assert_eq!(again.value, found.value);
    }
    let once = normalise(text);
    assert_eq!(normalise(&once), once);
    let is_refusal = refuses(text);
    assert_eq!(is_refusal, refuses(text));
    // Whatever a judge wrote before it, its last word is read.
    assert_eq!(Choice::read(&format!("{text}\n{{\"winner\": 2}}")), Some(Choice::Second));
    let output = Output { text: text.to_owned(), tool_calls: Vec::new() };
    for spec in ["numeric", "numeric:0.5,1%"] {
        let score = Check::parse(spec, None).expect("the spec is legal").score(&output, &output);
        let has_none = score.reason.is_some_and(|reason| reason == "the reference holds no number");
        assert!(score.value == 1.0 || has_none || text.trim().is_empty(), "{spec}: {text}");
    }
});
