//! What a vendor says that was used and what it asks for it, read from its exports.
//! The form of a file is told by its content, never by its name.

mod anthropic;
mod openai;
mod table;

use std::path::Path;

use freehold_wire::Usage;
use serde_json::Value;

use super::money::Money;

/// The largest export that is read.
const BYTES_MAX: u64 = 256 << 20;

/// An export cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("reading the invoice {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is larger than anything that is believed.
    #[error("the invoice {path} has more than {BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// Its form is none of those that are known.
    #[error("the invoice is none of the known exports: {found}")]
    Form {
        /// What it looks like.
        found: String,
    },
    /// A row or result says something that cannot be.
    #[error("{place} of the invoice: {what}")]
    Place {
        /// Where.
        place: String,
        /// What is wrong.
        what: String,
    },
}

/// Which export it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `GET /v1/organization/usage/...` of OpenAI, or its CSV: tokens, no amounts.
    OpenaiUsage,
    /// `GET /v1/organization/costs` of OpenAI, or its CSV: amounts, no tokens.
    OpenaiCosts,
    /// `GET /v1/organizations/usage_report/messages` of Anthropic, or its CSV: tokens, no amounts.
    AnthropicUsage,
    /// `GET /v1/organizations/cost_report` of Anthropic, or its CSV: amounts, no tokens.
    AnthropicCosts,
    /// The plain table with a column `date`: both.
    Plain,
}

impl Form {
    /// Returns the vendor it comes from, where the form tells.
    #[must_use]
    pub fn vendor(self) -> Option<&'static str> {
        match self {
            Form::OpenaiUsage | Form::OpenaiCosts => Some("openai"),
            Form::AnthropicUsage | Form::AnthropicCosts => Some("anthropic"),
            Form::Plain => None,
        }
    }
}

/// What an amount was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Tokens of the prompt that came from no cache.
    Fresh,
    /// Tokens read from a cache.
    CacheRead,
    /// Tokens written to a cache.
    CacheWrite,
    /// Generated tokens.
    Output,
    /// All tokens together.
    Tokens,
    /// Something else than tokens, such as searches.
    Other,
}

/// One row of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The day, in days since the Unix epoch, UTC.
    pub day: i32,
    /// The model as the vendor calls it there.
    pub model: Option<String>,
    /// The vendor's key, by name or id.
    pub key: Option<String>,
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens; `input` counts all of the prompt.
    pub tokens: Option<Usage>,
    /// The amount, and what it was asked for.
    pub amount: Option<(Kind, Money)>,
}

/// A vendor's export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Which export it is.
    pub form: Form,
    /// Its rows, those that say nothing left out.
    pub entries: Vec<Entry>,
    /// The first and the last day it speaks of.
    pub days: (i32, i32),
    /// By how much each amount may be off because it was rounded.
    pub rounding: Money,
    /// Whether the export says that it goes on in a further page.
    pub has_more: bool,
}

/// Reads an export from a file.
///
/// # Errors
/// The file cannot be read, has an unknown form, or says something that cannot be.
pub fn read(path: &Path) -> Result<Invoice, Error> {
    let shown = || path.display().to_string();
    let failed = |source| Error::Read { path: shown(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
        return Err(Error::TooLarge { path: shown() });
    }
    parse(&std::fs::read_to_string(path).map_err(failed)?)
}

/// Reads an export.
///
/// # Errors
/// It has an unknown form, or says something that cannot be.
pub fn parse(text: &str) -> Result<Invoice, Error> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with(['{', '[']) {
        return pages(text);
    }
    table::parse(text)
}

/// Reads one page or several, as the vendors' APIs return them.
fn pages(text: &str) -> Result<Invoice, Error> {
    let mut reader = Reader::default();
    let mut has_more = false;
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|error| Error::Form { found: format!("JSON with a fault: {error}") })?;
        let pages = if let Value::Array(pages) = value { pages } else { vec![value] };
        for page in &pages {
            has_more = page["has_more"] == Value::Bool(true);
            let Some(buckets) = page["data"].as_array() else {
                return Err(Error::Form {
                    found: "JSON without the list `data` of a vendor's usage or cost report".into(),
                });
            };
            for bucket in buckets {
                reader.bucket(bucket)?;
            }
        }
    }
    Ok(Invoice { has_more, ..reader.finish()? })
}

/// Gathers buckets of one form.
#[derive(Default)]
struct Reader {
    form: Option<Form>,
    entries: Vec<Entry>,
    days: Option<(i32, i32)>,
}

impl Reader {
    fn bucket(&mut self, bucket: &Value) -> Result<(), Error> {
        let is_anthropic = bucket.get("starting_at").is_some();
        let day = if is_anthropic { anthropic::day(bucket)? } else { openai::day(bucket)? };
        self.sees(day);
        let results = bucket["results"].as_array().or_else(|| bucket["result"].as_array());
        for result in results.into_iter().flatten() {
            let (form, entry) =
                if is_anthropic { anthropic::result(day, result)? } else { openai::result(day, result)? };
            self.is(form)?;
            self.entries.extend(entry);
        }
        Ok(())
    }

    fn is(&mut self, form: Form) -> Result<(), Error> {
        match self.form.replace(form) {
            Some(before) if before != form => {
                Err(Error::Form { found: "usage and costs in one file; give them one after the other".into() })
            }
            _ => Ok(()),
        }
    }

    fn sees(&mut self, day: i32) {
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
    }

    fn finish(self) -> Result<Invoice, Error> {
        match (self.form, self.days) {
            (Some(form), Some(days)) => {
                Ok(Invoice { form, entries: self.entries, days, rounding: Money::default(), has_more: false })
            }
            _ => Err(Error::Form { found: "a report without a single result".into() }),
        }
    }
}

/// Begins an entry with the names that the results of both vendors carry.
fn named(day: i32, result: &Value) -> Entry {
    let (model, key) = (text(result, "model"), text(result, "api_key_id"));
    Entry { day, model, key, requests: None, tokens: None, amount: None }
}

/// Reads an amount that is written as a number or as a text.
fn money(amount: &Value, place: &dyn Fn() -> String) -> Result<Money, Error> {
    let shown = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    Money::parse_usd(&shown).ok_or_else(|| Error::Place { place: place(), what: format!("{shown:?} is no amount") })
}

/// Returns a count that may be absent or null.
fn count(result: &Value, name: &str, place: &dyn Fn() -> String) -> Result<Option<u64>, Error> {
    match result.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().or_else(|| value.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64)) {
            Some(count) => Ok(Some(count)),
            None => Err(Error::Place { place: place(), what: format!("{name} is {value}, which is no count") }),
        },
    }
}

/// Returns a text that may be absent, null or empty.
fn text(result: &Value, name: &str) -> Option<String> {
    result.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn only_usd(currency: Option<&str>, place: &dyn Fn() -> String) -> Result<(), Error> {
    match currency {
        Some(currency) if !currency.is_empty() && !currency.eq_ignore_ascii_case("usd") => Err(Error::Place {
            place: place(),
            what: format!("the amount is in {currency:?}; only US dollars can be compared"),
        }),
        _ => Ok(()),
    }
}
