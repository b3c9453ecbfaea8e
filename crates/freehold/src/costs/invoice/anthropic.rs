//! Anthropic's usage and cost reports: buckets with `starting_at` as RFC 3339, amounts in cents.

use freehold_wire::Usage;
use serde_json::Value;

use super::{Entry, Error, Form, Kind, count, only_usd, text};
use crate::facts::day_of;

/// Returns the day of a bucket.
pub(super) fn day(bucket: &Value) -> Result<i32, Error> {
    let text = bucket["starting_at"].as_str().unwrap_or_default();
    let at: jiff::Timestamp =
        text.parse().map_err(|_| Error::Form { found: format!("starting_at is {text:?}, no moment") })?;
    Ok(day_of(at.to_zoned(jiff::tz::TimeZone::UTC).date()))
}

/// Reads a result of a bucket.
pub(super) fn result(day: i32, result: &Value) -> Result<(Form, Option<Entry>), Error> {
    let place = || format!("a result of day {day}");
    let named = super::named(day, result);
    if let Some(amount) = result.get("amount").filter(|amount| !amount.is_null()) {
        only_usd(result["currency"].as_str(), &place)?;
        let money = super::money(amount, &place)?;
        let kind = match (text(result, "cost_type"), text(result, "token_type")) {
            (_, Some(kind)) => token_kind(&kind),
            (Some(kind), None) if kind != "tokens" => Kind::Other,
            _ => Kind::Tokens,
        };
        return Ok((Form::AnthropicCosts, Some(Entry { amount: Some((kind, money.from_cents())), ..named })));
    }
    let Some(fresh) = count(result, "uncached_input_tokens", &place)? else {
        return Err(Error::Form { found: "a result with neither `amount` nor `uncached_input_tokens`".into() });
    };
    let written = &result["cache_creation"];
    let cache_write = count(written, "ephemeral_5m_input_tokens", &place)?.unwrap_or(0)
        + count(written, "ephemeral_1h_input_tokens", &place)?.unwrap_or(0);
    let cache_read = count(result, "cache_read_input_tokens", &place)?.unwrap_or(0);
    let output = count(result, "output_tokens", &place)?.unwrap_or(0);
    let tokens = Usage { input: fresh + cache_read + cache_write, cache_read, cache_write, output, reasoning: 0 };
    Ok((Form::AnthropicUsage, Some(Entry { tokens: Some(tokens), ..named })))
}

/// Returns what a token type stands for, as the API and the CSV write them.
pub(super) fn token_kind(word: &str) -> Kind {
    match word {
        "uncached_input_tokens" | "input_no_cache" => Kind::Fresh,
        "cache_read_input_tokens" | "input_cache_read" => Kind::CacheRead,
        "output_tokens" | "output" => Kind::Output,
        written if written.starts_with("cache_creation") || written.starts_with("input_cache_write") => {
            Kind::CacheWrite
        }
        _ => Kind::Other,
    }
}
