//! Streams in other dialects: every cut gives the same bytes, which are a stream there with an end or an error.

#![no_main]

use freehold_wire::Api;
use freehold_wire::stream::Reader;
use freehold_wire::translate::Stream;
use freehold_wire::write::Head;
use libfuzzer_sys::fuzz_target;

fn translate(from: Api, to: Api, pieces: &[&[u8]]) -> Vec<u8> {
    let head = Head { id: "abc".to_owned(), model: "served".to_owned(), created_s: 1_700_000_000, stream_usage: true };
    let mut stream = Stream::new(from, to, head);
    let mut bytes: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
    bytes.extend(stream.finish());
    assert!(stream.is_over());
    bytes
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    for from in Api::DIALECTS {
        for to in Api::DIALECTS {
            let translated = translate(from, to, &[bytes]);
            assert_eq!(translate(from, to, &[first, second]), translated, "{from} to {to}");
            let mut reader = Reader::new(to);
            reader.push(&translated);
            let outcome = reader.finish();
            assert!(outcome.is_complete != outcome.error.is_some(), "{from} to {to}: {outcome:?}");
        }
    }
});
