//! Reads one tool call, or a list of them, piece by piece: the name as soon as it is known, the arguments as they come.
//!
//! What turns out to be no call is given back untouched, unless its arguments had already begun.

use serde_json::Value;

use crate::worker::output::family::{Body, Members};
use crate::worker::output::json_scan::Extent;

/// How long what stands before the arguments may be, in bytes, before it is said to be no call.
const LEAD_BYTES_MAX: usize = 1 << 18;

/// What was found in a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A call begins.
    Name(String),
    /// A piece of its arguments.
    Arguments(String),
    /// The call ends.
    End,
}

/// How a piece ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// More is to come.
    GoesOn,
    /// It is read; this followed.
    Over(String),
    /// It is no call but this text.
    NoCall(String),
}

#[derive(Debug)]
enum State {
    /// Before the arguments.
    Lead,
    /// Within the arguments.
    Arguments(Extent),
    /// After the arguments, within the call's own object.
    Rest(Extent),
    /// Between the calls of a list.
    Between,
}

/// Reads what stands between the markers of a call.
#[derive(Debug)]
pub(super) struct CallReader {
    body: Body,
    among: Vec<String>,
    state: State,
    /// What has come and is not told yet.
    held: String,
    /// Whether a list was opened.
    in_list: bool,
    /// Whether a call was told.
    has_told: bool,
}

/// What the beginning of a call's body says.
enum Lead {
    More,
    NoCall,
    /// Arguments begin at this place of the body.
    Begins(String, usize),
    /// All of it, and where it ends.
    Whole(String, String, usize),
}

impl CallReader {
    /// Begins to read a call; where `among` names any tool, what calls another one is no call.
    pub(super) fn new(body: Body, among: &[String]) -> CallReader {
        let among = among.to_vec();
        CallReader { body, among, state: State::Lead, held: String::new(), in_list: false, has_told: false }
    }

    /// Returns whether the arguments of a call are under way.
    pub(super) fn is_amid_arguments(&self) -> bool {
        matches!(self.state, State::Arguments(_))
    }

    /// Returns what was held back at the end of the answer, where no call came of it.
    pub(super) fn untold(self) -> Option<String> {
        (!self.has_told).then(|| self.unread(&self.held))
    }

    /// Takes a piece, and adds to `found` what it tells.
    pub(super) fn push(&mut self, piece: &str, found: &mut Vec<Found>) -> Reading {
        self.held.push_str(piece);
        loop {
            let goes_on = match &self.state {
                State::Lead => match self.read_lead(found) {
                    Ok(goes_on) => goes_on,
                    Err(reading) => return reading,
                },
                State::Arguments(_) => self.read_arguments(found),
                State::Rest(_) => self.read_rest(),
                State::Between => match self.read_between() {
                    Ok(goes_on) => goes_on,
                    Err(reading) => return reading,
                },
            };
            if !goes_on {
                return Reading::GoesOn;
            }
        }
    }

    /// Goes past the bracket of a list; returns whether more is needed for that.
    fn is_before_list(&mut self) -> bool {
        if self.in_list || !matches!(self.body, Body::List(_)) {
            return false;
        }
        let start = self.held.trim_start();
        // One call is sometimes written without the list.
        if let Some(inner) = start.strip_prefix('[') {
            self.held = inner.to_owned();
            self.in_list = true;
            return false;
        }
        start.is_empty()
    }

    fn read_lead(&mut self, found: &mut Vec<Found>) -> Result<bool, Reading> {
        if self.is_before_list() {
            return Ok(false);
        }
        let lead = match self.body {
            Body::Object(members) | Body::List(members) => object_lead(&self.held, members),
            Body::Named { prefix, separator, aside } => named_lead(&self.held, prefix, (separator, aside)),
        };
        let is_other = |name: &String| !self.among.is_empty() && !self.among.contains(name);
        let lead = match lead {
            Lead::Begins(name, _) | Lead::Whole(name, ..) if is_other(&name) => Lead::NoCall,
            lead => lead,
        };
        match lead {
            Lead::More if self.held.len() <= LEAD_BYTES_MAX => Ok(false),
            Lead::More | Lead::NoCall => {
                let text = std::mem::take(&mut self.held);
                Err(if self.has_told { Reading::Over(text) } else { Reading::NoCall(self.unread(&text)) })
            }
            Lead::Begins(name, at) => {
                self.has_told = true;
                found.push(Found::Name(name));
                self.held.drain(..at);
                self.state = State::Arguments(Extent::default());
                Ok(true)
            }
            Lead::Whole(name, arguments, end) => {
                self.has_told = true;
                found.extend([Found::Name(name), Found::Arguments(arguments), Found::End]);
                self.held.drain(..end);
                self.state = State::Between;
                Ok(true)
            }
        }
    }

    /// Puts back the bracket of a list that holds no call.
    fn unread(&self, text: &str) -> String {
        if self.in_list { format!("[{text}") } else { text.to_owned() }
    }

    fn read_arguments(&mut self, found: &mut Vec<Found>) -> bool {
        let State::Arguments(extent) = &mut self.state else { return false };
        let end = extent.feed(&self.held);
        let rest = self.held.split_off(end.unwrap_or(self.held.len()));
        let piece = std::mem::replace(&mut self.held, rest);
        if !piece.is_empty() {
            found.push(Found::Arguments(piece));
        }
        if end.is_none() {
            return false;
        }
        found.push(Found::End);
        self.state = match self.body {
            Body::Named { .. } => State::Between,
            Body::Object(_) | Body::List(_) => State::Rest(Extent::within_one()),
        };
        true
    }

    fn read_rest(&mut self) -> bool {
        let State::Rest(extent) = &mut self.state else { return false };
        match extent.feed(&self.held) {
            Some(end) => {
                self.held.drain(..end);
                self.state = State::Between;
                true
            }
            None => {
                self.held.clear();
                false
            }
        }
    }

    fn read_between(&mut self) -> Result<bool, Reading> {
        if !self.in_list {
            return Err(Reading::Over(std::mem::take(&mut self.held)));
        }
        let start = self.held.trim_start();
        match start.chars().next() {
            None => Ok(false),
            Some(',') => {
                self.held = start[1..].to_owned();
                self.state = State::Lead;
                Ok(true)
            }
            Some(']') => Err(Reading::Over(start[1..].to_owned())),
            Some(_) => Err(Reading::Over(std::mem::take(&mut self.held))),
        }
    }
}

/// What comes next in an object.
enum Member {
    More,
    Broken,
    /// The object ends before this place.
    End(usize),
    /// A member with this key, whose value begins at this place.
    Key(String, usize),
}

/// Reads an object up to its arguments, or all of it where the arguments come before the name or are absent.
fn object_lead(body: &str, members: Members) -> Lead {
    let Some(mut at) = after_spaces(body, 0) else { return Lead::More };
    if body.as_bytes()[at] != b'{' {
        return Lead::NoCall;
    }
    at += 1;
    let (mut name, mut arguments): (Option<String>, _) = (None, None);
    loop {
        let (key, from) = match next_member(body, at) {
            Member::More => return Lead::More,
            Member::Broken => return Lead::NoCall,
            Member::End(end) => {
                let Some(name) = name else { return Lead::NoCall };
                return Lead::Whole(name, arguments.unwrap_or_else(|| "{}".to_owned()), end);
            }
            Member::Key(key, from) => (key, from),
        };
        let holds_arguments = [members.arguments, "arguments", "parameters"].contains(&key.as_str());
        if holds_arguments && body.as_bytes()[from] == b'{' && name.is_some() {
            return Lead::Begins(name.unwrap_or_default(), from);
        }
        let Some(length) = Extent::default().feed(&body[from..]) else { return Lead::More };
        let value = &body[from..from + length];
        at = from + length;
        if key == members.name || key == "name" {
            name = string_of(value).filter(|said| !said.is_empty());
            if name.is_none() {
                return Lead::NoCall;
            }
        } else if holds_arguments {
            arguments = Some(as_arguments(value));
        }
    }
}

fn next_member(body: &str, at: usize) -> Member {
    let Some(mut at) = after_spaces(body, at) else { return Member::More };
    if body.as_bytes()[at] == b',' {
        let Some(next) = after_spaces(body, at + 1) else { return Member::More };
        at = next;
    }
    match body.as_bytes()[at] {
        b'}' => return Member::End(at + 1),
        b'"' => {}
        _ => return Member::Broken,
    }
    let Some(length) = Extent::default().feed(&body[at..]) else { return Member::More };
    let Some(key) = string_of(&body[at..at + length]) else { return Member::Broken };
    let Some(colon) = after_spaces(body, at + length) else { return Member::More };
    if body.as_bytes()[colon] != b':' {
        return Member::Broken;
    }
    after_spaces(body, colon + 1).map_or(Member::More, |from| Member::Key(key, from))
}

/// Returns the place of the first byte from `at` that is no white space.
fn after_spaces(body: &str, at: usize) -> Option<usize> {
    body.as_bytes()[at..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|skipped| at + skipped)
}

/// Returns the text that a JSON string spells.
fn string_of(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// Returns arguments that came whole: those that are a text of JSON are that JSON.
fn as_arguments(value: &str) -> String {
    match serde_json::from_str(value) {
        Ok(Value::Null) => "{}".to_owned(),
        Ok(Value::String(text)) if text.trim_start().starts_with('{') => text,
        _ => value.to_owned(),
    }
}

/// Reads a name that stands between a prefix and a separator.
fn named_lead(body: &str, prefix: &str, (separator, aside): (&str, &str)) -> Lead {
    let body_at = body.len() - body.trim_start().len();
    let start = &body[body_at..];
    let Some(rest) = start.strip_prefix(prefix) else {
        return if prefix.starts_with(start) { Lead::More } else { Lead::NoCall };
    };
    let Some((name, after)) = rest.split_once(separator) else {
        return if rest.len() > 256 { Lead::NoCall } else { Lead::More };
    };
    let name = name.trim();
    let name = name.strip_suffix(aside).unwrap_or(name).trim_end();
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '<' | '['));
    let arguments = after.trim_start();
    match arguments.chars().next() {
        _ if !is_name => Lead::NoCall,
        None => Lead::More,
        Some('{') => Lead::Begins(name.to_owned(), body.len() - arguments.len()),
        Some(_) => Lead::NoCall,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGUMENTS: Members = Members { name: "name", arguments: "arguments" };

    /// Reads `whole` in pieces of `size` characters; returns calls as `name(arguments)` and how it ended.
    fn read(body: Body, whole: &str, size: usize) -> (Vec<String>, Reading) {
        let characters: Vec<char> = whole.chars().collect();
        let (mut reader, mut calls, mut pieces) = (CallReader::new(body, &[]), Vec::new(), characters.chunks(size));
        while let Some(piece) = pieces.next() {
            let mut found = Vec::new();
            let reading = reader.push(&piece.iter().collect::<String>(), &mut found);
            for found in found {
                match found {
                    Found::Name(name) => calls.push(format!("{name}(")),
                    Found::Arguments(piece) => *calls.last_mut().unwrap() += &piece,
                    Found::End => *calls.last_mut().unwrap() += ")",
                }
            }
            let rest: String = pieces.clone().flatten().collect();
            match reading {
                Reading::GoesOn => {}
                Reading::Over(after) => return (calls, Reading::Over(after + &rest)),
                Reading::NoCall(text) => return (calls, Reading::NoCall(text + &rest)),
            }
        }
        (calls, Reading::GoesOn)
    }

    #[test]
    fn calls_of_every_shape_are_read_however_they_are_cut() {
        let object = Body::Object(ARGUMENTS);
        let named = Body::Named { prefix: "function<sep>", separator: "\n```json\n", aside: "" };
        for (body, whole, calls, after) in [
            (
                object,
                " {\"name\": \"a\", \"arguments\": {\"x\": \"}ü\\\"\"}} tail",
                vec!["a({\"x\": \"}ü\\\"\"})"],
                " tail",
            ),
            (object, "{\"arguments\": {\"x\": [1]}, \"name\": \"a\"}", vec!["a({\"x\": [1]})"], ""),
            (object, "{\"id\": 7, \"name\": \"a\", \"arguments\": {}, \"more\": {\"y\": 1}}.", vec!["a({})"], "."),
            (object, "{\"name\": \"a\", \"arguments\": \"{\\\"x\\\": 1}\"}", vec!["a({\"x\": 1})"], ""),
            (object, "{\"name\": \"a\", \"parameters\": null}", vec!["a({})"], ""),
            (
                Body::List(ARGUMENTS),
                "[{\"name\": \"a\", \"arguments\": {\"x\": 1}}, {\"name\": \"b\"}] end",
                vec!["a({\"x\": 1})", "b({})"],
                " end",
            ),
            (named, "function<sep>find\n```json\n{\"x\": {}}\n```", vec!["find({\"x\": {}})"], "\n```"),
        ] {
            for size in 1..whole.chars().count() {
                let (read, reading) = read(body, whole, size);
                assert_eq!(read, calls, "{whole} {size}");
                assert_eq!(reading, Reading::Over(after.to_owned()), "{whole} {size}");
            }
        }
    }

    #[test]
    fn what_is_no_call_comes_back_untouched() {
        for (body, whole) in [
            (Body::Object(ARGUMENTS), "not json"),
            (Body::Object(ARGUMENTS), "{\"other\": 1} and on"),
            (Body::Object(ARGUMENTS), "{\"name\": 1}"),
            (Body::List(ARGUMENTS), "[1, 2]"),
            (Body::Named { prefix: "", separator: ">", aside: "" }, "a b>{}"),
        ] {
            for size in 1..=whole.len() {
                assert_eq!(read(body, whole, size), (Vec::new(), Reading::NoCall(whole.to_owned())), "{size}");
            }
        }
    }

    #[test]
    fn arguments_are_told_before_they_are_whole() {
        let mut reader = CallReader::new(Body::Object(ARGUMENTS), &[]);
        let mut found = Vec::new();
        reader.push("{\"name\": \"a\", \"arguments\": {\"x\": \"lo", &mut found);
        assert_eq!(found, [Found::Name("a".into()), Found::Arguments("{\"x\": \"lo".into())]);
        assert!(reader.is_amid_arguments());
    }
}
