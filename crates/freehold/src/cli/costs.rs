//! `freehold costs`: what the calls cost, and whether an invoice agrees.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use freehold_store::Store;
use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::costs::reconcile::{Scope, reconcile};
use crate::costs::terminal::{self, Bars};
use crate::costs::{By, Costs, costs, invoice, lost_calls};
use crate::exit::{Exit, Fault};
use crate::facts::{PriceBook, day_of};
use crate::home::Place;
use crate::stdout;

/// Show what the calls cost, or hold a vendor's invoice against the record.
///
/// Prices come from the vendor facts, each call at the price of its day. A cost that is not known is said to be unknown, and a
/// sum over such calls to be "at least"; `~` marks tokens that were counted here, because the provider did not say them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold costs --by model --since 7d\n  \
    freehold costs --invoice claude_api_tokens_2026_11.csv --vendor-key production\n\n\
    With --invoice it ends with 0 when the gap is within the tolerance and 1 when it is not.")]
pub(super) struct Arguments {
    /// By what calls are put together.
    #[arg(long, value_enum, default_value_t = By::Step)]
    by: By,
    /// The first day, as a date or so many days back: 2026-11-01 or 30d.
    #[arg(long, default_value = "30d", value_name = "DAYS|DATE")]
    since: String,
    /// The last day, as a date or so many days back [default: today]
    #[arg(long, value_name = "DAYS|DATE")]
    until: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// A vendor's usage or cost export (JSON or CSV) to hold against the record; its days decide, not --since.
    #[arg(long, value_name = "FILE")]
    invoice: Option<PathBuf>,
    /// With --invoice: the gap that is tolerated, in percent of the invoice.
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT", requires = "invoice")]
    tolerance: f64,
    /// With --invoice: only calls of this upstream [default: those of the invoice's vendor]
    #[arg(long, value_name = "NAME", requires = "invoice")]
    upstream: Option<String>,
    /// With --invoice: only lines of this key of the vendor's, by the name or id that the export shows; may be repeated.
    #[arg(long, value_name = "NAME", requires = "invoice")]
    vendor_key: Vec<String>,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let book = PriceBook::load(settings.facts.path.as_deref(), settings.sellers())?;
    let store = place.store()?;
    match &arguments.invoice {
        Some(file) => against(file, arguments, &store, &book),
        None => show(arguments, &store, &book),
    }
}

fn show(arguments: &Arguments, store: &Store, book: &PriceBook) -> anyhow::Result<Exit> {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let from = date(&arguments.since, today)?;
    let to = arguments.until.as_deref().map_or(Ok(today), |until| date(until, today))?;
    if from > to {
        return Err(Fault::input(format!("{from} is after {to}")).hint("--since must not be after --until").into());
    }
    let found = costs(&store.traffic(day_of(from), day_of(to))?, arguments.by, book);
    if arguments.json {
        stdout::line(json(&found, (from, to), arguments.by, book)?)?;
        return Ok(Exit::Done);
    }
    if found.total.calls == 0 {
        eprintln!("no calls from {from} to {to} (UTC)");
        return Ok(Exit::Done);
    }
    let bars = if std::io::stdout().is_terminal() { Bars::Drawn } else { Bars::Left };
    stdout::block(terminal::table(&found, arguments.by, bars))?;
    stdout::line(format_args!("\n{from} to {to}, UTC days"))?;
    for note in terminal::notes(&found, &book.facts().compiled_on().to_string()) {
        stdout::line(note)?;
    }
    let lost = lost_calls(&store.gaps()?, day_of(from)..=day_of(to));
    if lost > 0 {
        eprintln!("{lost} calls could not be recorded and are in none of these figures");
    }
    Ok(Exit::Done)
}

fn json(found: &Costs, (from, to): (Date, Date), by: By, book: &PriceBook) -> anyhow::Result<String> {
    let mut all = serde_json::to_value(found)?;
    all["from"] = from.to_string().into();
    all["to"] = to.to_string().into();
    all["by"] = serde_json::to_value(by)?;
    all["prices_as_of"] = book.facts().compiled_on().to_string().into();
    Ok(all.to_string())
}

fn against(file: &Path, arguments: &Arguments, store: &Store, book: &PriceBook) -> anyhow::Result<Exit> {
    let invoice = invoice::read(file).map_err(|error| {
        Fault::input(format!("cannot use the invoice {}", file.display())).because(error).hint(
            "give a usage or cost export of OpenAI or Anthropic (JSON or CSV), or a CSV with the columns \
             date,model,input_tokens,cached_tokens,output_tokens,amount,currency",
        )
    })?;
    let traffic = store.traffic(invoice.days.0, invoice.days.1)?;
    let scope = Scope { upstream: arguments.upstream.clone(), vendor_keys: arguments.vendor_key.clone() };
    let found = reconcile(&invoice, &traffic, &store.gaps()?, &scope, book);
    let is_within = found.is_within(arguments.tolerance);
    if arguments.json {
        let mut all = serde_json::to_value(&found)?;
        all["gap_microusd"] = serde_json::to_value(found.gap())?;
        all["gap_percent"] = found.gap_share().map(|share| share * 100.0).into();
        all["tolerance_percent"] = arguments.tolerance.into();
        all["within_tolerance"] = is_within.into();
        stdout::line(all)?;
    } else {
        stdout::block(terminal::reconciliation(&found, arguments.tolerance))?;
    }
    Ok(if is_within { Exit::Done } else { Exit::NotAdequate })
}

/// Reads a date, or so many days back from today.
fn date(text: &str, today: Date) -> Result<Date, Fault> {
    let back = || {
        let days: i32 = text.strip_suffix('d')?.parse().ok().filter(|days| *days >= 1)?;
        let span: Span = (days - 1).days();
        today.checked_sub(span).ok()
    };
    let found = back().or_else(|| text.parse().ok());
    found.ok_or_else(|| Fault::input(format!("{text:?} is no day")).hint("write a date such as 2026-11-01, or 30d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_or_counted_back_with_today() {
        let today: Date = "2026-11-22".parse().unwrap();
        let read = |text: &str| date(text, today).map(|date| date.to_string()).unwrap_or_default();
        assert_eq!((read("1d"), read("30d")), ("2026-11-22".into(), "2026-10-24".into()));
        assert_eq!(read("2026-11-01"), "2026-11-01");
        for text in ["", "d", "0d", "-3d", "soon", "2026-13-01"] {
            assert_eq!(read(text), "", "{text}");
        }
    }
}
