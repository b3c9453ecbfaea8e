//! Request bodies of every API: read, rewritten, and written again as they were.

#![no_main]

use freehold_wire::{Api, requests};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let rewritten = requests::with_model(body, "served");
    drop(requests::without_billing_line(body));
    for api in Api::ALL {
        let read = requests::read(api, body);
        if let (Ok(read), Ok(rewritten)) = (&read, &rewritten) {
            let moved = requests::read(api, rewritten).expect("only the model has changed");
            assert_eq!(moved.messages, read.messages, "{api}");
            assert_eq!(moved.model, "served", "{api}");
        }
        drop(requests::as_replay(api, body, "served"));
        if let Ok(draft) = requests::parse(api, body) {
            let written: Value = serde_json::from_slice(&requests::write(draft)).expect("JSON is written");
            assert_eq!(Ok(written), serde_json::from_slice(body).map_err(|error| error.to_string()), "{api}");
        }
    }
});
