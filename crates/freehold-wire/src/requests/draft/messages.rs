//! Anthropic Messages requests as they are spelt.

use serde_json::Value;

use super::{
    Arguments, Call, Draft, Function, Members, Piece, Place, Said, Shape, Source, Speaker, Tool, Turn, has_text,
    put_kind, put_text, take_object, take_text, word,
};
use crate::Api;

pub(super) fn read(mut rest: Members) -> Draft {
    let model = take_text(&mut rest, "model");
    let system = Said::take(&mut rest, "system", block);
    let system = (system.shape != Shape::Absent).then_some(system);
    let (turns, turns_shape) = super::take_turns(&mut rest, turn);
    let tools = super::take_tools(&mut rest, tool);
    Draft { api: Api::AnthropicMessages, model, system, turns, turns_shape, tools, rest }
}

pub(super) fn write(mut draft: Draft) -> Members {
    let mut members = Members::new();
    put_text(&mut members, "model", draft.model.take());
    if let Some(system) = draft.system.take() {
        system.put(&mut members, "system", put_block);
    }
    super::put_messages(members, draft, put_turn, put_tool)
}

fn turn(value: Value) -> Turn {
    let Value::Object(mut rest) = value else { return Turn::unread(value) };
    let speaker = match word(&rest, "role") {
        "system" => Speaker::System,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        _ => return Turn::unread(Value::Object(rest)),
    };
    rest.shift_remove("role");
    let said = Said::take(&mut rest, "content", block);
    Turn { speaker, said, rest }
}

fn put_turn(turn: Turn) -> Value {
    if turn.said.shape == Shape::Piece {
        return turn.said.pieces.into_iter().map(put_block).next().unwrap_or_default();
    }
    let role = match turn.speaker {
        Speaker::System | Speaker::Developer => "system",
        Speaker::User | Speaker::Tool => "user",
        Speaker::Assistant => "assistant",
    };
    let mut members = Members::from_iter([("role".to_owned(), role.into())]);
    turn.said.put(&mut members, "content", put_block);
    members.extend(turn.rest);
    Value::Object(members)
}

fn block(value: Value) -> Piece {
    let Value::Object(mut rest) = value else { return Piece::other(value) };
    match word(&rest, "type") {
        "text" if has_text(&rest, "text") => {
            Piece::Text { text: take_text(&mut rest, "text").unwrap_or_default(), rest }
        }
        "thinking" if has_text(&rest, "thinking") => {
            let text = take_text(&mut rest, "thinking").unwrap_or_default();
            Piece::Thinking { text, place: Place::Content, rest }
        }
        "tool_result" if has_text(&rest, "tool_use_id") => {
            let id = take_text(&mut rest, "tool_use_id").unwrap_or_default();
            let said = Said::take(&mut rest, "content", block);
            Piece::Result { id, said, rest }
        }
        "tool_use" => super::attempt(rest, tool_use),
        "image" => super::attempt(rest, |mut rest| {
            let source = take_source(&mut rest)?;
            Some(Piece::Image { source, detail: None, rest })
        }),
        "document" => super::attempt(rest, |mut rest| {
            let source = take_source(&mut rest)?;
            let name = take_text(&mut rest, "title");
            Some(Piece::File { source, name, rest })
        }),
        _ => Piece::other(rest.into()),
    }
}

fn take_source(rest: &mut Members) -> Option<Source> {
    let mut source = take_object(rest, "source")?;
    let found = match word(&source, "type") {
        "base64" => {
            Source::Data { media_type: take_text(&mut source, "media_type")?, data: take_text(&mut source, "data")? }
        }
        "url" => Source::Url(take_text(&mut source, "url")?),
        "file" => Source::FileId(take_text(&mut source, "file_id")?),
        _ => return None,
    };
    (source.len() == 1).then_some(found)
}

fn put_source(source: Source) -> Value {
    match source {
        Source::Data { media_type, data } => {
            serde_json::json!({"type": "base64", "media_type": media_type, "data": data})
        }
        Source::Url(url) => serde_json::json!({"type": "url", "url": url}),
        Source::Bare(data) => serde_json::json!({"type": "base64", "data": data}),
        Source::FileId(id) => serde_json::json!({"type": "file", "file_id": id}),
    }
}

fn tool_use(mut rest: Members) -> Option<Piece> {
    let id = take_text(&mut rest, "id")?;
    let name = take_text(&mut rest, "name")?;
    let arguments = Arguments::Object(rest.shift_remove("input")?);
    Some(Piece::Call(Call { id, name, arguments, rest }))
}

fn put_block(piece: Piece) -> Value {
    let mut members;
    match piece {
        Piece::Text { text, rest } | Piece::Refusal { text, rest, .. } => {
            return super::text_part(rest, "text", "text", text);
        }
        Piece::Thinking { text, rest, .. } => return super::text_part(rest, "thinking", "thinking", text),
        Piece::Image { source, rest, .. } => {
            members = rest;
            put_kind(&mut members, "image");
            members.insert("source".into(), put_source(source));
        }
        Piece::File { source, name, rest } => {
            members = rest;
            put_kind(&mut members, "document");
            members.insert("source".into(), put_source(source));
            put_text(&mut members, "title", name);
        }
        Piece::Call(call) => return put_tool_use(call),
        Piece::Result { id, said, rest } => {
            members = rest;
            put_kind(&mut members, "tool_result");
            members.insert("tool_use_id".into(), id.into());
            said.put(&mut members, "content", put_block);
        }
        Piece::Other { value, .. } => return value,
    }
    Value::Object(members)
}

fn put_tool_use(call: Call) -> Value {
    let mut members = call.rest;
    put_kind(&mut members, "tool_use");
    members.insert("id".into(), call.id.into());
    members.insert("name".into(), call.name.into());
    let input = match call.arguments {
        Arguments::Object(object) => object,
        Arguments::Text(text) => serde_json::json!({ "arguments": text }),
    };
    members.insert("input".into(), input);
    Value::Object(members)
}

fn tool(members: Members) -> Tool {
    if !matches!(word(&members, "type"), "" | "custom") {
        return Tool::Other(Value::Object(members));
    }
    super::flat_tool(members, "input_schema")
}

fn put_tool(function: Function) -> Value {
    Value::Object(super::put_function(function, "input_schema"))
}
