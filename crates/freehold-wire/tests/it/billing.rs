//! The billing line of Claude Code is taken out of the system text, and nothing else.

use freehold_wire::requests::without_billing_line;
use proptest::prelude::*;

const LINE: &str = "x-anthropic-billing-header: cc_version=2.1.177.01c; cc_entrypoint=cli; cch=36ee5;";

fn without(body: &str) -> Option<String> {
    without_billing_line(body.as_bytes()).map(|body| String::from_utf8(body).expect("whole characters are cut"))
}

#[test]
fn a_block_of_its_own_goes_as_a_whole() {
    let body = format!(
        "{{\"model\": \"m\", \"system\" : [ {{\"type\":\"text\", \"text\":\"{LINE}\"}} , {{\"type\":\"text\",\"text\":\"You are\"}}], \"x\": 1.50}}"
    );
    let expected = "{\"model\": \"m\", \"system\" : [ {\"type\":\"text\",\"text\":\"You are\"}], \"x\": 1.50}";
    assert_eq!(without(&body).unwrap(), expected);
    let alone = format!(r#"{{"system":[{{"type":"text","text":"{LINE}\n"}}]}}"#);
    assert_eq!(without(&alone).unwrap(), r#"{"system":[]}"#);
}

#[test]
fn a_line_in_front_of_other_text_goes_with_its_line_break() {
    for line_break in [r"\n", r"\u000A", r"\u000a"] {
        let body = format!(r#"{{"system":[{{"text":"{LINE} \"q\"{line_break}\nYou","type":"text"}}],"a":1}}"#);
        assert_eq!(without(&body).unwrap(), r#"{"system":[{"text":"\nYou","type":"text"}],"a":1}"#);
        let body = format!(r#"{{"system": "{LINE}{line_break}You are"}}"#);
        assert_eq!(without(&body).unwrap(), r#"{"system": "You are"}"#);
    }
    assert_eq!(without(&format!(r#"{{"system":"{LINE}"}}"#)).unwrap(), r#"{"system":""}"#);
}

#[test]
fn the_neutral_view_does_not_know_the_line() {
    for system in [
        serde_json::json!([{"type": "text", "text": LINE}, {"type": "text", "text": "You are"}]),
        serde_json::json!(format!("{LINE}\nYou are")),
        serde_json::json!("You are"),
    ] {
        let body = serde_json::json!({"model": "m", "system": system, "messages": []}).to_string();
        let request = freehold_wire::requests::read(freehold_wire::Api::AnthropicMessages, body.as_bytes()).unwrap();
        assert_eq!(request.system, "You are");
    }
}

#[test]
fn the_line_stays_where_it_does_not_open_the_system_text() {
    for body in [
        format!(r#"{{"system":"You are\n{LINE}\n"}}"#),
        format!(r#"{{"system":[{{"type":"text","text":"You"}},{{"type":"text","text":"{LINE}"}}]}}"#),
        format!(r#"{{"messages":[{{"role":"user","content":"{LINE}"}}]}}"#),
        format!(r#"{{"system":{{"text":"{LINE}"}}}}"#),
        format!(r#"{{"system":"{LINE}""#),
        "{}".to_owned(),
    ] {
        assert_eq!(without(&body), None, "{body}");
    }
}

proptest! {
    #[test]
    fn only_the_line_is_missing(after in ".{0,30}", before in ".{0,30}", pretty: bool, is_text: bool) {
        let said = format!("{LINE}\n{after}");
        let system = |text: &str| {
            if is_text { text.into() } else { serde_json::json!([{"type": "text", "text": text}, {"type": "text", "text": before}]) }
        };
        let json = |text: &str| serde_json::json!({"before": before, "system": system(text), "after": [after, 2.50]});
        let spell = |value| if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let found = without(&spell(json(&said)).expect("JSON")).expect("there is a line");
        if after.is_empty() && !is_text {
            let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
            prop_assert_eq!(&found["system"], &serde_json::json!([{"type": "text", "text": before}]));
        } else {
            prop_assert_eq!(found, spell(json(&after)).expect("JSON"));
        }
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
        drop(without_billing_line(&bytes));
        drop(without(&format!("{{\"system\":\"{LINE}{text}\"}}")));
        drop(without(&format!("{{\"system\":[{{\"text\":\"{LINE}{text}\"}}{text}]}}")));
    }
}
