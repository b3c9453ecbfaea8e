//! The wording of an answer: within a schema, in whole letters, with its log-probabilities and its usage.

use freehold_evidence::{Check, Output};
use serde_json::{Value, json};

use super::Found;
use super::said::shown;
use super::talk::{Ask, Talk, Trouble};

/// Asks for prose under two schemas that no prose meets, so that only who enforces them keeps the promise.
pub(super) async fn schema(talk: &Talk) -> Result<Found, Trouble> {
    for (name, schema) in [("tag", tag()), ("count", count())] {
        let format = json!({"type": "json_schema", "json_schema": {"name": name, "strict": true, "schema": schema}});
        let asked = Ask::user("Write one sentence about the sea. Plain text, no JSON.").with("response_format", format);
        let said = talk.ask(&asked.tokens(96)).await?;
        let score = Check::parse("schema", Some(&schema));
        let output = Output { text: said.text.clone(), tool_calls: Vec::new() };
        let score = score.map(|check| check.score(&output, &Output::default()));
        let is_valid = score.is_ok_and(|score| score.value >= 1.0);
        if is_valid {
            continue;
        }
        if said.is_cut() || said.text.is_empty() {
            return Ok(Found::cannot_tell(format!("the answer was cut before it was whole: {}", shown(&said.text))));
        }
        let is_json = serde_json::from_str::<Value>(said.text.trim()).is_ok();
        let what = if is_json { "JSON, but not of the schema" } else { "no JSON" };
        return Ok(Found::broken(format!("{what}: {}", shown(&said.text))));
    }
    Ok(Found::kept("asked for prose, it answered within two schemas"))
}

fn tag() -> Value {
    let properties = json!({"zq_tag": {"type": "string", "enum": ["amber", "cobalt"]}});
    json!({"type": "object", "properties": properties, "required": ["zq_tag"], "additionalProperties": false})
}

fn count() -> Value {
    let properties = json!({"zq_open": {"type": "boolean"}, "zq_kind": {"type": "string", "enum": ["reef"]}});
    json!({"type": "object", "properties": properties, "required": ["zq_open", "zq_kind"], "additionalProperties": false})
}

/// Asks for log-probabilities.
pub(super) async fn logprobs(talk: &Talk) -> Result<Found, Trouble> {
    let asked = Ask::user("Name three colours.").tokens(16).with("logprobs", true).with("top_logprobs", 2);
    let said = talk.ask(&asked).await?;
    let tokens = said.logprobs["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tokens.is_empty() {
        let is_silent = said.text.is_empty() && said.reasoning.is_empty();
        let seen = "no log-probability came with the answer";
        return Ok(if is_silent { Found::cannot_tell("the answer is empty") } else { Found::broken(seen) });
    }
    let is_right =
        |token: &Value| token["token"].is_string() && token["logprob"].as_f64().is_some_and(|log| log <= 1e-6);
    Ok(match tokens.iter().find(|token| !is_right(token)) {
        Some(wrong) => Found::broken(format!("this is none: {}", shown(&wrong.to_string()))),
        None => Found::kept(format!("{} tokens have one", tokens.len())),
    })
}

/// Asks for the usage at the end of a stream, and holds it against that of a whole answer.
pub(super) async fn usage_in_streams(talk: &Talk) -> Result<Found, Trouble> {
    let asked = Ask::user("Name three rivers.").tokens(16);
    let whole = talk.ask(&asked).await?.prompt_tokens();
    let streamed = talk.hear(&asked.with("stream_options", json!({"include_usage": true}))).await?;
    Ok(match (whole, streamed.prompt_tokens()) {
        (_, None) => Found::broken("asked for with stream_options, no usage came"),
        (Some(whole), Some(streamed)) if whole != streamed => {
            Found::broken(format!("the prompt counts {whole} tokens whole and {streamed} streamed"))
        }
        (_, Some(streamed)) => Found::kept(format!("the prompt counts {streamed} tokens")),
    })
}

/// Looks for torn letters in a stream; where the model writes none of several bytes, a schema makes it.
pub(super) async fn unicode(talk: &Talk) -> Result<Found, Trouble> {
    const LETTERS: &str = "🦜 漢字 naïve 👩‍🔬";
    let plain = Ask::user(&format!("Repeat exactly, and say nothing else: {LETTERS}"));
    let forced = json!({"type": "json_schema", "json_schema": {"name": "letters", "strict": true,
        "schema": {"type": "object", "properties": {"t": {"type": "string", "enum": [LETTERS]}}, "required": ["t"], "additionalProperties": false}}});
    for asked in [plain.clone(), plain.with("response_format", forced)] {
        let streamed = match talk.hear(&asked).await {
            Err(Trouble::Refused { .. }) => break,
            heard => heard?,
        };
        if streamed.is_torn || streamed.text.contains('\u{fffd}') {
            let whole = talk.ask(&asked).await?;
            let is_models = whole.text.contains('\u{fffd}') || (streamed.is_cut() && !streamed.is_torn);
            let seen = format!("the stream holds torn letters: {}", shown(&streamed.text));
            return Ok(if is_models { Found::cannot_tell(seen) } else { Found::broken(seen) });
        }
        if streamed.text.chars().any(|letter| letter.len_utf8() > 2) {
            return Ok(Found::kept(format!("streamed: {}", shown(&streamed.text))));
        }
    }
    Ok(Found::cannot_tell("the model writes no letters of several bytes"))
}
