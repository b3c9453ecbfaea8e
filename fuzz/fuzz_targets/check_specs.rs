//! Specs of checks and what programs and endpoints answer: a spec that is read is written back so that it reads the same.

#![no_main]

use freehold_evidence::check::{Check, embeddings, given};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(score) = given(bytes) {
        assert!((0.0..=1.0).contains(&score.value));
    }
    if let Ok(answer) = serde_json::from_slice(bytes)
        && let Ok(vectors) = embeddings(&answer, 2)
    {
        assert_eq!(vectors.len(), 2);
    }
    let Ok(spec) = std::str::from_utf8(bytes) else { return };
    if let Ok(check) = Check::parse(spec, None) {
        let name = check.name();
        assert_eq!(Check::parse(&name, None).expect("it was written by us").name(), name);
    }
});
