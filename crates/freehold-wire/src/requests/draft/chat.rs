//! Chat Completions requests as they are spelt.

use serde_json::Value;

use super::{
    Arguments, Call, Draft, Function, Members, Piece, Place, Said, Shape, Source, Speaker, Tool, Turn, has_text,
    put_kind, put_text, take_list, take_object, take_text, word,
};
use crate::Api;

/// The members that hold reasoning: DeepSeek and vLLM say the first, OpenRouter and newer vLLM the second.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

pub(super) fn read(mut rest: Members) -> Draft {
    let model = take_text(&mut rest, "model");
    let (turns, turns_shape) = super::take_turns(&mut rest, turn);
    let tools = super::take_tools(&mut rest, tool);
    Draft { api: Api::OpenAiChat, model, system: None, turns, turns_shape, tools, rest }
}

pub(super) fn write(mut draft: Draft) -> Members {
    let mut members = Members::new();
    put_text(&mut members, "model", draft.model.take());
    super::put_messages(members, draft, put_turn, put_tool)
}

fn turn(value: Value) -> Turn {
    let Value::Object(mut rest) = value else { return Turn::unread(value) };
    let speaker = match word(&rest, "role") {
        "system" => Speaker::System,
        "developer" => Speaker::Developer,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        "tool" if rest.get("tool_call_id").is_some_and(Value::is_string) => Speaker::Tool,
        _ => return Turn::unread(Value::Object(rest)),
    };
    rest.shift_remove("role");
    let mut said = Said::take(&mut rest, "content", part);
    match speaker {
        Speaker::Assistant => assistant(&mut rest, &mut said),
        Speaker::Tool => {
            let id = take_text(&mut rest, "tool_call_id").unwrap_or_default();
            said = Said::piece(Piece::Result { id, said, rest: Members::new() });
        }
        Speaker::System | Speaker::Developer | Speaker::User => {}
    }
    Turn { speaker, said, rest }
}

/// Reads what an assistant's turn says outside of its content.
fn assistant(rest: &mut Members, said: &mut Said) {
    let reasoning = REASONING.iter().find(|name| !word(rest, name).is_empty());
    if let Some(name) = reasoning {
        let text = take_text(rest, name).unwrap_or_default();
        said.pieces.insert(0, Piece::Thinking { text, place: Place::Member(name), rest: Members::new() });
    }
    if !word(rest, "refusal").is_empty() {
        let text = take_text(rest, "refusal").unwrap_or_default();
        said.pieces.push(Piece::Refusal { text, place: Place::Member("refusal"), rest: Members::new() });
    }
    if rest.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty()) {
        let calls = take_list(rest, "tool_calls").unwrap_or_default();
        said.pieces.extend(calls.into_iter().map(call));
    }
}

fn put_turn(turn: Turn) -> Value {
    if turn.said.shape == Shape::Piece && turn.speaker != Speaker::Tool {
        return turn.said.pieces.into_iter().map(put_part).next().unwrap_or_default();
    }
    let role = match turn.speaker {
        Speaker::System => "system",
        Speaker::Developer => "developer",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    let mut members = Members::from_iter([("role".to_owned(), role.into())]);
    let mut content = Said { pieces: Vec::new(), shape: turn.said.shape };
    let mut calls = Vec::new();
    for piece in turn.said.pieces {
        match piece {
            Piece::Result { id, said, .. } => {
                members.insert("tool_call_id".into(), id.into());
                content = said;
            }
            Piece::Thinking { text, place: Place::Member(name), .. }
            | Piece::Refusal { text, place: Place::Member(name), .. } => {
                members.insert(name.into(), text.into());
            }
            Piece::Call(call) => calls.push(put_call(call)),
            Piece::Other { value, place: Place::Member(_) } => calls.push(value),
            piece => content.pieces.push(piece),
        }
    }
    content.put(&mut members, "content", put_part);
    if !calls.is_empty() {
        members.insert("tool_calls".into(), calls.into());
    }
    members.extend(turn.rest);
    Value::Object(members)
}

fn part(value: Value) -> Piece {
    let Value::Object(mut rest) = value else { return Piece::other(value) };
    match word(&rest, "type") {
        "text" if has_text(&rest, "text") => {
            Piece::Text { text: take_text(&mut rest, "text").unwrap_or_default(), rest }
        }
        "refusal" if has_text(&rest, "refusal") => {
            let text = take_text(&mut rest, "refusal").unwrap_or_default();
            Piece::Refusal { text, place: Place::Content, rest }
        }
        "image_url" => super::attempt(rest, image),
        "file" => super::attempt(rest, file),
        _ => Piece::other(rest.into()),
    }
}

fn image(mut rest: Members) -> Option<Piece> {
    let mut image = take_object(&mut rest, "image_url")?;
    let source = Source::of_url(take_text(&mut image, "url")?);
    let detail = take_text(&mut image, "detail");
    image.is_empty().then_some(Piece::Image { source, detail, rest })
}

fn file(mut rest: Members) -> Option<Piece> {
    let mut file = take_object(&mut rest, "file")?;
    let source = match (take_text(&mut file, "file_id"), take_text(&mut file, "file_data")) {
        (Some(id), None) => Source::FileId(id),
        (None, Some(data)) => Source::of_data(data),
        _ => return None,
    };
    let name = take_text(&mut file, "filename");
    file.is_empty().then_some(Piece::File { source, name, rest })
}

fn put_part(piece: Piece) -> Value {
    let mut members;
    match piece {
        Piece::Text { text, rest } => return super::text_part(rest, "text", "text", text),
        Piece::Refusal { text, rest, .. } => return super::text_part(rest, "refusal", "refusal", text),
        Piece::Image { source, detail, rest } => {
            members = rest;
            put_kind(&mut members, "image_url");
            let mut image = Members::new();
            put_text(&mut image, "url", source.into_url());
            put_text(&mut image, "detail", detail);
            members.insert("image_url".into(), image.into());
        }
        Piece::File { source, name, rest } => {
            members = rest;
            put_kind(&mut members, "file");
            let mut file = Members::new();
            put_text(&mut file, "filename", name);
            match source {
                Source::FileId(id) => file.insert("file_id".into(), id.into()),
                source => file.insert("file_data".into(), source.into_url().into()),
            };
            members.insert("file".into(), file.into());
        }
        Piece::Other { value, .. } => return value,
        Piece::Call(call) => return put_call(call),
        Piece::Result { rest, .. } | Piece::Thinking { rest, .. } => members = rest,
    }
    Value::Object(members)
}

fn call(value: Value) -> Piece {
    match known_call(&value) {
        Some(call) => Piece::Call(call),
        None => Piece::Other { value, place: Place::Member("tool_calls") },
    }
}

/// Reads a call of a function that says nothing but its name and its arguments as text.
fn known_call(value: &Value) -> Option<Call> {
    let mut rest = value.as_object()?.clone();
    let mut function = take_object(&mut rest, "function")?;
    let id = take_text(&mut rest, "id")?;
    let name = take_text(&mut function, "name")?;
    let arguments = Arguments::Text(take_text(&mut function, "arguments")?);
    function.is_empty().then_some(Call { id, name, arguments, rest })
}

fn put_call(call: Call) -> Value {
    let mut members = call.rest;
    let function = serde_json::json!({"name": call.name, "arguments": call.arguments.into_text()});
    members.insert("id".into(), call.id.into());
    members.insert("function".into(), function);
    Value::Object(members)
}

fn tool(mut outer: Members) -> Tool {
    let Some(function) = take_object(&mut outer, "function") else { return Tool::Other(Value::Object(outer)) };
    match super::function(function, "parameters", outer.clone()) {
        Ok(function) => Tool::Function(function),
        Err(function) => {
            outer.insert("function".into(), function.into());
            Tool::Other(Value::Object(outer))
        }
    }
}

fn put_tool(mut function: Function) -> Value {
    let mut outer = std::mem::take(&mut function.outer);
    outer.insert("function".into(), super::put_function(function, "parameters").into());
    Value::Object(outer)
}
