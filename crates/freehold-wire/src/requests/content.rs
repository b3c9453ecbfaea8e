//! Reads the content of turns and tool results: a string, or an array of parts.

use crate::Part;
use crate::json::{Fault, Json, Within, word};

/// Reads content in any spelling; empty texts leave no part.
pub(super) fn parts(content: Option<&Json<'_>>) -> Result<Vec<Part>, Fault> {
    match content {
        None => Ok(Vec::new()),
        Some(Json::Text(text)) => Ok(text_part(text).into_iter().collect()),
        Some(Json::List(items)) => {
            let mut parts = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                parts.extend(part(item).at(index)?);
            }
            Ok(parts)
        }
        Some(other) => Err(Fault::expected("a string or an array", other)),
    }
}

/// Reads one part; `None` for an empty text.
pub(super) fn part(item: &Json<'_>) -> Result<Option<Part>, Fault> {
    if let Json::Text(text) = item {
        return Ok(text_part(text));
    }
    item.object()?;
    let text = match item.optional_str("type")? {
        Some("text" | "input_text" | "output_text") => item.required_str("text")?,
        Some("refusal") => item.required_str("refusal")?,
        Some("thinking" | "reasoning_text" | "summary_text") => {
            let text =
                item.optional_str("thinking")?.map_or_else(|| item.optional_str("text"), |text| Ok(Some(text)))?;
            return Ok(text.filter(|text| !text.is_empty()).map(|text| Part::Reasoning(text.to_owned())));
        }
        None if item.get("text").is_some() => item.required_str("text")?,
        Some(_) | None => return Ok(Some(Part::Other(item.to_value()))),
    };
    Ok(text_part(text))
}

fn text_part(text: &str) -> Option<Part> {
    (!text.is_empty()).then(|| Part::Text(text.to_owned()))
}

/// Reads the text of a system turn or a system field: its text parts, joined like turns of their own.
pub(super) fn system_texts(content: Option<&Json<'_>>) -> Result<Vec<String>, Fault> {
    let texts = parts(content)?.into_iter();
    Ok(texts.filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None }).collect())
}

/// Reads a tool's result as text; content with anything but texts becomes its JSON text.
pub(super) fn result_text(content: Option<&Json<'_>>) -> Result<String, Fault> {
    let Some(found) = content else { return Ok(String::new()) };
    if let Json::Object(_) = found {
        return Ok(found.to_value().to_string());
    }
    let mut text = String::new();
    for part in parts(content)? {
        let Part::Text(piece) = part else { return Ok(found.to_value().to_string()) };
        text.push_str(&piece);
    }
    Ok(text)
}

/// Fails for a role that the API does not have.
pub(super) fn unknown_role(role: &str) -> Fault {
    Fault::new(format!("{} is no role of this API", word(role)))
}
