//! Calls and stores to test with.

use freehold_store::{RecorderConfig, Store};
use freehold_wire::{Api, Call, Failure, Timings, Usage};
use tempfile::TempDir;

/// A store in a folder that lives as long as the test.
pub(crate) fn store() -> (TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    (home, store)
}

/// A successful call of the step `triage`.
pub(crate) fn call(id: &str, at_ms: i64) -> Call {
    Call {
        step: "triage".to_owned(),
        step_by: "head".to_owned(),
        model: "large".to_owned(),
        upstream: "vendor".to_owned(),
        request: format!("request of {id}").into_bytes(),
        response: format!("response to {id}").into_bytes(),
        status: 200,
        usage: Some(Usage { input: 100, cache_read: 10, output: 7, ..Usage::default() }),
        timings: Timings { first_byte_us: Some(1_000), total_us: 2_000 },
        ..Call::new(id, at_ms, Api::OpenAiChat)
    }
}

/// A call that the vendor refused.
pub(crate) fn failed(id: &str, at_ms: i64) -> Call {
    let failure = Some(Failure { kind: "upstream_status".to_owned(), message: "429".to_owned() });
    Call { status: 429, failure, usage: None, ..call(id, at_ms) }
}

/// A queue that no test fills by accident.
pub(crate) fn roomy() -> RecorderConfig {
    RecorderConfig::default()
}

/// Returns bytes that cannot be compressed.
pub(crate) fn noise(bytes: usize, seed: i64) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let next = || {
        // Steele, Lea and Flood 2014: SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 32) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
