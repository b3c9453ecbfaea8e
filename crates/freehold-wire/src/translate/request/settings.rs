//! The settings that the dialects spell differently: limits, reasoning, the shape of the answer, streaming, the user.

mod format;
mod reasoning;

use serde_json::{Value, json};

use super::fields;
use super::losses::{Losses, UNKNOWN};
use crate::Api;
use crate::requests::draft::{Members, put_text, take_bool, take_list, take_object, take_text};
use crate::translate::Error;

/// The limit of tokens where the caller sets none: Anthropic's dialect must have one, and every Claude model since
/// version 4 takes this one.
const MAX_TOKENS: u32 = 32_000;

/// The longest name of a user that OpenAI takes.
const USER_BYTES_MAX: usize = 64;

/// Takes all settings out of `rest` and writes them to `members` in the other dialect's spelling.
pub(super) fn carry(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    limit(rest, members, losses);
    stop(rest, members, losses)?;
    reasoning::carry(rest, members, losses)?;
    format::carry(rest, members, losses)?;
    stream(rest, members, losses)?;
    user(rest, members, losses);
    temperature(rest, members, losses)?;
    include(rest, losses)?;
    fields::carry(rest, members, losses)?;
    if losses.to == Api::OpenAiResponses && !members.contains_key("store") {
        // Responses keeps answers unless told otherwise; the other dialects keep none.
        members.insert("store".into(), false.into());
    }
    Ok(())
}

fn limit(rest: &mut Members, members: &mut Members, losses: &Losses) {
    let mut limit = None;
    for name in ["max_completion_tokens", "max_output_tokens", "max_tokens"] {
        let found = rest.shift_remove(name).filter(|found| !found.is_null());
        limit = limit.or(found);
    }
    // Several servers read -1 as no limit.
    let limit = limit.filter(|limit| limit.as_f64().is_none_or(|limit| limit >= 0.0));
    let name = match losses.to {
        Api::OpenAiChat => "max_completion_tokens",
        Api::OpenAiResponses => "max_output_tokens",
        _ => "max_tokens",
    };
    let limit = if losses.to.is_anthropic() { limit.or(Some(MAX_TOKENS.into())) } else { limit };
    if let Some(limit) = limit {
        members.insert(name.into(), limit);
    }
}

fn stop(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    let name = if losses.from.is_anthropic() { "stop_sequences" } else { "stop" };
    let stop = match rest.shift_remove(name) {
        Some(Value::String(text)) => json!([text]),
        Some(Value::Array(texts)) if !texts.is_empty() => texts.into(),
        _ => return Ok(()),
    };
    match losses.to {
        Api::OpenAiResponses => losses.lose(name, "Responses has no texts that end the answer")?,
        Api::OpenAiChat => {
            members.insert("stop".into(), stop);
        }
        _ => {
            members.insert("stop_sequences".into(), stop);
        }
    }
    Ok(())
}

fn stream(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    let is_stream = take_bool(rest, "stream");
    if let Some(mut options) = take_object(rest, "stream_options") {
        options.shift_remove("include_usage");
        options.shift_remove("include_obfuscation");
        losses.lose_all(&options, "stream_options", UNKNOWN)?;
    }
    if let Some(is_stream) = is_stream {
        members.insert("stream".into(), is_stream.into());
    }
    if is_stream == Some(true) && losses.to == Api::OpenAiChat {
        // Streams of the other dialects always end with the usage.
        members.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Ok(())
}

/// Carries the caller's name for its user across the border; within OpenAI's dialects the table does.
fn user(rest: &mut Members, members: &mut Members, losses: &Losses) {
    if losses.from.is_anthropic() {
        let user =
            rest.get_mut("metadata").and_then(Value::as_object_mut).and_then(|marks| take_text(marks, "user_id"));
        put_text(members, "user", user.filter(|user| user.len() <= USER_BYTES_MAX));
    } else if losses.to.is_anthropic() {
        let user = take_text(rest, "safety_identifier").or_else(|| take_text(rest, "user"));
        if let Some(user) = user {
            members.insert("metadata".into(), json!({ "user_id": user }));
        }
    }
}

/// Keeps the temperature within what Anthropic takes: from 0 to 1, and nothing but 1 while the model thinks.
fn temperature(rest: &mut Members, members: &Members, losses: &mut Losses) -> Result<(), Error> {
    let Some(value) = rest.get("temperature").and_then(Value::as_f64) else { return Ok(()) };
    if !losses.to.is_anthropic() {
        return Ok(());
    }
    let thinking = members.get("thinking").and_then(|thinking| thinking.get("type")).and_then(Value::as_str);
    if thinking == Some("adaptive") && value != 1.0 {
        losses.lose("temperature", "Anthropic's dialect has none but 1 while the model thinks")?;
        rest.shift_remove("temperature");
    } else if value > 1.0 {
        losses.lose("temperature", "Anthropic's dialect goes up to 1")?;
        rest.insert("temperature".into(), 1.into());
    }
    Ok(())
}

/// Looks through what an answer of Responses shall show beside its text: of the caller's own tools there is nothing.
fn include(rest: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    if losses.from != Api::OpenAiResponses {
        return Ok(());
    }
    for (index, shown) in take_list(rest, "include").unwrap_or_default().iter().enumerate() {
        if shown == "message.output_text.logprobs" {
            losses.lose(format!("include[{index}]"), "the other dialect does not show probabilities")?;
        }
    }
    Ok(())
}
