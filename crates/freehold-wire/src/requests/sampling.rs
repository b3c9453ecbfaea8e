//! Reads how to sample and when to stop, in every spelling.

use crate::Sampling;
use crate::json::{Fault, Json, Within};

/// The spellings of the limit of tokens, the one that counts first.
const MAX_TOKENS: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];

pub(super) fn read(json: &Json<'_>) -> Result<Sampling, Fault> {
    let mut max_tokens = None;
    for name in MAX_TOKENS {
        if max_tokens.is_none() {
            max_tokens = bound(json, name).within(name)?;
        }
    }
    Ok(Sampling {
        max_tokens,
        temperature: number(json, "temperature").within("temperature")?,
        top_p: number(json, "top_p").within("top_p")?,
        top_k: bound(json, "top_k").within("top_k")?,
        min_p: number(json, "min_p").within("min_p")?,
        seed: seed(json).within("seed")?,
        stop: stop(json)?,
        top_logprobs: None,
    })
}

/// Reads how many likely tokens are to be told, where `is_asked` says that log probabilities are.
pub(super) fn top_logprobs(json: &Json<'_>, is_asked: Option<bool>) -> Result<Option<u32>, Fault> {
    let Some(true) = is_asked else { return Ok(None) };
    let Some(value) = json.get("top_logprobs") else { return Ok(Some(0)) };
    let count = value.as_count().ok_or_else(|| whole_number_fault(value)).within("top_logprobs")?;
    Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// Reads a limit; -1 means "no limit" to several servers.
fn bound(json: &Json<'_>, name: &str) -> Result<Option<u32>, Fault> {
    let Some(value) = json.get(name) else { return Ok(None) };
    if matches!(value, Json::Number(number) if number.as_i64() == Some(-1)) {
        return Ok(None);
    }
    let count = value.as_count().ok_or_else(|| whole_number_fault(value))?;
    Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
}

fn whole_number_fault(found: &Json<'_>) -> Fault {
    match found {
        Json::Number(number) => Fault::new(format!("{number} where a whole number from 0 is expected")),
        other => Fault::expected("a whole number", other),
    }
}

fn number(json: &Json<'_>, name: &str) -> Result<Option<f32>, Fault> {
    match json.get(name) {
        None => Ok(None),
        Some(Json::Number(number)) => Ok(number.as_f64().map(|value| value as f32)),
        Some(other) => Err(Fault::expected("a number", other)),
    }
}

/// Reads the seed; one below zero keeps its bits, so that it still differs from every other seed.
fn seed(json: &Json<'_>) -> Result<Option<u64>, Fault> {
    let Some(value) = json.get("seed") else { return Ok(None) };
    let below_zero = if let Json::Number(number) = value { number.as_i64().map(i64::cast_unsigned) } else { None };
    value.as_count().or(below_zero).map(Some).ok_or_else(|| whole_number_fault(value))
}

fn stop(json: &Json<'_>) -> Result<Vec<String>, Fault> {
    let name = if json.get("stop_sequences").is_some() { "stop_sequences" } else { "stop" };
    match json.get(name) {
        None => Ok(Vec::new()),
        Some(Json::Text(text)) => Ok(vec![text.clone().into_owned()]),
        Some(Json::List(items)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let text = item.as_str().ok_or_else(|| Fault::expected("a string", item));
                text.map(str::to_owned).at(index)
            })
            .collect::<Result<_, _>>()
            .within(name),
        Some(other) => Err(Fault::expected("a string or an array", other)).within(name),
    }
}
