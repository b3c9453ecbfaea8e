//! Recorded requests to real vendors in the other dialects, where the folder with them is at hand.

use std::collections::BTreeMap;

use freehold_wire::translate::{Error, OnLoss, request};
use freehold_wire::{Api, requests};
use serde_json::Value;

use super::meaning;
use crate::real_data::{Line, recorded};

/// Calls `look` for every recorded request of the three dialects; returns how many there were.
fn each(mut look: impl FnMut(&str, Api, &[u8])) -> usize {
    let Some(lines) = recorded() else { return 0 };
    let mut seen = 0;
    for line in lines {
        let line: Line<'_> = serde_json::from_str(&line).expect("each line is JSON");
        let Some(api) = Api::DIALECTS.into_iter().find(|api| api.path() == line.path) else { continue };
        look(line.cassette, api, line.request.get().as_bytes());
        seen += 1;
    }
    assert!(seen > 1_000, "{seen}");
    seen
}

#[test]
fn recorded_requests_are_written_as_they_were_read() {
    let seen = each(|cassette, api, body| {
        let written = requests::write(requests::parse(api, body).unwrap());
        let written: Value = serde_json::from_slice(&written).unwrap();
        let original: Value = serde_json::from_slice(body).unwrap();
        assert!(written == original, "{cassette}: {written:#} instead of {original:#}");
    });
    println!("{seen} requests");
}

#[test]
fn recorded_requests_mean_the_same_in_another_dialect() {
    let mut counts: BTreeMap<(Api, Api), [usize; 2]> = BTreeMap::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let seen = each(|cassette, from, body| {
        for to in super::others(from) {
            let [carried, lossy] = counts.entry((from, to)).or_default();
            let accepted = request(from, to, body, "served", OnLoss::Accept).unwrap();
            let after = requests::read(to, &accepted.body).unwrap();
            assert_eq!(after.api, to);
            match request(from, to, body, "served", OnLoss::Refuse) {
                Ok(translated) => {
                    assert_eq!(translated, accepted);
                    let mut before = requests::read(from, body).unwrap();
                    if to.is_anthropic() && String::from_utf8_lossy(body).contains("allowed_tools") {
                        // Tools that are offered and not allowed are not offered at all.
                        before.tools.retain(|tool| after.tools.contains(tool));
                    }
                    assert_eq!(meaning::of(&after), meaning::of(&before), "{cassette} from {from} to {to}");
                    *carried += 1;
                }
                Err(Error::Unfaithful { field, why, .. }) => {
                    let field: String = field.chars().filter(|c| !c.is_ascii_digit()).collect();
                    *refused.entry(format!("{from} {to} {field}: {why}")).or_default() += 1;
                    assert!(!accepted.lost.is_empty());
                    *lossy += 1;
                }
                Err(error) => panic!("{cassette}: {error}"),
            }
        }
    });
    println!("{seen} requests; carried and refused: {counts:#?}\n{refused:#?}");
    assert!(seen == 0 || counts.values().all(|[carried, _]| *carried > 50), "{counts:?}");
}
