//! The shape asked of the answer, and how wordy it shall be.

use serde_json::{Value, json};

use crate::Api;
use crate::requests::draft::{Members, take_object, take_text, word};
use crate::translate::Error;
use crate::translate::request::losses::{Losses, UNKNOWN};

/// The name of a schema that has none: OpenAI wants one.
const NAME: &str = "answer";

/// What the answer has to be.
enum Format {
    Text,
    Object,
    /// Valid under a schema; `holder` has the schema, its name and more.
    Schema(Members),
}

pub(super) fn carry(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    let (format, path) = take_format(rest, losses)?;
    match read(format) {
        Some(Format::Text) => {}
        Some(format) if losses.to.is_anthropic() => put_anthropic(format, path, members, losses)?,
        Some(format) => put_openai(format, members, losses.to),
        None => losses.lose(path, "nobody here knows this format")?,
    }
    verbosity(rest, members, losses)
}

/// Takes the format with its place; what is left beside it is checked there.
fn take_format(rest: &mut Members, losses: &mut Losses) -> Result<(Members, &'static str), Error> {
    match losses.from {
        Api::OpenAiChat => {
            let mut format = take_object(rest, "response_format").unwrap_or_default();
            if let Some(holder) = take_object(&mut format, "json_schema") {
                format.extend(holder);
            }
            Ok((format, "response_format"))
        }
        Api::OpenAiResponses => {
            let mut text = take_object(rest, "text").unwrap_or_default();
            let format = take_object(&mut text, "format").unwrap_or_default();
            // The table knows it as Chat Completions spells it.
            if let Some(wordy) = text.shift_remove("verbosity") {
                rest.insert("verbosity".into(), wordy);
            }
            losses.lose_all(&text, "text", UNKNOWN)?;
            Ok((format, "text.format"))
        }
        _ => {
            let old = take_object(rest, "output_format");
            let mut config = take_object(rest, "output_config").unwrap_or_default();
            let format = take_object(&mut config, "format").or(old).unwrap_or_default();
            losses.lose_all(&config, "output_config", UNKNOWN)?;
            Ok((format, "output_config.format"))
        }
    }
}

fn read(format: Members) -> Option<Format> {
    match word(&format, "type") {
        "text" => Some(Format::Text),
        "json_object" => Some(Format::Object),
        "json_schema" => Some(Format::Schema(format)),
        "" if format.is_empty() => Some(Format::Text),
        _ => None,
    }
}

fn put_anthropic(format: Format, path: &str, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    let Format::Schema(mut holder) = format else {
        return losses.lose(path, "Anthropic's dialect has no JSON without a schema");
    };
    // The name tells formats apart in OpenAI's logs; every schema is strict with Anthropic.
    for name in ["type", "name", "strict"] {
        holder.shift_remove(name);
    }
    let schema = holder.shift_remove("schema").unwrap_or_else(|| json!({}));
    losses.lose_all(&holder, path, "Anthropic's dialect has a schema and no more")?;
    output_config(members).insert("format".into(), json!({"type": "json_schema", "schema": schema}));
    Ok(())
}

/// Returns the member of Anthropic's dialect that says what the answer shall be like.
pub(super) fn output_config(members: &mut Members) -> &mut Members {
    let config = members.entry("output_config").or_insert_with(|| json!({}));
    config.as_object_mut().expect("only this part of the translation writes the member, and always as an object")
}

fn put_openai(format: Format, members: &mut Members, to: Api) {
    let mut spelt = match format {
        Format::Schema(holder) => holder,
        Format::Object | Format::Text => Members::from_iter([("type".to_owned(), "json_object".into())]),
    };
    if spelt.contains_key("schema") && !spelt.contains_key("name") {
        spelt.insert("name".into(), NAME.into());
        spelt.insert("strict".into(), true.into());
    }
    let is_schema = word(&spelt, "type") == "json_schema";
    match to {
        Api::OpenAiChat if is_schema => {
            spelt.shift_remove("type");
            members.insert("response_format".into(), json!({"type": "json_schema", "json_schema": spelt}));
        }
        Api::OpenAiChat => {
            members.insert("response_format".into(), spelt.into());
        }
        _ => {
            members.insert("text".into(), json!({ "format": spelt }));
        }
    }
}

fn verbosity(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    if losses.from.is_anthropic() {
        return Ok(());
    }
    let path = if losses.from == Api::OpenAiChat { "verbosity" } else { "text.verbosity" };
    let Some(wordy) = take_text(rest, "verbosity") else { return Ok(()) };
    match losses.to {
        // The default of OpenAI's dialects.
        _ if wordy == "medium" => {}
        Api::OpenAiChat => {
            members.insert("verbosity".into(), wordy.into());
        }
        Api::OpenAiResponses => {
            let text = members.entry("text").or_insert_with(|| json!({}));
            text["verbosity"] = Value::from(wordy);
        }
        _ => losses.lose(path, "Anthropic's dialect has no wordiness")?,
    }
    Ok(())
}
