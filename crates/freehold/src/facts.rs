//! What Freehold knows about vendors without asking them: list prices and retirement dates.
//! The facts are data in a versioned file, compiled in and replaceable by a file of the same format.
//! A fact that is missing is `None`; it must never turn into a zero.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

mod book;
mod name;
mod price;
mod record;
mod retirement;
mod rule;

pub use book::{PriceBook, Sellers, date_of, day_of};
pub use price::{Parts, Price, Tariff, microusd};
pub use record::Source;
pub use retirement::{Precision, Retirement};

use record::{File, VendorKind};

const EMBEDDED: &str = include_str!("../facts/vendor-facts.json");

/// The newest format this build reads; it reads all before it too.
const FORMAT: u32 = 2;

/// Reports why a file of vendor facts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("reading vendor facts from {path}")]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON of this format: a syntax error, an unknown key, an impossible value.
    #[error("vendor facts in {origin} do not follow format {FORMAT}")]
    Syntax {
        /// The file, or `the embedded facts`.
        origin: String,
        /// Where and what.
        source: serde_json::Error,
    },
    /// The file was written for another version of the format.
    #[error("vendor facts in {origin} have format {found}, this build reads formats up to {FORMAT}")]
    Format {
        /// The file, or `the embedded facts`.
        origin: String,
        /// The number the file states.
        found: u64,
    },
    /// A record names something that the file does not declare, or carries no date it could be used for.
    #[error("vendor facts in {origin}: {what}")]
    Record {
        /// The file, or `the embedded facts`.
        origin: String,
        /// The record and what is wrong with it.
        what: String,
    },
}

impl Error {
    /// Returns the next step for whoever named the file.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "name a file that can be read, or none to use the facts of this build",
            Self::Format { .. } => "take a file of that format, or none to use the facts of this build",
            Self::Syntax { .. } | Self::Record { .. } => {
                "mend the record that is named, or name no file to use the facts of this build"
            }
        }
    }
}

/// Holds the vendor facts of one file, checked, in order of precedence.
#[derive(Debug)]
pub struct Facts {
    compiled_on: Date,
    sources: Vec<Source>,
    vendors: Vec<(String, VendorKind)>,
    prices: Vec<Price>,
    retirements: Vec<Retirement>,
}

impl Facts {
    /// Returns the facts this binary was built with.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED, "the embedded facts").expect("a test parses the embedded facts")
    }

    /// Reads facts from a file that replaces the embedded ones.
    ///
    /// # Errors
    /// When the file cannot be read, is of another format, or holds an unknown key or an impossible value.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Returns the facts of a replacement file where one is named, else the embedded ones.
    ///
    /// # Errors
    /// As for [`Facts::load`].
    pub fn load_or_embedded(replacement: Option<&Path>) -> Result<Self, Error> {
        replacement.map_or_else(|| Ok(Self::embedded()), Self::load)
    }

    /// Returns the day the facts were compiled on.
    #[must_use]
    pub fn compiled_on(&self) -> Date {
        self.compiled_on
    }

    /// Returns where the facts come from.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Returns the price of a model on the day the facts were compiled, or `None` where it is not known.
    ///
    /// Scans all records: ask once per model, not once per call.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<&Price> {
        self.price_on(model, self.compiled_on)
    }

    /// Returns the price of a model on a given day, or `None` where it is not known.
    ///
    /// Vendors that sell their own models come first. Among hosts the price counts as known only if all that list the name agree.
    #[must_use]
    pub fn price_on(&self, model: &str, day: Date) -> Option<&Price> {
        if let Some((vendor, bare)) = self.split_vendor(model) {
            if let Some(found) = self.price_of_vendor(vendor, model, day) {
                return Some(found);
            }
            if let Some(found) = self.price_of_vendor(vendor, bare, day) {
                return Some(found);
            }
        }
        let of = |kind: VendorKind| {
            let vendors = self.vendors.iter().filter(move |(_, k)| *k == kind);
            vendors.filter_map(|(vendor, _)| self.price_of_vendor(vendor, model, day))
        };
        if let Some(found) = of(VendorKind::Maker).chain(of(VendorKind::Simulated)).next() {
            return Some(found);
        }
        let mut hosts = of(VendorKind::Host);
        let first = hosts.next()?;
        hosts.all(|other| other.costs_the_same_as(first)).then_some(first)
    }

    /// Returns whether a vendor is known by this name.
    #[must_use]
    pub fn knows_vendor(&self, name: &str) -> bool {
        self.vendors.iter().any(|(vendor, _)| vendor == name)
    }

    /// Returns the days on which any price changes, the earliest first.
    #[must_use]
    pub fn price_changes(&self) -> Vec<Date> {
        let mut days: Vec<Date> = self.prices.iter().filter_map(|price| price.from).collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// Returns what a given vendor asks for a model on a given day, or `None` where it is not known.
    #[must_use]
    pub fn price_of_vendor(&self, vendor: &str, model: &str, day: Date) -> Option<&Price> {
        let first = self.prices.iter().find(|p| p.vendor == vendor && p.covers(model))?;
        let history = self.prices.iter().filter(|p| p.vendor == vendor && p.model == first.model);
        history.filter(|p| p.applies_on(day)).max_by_key(|p| p.from)
    }

    /// Returns every shutdown that is known.
    pub fn retirements(&self) -> impl Iterator<Item = &Retirement> {
        self.retirements.iter()
    }

    /// Returns when a model is to be shut down, or `None` where no date is known.
    #[must_use]
    pub fn retirement(&self, model: &str) -> Option<&Retirement> {
        let found = retirement::find(&self.retirements, model);
        found.or_else(|| {
            let (vendor, bare) = self.split_vendor(model)?;
            retirement::find(self.retirements.iter().filter(|r| r.vendor == vendor), bare)
        })
    }

    fn split_vendor<'m>(&self, model: &'m str) -> Option<(&str, &'m str)> {
        let (prefix, bare) = model.split_once(['/', ':'])?;
        let (vendor, _) = self.vendors.iter().find(|(name, _)| name == prefix)?;
        Some((vendor, bare))
    }

    fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let origin = || origin.to_owned();
        let head: record::Head =
            serde_json::from_str(text).map_err(|source| Error::Syntax { origin: origin(), source })?;
        if !(1..=u64::from(FORMAT)).contains(&head.format) {
            return Err(Error::Format { origin: origin(), found: head.format });
        }
        let file: File = serde_json::from_str(text).map_err(|source| Error::Syntax { origin: origin(), source })?;
        file.into_facts().map_err(|what| Error::Record { origin: origin(), what })
    }
}

#[cfg(test)]
mod tests;
