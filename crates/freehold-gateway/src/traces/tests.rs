//! Tests of contexts and of what a span says.

use super::*;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CALL: &str = "0190a5c0-1234-7abc-8def-0123456789ab";

#[test]
fn only_well_formed_parents_count() {
    let good = [
        CALLER,
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00 ",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
    ];
    for text in good {
        assert!(Context::parse(text).is_some(), "{text}");
    }
    let bad = [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473ü-00f067aa0ba902b7-01",
    ];
    for text in bad {
        assert_eq!(Context::parse(text), None, "{text}");
    }
}

#[test]
fn own_span_stands_below_the_callers_or_begins_a_trace() {
    let caller = Context::parse(CALLER);
    let below = Context::own(CALL, caller).unwrap();
    assert_eq!(below.header(), "00-4bf92f3577b34da6a3ce929d0e0e4736-8def0123456789ab-01");
    let first = Context::own(CALL, None).unwrap();
    assert_eq!(first.header(), "00-0190a5c012347abc8def0123456789ab-8def0123456789ab-01");
    assert_eq!(Context::own("not an id", None), None);
}

#[test]
fn callers_decision_holds_and_the_share_decides_otherwise() {
    let kept = Context::own(CALL, Context::parse(CALLER)).unwrap();
    assert!(kept.is_sampled(Some(&kept), 0.0));
    let left = Context::own(CALL, Context::parse(&CALLER.replace("-01", "-00"))).unwrap();
    assert!(!left.is_sampled(Some(&left), 1.0));
    let mut sampled = 0;
    for _ in 0..4000 {
        let id = uuid::Uuid::now_v7().to_string();
        let own = Context::own(&id, None).unwrap();
        assert!(own.is_sampled(None, 1.0) && !own.is_sampled(None, 0.0));
        sampled += u32::from(own.is_sampled(None, 0.25));
    }
    assert!((800..1200).contains(&sampled), "a quarter of 4,000 give or take: {sampled}");
}

#[test]
fn collector_must_be_an_address_without_credentials() {
    let make = |url: &str| {
        let config = TraceConfig { url: url.parse().unwrap(), authorization: None, sample: 1.0, reparent: false };
        Tracer::new(config).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(make("http://localhost:4318"), Ok(()));
    for url in ["/v1/traces", "ftp://localhost", "http://user:pass@localhost"] {
        assert!(make(url).unwrap_err().contains("collector"), "{url}");
    }
}
