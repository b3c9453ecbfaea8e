//! Asks a vendor of Chat Completions for the usage of a stream, and leaves every other byte of the request as it is.

use std::ops::Range;

use serde_json::value::RawValue;

use super::rewrite::{Members, range};

/// Returns the body with `stream_options.include_usage` set.
///
/// `None` where there is nothing to ask: no stream is wanted, the usage is asked for already, or the body is none that
/// can be read.
pub fn with_stream_usage(body: &[u8]) -> Option<Vec<u8>> {
    let members = Members::read(body).ok()?;
    if members.last("stream")?.get() != "true" {
        return None;
    }
    let (place, said) = match members.last("stream_options") {
        None => (behind_brace(body)?, "\"stream_options\":{\"include_usage\":true},"),
        Some(null) if null.get() == "null" => (range(body, null), "{\"include_usage\":true}"),
        Some(options) => in_options(body, options)?,
    };
    let mut rewritten = Vec::with_capacity(body.len() + said.len());
    rewritten.extend_from_slice(&body[..place.start]);
    rewritten.extend_from_slice(said.as_bytes());
    rewritten.extend_from_slice(&body[place.end..]);
    Some(rewritten)
}

/// Returns what to replace within the options, and by what.
fn in_options(body: &[u8], options: &RawValue) -> Option<(Range<usize>, &'static str)> {
    let members = Members::read(options.get().as_bytes()).ok()?;
    match members.last("include_usage") {
        Some(said) if said.get() == "true" => None,
        Some(other) => Some((range(body, other), "true")),
        None => {
            let start = range(body, options).start + behind_brace(options.get().as_bytes())?.start;
            let said = if members.0.is_empty() { "\"include_usage\":true" } else { "\"include_usage\":true," };
            Some((start..start, said))
        }
    }
}

fn behind_brace(text: &[u8]) -> Option<Range<usize>> {
    let at = text.iter().position(|byte| *byte == b'{')? + 1;
    Some(at..at)
}
