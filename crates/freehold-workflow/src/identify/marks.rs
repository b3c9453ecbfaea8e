//! Explicit marks: names that callers give, cleaned, and the trace id of a `traceparent`.

use freehold_wire::Request;

/// The most characters of a step's name.
pub const STEP_CHARS_MAX: usize = 64;

/// The most characters of a run's name.
pub const RUN_CHARS_MAX: usize = 128;

/// Returns the value of a metadata entry; of repeated names the last one counts.
pub(super) fn field<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.metadata.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Cleans a step's name, which becomes part of addresses, headers and commands.
pub(super) fn step_name(given: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    let name = given.trim().chars().take(STEP_CHARS_MAX);
    let name: String = name.map(|c| if is_plain(c) { c } else { '-' }).collect();
    (!name.is_empty()).then_some(name)
}

/// Cleans a run's name, which is only ever compared and shown.
pub(super) fn run_name(given: &str) -> Option<String> {
    let name: String = given.trim().chars().filter(|c| !c.is_control()).take(RUN_CHARS_MAX).collect();
    (!name.is_empty()).then_some(name)
}

/// Returns the trace id of a valid `traceparent` (W3C Trace Context, level 1, section 3.2).
///
/// Versions above `00` may carry more after the flags; version `ff` and ids of only zeros are invalid.
pub(super) fn trace_id(traceparent: &str) -> Option<&str> {
    let mut fields = traceparent.trim().split('-');
    let [version, trace, parent, flags] = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || fields.next().is_none())
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2);
    (is_valid && is_set(trace) && is_set(parent)).then_some(trace)
}
