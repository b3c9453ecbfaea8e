//! Streams of every dialect: every cut tells the same, and an error is never a proper end.

#![no_main]

use freehold_wire::stream::{Outcome, Reader};
use freehold_wire::{Api, answers};
use libfuzzer_sys::fuzz_target;

fn read(api: Api, pieces: &[&[u8]]) -> Outcome {
    let mut reader = Reader::new(api);
    pieces.iter().for_each(|piece| reader.push(piece));
    reader.finish()
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    for api in Api::DIALECTS {
        let outcome = read(api, &[bytes]);
        assert!(!outcome.is_complete || outcome.error.is_none());
        assert_eq!(read(api, &[first, second]), outcome, "{api}");
        drop(answers::read(api, bytes));
    }
});
