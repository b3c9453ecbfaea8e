//! The codec of server-sent events: every cut gives the same events, and what is encoded is decoded.

#![no_main]

use freehold_wire::sse::{Decoder, Event, encode};
use freehold_wire::stream::UsageEventFilter;
use libfuzzer_sys::fuzz_target;

fn decode(limit: usize, pieces: &[&[u8]]) -> (Vec<Event>, u64) {
    let mut decoder = Decoder::with_limit(limit);
    let mut events: Vec<Event> = pieces.iter().flat_map(|piece| decoder.push(piece)).collect();
    events.extend(decoder.finish());
    (events, decoder.dropped())
}

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (limit, cut, bytes) = input;
    let limit = usize::from(limit);
    let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let whole = decode(limit, &[bytes]);
    assert_eq!(decode(limit, &[first, second]), whole);
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(limit, &bytewise), whole);
    for event in decode(usize::MAX, &[bytes]).0 {
        if !event.event.contains('\r') && !event.data.contains('\r') {
            assert_eq!(decode(usize::MAX, &[&encode(&event.event, &event.data)]).0, [event]);
        }
    }
    let mut filter = UsageEventFilter::default();
    let passed = [filter.push(first), filter.push(second), filter.finish()].concat();
    assert_eq!(passed.len() + filter.removed().len() <= bytes.len(), true);
    if filter.removed().is_empty() {
        assert_eq!(passed, bytes);
    }
});
