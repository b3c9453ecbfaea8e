//! The records of a facts file as they are written, and their checks.

use std::collections::HashSet;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, de};

use super::Facts;
use super::price::{Price, Rates, Tariff};
use super::retirement::{Precision, Retirement};
use super::rule::Rule;

/// The dearest price believed, in US dollars per million tokens; more is a slip of the pen.
const USD_PER_MTOK_MAX: f64 = 1e6;

/// The part of a file that every format shares.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: u64,
}

/// A whole file of format 1 or 2; the second adds prices of reasoning and of long prompts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "format")]
    _format: u64,
    #[serde(deserialize_with = "date")]
    compiled_on: Date,
    sources: Vec<Source>,
    vendors: Vec<VendorRecord>,
    prices: Vec<PriceRecord>,
    retirements: Vec<RetirementRecord>,
}

/// Says where facts come from and how old they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name that records use.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Its licence, where it states one.
    pub licence: Option<String>,
    /// The day or month it was read.
    pub as_of: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorRecord {
    name: String,
    kind: VendorKind,
}

/// Says what a vendor sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum VendorKind {
    Maker,
    Host,
    Simulated,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRecord {
    vendor: String,
    model: String,
    #[serde(rename = "match")]
    rule: Rule,
    #[serde(default, deserialize_with = "some_date")]
    from: Option<Date>,
    #[serde(deserialize_with = "rate")]
    input_usd_per_mtok: i64,
    #[serde(default, deserialize_with = "some_rate")]
    cache_read_usd_per_mtok: Option<i64>,
    #[serde(default, deserialize_with = "some_rate")]
    cache_write_usd_per_mtok: Option<i64>,
    #[serde(default, deserialize_with = "some_rate")]
    output_usd_per_mtok: Option<i64>,
    #[serde(default, deserialize_with = "some_rate")]
    reasoning_usd_per_mtok: Option<i64>,
    /// Where the prices end and those of long prompts are not known.
    base_tier_tokens_max: Option<u64>,
    long_prompt: Option<LongPromptRecord>,
    source: String,
}

/// What the whole call costs once its prompt is longer than `above_tokens`; what is not repeated here costs as before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongPromptRecord {
    above_tokens: u64,
    #[serde(deserialize_with = "rate")]
    input_usd_per_mtok: i64,
    #[serde(default, deserialize_with = "some_rate")]
    cache_read_usd_per_mtok: Option<i64>,
    #[serde(default, deserialize_with = "some_rate")]
    cache_write_usd_per_mtok: Option<i64>,
    #[serde(default, deserialize_with = "some_rate")]
    output_usd_per_mtok: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetirementRecord {
    vendor: String,
    model: String,
    #[serde(rename = "status")]
    _status: Status,
    #[serde(default, deserialize_with = "some_date")]
    announced_on: Option<Date>,
    #[serde(default, deserialize_with = "some_date")]
    shutdown_on: Option<Date>,
    #[serde(default, deserialize_with = "some_date")]
    earliest_shutdown_on: Option<Date>,
    #[serde(default)]
    replacement: Vec<String>,
    #[serde(default)]
    covers_fine_tunes: bool,
    source: String,
    verified_on: String,
    page: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Deprecated,
    Retired,
}

impl File {
    /// Checks that records name declared vendors and sources, and turns them into facts.
    pub(super) fn into_facts(self) -> Result<Facts, String> {
        let vendors: HashSet<&str> = self.vendors.iter().map(|v| v.name.as_str()).collect();
        let sources: HashSet<&str> = self.sources.iter().map(|s| s.id.as_str()).collect();
        let prices = self.prices.iter().map(|p| ("price", &p.vendor, &p.model, &p.source));
        let retirements = self.retirements.iter().map(|r| ("retirement", &r.vendor, &r.model, &r.source));
        for (what, vendor, model, source) in prices.chain(retirements) {
            if !vendors.contains(vendor.as_str()) {
                return Err(format!("the {what} of {model} names the vendor {vendor}, which is not declared"));
            }
            if !sources.contains(source.as_str()) {
                return Err(format!("the {what} of {vendor} {model} names the source {source}, which is not declared"));
            }
        }
        Ok(Facts {
            compiled_on: self.compiled_on,
            sources: self.sources,
            vendors: self.vendors.into_iter().map(|v| (v.name, v.kind)).collect(),
            prices: self.prices.into_iter().map(PriceRecord::into_price).collect(),
            retirements: self.retirements.into_iter().filter_map(RetirementRecord::into_retirement).collect(),
        })
    }
}

impl PriceRecord {
    fn into_price(self) -> Price {
        let rates = Rates {
            input: self.input_usd_per_mtok,
            cache_read: self.cache_read_usd_per_mtok,
            cache_write: self.cache_write_usd_per_mtok,
            output: self.output_usd_per_mtok,
            reasoning: self.reasoning_usd_per_mtok,
        };
        let long = self.long_prompt.as_ref();
        let long_rates = long.map(|long| Rates {
            input: long.input_usd_per_mtok,
            cache_read: long.cache_read_usd_per_mtok.or(rates.cache_read),
            cache_write: long.cache_write_usd_per_mtok.or(rates.cache_write),
            output: long.output_usd_per_mtok.or(rates.output),
            reasoning: rates.reasoning,
        });
        Price {
            vendor: self.vendor,
            model: self.model,
            from: self.from,
            tariff: Tariff {
                base_tier_tokens_max: long.map(|long| long.above_tokens).or(self.base_tier_tokens_max),
                rates,
                long_rates,
            },
            source: self.source,
            rule: self.rule,
        }
    }
}

impl RetirementRecord {
    /// Returns the retirement, or `None` for a model without any date.
    fn into_retirement(self) -> Option<Retirement> {
        let exact = self.shutdown_on.map(|date| (date, Precision::Exact));
        let (date, precision) = exact.or_else(|| self.earliest_shutdown_on.map(|date| (date, Precision::Earliest)))?;
        Some(Retirement {
            vendor: self.vendor,
            model: self.model,
            date,
            precision,
            announced_on: self.announced_on,
            replacement: self.replacement,
            source: self.source,
            page: self.page,
            verified_on: self.verified_on,
            covers_fine_tunes: self.covers_fine_tunes,
        })
    }
}

fn date<'de, D: Deserializer<'de>>(input: D) -> Result<Date, D::Error> {
    let text = String::deserialize(input)?;
    text.parse().map_err(|e| de::Error::custom(format!("{text:?} is not a date like 2026-11-22: {e}")))
}

fn some_date<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Date>, D::Error> {
    date(input).map(Some)
}

/// Reads US dollars per million tokens as millionths of a dollar.
fn rate<'de, D: Deserializer<'de>>(input: D) -> Result<i64, D::Error> {
    let usd = f64::deserialize(input)?;
    if !(0.0..=USD_PER_MTOK_MAX).contains(&usd) {
        return Err(de::Error::custom(format!("{usd} is not a price in US dollars per million tokens")));
    }
    Ok((usd * 1e6).round() as i64)
}

fn some_rate<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    rate(input).map(Some)
}
