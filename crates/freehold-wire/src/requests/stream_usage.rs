//! Asks a vendor of Chat Completions for the usage of a stream, and leaves every other byte of the request as it is.

use std::ops::Range;

use super::rewrite::Members;

/// Returns the body with `stream_options.include_usage` set.
///
/// `None` where there is nothing to ask: no stream is wanted, the usage is asked for already, or the body is none that
/// can be read.
pub fn with_stream_usage(body: &[u8]) -> Option<Vec<u8>> {
    let members = Members::read(body).ok()?;
    if last(&members, "stream")? != "true" {
        return None;
    }
    let (place, said) = match last(&members, "stream_options") {
        None => (behind_brace(body)?, "\"stream_options\":{\"include_usage\":true},"),
        Some("null") => (range(body, last(&members, "stream_options")?), "{\"include_usage\":true}"),
        Some(options) => in_options(body, options)?,
    };
    let mut rewritten = Vec::with_capacity(body.len() + said.len());
    rewritten.extend_from_slice(&body[..place.start]);
    rewritten.extend_from_slice(said.as_bytes());
    rewritten.extend_from_slice(&body[place.end..]);
    Some(rewritten)
}

/// Returns what to replace within the options, and by what.
fn in_options(body: &[u8], options: &str) -> Option<(Range<usize>, &'static str)> {
    let members = Members::read(options.as_bytes()).ok()?;
    match last(&members, "include_usage") {
        Some("true") => None,
        Some(other) => Some((range(body, other), "true")),
        None => {
            let start = range(body, options).start + behind_brace(options.as_bytes())?.start;
            let said = if members.0.is_empty() { "\"include_usage\":true" } else { "\"include_usage\":true," };
            Some((start..start, said))
        }
    }
}

/// Returns the bytes of a member's value; of repeated names the last one counts.
fn last<'a>(members: &Members<'a>, name: &str) -> Option<&'a str> {
    members.0.iter().rev().find(|(member, _)| member == name).map(|(_, value)| value.get())
}

fn behind_brace(text: &[u8]) -> Option<Range<usize>> {
    let at = text.iter().position(|byte| *byte == b'{')? + 1;
    Some(at..at)
}

/// Returns where a piece that was borrowed from the body lies in it.
fn range(body: &[u8], piece: &str) -> Range<usize> {
    let start = piece.as_ptr().addr() - body.as_ptr().addr();
    start..start + piece.len()
}
