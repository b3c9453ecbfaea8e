//! Rewriting the model of a request body.

use freehold_wire::requests::{Error, as_replay, with_model};
use freehold_wire::{Api, requests};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn only_the_value_of_the_top_level_model_changes() {
    let body = " {\"messages\" : [ {\"model\":\"no\"}],\r\n\t\"mod\\u0065l\"  :  \"gpt-4o\" , \"n\": 1.0e2 } ";
    let expected = body.replace("\"gpt-4o\"", "\"a \\\"b\\\"\"");
    assert_eq!(with_model(body.as_bytes(), "a \"b\"").unwrap(), expected.as_bytes());
}

#[test]
fn repeated_and_odd_models_are_rewritten() {
    let rewritten = with_model(br#"{"model":null,"x":1,"model":{"a":[]}}"#, "m").unwrap();
    assert_eq!(rewritten, br#"{"model":"m","x":1,"model":"m"}"#);
}

#[test]
fn bodies_without_a_model_are_refused() {
    assert!(matches!(with_model(br#"{"a":{"model":"x"}}"#, "m"), Err(Error::NoModel)));
    assert!(matches!(as_replay(Api::OpenAiChat, b"{}", "m"), Err(Error::NoModel)));
    for body in [&b"[1]"[..], b"", b"{\"model\":", b"\"model\""] {
        assert!(matches!(with_model(body, "m"), Err(Error::Json(_))));
        assert!(matches!(as_replay(Api::OpenAiChat, body, "m"), Err(Error::Json(_))));
    }
}

#[test]
fn replay_asks_for_a_whole_answer() {
    let body =
        br#"{"stream":true,"model":"old", "a":[1, 2.50],"stream_options":{"include_usage":true},"background":true}"#;
    let replay = as_replay(Api::OpenAiChat, body, "new").unwrap();
    assert_eq!(replay, br#"{"model":"new","a":[1, 2.50],"background":true}"#);
    let replay = as_replay(Api::OpenAiResponses, body, "new").unwrap();
    assert_eq!(replay, br#"{"model":"new","a":[1, 2.50]}"#);
    assert!(!requests::read(Api::OpenAiResponses, &replay).unwrap().stream);
}

proptest! {
    #[test]
    fn everything_else_stays_equal(before in "[a-z\\\\\"{}🙂]{0,12}", model in ".{0,12}", new in ".{0,12}", pretty: bool) {
        let json = serde_json::json!({"text": before, "model": model, "nested": {"model": before, "list": [1, null, 2.5]}});
        let body = if pretty { serde_json::to_vec_pretty(&json) } else { serde_json::to_vec(&json) }.unwrap();
        let rewritten: Value = serde_json::from_slice(&with_model(&body, &new).unwrap()).unwrap();
        let mut expected = json;
        expected["model"] = new.clone().into();
        prop_assert_eq!(&rewritten, &expected);
        let back = with_model(&with_model(&body, &new).unwrap(), &model).unwrap();
        // Only the spelling of the model's escapes may differ from the first body, and both came from one writer.
        prop_assert_eq!(back, body);
    }
}
