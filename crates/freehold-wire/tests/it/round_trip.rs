//! What is written is read back as it was.

use freehold_wire::stream::{Outcome, Reader};
use freehold_wire::write::{Head, StreamWriter, whole};
use freehold_wire::{Answer, Api, Finish, ToolCall, Usage, answers};
use proptest::prelude::*;

fn prefix(api: Api) -> &'static str {
    match api {
        Api::OpenAiChat => "chatcmpl-",
        Api::OpenAiResponses => "resp_",
        _ => "msg_",
    }
}

fn head(id: &str) -> Head {
    Head { id: id.to_owned(), model: "desk-l".to_owned(), created_s: 1_700_000_000, stream_usage: true }
}

fn tool_calls() -> impl Strategy<Value = Vec<ToolCall>> {
    let arguments = prop::collection::btree_map("[a-z_]{1,8}", ".{0,12}", 0..4)
        .prop_map(|members| serde_json::to_string(&members).expect("strings are JSON"));
    let call = ("[a-zA-Z0-9_-]{1,20}", "[a-zA-Z0-9_-]{1,20}", arguments);
    prop::collection::vec(call.prop_map(|(id, name, arguments)| ToolCall { id, name, arguments }), 0..4)
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let finish = prop_oneof![3 => Just(None), 1 => Just(Some(Finish::Length)), 1 => Just(Some(Finish::Refused))];
    let tokens = || 0_u64..1_000_000;
    let usage = (tokens(), tokens(), tokens(), tokens(), tokens());
    (".{0,60}", ".{0,30}", tool_calls(), finish, usage).prop_map(|(text, reasoning, tool_calls, finish, usage)| {
        // An answer that ended by itself waits for its tools, if it called any.
        let natural = if tool_calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
        let (fresh, cache_read, cache_write, said, thought) = usage;
        let (input, output) = (fresh + cache_read + cache_write, said + thought);
        let usage = Usage { input, cache_read, cache_write, output, reasoning: thought };
        let model = "desk-l".to_owned();
        let finish = Some(finish.unwrap_or(natural));
        Answer { id: String::new(), model, text, reasoning, tool_calls, finish, usage: Some(usage) }
    })
}

/// Cuts a text into pieces at characters.
fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

pub(crate) fn stream(api: Api, head: Head, answer: &Answer, size: usize) -> Vec<u8> {
    let mut writer = StreamWriter::new(api, head);
    let usage = answer.usage.expect("the fixture has it");
    let mut bytes = writer.start(usage.input);
    pieces(&answer.reasoning, size).iter().for_each(|piece| bytes.extend(writer.reasoning(piece)));
    pieces(&answer.text, size).iter().for_each(|piece| bytes.extend(writer.text(piece)));
    answer.tool_calls.iter().for_each(|call| bytes.extend(writer.tool_call(call)));
    bytes.extend(writer.finish(answer.finish.expect("the fixture has it"), usage));
    bytes
}

proptest! {
    #[test]
    fn whole_answers(answer in answer(), without_usage: bool, is_cut: bool) {
        let mut answer = answer;
        if without_usage { answer.usage = None; }
        if is_cut { answer.finish = None; }
        for api in Api::DIALECTS {
            answer.id = format!("{}abc", prefix(api));
            let read = answers::read(api, &whole(api, &head("abc"), &answer)).unwrap();
            prop_assert_eq!(&read, &answer, "{}", api);
        }
    }

    #[test]
    fn streamed_answers(answer in answer(), size in 1usize..20, cut in 1usize..100) {
        let mut answer = answer;
        for api in Api::DIALECTS {
            answer.id = format!("{}abc", prefix(api));
            let bytes = stream(api, head("abc"), &answer, size);
            let mut reader = Reader::new(api);
            bytes.chunks(cut).for_each(|piece| reader.push(piece));
            let expected = Outcome { answer: answer.clone(), is_complete: true, error: None };
            prop_assert_eq!(reader.finish(), expected, "{}", api);
        }
    }
}

#[test]
fn calls_without_an_id_get_one_and_odd_arguments_survive() {
    let call = |arguments: &str| ToolCall { id: String::new(), name: "f".into(), arguments: arguments.into() };
    let answer = Answer {
        tool_calls: vec![call(""), call("not json"), call("[1]")],
        finish: Some(Finish::ToolCalls),
        usage: Some(Usage::default()),
        ..Answer::default()
    };
    for api in Api::DIALECTS {
        let read = answers::read(api, &whole(api, &head("abc"), &answer)).unwrap().tool_calls;
        let mut reader = Reader::new(api);
        reader.push(&stream(api, head("abc"), &answer, 1));
        assert_eq!(reader.finish().answer.tool_calls, read, "{api}");
        let prefix = if api == Api::AnthropicMessages { "toolu_" } else { "call_" };
        let ids: Vec<&str> = read.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, [format!("{prefix}abc_0"), format!("{prefix}abc_1"), format!("{prefix}abc_2")]);
        let arguments: Vec<&str> = read.iter().map(|call| call.arguments.as_str()).collect();
        match api {
            Api::AnthropicMessages => {
                assert_eq!(arguments, ["{}", r#"{"arguments":"not json"}"#, r#"{"arguments":"[1]"}"#]);
            }
            _ => assert_eq!(arguments, ["", "not json", "[1]"]),
        }
    }
}

#[test]
fn errors_in_mid_stream_are_read_back() {
    for api in Api::DIALECTS {
        let mut writer = StreamWriter::new(api, head("abc"));
        let bytes = [writer.start(3), writer.text("Hel"), writer.error("the worker ended")].concat();
        let mut reader = Reader::new(api);
        reader.push(&bytes);
        let outcome = reader.finish();
        assert_eq!((outcome.is_complete, outcome.error.as_deref()), (false, Some("the worker ended")), "{api}");
        assert_eq!(outcome.answer.text, "Hel");
    }
}

#[test]
fn usage_chunk_is_written_when_asked_for_only() {
    let answer =
        Answer { text: "Hi".into(), finish: Some(Finish::Stop), usage: Some(Usage::default()), ..Answer::default() };
    let head = Head { stream_usage: false, ..head("abc") };
    let bytes = stream(Api::OpenAiChat, head, &answer, 9);
    assert!(!String::from_utf8_lossy(&bytes).contains("usage"));
    let mut reader = Reader::new(Api::OpenAiChat);
    reader.push(&bytes);
    assert_eq!(reader.finish().answer.usage, None);
}
