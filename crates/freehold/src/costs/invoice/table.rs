//! Exports with columns: the vendors' CSV files, and a plain one that anybody can write.

use csv::StringRecord;
use freehold_wire::Usage;

use super::super::money::Money;
use super::{Entry, Error, Form, Invoice, Kind, Reader, anthropic, only_usd, openai};
use crate::facts::day_of;

/// Reads a table with a head; columns are found by name, and may be parted by commas, semicolons or tabs.
pub(super) fn parse(text: &str) -> Result<Invoice, Error> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b'\t', b';'].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
    let mut lines = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let broken = |error: csv::Error| Error::Form { found: format!("a table with a fault: {error}") };
    let head = Head::new(lines.headers().map_err(broken)?)?;
    let mut reader = Reader { form: Some(head.form), ..Reader::default() };
    let mut decimals = None;
    for line in lines.records() {
        let line = line.map_err(broken)?;
        let place = line.position().map_or(0, csv::Position::line);
        let row = Row { head: &head, line: &line, place };
        let Some(entry) = row.entry(&mut reader)? else { continue };
        if let Some(text) = row.text(head.amount()) {
            let written = text.split_once('.').map_or(0, |(_, part)| part.len());
            decimals = Some(decimals.unwrap_or(0).max(written));
        }
        reader.entries.push(entry);
    }
    let mut invoice = reader.finish()?;
    invoice.rounding = half_of_the_last_digit(decimals);
    Ok(invoice)
}

/// Returns by how much an amount with so many decimals may be off; the most that any row shows counts.
fn half_of_the_last_digit(decimals: Option<usize>) -> Money {
    let scale =
        decimals.and_then(|decimals| u32::try_from(decimals).ok()).and_then(|digits| 10_i128.checked_pow(digits));
    Money::from_picousd(scale.map_or(0, |scale| 500_000_000_000 / scale))
}

/// The head of a table.
struct Head {
    form: Form,
    names: Vec<String>,
}

impl Head {
    fn new(names: &StringRecord) -> Result<Self, Error> {
        let names: Vec<String> = names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let form = if has("usage_date_utc") && has("cost_usd") {
            Form::AnthropicCosts
        } else if has("usage_date_utc") && has("usage_output_tokens") {
            Form::AnthropicUsage
        } else if has("start_time") && has("amount_value") {
            Form::OpenaiCosts
        } else if has("start_time") && has("input_tokens") {
            Form::OpenaiUsage
        } else if has("date") && (has("amount") || has("input_tokens")) {
            Form::Plain
        } else {
            let shown: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
            return Err(Error::Form { found: format!("a table with the columns {}", shown.join(", ")) });
        };
        Ok(Head { form, names })
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    fn amount(&self) -> &'static str {
        match self.form {
            Form::OpenaiCosts => "amount_value",
            Form::AnthropicCosts => "cost_usd",
            _ => "amount",
        }
    }
}

/// A line of a table.
struct Row<'t> {
    head: &'t Head,
    line: &'t StringRecord,
    place: u64,
}

impl Row<'_> {
    /// Reads the line; `None` where it is about nothing, as in the vendors' empty buckets.
    fn entry(&self, reader: &mut Reader) -> Result<Option<Entry>, Error> {
        let day = self.day()?;
        reader.sees(day);
        let key = self.text("api_key").or_else(|| self.text("api_key_id")).map(str::to_owned);
        let model = self.text("model").or_else(|| self.text("model_version")).map(str::to_owned);
        let requests = self.count("num_model_requests")?.or(self.count("requests")?);
        let mut entry = Entry { day, model, key, requests, tokens: self.tokens()?, amount: None };
        if let Some((kind, model)) = self.kind() {
            only_usd(self.text("amount_currency").or_else(|| self.text("currency")), &|| self.place())?;
            entry.amount = self.money(self.head.amount())?.map(|money| (kind, money));
            entry.model = model.or(entry.model);
        }
        Ok((entry.tokens.is_some() || entry.amount.is_some()).then_some(entry))
    }

    fn day(&self) -> Result<i32, Error> {
        let name = match self.head.form {
            Form::OpenaiUsage | Form::OpenaiCosts => "start_time",
            Form::AnthropicUsage | Form::AnthropicCosts => "usage_date_utc",
            Form::Plain => "date",
        };
        let text = self.text(name).unwrap_or_default();
        let found = text.parse::<f64>().ok().and_then(|second| openai::day_of_second(second as i64));
        let date = || text.get(..10)?.parse::<jiff::civil::Date>().ok().map(day_of);
        found.or_else(date).ok_or_else(|| self.fault(format!("{name} is {text:?}, no date like 2026-11-22")))
    }

    /// Returns the tokens, where the table has them.
    fn tokens(&self) -> Result<Option<Usage>, Error> {
        let sum = |names: &[&str]| -> Result<u64, Error> {
            names.iter().map(|name| Ok(self.count(name)?.unwrap_or(0))).sum()
        };
        Ok(match self.head.form {
            Form::OpenaiCosts | Form::AnthropicCosts => None,
            Form::AnthropicUsage => {
                let cache_write = sum(&[
                    "usage_input_tokens_cache_write",
                    "usage_input_tokens_cache_write_5m",
                    "usage_input_tokens_cache_write_1h",
                ])?;
                let cache_read = sum(&["usage_input_tokens_cache_read"])?;
                let input = sum(&["usage_input_tokens_no_cache"])? + cache_read + cache_write;
                Some(Usage { input, cache_read, cache_write, output: sum(&["usage_output_tokens"])?, reasoning: 0 })
            }
            Form::OpenaiUsage | Form::Plain => match self.count("input_tokens")? {
                None => None,
                Some(input) => Some(Usage {
                    input,
                    cache_read: sum(&["input_cached_tokens", "cached_tokens"])?,
                    cache_write: sum(&["input_cache_write_tokens", "cache_write_tokens"])?,
                    output: sum(&["output_tokens"])?,
                    reasoning: 0,
                }),
            },
        })
    }

    /// Returns what the amount of the line was asked for, and the model where the column of the model does not say it.
    fn kind(&self) -> Option<(Kind, Option<String>)> {
        match self.head.form {
            Form::OpenaiUsage | Form::AnthropicUsage => None,
            Form::Plain => Some((Kind::Tokens, None)),
            Form::AnthropicCosts => Some((self.text("token_type").map_or(Kind::Other, anthropic::token_kind), None)),
            Form::OpenaiCosts => {
                let (model, kind) = self.text("line_item").map_or((None, Kind::Tokens), openai::line_item);
                Some((kind, model))
            }
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.line.get(self.head.at(name)?).map(str::trim).filter(|text| !text.is_empty())
    }

    fn count(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let plain = text.replace(',', "");
        let count =
            plain.parse::<u64>().ok().or_else(|| plain.parse::<f64>().ok().filter(|f| *f >= 0.0).map(|f| f as u64));
        count.map(Some).ok_or_else(|| self.fault(format!("{name} is {text:?}, no count")))
    }

    fn money(&self, name: &str) -> Result<Option<Money>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        Money::parse_usd(text).map(Some).ok_or_else(|| self.fault(format!("{name} is {text:?}, no amount")))
    }

    fn place(&self) -> String {
        format!("line {}", self.place)
    }

    fn fault(&self, what: String) -> Error {
        Error::Place { place: self.place(), what }
    }
}
