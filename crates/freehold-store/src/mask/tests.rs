//! What is masked and what stays: tables of forms, escapes, streams, and properties of the result.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sample;

const KINDS: [&str; 5] = ["email", "phone", "card", "iban", "key"];

fn all() -> Masking {
    Masking::new(&KINDS, &[]).unwrap()
}

fn call(request: impl Into<Vec<u8>>, response: impl Into<Vec<u8>>) -> Call {
    Call { request: request.into(), response: response.into(), ..sample::call("a", 0) }
}

fn masked(body: &str) -> String {
    let mut call = call(body, "");
    all().apply(&mut call);
    assert_eq!(call.kept.masked, call.request != body.as_bytes());
    String::from_utf8(call.request).unwrap()
}

#[test]
fn known_forms_are_masked() {
    let table = [
        ("mail ada.lovelace+test@mail.example.co.uk now", "mail [email] now"),
        ("<jürgen@bücher.de>", "<[email]>"),
        ("+49 151 12345678", "[phone]"),
        ("call +1 (555) 234-5678, please", "call [phone], please"),
        ("+49 151 1234567 2024-01-02", "[phone] 2024-01-02"),
        ("0044 20 7946 0958", "[phone]"),
        ("030/1234567 or 0151-23456789", "[phone] or [phone]"),
        ("(212) 555-0199 / 212.555.0199", "[phone] / [phone]"),
        ("01 42 68 53 00", "[phone]"),
        ("4111 1111 1111 1111", "[card]"),
        ("card 5500-0055-5555-5559.", "card [card]."),
        ("378282246310005 and 3782 822463 10005", "[card] and [card]"),
        ("2223003122003222, 6011111111111117", "[card], [card]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
        ("GB29NWBK60161331926819 PLEASE", "[iban] PLEASE"),
        ("FR1420041010050500013M02606", "[iban]"),
        ("key sk-ant-api03-abcdefghijklmnopqrst_uv", "key [key]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "[key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAQ==\n-----END RSA PRIVATE KEY-----\nend", "[key]\nend"),
        ("-----BEGIN PRIVATE KEY-----\nMIIB cut", "[key]"),
    ];
    for (text, expected) in table {
        assert_eq!(masked(text), expected, "{text}");
    }
}

#[test]
fn what_only_looks_alike_stays() {
    let table = [
        "order 4111111111111112",
        "order 0012345678, invoice 2024-000123",
        "on 2024-01-02 at 10:20:30, 01/02/2024 12:30, 02.01.2024",
        "2024-11-22T18:38:12.123456Z",
        "1700000000123 and 1700000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "10.0.0.1, 192.168.100.200:8080, v1.22.333",
        "DE89370400440532013001",
        "XX89370400440532013000",
        "icon@2x.png and @mention and a@b",
        "chatcmpl-9a8b7c6d5e4f3a2b1c0d",
        "call_4111111111111111 x4111111111111111",
        "AKIA is short, sk-short, eyJ.eyJ.x",
        "12345 67890",
        "ISBN 978-3-16-148410-0",
        "$1,234,567.89 and 3.14159265358979",
        "-----BEGIN CERTIFICATE-----",
    ];
    for text in table {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn strings_of_json_are_masked_through_their_escapes() {
    let body = r#"{"a":"mail\u0020ada\u0040example.org\nnow","b":["\"bob@example.org\""],"at":1700000000123}"#;
    assert_eq!(masked(body), r#"{"a":"mail\u0020[email]\nnow","b":["\"[email]\""],"at":1700000000123}"#);
}

#[test]
fn json_in_a_string_stays_json() {
    let arguments = json!({"mail": "ada@example.org", "card": 4_111_111_111_111_111_u64, "deep": json!({"iban": "DE89370400440532013000"}).to_string()});
    let body = json!({"tool_calls": [{"function": {"arguments": arguments.to_string()}}]}).to_string();
    let read: Value = serde_json::from_str(&masked(&body)).unwrap();
    let inner: Value = serde_json::from_str(read["tool_calls"][0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(inner["mail"], "[email]");
    // A number is no string; it stays one.
    assert_eq!(inner["card"], 4_111_111_111_111_111_u64);
    assert_eq!(serde_json::from_str::<Value>(inner["deep"].as_str().unwrap()).unwrap(), json!({"iban": "[iban]"}));
}

fn masked_stream(events: &[Value]) -> Vec<Value> {
    let body: String =
        events.iter().map(|event| format!("event: x\ndata: {event}\n\n")).collect::<String>() + "data: [DONE]\n\n";
    let mut call = Call { streamed: true, ..call("", body.clone()) };
    all().apply(&mut call);
    let text = String::from_utf8(call.response).unwrap();
    assert_eq!(text.lines().count(), body.lines().count());
    assert!(text.ends_with("data: [DONE]\n\n"));
    text.lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .filter(Value::is_object)
        .collect()
}

#[test]
fn an_address_in_fragments_is_masked_in_each_dialect() {
    let pieces = ["write to ad", "a@exa", "mple.", "org", " today"];
    let chat = |text: &str| json!({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]});
    let messages =
        |text: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text}});
    let responses = |text: &str| json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text});
    let said = |events: Vec<Value>, way: &str| {
        events.iter().map(|event| event.pointer(way).unwrap().as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = ["write to [email]", "", "", "", " today"];
    assert_eq!(said(masked_stream(&pieces.map(chat)), "/choices/0/delta/content"), expected);
    assert_eq!(said(masked_stream(&pieces.map(messages)), "/delta/text"), expected);
    assert_eq!(said(masked_stream(&pieces.map(responses)), "/delta"), expected);
}

#[test]
fn fragments_of_different_texts_are_not_joined() {
    let delta = |index: usize, text: &str| json!({"choices": [{"index": index, "delta": {"content": text}}]});
    let events = [delta(0, "ada@exa"), delta(1, "bob@"), delta(0, "mple.org"), delta(1, " is no address")];
    let read = masked_stream(&events);
    let said: Vec<_> =
        read.iter().map(|event| event.pointer("/choices/0/delta/content").unwrap().as_str().unwrap()).collect();
    assert_eq!(said, ["[email]", "bob@", "", " is no address"]);
}

#[test]
fn arguments_in_fragments_stay_json() {
    let delta = |text: &str| json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}]});
    let events = ["{\"mail\": \"ad", "a@example.org\", \"n", "\": 4111111111111111}"].map(delta);
    let read = masked_stream(&events);
    let way = "/choices/0/delta/tool_calls/0/function/arguments";
    let joined: String = read.iter().map(|event| event.pointer(way).unwrap().as_str().unwrap()).collect();
    assert_eq!(
        serde_json::from_str::<Value>(&joined).unwrap(),
        json!({"mail": "[email]", "n": 4_111_111_111_111_111_u64})
    );
}

#[test]
fn own_patterns_are_masked_and_bad_ones_named() {
    let masking = Masking::new(&[], &[r"CUST-\d{6}", "(?i)project zeus"]).unwrap();
    let mut call = call(r#"{"a":"CUST-123456 of Project Zeus, CUST-1"}"#, "");
    masking.apply(&mut call);
    assert_eq!(String::from_utf8(call.request).unwrap(), r#"{"a":"[masked] of [masked], CUST-1"}"#);
    for bad in ["(", "a{1000}{1000}{1000}", "x*"] {
        let error = Masking::new(&[], &["fine", bad]).unwrap_err();
        assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    assert_eq!(Masking::new(&["emails"], &[]).unwrap_err(), MaskError::UnknownKind("emails".to_owned()));
}

#[test]
fn nothing_is_masked_when_nothing_is_asked_for() {
    let mut call = call("ada@example.org", "");
    let masking = Masking::new::<&str>(&[], &[]).unwrap();
    masking.apply(&mut call);
    assert!(!masking.is_on() && !call.kept.masked);
    assert_eq!(call.request, b"ada@example.org");
}

#[test]
fn bytes_that_are_no_text_are_masked_as_far_as_they_are() {
    let mut call = call(*b"\xFF\x00ada@example.org\xFE", "");
    all().apply(&mut call);
    assert_eq!(call.request, b"\xFF\x00[email]\xFE");
}

/// Texts that hold what is masked, beside letters that are escaped in JSON.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("ada@example.org".to_owned()),
        Just("+49 151 12345678".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89370400440532013000".to_owned()),
        Just("ghp_abcdefghijklmnopqrstuvwxyz0123456789".to_owned()),
        Just("{\"x\":\"ada@example.org\"}".to_owned()),
        "[ \"\\\\\n\u{e9}\u{1F600}a-z0-9]{0,8}",
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.join(" "))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof!["[a-z]{1,4}", Just("arguments".to_owned())];
        let text_of = inner.clone().prop_map(|value| Value::from(value.to_string()));
        prop_oneof![
            text_of,
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Replaces every string, so that only the structure is left.
fn structure(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::from("text"),
        Value::Array(items) => items.iter().map(structure).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), structure(value))).collect(),
        other => other.clone(),
    }
}

fn has_address(value: &Value) -> bool {
    value.to_string().contains("ada@example.org")
}

proptest! {
    #[test]
    fn masked_json_has_the_structure_it_had(value in value()) {
        let read: Value = serde_json::from_str(&masked(&value.to_string())).unwrap();
        // By itself a number may be a card: then a string stands there, see below.
        let is_masked_number = value.is_number() && read.is_string();
        prop_assert_eq!(structure(&read), if is_masked_number { Value::from("text") } else { structure(&value) });
        prop_assert!(!has_address(&read), "{}", read);
        prop_assert_eq!(masked(&read.to_string()), read.to_string());
    }

    #[test]
    fn masked_streams_have_the_structure_they_had(said in text(), cuts in prop::collection::vec(0_usize..60, 0..6)) {
        let letters: Vec<char> = said.chars().collect();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < letters.len()).collect();
        cuts.extend([0, letters.len()]);
        cuts.sort_unstable();
        let events: Vec<Value> = cuts.windows(2).map(|cut| {
            let text: String = letters[cut[0]..cut[1]].iter().collect();
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
        }).collect();
        let read = masked_stream(&events);
        prop_assert_eq!(read.iter().map(structure).collect::<Vec<_>>(), events.iter().map(structure).collect::<Vec<_>>());
        let joined: String = read.iter().map(|event| event["delta"]["text"].as_str().unwrap()).collect();
        prop_assert_eq!(joined, masked_text(&said));
    }
}

/// Returns the text as it is masked within JSON.
fn masked_text(said: &str) -> String {
    let read: Value = serde_json::from_str(&masked(&json!([said]).to_string())).unwrap();
    read[0].as_str().unwrap().to_owned()
}

/// A body, or the inside of a string, that is nothing but digits may be a card; a number among the members of JSON is none.
#[test]
fn number_by_itself_is_masked_as_text_and_stays_json() {
    assert_eq!(masked("4341008639638314659"), r#""[card]""#);
    assert_eq!(masked(" 4341008639638314659\n"), " \"[card]\"\n");
    assert_eq!(masked("4341008639638314658"), "4341008639638314658");
    assert_eq!(masked("4341008639638314659 and more"), "[card] and more");
    let mut lone = call("12345678", "true");
    Masking::new(&[], &["34+", "true"]).unwrap().apply(&mut lone);
    assert_eq!((&lone.request[..], &lone.response[..]), (&br#""12[masked]5678""#[..], &br#""[masked]""#[..]));
    assert_eq!(masked(r#"{"number":4341008639638314659}"#), r#"{"number":4341008639638314659}"#);
    assert_eq!(masked(r#"{"number":"4341008639638314659"}"#), r#"{"number":"[card]"}"#);
}
