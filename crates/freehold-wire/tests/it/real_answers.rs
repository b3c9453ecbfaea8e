//! Recorded answers of real vendors, where the folder with them is at hand: carried to every dialect and read back.

use std::collections::{BTreeMap, BTreeSet};

use freehold_wire::stream::Reader;
use freehold_wire::translate::{self, Stream};
use freehold_wire::write::{Head, StreamWriter, whole};
use freehold_wire::{Answer, Api, Finish, ToolCall, Usage, answers, estimate};
use serde::Deserialize;
use serde_json::Value;

use crate::real_data::recorded;

#[derive(Deserialize)]
struct Line {
    path: String,
    status: u16,
    response: Option<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    tool_calls: Vec<RecordedCall>,
}

#[derive(Deserialize)]
struct RecordedCall {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    args: Value,
}

fn head() -> Head {
    Head { id: "abc".to_owned(), model: "served".to_owned(), created_s: 1_700_000_000, stream_usage: true }
}

fn answer(recorded: Recorded) -> Answer {
    let call = |call: RecordedCall| ToolCall {
        id: call.id.unwrap_or_default(),
        name: call.name.unwrap_or_default(),
        arguments: call.args.as_str().map_or_else(|| call.args.to_string(), str::to_owned),
    };
    let tool_calls: Vec<ToolCall> = recorded.tool_calls.into_iter().map(call).collect();
    let text = recorded.text.unwrap_or_default();
    let output = estimate::tokens(&text);
    Answer {
        finish: Some(if tool_calls.is_empty() { Finish::Stop } else { Finish::ToolCalls }),
        usage: Some(Usage { input: 10, output, ..Usage::default() }),
        text,
        tool_calls,
        ..Answer::default()
    }
}

/// Spells the answer as a vendor would stream it, cut where sentences end.
fn streamed(api: Api, answer: &Answer) -> Vec<u8> {
    let mut writer = StreamWriter::new(api, head());
    let mut bytes = writer.start(10);
    answer.text.split_inclusive(['.', '\n']).for_each(|piece| bytes.extend(writer.text(piece)));
    for call in &answer.tool_calls {
        bytes.extend(writer.begin_tool_call(&call.id, &call.name, freehold_wire::stream::ToolKind::Function));
        call.arguments.split_inclusive(',').for_each(|piece| bytes.extend(writer.tool_call_arguments(piece)));
        bytes.extend(writer.end_tool_call());
    }
    bytes.extend(writer.finish(answer.finish.expect("it is set"), answer.usage.expect("it is set")));
    bytes
}

/// Returns the answer without its id, arguments as a value: a whole answer of Anthropic's has no spelling of them.
fn comparable(answer: Answer) -> (Answer, Vec<Option<Value>>) {
    let values = answer.tool_calls.iter().map(|call| serde_json::from_str(&call.arguments).ok()).collect();
    let unspelt = |call: ToolCall| ToolCall { arguments: String::new(), ..call };
    let tool_calls = answer.tool_calls.into_iter().map(unspelt).collect();
    (Answer { id: String::new(), tool_calls, ..answer }, values)
}

fn check(from: Api, recorded: &Answer) {
    let body = whole(from, &head(), recorded);
    let stream = streamed(from, recorded);
    let expected = answers::read(from, &body).expect("it was written here");
    assert_eq!(
        (expected.text.as_str(), expected.tool_calls.len()),
        (recorded.text.as_str(), recorded.tool_calls.len())
    );
    for to in Api::DIALECTS.into_iter().filter(|to| *to != from) {
        let carried = translate::answer(from, to, &head(), &body).expect("it is an answer");
        let read = answers::read(to, &carried).expect("it is an answer");
        assert_eq!(comparable(read), comparable(expected.clone()), "{from} to {to}");

        let mut translator = Stream::new(from, to, head());
        let mut reader = Reader::new(to);
        stream.chunks(997).for_each(|piece| reader.push(&translator.push(piece)));
        reader.push(&translator.finish());
        let outcome = reader.finish();
        assert!(outcome.is_complete, "{from} to {to}: {:?}", outcome.error);
        assert_eq!(comparable(outcome.answer), comparable(expected.clone()), "{from} to {to}, streamed");
    }
}

#[test]
fn recorded_answers_arrive_in_every_dialect() {
    let Some(lines) = recorded() else { return };
    let mut counts: BTreeMap<Api, usize> = BTreeMap::new();
    let mut calls = 0;
    let mut seen = BTreeSet::new();
    for line in lines {
        let line: Line = serde_json::from_str(&line).expect("lines are JSON");
        let Some(from) = Api::DIALECTS.into_iter().find(|api| api.path() == line.path) else { continue };
        let Some(recorded) = line.response.filter(|_| line.status == 200).map(answer) else { continue };
        // The same test ran in more than one way.
        if !seen.insert((from, recorded.text.clone(), format!("{:?}", recorded.tool_calls))) {
            continue;
        }
        *counts.entry(from).or_default() += 1;
        calls += recorded.tool_calls.len();
        check(from, &recorded);
    }
    println!("carried {counts:?} with {calls} tool calls");
    assert!(counts.len() == 3 && counts.values().sum::<usize>() > 1_000 && calls > 300, "{counts:?} {calls}");
}
