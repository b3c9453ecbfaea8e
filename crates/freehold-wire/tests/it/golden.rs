//! One answer in every dialect, whole and streamed, byte for byte.

use freehold_wire::write::{Head, StreamWriter, whole};
use freehold_wire::{Answer, Api, Finish, ToolCall, Usage};
use serde_json::Value;

fn head() -> Head {
    Head { id: "abc123".to_owned(), model: "desk-l".to_owned(), created_s: 1_700_000_000, stream_usage: true }
}

fn answer() -> Answer {
    Answer {
        text: "It is\n\"cold\".".into(),
        reasoning: "Think.".into(),
        tool_calls: vec![ToolCall {
            id: "call_1".into(),
            name: "weather".into(),
            arguments: r#"{"city":"Oslo"}"#.into(),
        }],
        finish: Some(Finish::ToolCalls),
        usage: Some(Usage { input: 12, cache_read: 4, output: 7, ..Usage::default() }),
        ..Answer::default()
    }
}

fn streamed(api: Api) -> String {
    let (mut writer, answer) = (StreamWriter::new(api, head()), answer());
    let bytes = [
        writer.start(12),
        writer.reasoning("Think."),
        writer.text("It is\n"),
        writer.text("\"cold\"."),
        writer.tool_call(&answer.tool_calls[0]),
        writer.finish(Finish::ToolCalls, answer.usage.expect("the fixture has it")),
    ];
    String::from_utf8(bytes.concat()).expect("events are UTF-8")
}

#[test]
fn whole_answers() {
    for api in Api::DIALECTS {
        let body: Value = serde_json::from_slice(&whole(api, &head(), &answer())).unwrap();
        insta::assert_snapshot!(format!("whole-{api}"), serde_json::to_string_pretty(&body).unwrap());
    }
}

#[test]
fn streamed_answers() {
    for api in Api::DIALECTS {
        let text = streamed(api);
        // The snapshot does not show how the last line ends, and clients need the blank line.
        assert!(text.ends_with("}\n\n") || text.ends_with("data: [DONE]\n\n"));
        insta::assert_snapshot!(format!("streamed-{api}"), text);
    }
}

#[test]
fn errors_in_mid_stream() {
    for api in Api::DIALECTS {
        let mut writer = StreamWriter::new(api, head());
        drop(writer.start(12));
        insta::assert_snapshot!(format!("error-{api}"), String::from_utf8(writer.error("the worker ended")).unwrap());
    }
}
