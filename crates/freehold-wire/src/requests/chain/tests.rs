//! Requests that go on from earlier answers, and what stands in their way.

use serde_json::json;

use super::*;
use crate::write::{self, Head, StreamWriter};
use crate::{Answer, Digest, Failure, Finish, Instead, Kept, ToolCall, Usage};

/// Returns a recorded call whose answer was written here.
fn call(id: &str, request: &Value, text: &str) -> Call {
    let answer = Answer { text: text.into(), finish: Some(Finish::Stop), ..Answer::default() };
    Call {
        request: request.to_string().into_bytes(),
        response: write::whole(Api::OpenAiResponses, &head(id), &answer),
        status: 200,
        ..Call::new(id, 0, Api::OpenAiResponses)
    }
}

fn head(id: &str) -> Head {
    Head { id: id.into(), model: "m".into(), created_s: 0, stream_usage: false }
}

/// The same with a streamed answer that calls a tool.
fn streamed(id: &str, request: &Value) -> Call {
    let mut writer = StreamWriter::new(Api::OpenAiResponses, head(id));
    let mut bytes = writer.start(1);
    bytes.extend(writer.text("looking"));
    bytes.extend(writer.tool_call(&ToolCall { id: "call_1".into(), name: "find".into(), arguments: "{}".into() }));
    bytes.extend(writer.finish(Finish::ToolCalls, Usage::default()));
    Call { response: bytes, streamed: true, ..call(id, request, "") }
}

fn completed(body: &Value, calls: &[Call]) -> Result<Value, Missing> {
    let find = |id: &str| calls.iter().find(|call| call.id == id).cloned();
    complete(body.to_string().as_bytes(), 1 << 20, find).map(|body| serde_json::from_slice(&body).unwrap())
}

/// Returns the roles, or the types, of an input's items with their texts.
fn outline(body: &Value) -> Vec<(String, String)> {
    let items = body["input"].as_array().unwrap().iter();
    let text = |item: &Value| match &item["content"] {
        Value::String(text) => text.clone(),
        parts => parts[0]["text"].as_str().unwrap_or_default().to_owned(),
    };
    let word = |item: &Value| item["role"].as_str().or(item["type"].as_str()).unwrap().to_owned();
    items.map(|item| (word(item), text(item))).collect()
}

#[test]
fn chain_of_three_becomes_one_input_in_order() {
    let first = json!({"model": "m", "instructions": "Rhyme.", "tools": [{"type": "web_search"}], "input": "one"});
    let second = json!({"model": "m", "previous_response_id": "resp_a", "input": [{"role": "user", "content": "two"}]});
    let calls = [call("a", &first, "uno"), streamed("b", &second)];
    let result = json!({"type": "function_call_output", "call_id": "call_1", "output": "seven"});
    let third = json!({"temperature": 0, "previous_response_id": "resp_b", "input": [result.clone()], "stream": true});
    let body = completed(&third, &calls).unwrap();
    let expected = [
        ("user", "one"),
        ("assistant", "uno"),
        ("user", "two"),
        ("assistant", "looking"),
        ("function_call", ""),
        ("function_call_output", ""),
    ];
    assert_eq!(outline(&body), expected.map(|(who, what)| (who.to_owned(), what.to_owned())));
    assert_eq!((&body["input"][4]["call_id"], &body["input"][5]), (&json!("call_1"), &result));
    // Nothing but the input is carried over, and the rest is as it was said.
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["temperature", "input", "stream"]);
}

#[test]
fn request_that_brings_everything_is_left_as_it_is() {
    let body = json!({"model": "m", "previous_response_id": null, "input": [{"role": "user", "content": "hi"}]});
    assert_eq!(completed(&body, &[]).unwrap()["input"], body["input"]);
    let body = json!({"previous_response_id": "resp_a"});
    assert_eq!(outline(&completed(&body, &[call("a", &json!({"input": "x"}), "y")]).unwrap()).len(), 2);
}

#[test]
fn items_are_put_in_the_place_of_their_ids() {
    let calls = [streamed("a", &json!({"input": "one"}))];
    let body = json!({"input": [
        {"role": "user", "content": "one"},
        {"type": "item_reference", "id": "msg_a_0"},
        {"type": "item_reference", "id": "fc_a_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "seven"},
    ]});
    let said: Vec<String> = outline(&completed(&body, &calls).unwrap()).into_iter().map(|(who, _)| who).collect();
    assert_eq!(said, ["user", "assistant", "function_call", "function_call_output"]);
    for id in ["msg_a_7", "fc_a_0", "msg_b_0", "msg", "", "_"] {
        let body = json!({"input": [{"type": "item_reference", "id": id}]});
        let missing = completed(&body, &calls).unwrap_err();
        assert!(matches!(missing, Missing::Item { why: Absence::Unknown, .. }), "{id} {missing}");
    }
}

#[test]
fn what_cannot_be_gone_on_from_is_said_with_its_reason() {
    let request = json!({"input": "one"});
    let good = call("a", &request, "uno");
    let digest = Digest { bytes: 1, sha256: [0; 32] };
    let digests = Instead::Digests { request: digest, response: digest };
    let bare = |instead| Call {
        request: Vec::new(),
        response: Vec::new(),
        kept: Kept { masked: false, instead: Some(instead) },
        ..good.clone()
    };
    let cut = streamed("a", &request);
    let cut = Call { response: cut.response[..cut.response.len() - 1].to_vec(), ..cut };
    let error = br#"{"error": {"message": "no", "output": []}}"#.to_vec();
    let failed = Failure { kind: "engine".into(), message: "no luck".into() };
    let cases = [
        (Call { api: Api::OpenAiChat, ..good.clone() }, Absence::Unknown),
        (call("a", &json!({"input": "one", "store": false}), "uno"), Absence::NotStored),
        (bare(digests), Absence::NotKept),
        (bare(Instead::Expired), Absence::NotKept),
        (Call { kept: Kept { masked: true, instead: None }, ..good.clone() }, Absence::Masked),
        (cut, Absence::Unfinished),
        (Call { response: error, status: 502, failure: Some(failed), ..good.clone() }, Absence::Unfinished),
        (Call { response: good.response[..40].to_vec(), ..good.clone() }, Absence::Unfinished),
    ];
    let body = json!({"previous_response_id": "resp_a", "input": "two"});
    for (earlier, expected) in cases {
        match completed(&body, &[earlier]) {
            Err(Missing::Response { id, why }) => assert_eq!((id.as_str(), why), ("resp_a", expected)),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    for id in [json!("resp_b"), json!("a"), json!(""), json!(7)] {
        let missing = completed(&json!({"previous_response_id": id}), std::slice::from_ref(&good)).unwrap_err();
        assert!(matches!(missing, Missing::Response { why: Absence::Unknown, .. }), "{id} {missing}");
    }
}

#[test]
fn conversations_have_an_end() {
    // A call that goes on from itself, as no gateway would record it.
    let endless = [call("a", &json!({"previous_response_id": "resp_a", "input": "x"}), "y")];
    let body = json!({"previous_response_id": "resp_a"});
    assert!(matches!(completed(&body, &endless), Err(Missing::TooLong { .. })));
    let large = call("a", &json!({"input": "x".repeat(2000)}), "y");
    let find = |_: &str| Some(large.clone());
    assert!(matches!(complete(body.to_string().as_bytes(), 2000, find), Err(Missing::TooLong { bytes: 2000, .. })));
}
