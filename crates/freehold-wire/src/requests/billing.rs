//! The line about billing that Claude Code puts in front of its system text.
//!
//! It has another value in each request, so that a server which keeps the state of a prompt's beginning has to read
//! every prompt anew. It means something to Anthropic only.

use std::ops::Range;

use serde_json::value::RawValue;

use super::rewrite::{Members, range};

/// How the line begins, as in `x-anthropic-billing-header: cc_version=2.1.177.01c; cc_entrypoint=cli; cch=36ee5;`.
const START: &str = "x-anthropic-billing-header:";

/// Returns the body of a Messages request without the billing line at the front of its system text; `None` where
/// there is none. All other bytes are unaltered.
///
/// A block that holds nothing else goes with it.
pub fn without_billing_line(body: &[u8]) -> Option<Vec<u8>> {
    // Most bodies have none, and looking for it costs less than reading them.
    std::str::from_utf8(body).ok()?.contains(START).then_some(())?;
    let system = Members::read(body).ok()?.last("system")?;
    let cut = in_text(body, system).or_else(|| in_blocks(body, system))?;
    let mut rest = Vec::with_capacity(body.len());
    rest.extend_from_slice(&body[..cut.start]);
    rest.extend_from_slice(&body[cut.end..]);
    Some(rest)
}

/// Cuts the line from the front of a text.
pub(super) fn cut(text: &mut String) {
    if text.starts_with(START) {
        let end = text.find('\n').map_or(text.len(), |line_break| line_break + 1);
        text.drain(..end);
    }
}

/// Returns where the line stands in a string that begins with it, its line break included.
fn in_text(body: &[u8], text: &RawValue) -> Option<Range<usize>> {
    let said: String = serde_json::from_str(text.get()).ok()?;
    said.starts_with(START).then_some(())?;
    let start = range(body, text).start + 1;
    let length = line_length(&text.get().as_bytes()[1..]);
    Some(start..start + length)
}

/// Returns how many bytes of a spelt string belong to its first line; the quote that ends it does not.
fn line_length(spelt: &[u8]) -> usize {
    let mut at = 0;
    while at < spelt.len() && spelt[at] != b'"' {
        let escape = &spelt[at..];
        if escape.starts_with(br"\n") {
            return at + 2;
        }
        if escape.len() >= 6 && escape[..6].eq_ignore_ascii_case(br"\u000a") {
            return at + 6;
        }
        at += if escape[0] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Returns where the line stands in a list of blocks whose first one begins with it.
fn in_blocks(body: &[u8], blocks: &RawValue) -> Option<Range<usize>> {
    let blocks: Vec<&RawValue> = serde_json::from_str(blocks.get()).ok()?;
    let first = blocks.first()?;
    let text = Members::read(first.get().as_bytes()).ok()?.last("text")?;
    let line = in_text(body, text)?;
    let text_end = range(body, text).end - 1;
    if line.end < text_end {
        return Some(line);
    }
    let block = range(body, first);
    let end = blocks.get(1).map_or(block.end, |second| range(body, second).start);
    Some(block.start..end)
}
