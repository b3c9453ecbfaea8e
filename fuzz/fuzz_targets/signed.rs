//! Signed texts such as certificates: read, and written again as they were.

#![no_main]

use freehold_vault::{Signed, canonical};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        let spelled = canonical(&value);
        let again: Value = serde_json::from_str(&spelled).expect("JSON is spelled");
        assert_eq!(canonical(&again), spelled);
    }
    if let Ok(signed) = Signed::read(bytes) {
        let again = Signed::read(signed.text().as_bytes()).expect("what was read can be written");
        assert_eq!((again.holds(), again.sha256(), again.public_key), (signed.holds(), signed.sha256(), signed.public_key));
    }
});
