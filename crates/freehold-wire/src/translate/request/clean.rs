//! One piece of a turn, made into one that the other dialect can say.

use serde_json::{Value, json};

use super::losses::{Losses, Node};
use crate::Api;
use crate::requests::draft::{Arguments, Call, Members, Piece, Place, Said, Source, word};
use crate::translate::Error;
use crate::write::tool_id;

/// Returns the piece without the members of its own dialect; `None` where nothing of it can be carried.
pub(super) fn piece(piece: Piece, path: &str, losses: &mut Losses) -> Result<Option<Piece>, Error> {
    let piece = match piece {
        Piece::Text { text, rest } => {
            losses.leave(Node::Text, &rest, path)?;
            Piece::text(text)
        }
        Piece::Refusal { text, rest, .. } => {
            losses.leave(Node::Text, &rest, path)?;
            refusal(text, losses.to)
        }
        Piece::Image { source, detail, rest } => {
            losses.leave(Node::Media, &rest, path)?;
            return image(source, detail, path, losses);
        }
        Piece::File { source, name, rest } => {
            losses.leave(Node::Media, &rest, path)?;
            return file(source, name, path, losses);
        }
        Piece::Call(call) => Piece::Call(self::call(call, path, losses)?),
        Piece::Result { id, .. } if losses.has_lost_call(&id) => {
            losses.lose(path, "the call that it answers is left out")?;
            return Ok(None);
        }
        Piece::Result { id, said, rest } => result(&id, said, rest, path, losses)?,
        Piece::Thinking { text, rest, .. } => return Ok(thinking(text, signature(&rest), losses.to)),
        Piece::Other { value, .. } => return other(&value, path, losses),
    };
    Ok(Some(piece))
}

fn refusal(text: String, to: Api) -> Piece {
    let place = match to {
        Api::OpenAiChat => Place::Member("refusal"),
        Api::OpenAiResponses => Place::Content,
        _ => return Piece::text(text),
    };
    Piece::Refusal { text, place, rest: Members::new() }
}

/// Returns what proves a piece of reasoning to its maker, as either side spells it.
fn signature(members: &Members) -> &str {
    let found = ["signature", "encrypted_content", "data"].into_iter().find(|name| !word(members, name).is_empty());
    found.map_or("", |name| word(members, name))
}

/// Returns the reasoning of an earlier turn where the other side takes it.
///
/// A signature goes back to its maker only, which its first characters tell: Anthropic's are a message whose first
/// field is the second, OpenAI's a Fernet token. Anthropic takes no reasoning without its own signature, and models
/// forget the reasoning of earlier turns anyway, so there it is left out.
fn thinking(text: String, signature: &str, to: Api) -> Option<Piece> {
    let mut rest = Members::new();
    let place = match to {
        Api::OpenAiChat => Place::Member("reasoning_content"),
        Api::OpenAiResponses if signature.starts_with("gAAAA") => {
            let summary = json!([{"type": "summary_text", "text": text}]);
            rest.insert("type".into(), "reasoning".into());
            rest.insert("summary".into(), if text.is_empty() { json!([]) } else { summary });
            rest.insert("encrypted_content".into(), signature.into());
            return Some(Piece::Thinking { text, place: Place::Content, rest });
        }
        Api::OpenAiResponses => Place::Content,
        _ if signature.starts_with('E') => {
            rest.insert("signature".into(), signature.into());
            Place::Content
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(Piece::Thinking { text, place, rest })
}

fn image(source: Source, detail: Option<String>, path: &str, losses: &mut Losses) -> Result<Option<Piece>, Error> {
    let why = match (&source, losses.to) {
        (Source::FileId(_), Api::OpenAiChat) => Some("Chat Completions takes images by address or as data only"),
        (Source::FileId(_), _) => Some("a file kept by one vendor is unknown to another"),
        (Source::Url(url), Api::AnthropicMessages) if url.starts_with("data:") => {
            Some("data that is not in base64 with a media type cannot be handed on")
        }
        _ => None,
    };
    if let Some(why) = why {
        losses.lose(path, why)?;
        return Ok(None);
    }
    let detail = match detail {
        Some(detail) if losses.to.is_anthropic() => {
            if detail != "auto" {
                losses.lose(format!("{path}.detail"), "Anthropic's dialect has no level of detail")?;
            }
            None
        }
        // Responses has no image without a level of detail.
        None if losses.to == Api::OpenAiResponses => Some("auto".to_owned()),
        detail => detail,
    };
    Ok(Some(Piece::Image { source, detail, rest: Members::new() }))
}

fn file(source: Source, name: Option<String>, path: &str, losses: &mut Losses) -> Result<Option<Piece>, Error> {
    let why = match (&source, losses.to) {
        (Source::FileId(_), _) if !losses.within_openai() => Some("a file kept by one vendor is unknown to another"),
        (Source::Url(_), Api::OpenAiChat) => Some("Chat Completions takes files as data only"),
        (Source::Bare(_), Api::AnthropicMessages) => Some("its media type is not said"),
        (Source::Data { media_type, .. }, Api::AnthropicMessages) if media_type != "application/pdf" => {
            Some("Anthropic's dialect takes PDF documents as data only")
        }
        _ => None,
    };
    if let Some(why) = why {
        losses.lose(path, why)?;
        return Ok(None);
    }
    // OpenAI refuses data without a file name.
    let needs_name = !losses.to.is_anthropic() && matches!(source, Source::Data { .. });
    let name = name.or_else(|| needs_name.then(|| "document.pdf".to_owned()));
    Ok(Some(Piece::File { source, name, rest: Members::new() }))
}

fn call(call: Call, path: &str, losses: &mut Losses) -> Result<Call, Error> {
    losses.leave(Node::Call, &call.rest, path)?;
    let arguments = match call.arguments {
        Arguments::Text(text) if losses.to.is_anthropic() => match serde_json::from_str(&text) {
            Ok(object @ Value::Object(_)) => Arguments::Object(object),
            _ if text.trim().is_empty() => Arguments::Object(Members::new().into()),
            _ => {
                losses.lose(format!("{path}.arguments"), "Anthropic's dialect takes JSON objects only")?;
                Arguments::Text(text)
            }
        },
        arguments => arguments,
    };
    let id = tied_id(&call.id, losses.to);
    let mut rest = Members::new();
    if losses.to == Api::OpenAiChat {
        rest.insert("type".into(), "function".into());
    }
    Ok(Call { id, name: call.name, arguments, rest })
}

/// Returns the id as the other side takes it, which for OpenAI's is the one that its model gave.
fn tied_id(id: &str, to: Api) -> String {
    let spelt = if to.is_anthropic() { tool_id::legal(id) } else { tool_id::original(id) };
    spelt.into_owned()
}

fn result(id: &str, said: Said, mut rest: Members, path: &str, losses: &mut Losses) -> Result<Piece, Error> {
    let is_error = rest.shift_remove("is_error") == Some(Value::Bool(true));
    losses.leave(Node::Result, &rest, path)?;
    let mut pieces = Vec::with_capacity(said.pieces.len());
    let member = if losses.from == Api::OpenAiResponses { "output" } else { "content" };
    for (index, part) in said.pieces.into_iter().enumerate() {
        let at = format!("{path}.{member}[{index}]");
        let Some(part) = piece(part, &at, losses)? else { continue };
        match part {
            Piece::Text { .. } => pieces.push(part),
            Piece::Image { .. } | Piece::File { .. } if losses.to != Api::OpenAiChat => pieces.push(part),
            _ => losses.lose(at, "a tool's result is text in Chat Completions")?,
        }
    }
    if is_error {
        say_error(&mut pieces);
    }
    if pieces.is_empty() {
        pieces.push(Piece::text(String::new()));
    }
    let id = tied_id(id, losses.to);
    let said = Said { shape: super::turns::shape(&pieces), pieces };
    Ok(Piece::Result { id, said, rest: Members::new() })
}

/// Says in the text that the tool failed, unless the text does: OpenAI has no member for it.
fn say_error(pieces: &mut Vec<Piece>) {
    match pieces.first_mut() {
        Some(Piece::Text { text, .. }) => {
            let start: String = text.chars().take(24).collect::<String>().to_lowercase();
            if !start.contains("error") {
                text.insert_str(0, "Error: ");
            }
        }
        _ => pieces.insert(0, Piece::text("Error".to_owned())),
    }
}

/// Returns what can be carried of a piece without a typed form: only reasoning that goes back to its maker.
fn other(value: &Value, path: &str, losses: &mut Losses) -> Result<Option<Piece>, Error> {
    let why = match value.get("type").and_then(Value::as_str).unwrap_or_default() {
        "redacted_thinking" => {
            let signature = value.as_object().map_or("", signature);
            return Ok(thinking(String::new(), signature, losses.to));
        }
        "custom_tool_call" | "custom_tool_call_output" | "custom" => "tools with free text cannot be carried",
        "item_reference" => "it is kept by the vendor",
        _ => "the other dialect has no such part",
    };
    losses.lose(path, why)?;
    if let Some(id) = value.get("call_id").or_else(|| value.get("id")).and_then(Value::as_str) {
        losses.lose_call(id);
    }
    Ok(None)
}
