//! Recorded traffic of real applications through the gateway: what comes out on either side is what went in, byte for byte.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use freehold_wire::write::{self, Head, StreamWriter};
use freehold_wire::{Answer, Api, Finish, ToolCall, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::caller::{self, Piece};
use crate::house::{self, House};
use crate::mock::Mock;

#[derive(Deserialize)]
struct Line<'a> {
    path: &'a str,
    cassette: &'a str,
    headers: BTreeMap<String, String>,
    status: u16,
    #[serde(borrow)]
    request: &'a RawValue,
    response: Recorded,
}

#[derive(Deserialize)]
struct Recorded {
    id: Option<String>,
    text: Option<String>,
    #[serde(default)]
    tool_calls: Vec<RecordedToolCall>,
    streamed: bool,
}

#[derive(Deserialize)]
struct RecordedToolCall {
    id: Option<String>,
    name: Option<String>,
    args: Value,
}

/// What the vendor says: the recorded answer, spelt in its dialect.
enum Said {
    Whole(Vec<u8>),
    Events(String),
}

impl Recorded {
    fn answer(self) -> Answer {
        let call = |call: RecordedToolCall| ToolCall {
            id: call.id.unwrap_or_default(),
            name: call.name.unwrap_or_default(),
            arguments: call.args.as_str().map_or_else(|| call.args.to_string(), str::to_owned),
        };
        Answer {
            id: self.id.unwrap_or_default(),
            text: self.text.unwrap_or_default(),
            tool_calls: self.tool_calls.into_iter().map(call).collect(),
            finish: Some(Finish::Stop),
            usage: Some(Usage { input: 1, output: 1, ..Usage::default() }),
            ..Answer::default()
        }
    }

    fn said(self, api: Api) -> Said {
        let head = Head {
            id: self.id.clone().unwrap_or_default(),
            model: "recorded".to_owned(),
            created_s: 1_700_000_000,
            stream_usage: true,
        };
        let is_streamed = self.streamed;
        let answer = self.answer();
        if !is_streamed {
            return Said::Whole(write::whole(api, &head, &answer));
        }
        let mut writer = StreamWriter::new(api, head);
        let mut events = writer.start(1);
        events.extend(writer.text(&answer.text));
        for call in &answer.tool_calls {
            events.extend(writer.tool_call(call));
        }
        events.extend(writer.finish(Finish::Stop, answer.usage.unwrap_or_default()));
        Said::Events(String::from_utf8(events).unwrap())
    }
}

#[test]
fn recorded_calls_pass_unaltered_in_both_directions() {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    let path = folder.join("wire_cassettes/calls.jsonl");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: {} is not there (set FREEHOLD_REAL_DATA)", path.display());
        return;
    };
    let lines: Vec<String> = BufReader::new(file).lines().map(Result::unwrap).collect();
    house::run(async move {
        let mut vendor = Mock::start().await;
        let mut config = house::config(vec![house::upstream("vendor", vendor.addr, &Api::DIALECTS)]);
        config.record_wait = std::time::Duration::ZERO;
        let house = House::new(config).await;
        let mut passed: BTreeMap<(Api, bool), usize> = BTreeMap::new();
        for line in &lines {
            let line: Line<'_> = serde_json::from_str(line).unwrap();
            let Some(api) = Api::DIALECTS.into_iter().find(|api| api.path() == line.path) else { continue };
            *passed.entry((api, line.response.streamed)).or_default() += 1;
            exchange(&house, &mut vendor, (api, line)).await;
        }
        println!("passed (dialect, streamed): {passed:?}");
        assert!(passed.values().sum::<usize>() > 1_000, "{passed:?}");
    });
}

/// Sends one recorded call and compares both sides.
async fn exchange(house: &House, vendor: &mut Mock, (api, line): (Api, Line<'_>)) {
    let hop = ["host", "connection", "transfer-encoding", "content-length", "accept-encoding"];
    let headers: Vec<(&String, &String)> =
        line.headers.iter().filter(|(name, _)| !hop.contains(&name.as_str())).collect();
    let header_lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let body = line.request.get();
    let socket = caller::send(house.addr, caller::posted(line.path, &header_lines, body.as_bytes())).await;
    let mut exchange = vendor.next().await;
    assert_eq!(exchange.body, body.as_bytes(), "{}: the request was altered", line.cassette);
    for (name, value) in headers {
        assert_eq!(exchange.header(name), Some(value.trim()), "{}: header {name}", line.cassette);
    }
    let expected = match line.response.said(api) {
        Said::Whole(bytes) => {
            let status = format!("{} Recorded", line.status);
            exchange.whole(&status, "content-type: application/json\r\n", &bytes).await;
            bytes
        }
        Said::Events(events) => {
            let half = events.floor_char_boundary(events.len() / 2);
            exchange.begin_stream(&events[..half]).await;
            exchange.chunk(&events[half..]).await;
            exchange.end().await;
            events.into_bytes()
        }
    };
    let mut reply = caller::Reply::read(socket).await;
    assert_eq!(reply.status, line.status, "{}", line.cassette);
    let (received, end) = reply.body().await;
    assert_eq!((received, end), (expected, Piece::End), "{}: the answer was altered", line.cassette);
}
