//! Recorded requests to real vendors, where the folder with them is at hand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use freehold_wire::{Api, requests};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A recorded request.
#[derive(Deserialize)]
pub(crate) struct Line<'a> {
    pub(crate) path: &'a str,
    pub(crate) cassette: &'a str,
    #[serde(borrow)]
    pub(crate) request: &'a RawValue,
}

/// Returns the recorded calls, one a line, or says that the test is skipped.
pub(crate) fn recorded() -> Option<impl Iterator<Item = String>> {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    let path = folder.join("wire_cassettes/calls.jsonl");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: {} is not there (set FREEHOLD_REAL_DATA)", path.display());
        return None;
    };
    Some(BufReader::new(file).lines().map(|line| line.expect("the file is text")))
}

#[test]
fn recorded_requests_are_read_and_rewritten() {
    let Some(lines) = recorded() else { return };
    let mut counts: BTreeMap<Api, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for line in lines {
        let line: Line<'_> = serde_json::from_str(&line).unwrap();
        let Some(api) = Api::DIALECTS.into_iter().find(|api| api.path() == line.path) else { continue };
        *counts.entry(api).or_default() += 1;
        let body = line.request.get().as_bytes();
        match requests::read(api, body) {
            Ok(request) => {
                let moved = requests::read(api, &requests::with_model(body, "other").unwrap()).unwrap();
                assert_eq!(moved, freehold_wire::Request { model: "other".into(), ..request.clone() });
                let replay = requests::read(api, &requests::as_replay(api, body, "other").unwrap()).unwrap();
                let expected = freehold_wire::Request { stream: false, stream_usage: false, ..moved };
                assert_eq!(replay, expected);
            }
            Err(error) => faults.push(format!("{}: {error}", line.cassette)),
        }
    }
    println!("read {counts:?}, {} failed", faults.len());
    assert!(counts.len() == 3 && counts.values().sum::<usize>() > 1_000, "{counts:?}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
