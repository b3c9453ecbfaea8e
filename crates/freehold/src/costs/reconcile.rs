//! Holds what a vendor asks for against what was recorded, by day and model, and says where a gap comes from.

mod cause;
mod side;

use std::collections::{BTreeMap, BTreeSet};

use freehold_store::{DayTraffic, Gap};
use serde::Serialize;

use super::invoice::{Entry, Form, Invoice};
use super::money::Money;
use super::{lost_calls, shown_day};
use crate::facts::{PriceBook, date_of};
pub use cause::{Cause, Why};
use side::{Ours, Theirs};

/// Which calls and which lines of the invoice are held against each other.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only calls of this upstream; otherwise those of the vendor that the invoice is from.
    pub upstream: Option<String>,
    /// Only lines of these keys of the vendor's; empty for all.
    pub vendor_keys: Vec<String>,
}

/// A day and model, or a day where the invoice names no models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The day, in UTC.
    pub day: String,
    /// The model; `None` where the invoice names none.
    pub model: Option<String>,
    /// What the vendor asks for.
    #[serde(rename = "invoiced_microusd")]
    pub invoiced: Money,
    /// What was recorded, at list prices.
    #[serde(rename = "recorded_microusd")]
    pub recorded: Money,
    /// Requests that the vendor counts, where it says.
    pub requests: Option<u64>,
    /// Calls that were recorded.
    pub calls: u64,
    /// Where the gap comes from; their amounts add up to it.
    pub causes: Vec<Cause>,
}

/// An invoice held against the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// Which export it is.
    pub form: Form,
    /// The first and last day, in UTC.
    pub days: (String, String),
    /// What the vendor asks for.
    #[serde(rename = "invoiced_microusd")]
    pub invoiced: Money,
    /// Whether the export names amounts; otherwise its tokens were priced here.
    pub has_amounts: bool,
    /// What was recorded, at list prices.
    #[serde(rename = "recorded_microusd")]
    pub recorded: Money,
    /// Days and models, those with the largest gaps first.
    pub rows: Vec<Row>,
    /// Where the gap comes from, over all rows.
    pub causes: Vec<Cause>,
    /// The vendor's keys that the invoice names, with their amounts; those left out are marked.
    pub vendor_keys: Vec<VendorKey>,
    /// Calls of those days that could not be recorded.
    pub lost_calls: u64,
    /// Whether the export says that it goes on in a further page, which is missing here.
    pub has_more: bool,
}

/// A key of the vendor's in the invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VendorKey {
    /// Its name or id.
    pub key: String,
    /// Its amount.
    #[serde(rename = "invoiced_microusd")]
    pub invoiced: Money,
    /// Whether it was left out of the comparison.
    pub is_left_out: bool,
}

impl Reconciliation {
    /// Returns what is invoiced beyond what was recorded.
    #[must_use]
    pub fn gap(&self) -> Money {
        self.invoiced - self.recorded
    }

    /// Returns the gap as a share of the invoice; `None` where nothing is invoiced but something was recorded.
    #[must_use]
    pub fn gap_share(&self) -> Option<f64> {
        let (gap, invoiced) = (self.gap().abs().usd(), self.invoiced.abs().usd());
        if gap == 0.0 { Some(0.0) } else { (invoiced > 0.0).then(|| gap / invoiced) }
    }

    /// Returns whether the gap is as small as is tolerated.
    #[must_use]
    pub fn is_within(&self, tolerance_percent: f64) -> bool {
        self.gap_share().is_some_and(|share| share * 100.0 <= tolerance_percent)
    }
}

/// The day and the model under which both sides are put together.
type Key = (i32, Option<String>);

/// Holds an invoice against the sums of its days.
#[must_use]
pub fn reconcile(
    invoice: &Invoice,
    traffic: &[DayTraffic],
    gaps: &[Gap],
    scope: &Scope,
    book: &PriceBook,
) -> Reconciliation {
    let names = Names { book, vendor: invoice.form.vendor() };
    let (kept, left): (Vec<&Entry>, Vec<&Entry>) = invoice.entries.iter().partition(|entry| scope.takes(entry));
    let has_models = invoice.entries.iter().any(|entry| entry.model.is_some());
    let mut theirs: BTreeMap<Key, Theirs> = BTreeMap::new();
    for entry in &kept {
        let model = entry.model.as_deref().filter(|_| has_models).map(|model| names.canonical(model));
        theirs.entry((entry.day, model)).or_default().add(entry);
    }
    let invoiced_models: BTreeSet<String> = theirs.keys().filter_map(|(_, model)| model.clone()).collect();
    let mut ours: BTreeMap<Key, Ours> = BTreeMap::new();
    for day in traffic.iter().filter(|day| (invoice.days.0..=invoice.days.1).contains(&day.day)) {
        let model = names.canonical(&day.model);
        if names.is_in_scope(day, &model, scope, &invoiced_models) {
            ours.entry((day.day, has_models.then_some(model))).or_default().add(day, book);
        }
    }
    let keys: BTreeSet<&Key> = theirs.keys().chain(ours.keys()).collect();
    let rounding = invoice.rounding;
    let mut rows: Vec<Row> = keys
        .into_iter()
        .map(|key| row(&names, key, (theirs.get(key), ours.get(key)), (rounding, lost_calls(gaps, key.0..=key.0))))
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.invoiced - row.recorded).abs()));
    Reconciliation {
        form: invoice.form,
        days: (shown_day(invoice.days.0), shown_day(invoice.days.1)),
        invoiced: rows.iter().map(|row| row.invoiced).sum(),
        has_amounts: invoice.entries.iter().any(|entry| entry.amount.is_some()),
        recorded: rows.iter().map(|row| row.recorded).sum(),
        causes: cause::together(rows.iter().flat_map(|row| &row.causes)),
        rows,
        vendor_keys: vendor_keys(&names, &kept, &left),
        lost_calls: lost_calls(gaps, invoice.days.0..=invoice.days.1),
        has_more: invoice.has_more,
    }
}

impl Scope {
    fn takes(&self, entry: &Entry) -> bool {
        self.vendor_keys.is_empty() || entry.key.as_ref().is_some_and(|key| self.vendor_keys.contains(key))
    }
}

fn row(
    names: &Names<'_>,
    key: &Key,
    (theirs, ours): (Option<&Theirs>, Option<&Ours>),
    (rounding, lost): (Money, u64),
) -> Row {
    let (day, model) = key;
    let tariff = model.as_deref().and_then(|model| names.tariff(model, *day));
    let none = (Theirs::default(), Ours::default());
    let both = cause::Both {
        theirs: theirs.unwrap_or(&none.0),
        ours: ours.unwrap_or(&none.1),
        tariff,
        rounding,
        lost_calls: lost,
    };
    Row {
        day: shown_day(*day),
        model: model.clone(),
        invoiced: both.theirs.amount(tariff),
        recorded: both.ours.cost,
        requests: both.theirs.requests,
        calls: both.ours.calls,
        causes: cause::explain(&both),
    }
}

fn vendor_keys(names: &Names<'_>, kept: &[&Entry], left: &[&Entry]) -> Vec<VendorKey> {
    let mut keys: BTreeMap<(String, bool), Money> = BTreeMap::new();
    let marked = kept.iter().map(|entry| (entry, false)).chain(left.iter().map(|entry| (entry, true)));
    for (entry, is_left_out) in marked {
        let mut one = Theirs::default();
        one.add(entry);
        let tariff = entry.model.as_deref().and_then(|model| names.tariff(&names.canonical(model), entry.day));
        let key = entry.key.clone().unwrap_or_else(|| "(no key named)".to_owned());
        *keys.entry((key, is_left_out)).or_default() += one.amount(tariff);
    }
    let all = keys.into_iter().map(|((key, is_left_out), invoiced)| VendorKey { key, invoiced, is_left_out });
    let mut all: Vec<VendorKey> = all.collect();
    all.sort_by_key(|key| std::cmp::Reverse(key.invoiced));
    all
}

/// Brings the names of models together: invoices write `Claude Sonnet 4.5` for `claude-sonnet-4-5-20250929`.
struct Names<'b> {
    book: &'b PriceBook,
    vendor: Option<&'static str>,
}

impl Names<'_> {
    fn canonical(&self, model: &str) -> String {
        let plain = model.trim().to_lowercase().replace(' ', "-");
        let dashed = plain.replace('.', "-");
        let found = [model, &plain, &dashed].into_iter().find_map(|name| self.listed(name));
        found.unwrap_or(plain)
    }

    /// Returns the name under which the prices list a model.
    fn listed(&self, model: &str) -> Option<String> {
        let facts = self.book.facts();
        let of_vendor = self.vendor.and_then(|vendor| facts.price_of_vendor(vendor, model, facts.compiled_on()));
        of_vendor.or_else(|| facts.price(model)).map(|price| price.model.clone())
    }

    fn tariff(&self, canonical: &str, day: i32) -> Option<crate::facts::Tariff> {
        let facts = self.book.facts();
        let day = date_of(day)?;
        let of_vendor = self.vendor.and_then(|vendor| facts.price_of_vendor(vendor, canonical, day));
        of_vendor.or_else(|| facts.price_on(canonical, day)).map(|price| price.tariff)
    }

    fn is_in_scope(&self, day: &DayTraffic, model: &str, scope: &Scope, invoiced: &BTreeSet<String>) -> bool {
        if let Some(upstream) = &scope.upstream {
            return *day.upstream == **upstream;
        }
        if self.book.is_own(&day.upstream) {
            return false;
        }
        let Some(vendor) = self.vendor else { return invoiced.is_empty() || invoiced.contains(model) };
        let facts = self.book.facts();
        let sells = || facts.price_of_vendor(vendor, &day.model, facts.compiled_on()).is_some();
        *day.upstream == *vendor || invoiced.contains(model) || (!facts.knows_vendor(&day.upstream) && sells())
    }
}

#[cfg(test)]
mod tests;
