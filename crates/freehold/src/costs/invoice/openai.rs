//! OpenAI's usage and cost reports: buckets with `start_time` in seconds.

use freehold_wire::Usage;
use serde_json::Value;

use super::{Entry, Error, Form, Kind, count, only_usd, text};

const SECONDS_PER_DAY: i64 = 86_400;

/// Returns the day of a bucket.
pub(super) fn day(bucket: &Value) -> Result<i32, Error> {
    let start = bucket["start_time"].as_i64();
    start.and_then(day_of_second).ok_or_else(|| Error::Form { found: "a bucket without a start_time".into() })
}

/// Returns the day of a moment in seconds.
pub(super) fn day_of_second(second: i64) -> Option<i32> {
    i32::try_from(second.div_euclid(SECONDS_PER_DAY)).ok()
}

/// Reads a result of a bucket.
pub(super) fn result(day: i32, result: &Value) -> Result<(Form, Option<Entry>), Error> {
    let place = || format!("a result of day {day}");
    let named = super::named(day, result);
    if let Some(amount) = result.get("amount").filter(|amount| !amount.is_null()) {
        only_usd(amount["currency"].as_str(), &place)?;
        let money = super::money(&amount["value"], &place)?;
        let (model, kind) = text(result, "line_item").map_or((None, Kind::Tokens), |item| line_item(&item));
        return Ok((Form::OpenaiCosts, Some(Entry { model, amount: Some((kind, money)), ..named })));
    }
    let Some(input) = count(result, "input_tokens", &place)? else {
        return Err(Error::Form { found: "a result with neither `amount` nor `input_tokens`".into() });
    };
    let tokens = Usage {
        input,
        cache_read: count(result, "input_cached_tokens", &place)?.unwrap_or(0),
        cache_write: count(result, "input_cache_write_tokens", &place)?.unwrap_or(0),
        output: count(result, "output_tokens", &place)?.unwrap_or(0),
        reasoning: 0,
    };
    let requests = count(result, "num_model_requests", &place)?;
    Ok((Form::OpenaiUsage, Some(Entry { requests, tokens: Some(tokens), ..named })))
}

/// Splits a line item such as `gpt-4o-2024-08-06, cached input` into the model and what was paid for.
pub(super) fn line_item(item: &str) -> (Option<String>, Kind) {
    let Some((model, what)) = item.split_once(", ") else { return (Some(item.to_owned()), Kind::Other) };
    let kind = match what.trim().to_ascii_lowercase().as_str() {
        "input" => Kind::Fresh,
        "cached input" => Kind::CacheRead,
        "cache write" | "cache write input" | "cached write" => Kind::CacheWrite,
        "output" => Kind::Output,
        _ => Kind::Other,
    };
    (Some(model.to_owned()), kind)
}
