//! Finds what is to be masked in server-sent events, where a text comes in fragments: an address is seldom in one event.
//!
//! The fragments of one text are joined, searched, and the match is taken out of each fragment; its mark goes into the first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::find::{self, Decoded};
use super::{Rules, Span, settled};

/// The member below which fragments lie, in each dialect.
const DELTA: &str = "delta";
/// Members that tell the texts of one stream apart.
const INDEXES: &[&str] = &["index", "output_index", "content_index", "summary_index", "item_id"];
/// Members that are names, not fragments.
const NAMES: &[&str] = &["type", "role", "id"];

/// A string of the stream: where its inside begins, and its text.
struct Fragment<'b> {
    start: usize,
    decoded: Decoded<'b>,
}

#[derive(Default)]
struct Texts<'b> {
    /// The fragments of each text, by its name.
    joined: BTreeMap<String, Vec<Fragment<'b>>>,
    whole: Vec<Fragment<'b>>,
}

/// Returns what is to be masked in a stream, in order and apart.
pub(super) fn spans(rules: &Rules, body: &[u8]) -> Vec<Span> {
    let Ok(text) = std::str::from_utf8(body) else { return find::in_body(rules, body) };
    let mut texts = Texts::default();
    let mut spans = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let data = line.strip_prefix("data:").map(str::trim);
        match data.map(serde_json::from_str::<&RawValue>) {
            Some(Ok(raw)) => texts.take(raw.get(), text, &Way::default()),
            _ => {
                let found = find::in_text(rules, line, 0).into_iter();
                spans.extend(found.map(|span| Span { range: at + span.range.start..at + span.range.end, ..span }));
            }
        }
        at += line.len();
    }
    for fragment in texts.whole {
        spans.extend(in_fragments(rules, &[fragment]));
    }
    for fragments in texts.joined.values() {
        spans.extend(in_fragments(rules, fragments));
    }
    settled(spans)
}

/// The way to a value of an event.
#[derive(Default, Clone)]
struct Way {
    name: String,
    is_below_delta: bool,
    is_a_name: bool,
}

impl<'b> Texts<'b> {
    /// Takes the strings of a value; `body` is the text that the value lies in.
    fn take(&mut self, value: &'b str, body: &str, way: &Way) {
        match value.as_bytes().first() {
            Some(b'"') => {
                let inside = &value[1..value.len() - 1];
                // The value was borrowed from the body, so the difference of the addresses is its place.
                let start = inside.as_ptr() as usize - body.as_ptr() as usize;
                let Some(decoded) = Decoded::new(inside) else { return };
                let fragment = Fragment { start, decoded };
                if way.is_below_delta && !way.is_a_name {
                    self.joined.entry(way.name.clone()).or_default().push(fragment);
                } else {
                    self.whole.push(fragment);
                }
            }
            Some(b'{') => {
                let Ok(members) = serde_json::from_str::<Members<'b>>(value) else { return };
                let mut inner = way.clone();
                for (key, value) in members.0.iter().filter(|(key, _)| INDEXES.contains(&key.as_str())) {
                    write!(inner.name, "/{key}={}", value.get()).expect("a String takes all text");
                }
                for (key, value) in &members.0 {
                    self.take(value.get(), body, &inner.member(key));
                }
            }
            Some(b'[') => {
                let Ok(items) = serde_json::from_str::<Vec<&'b RawValue>>(value) else { return };
                items.iter().for_each(|item| self.take(item.get(), body, way));
            }
            _ => {}
        }
    }
}

impl Way {
    fn member(&self, key: &str) -> Way {
        Way {
            name: format!("{}/{key}", self.name),
            is_below_delta: self.is_below_delta || key == DELTA,
            is_a_name: NAMES.contains(&key),
        }
    }
}

/// Returns what is to be masked in a text that comes in fragments.
fn in_fragments(rules: &Rules, fragments: &[Fragment<'_>]) -> Vec<Span> {
    let joined: Cow<'_, str> = match fragments {
        [one] => Cow::Borrowed(&one.decoded.text),
        many => Cow::Owned(many.iter().map(|fragment| fragment.decoded.text.as_ref()).collect()),
    };
    let found = settled(find::in_text(rules, &joined, 1));
    let mut spans = Vec::new();
    let mut from = 0;
    for fragment in fragments {
        let to = from + fragment.decoded.text.len();
        for span in found.iter().filter(|span| span.range.start < to && span.range.end > from) {
            let part = span.range.start.max(from) - from..span.range.end.min(to) - from;
            let place: Range<usize> = fragment.decoded.place(&part);
            let mark = if span.range.start >= from { span.mark } else { "" };
            spans.push(Span { range: fragment.start + place.start..fragment.start + place.end, mark });
        }
        from = to;
    }
    spans
}

/// The members of an object in their order, with those that come twice.
struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
