//! Responses requests as they are spelt.

use serde_json::Value;

use super::{
    Arguments, Call, Draft, Function, Members, Piece, Place, Said, Shape, Source, Speaker, Tool, Turn, has_text,
    put_kind, put_text, take_list, take_text, word,
};
use crate::Api;

pub(super) fn read(mut rest: Members) -> Draft {
    let model = take_text(&mut rest, "model");
    let system = take_text(&mut rest, "instructions").map(Said::text);
    let (turns, turns_shape) = match rest.get("input") {
        Some(Value::String(_)) => {
            let said = Said::text(take_text(&mut rest, "input").unwrap_or_default());
            (vec![Turn { speaker: Speaker::User, said, rest: Members::new() }], Shape::Text)
        }
        Some(Value::Array(_)) => {
            let items = take_list(&mut rest, "input").unwrap_or_default();
            (items.into_iter().map(item).collect(), Shape::List)
        }
        _ => (Vec::new(), Shape::Absent),
    };
    let tools = super::take_tools(&mut rest, tool);
    Draft { api: Api::OpenAiResponses, model, system, turns, turns_shape, tools, rest }
}

pub(super) fn write(draft: Draft) -> Members {
    let mut members = Members::new();
    put_text(&mut members, "model", draft.model);
    if let Some(system) = draft.system {
        system.put(&mut members, "instructions", |piece| put_part(piece, Speaker::System));
    }
    match draft.turns_shape {
        Shape::Absent => {}
        Shape::Text => {
            let text = draft.turns.into_iter().flat_map(|turn| turn.said.pieces).map(Piece::into_text).collect();
            members.insert("input".into(), Value::String(text));
        }
        Shape::List | Shape::Piece => {
            members.insert("input".into(), draft.turns.into_iter().map(put_item).collect());
        }
    }
    super::put_tools(&mut members, draft.tools, put_tool);
    members.extend(draft.rest);
    members
}

fn item(value: Value) -> Turn {
    let Value::Object(mut rest) = value else { return Turn::unread(value) };
    if !matches!(rest.get("type"), None | Some(Value::Null)) && word(&rest, "type") != "message" {
        return lone(rest);
    }
    let speaker = match word(&rest, "role") {
        "system" => Speaker::System,
        "developer" => Speaker::Developer,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        _ => return Turn::unread(Value::Object(rest)),
    };
    rest.shift_remove("role");
    let said = Said::take(&mut rest, "content", part);
    Turn { speaker, said, rest }
}

/// Reads an item that is no message.
fn lone(mut rest: Members) -> Turn {
    let (speaker, piece) = match word(&rest, "type") {
        "function_call" => (Speaker::Assistant, super::attempt(rest, function_call)),
        "function_call_output" if has_text(&rest, "call_id") => {
            let id = take_text(&mut rest, "call_id").unwrap_or_default();
            let said = Said::take(&mut rest, "output", part);
            (Speaker::Tool, Piece::Result { id, said, rest })
        }
        "reasoning" => {
            let text = reasoning_text(&rest);
            (Speaker::Assistant, Piece::Thinking { text, place: Place::Content, rest })
        }
        _ => (Speaker::Assistant, Piece::other(rest.into())),
    };
    Turn { speaker, said: Said::piece(piece), rest: Members::new() }
}

/// Returns the reasoning's own text where it is shown, else its summary; the item itself is kept whole.
fn reasoning_text(item: &Members) -> String {
    let texts = |name: &str| {
        let parts = item.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
        texts.join("\n\n")
    };
    let own = texts("content");
    if own.is_empty() { texts("summary") } else { own }
}

fn function_call(mut rest: Members) -> Option<Piece> {
    let id = take_text(&mut rest, "call_id")?;
    let name = take_text(&mut rest, "name")?;
    let arguments = Arguments::Text(take_text(&mut rest, "arguments")?);
    Some(Piece::Call(Call { id, name, arguments, rest }))
}

fn put_item(turn: Turn) -> Value {
    if turn.said.shape == Shape::Piece {
        return turn.said.pieces.into_iter().map(|piece| put_part(piece, turn.speaker)).next().unwrap_or_default();
    }
    let (role, write): (_, fn(Piece) -> Value) = match turn.speaker {
        Speaker::System => ("system", |piece| put_part(piece, Speaker::System)),
        Speaker::Developer => ("developer", |piece| put_part(piece, Speaker::Developer)),
        Speaker::User | Speaker::Tool => ("user", |piece| put_part(piece, Speaker::User)),
        Speaker::Assistant => ("assistant", |piece| put_part(piece, Speaker::Assistant)),
    };
    let mut members = Members::from_iter([("role".to_owned(), role.into())]);
    turn.said.put(&mut members, "content", write);
    members.extend(turn.rest);
    Value::Object(members)
}

fn part(value: Value) -> Piece {
    let Value::Object(mut rest) = value else { return Piece::other(value) };
    match word(&rest, "type") {
        "text" | "input_text" | "output_text" if has_text(&rest, "text") => {
            Piece::Text { text: take_text(&mut rest, "text").unwrap_or_default(), rest }
        }
        "refusal" if has_text(&rest, "refusal") => {
            let text = take_text(&mut rest, "refusal").unwrap_or_default();
            Piece::Refusal { text, place: Place::Content, rest }
        }
        "input_image" => super::attempt(rest, |mut rest| {
            let source = take_image_source(&mut rest)?;
            let detail = take_text(&mut rest, "detail");
            Some(Piece::Image { source, detail, rest })
        }),
        "input_file" => super::attempt(rest, |mut rest| {
            let source = take_file_source(&mut rest)?;
            let name = take_text(&mut rest, "filename");
            Some(Piece::File { source, name, rest })
        }),
        _ => Piece::other(rest.into()),
    }
}

/// Takes the one source that an image names; `None` where it names two or none.
fn take_image_source(rest: &mut Members) -> Option<Source> {
    match (take_text(rest, "file_id"), take_text(rest, "image_url")) {
        (Some(id), None) => Some(Source::FileId(id)),
        (None, Some(url)) => Some(Source::of_url(url)),
        _ => None,
    }
}

/// Takes the one source that a file names; `None` where it names several or none.
fn take_file_source(rest: &mut Members) -> Option<Source> {
    match (take_text(rest, "file_id"), take_text(rest, "file_data"), take_text(rest, "file_url")) {
        (Some(id), None, None) => Some(Source::FileId(id)),
        (None, Some(data), None) => Some(Source::of_data(data)),
        // The address of a file is not its data, even where it says so.
        (None, None, Some(url)) => Some(Source::Url(url)),
        _ => None,
    }
}

fn put_part(piece: Piece, speaker: Speaker) -> Value {
    let mut members;
    match piece {
        Piece::Text { text, rest } => {
            let kind = if speaker == Speaker::Assistant { "output_text" } else { "input_text" };
            return super::text_part(rest, kind, "text", text);
        }
        Piece::Refusal { text, rest, .. } => return super::text_part(rest, "refusal", "refusal", text),
        Piece::Image { source, detail, rest } => {
            members = rest;
            put_kind(&mut members, "input_image");
            match source {
                Source::FileId(id) => members.insert("file_id".into(), id.into()),
                source => members.insert("image_url".into(), source.into_url().into()),
            };
            put_text(&mut members, "detail", detail);
        }
        Piece::File { source, name, rest } => return put_file(source, name, rest),
        Piece::Call(call) => return put_function_call(call),
        Piece::Result { id, said, rest } => {
            members = rest;
            put_kind(&mut members, "function_call_output");
            members.insert("call_id".into(), id.into());
            said.put(&mut members, "output", |piece| put_part(piece, Speaker::User));
        }
        Piece::Thinking { text, rest, .. } => {
            members = rest;
            if members.is_empty() {
                members.insert("type".into(), "reasoning".into());
                members.insert("summary".into(), serde_json::json!([{"type": "summary_text", "text": text}]));
            }
        }
        Piece::Other { value, .. } => return value,
    }
    Value::Object(members)
}

fn put_file(source: Source, name: Option<String>, rest: Members) -> Value {
    let mut members = rest;
    put_kind(&mut members, "input_file");
    put_text(&mut members, "filename", name);
    match source {
        Source::FileId(id) => members.insert("file_id".into(), id.into()),
        Source::Url(url) => members.insert("file_url".into(), url.into()),
        source => members.insert("file_data".into(), source.into_url().into()),
    };
    Value::Object(members)
}

fn put_function_call(call: Call) -> Value {
    let mut members = call.rest;
    put_kind(&mut members, "function_call");
    members.insert("call_id".into(), call.id.into());
    members.insert("name".into(), call.name.into());
    members.insert("arguments".into(), call.arguments.into_text().into());
    Value::Object(members)
}

fn tool(members: Members) -> Tool {
    if word(&members, "type") != "function" {
        return Tool::Other(Value::Object(members));
    }
    super::flat_tool(members, "parameters")
}

fn put_tool(function: Function) -> Value {
    Value::Object(super::put_function(function, "parameters"))
}
