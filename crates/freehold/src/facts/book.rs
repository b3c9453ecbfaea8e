//! Prices by upstream and model, looked up once for each: for the way of a call, and for sums over many days.
//! It answers in well under a microsecond, and holds a bounded number of names whatever callers ask for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use freehold_gateway::Pricing;
use freehold_wire::Usage;
use jiff::Span;
use jiff::civil::{Date, date};

use super::{Error, Facts, Tariff};

/// The most pairs of upstream and model that are kept; further ones are looked up each time.
const KEPT_MAX: usize = 4096;

/// The word in the configuration for an upstream whose calls nobody sells.
const NONE: &str = "none";

/// Whose prices apply to the calls of which upstream.
#[derive(Debug, Clone, Default)]
pub struct Sellers {
    named: HashMap<String, String>,
}

/// Whose prices apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seller<'a> {
    /// Nobody sells these calls: the machine is ours.
    Nobody,
    /// This vendor, and no other.
    Vendor(&'a str),
    /// This vendor where it lists the model, else whoever does.
    First(&'a str),
    /// Whoever is known by the model's name.
    Anyone,
}

impl Sellers {
    /// Says by whose prices an upstream's calls are priced: a vendor of the facts, or `none` for a machine of one's own.
    pub fn insert(&mut self, upstream: impl Into<String>, priced_as: impl Into<String>) {
        self.named.insert(upstream.into(), priced_as.into());
    }

    /// Returns whether an upstream's calls are on a machine of one's own, which has no price by the token.
    #[must_use]
    pub fn is_own(&self, upstream: &str) -> bool {
        upstream == freehold_gateway::ENGINE || self.named.get(upstream).is_some_and(|vendor| vendor == NONE)
    }

    fn of<'a>(&'a self, upstream: &'a str, facts: &Facts) -> Seller<'a> {
        if self.is_own(upstream) {
            return Seller::Nobody;
        }
        match self.named.get(upstream) {
            Some(vendor) => Seller::Vendor(vendor),
            None if facts.knows_vendor(upstream) => Seller::First(upstream),
            None => Seller::Anyone,
        }
    }
}

/// The prices of all days for the models that were asked about.
pub struct PriceBook {
    facts: Arc<Facts>,
    sellers: Sellers,
    /// The days on which any price changes, since the Unix epoch.
    changes: Vec<i32>,
    kept: RwLock<Kept>,
}

/// A tariff before the first change of any price, after it, and so on.
type Periods = Arc<[Option<Tariff>]>;

/// What was asked about, by upstream and model.
#[derive(Default)]
struct Kept {
    upstreams: HashMap<String, HashMap<String, Periods>>,
    pairs: usize,
}

impl PriceBook {
    /// Makes a book of the prices in these facts.
    #[must_use]
    pub fn new(facts: Arc<Facts>, sellers: Sellers) -> Self {
        let changes = facts.price_changes().into_iter().map(day_of).collect();
        PriceBook { facts, sellers, changes, kept: RwLock::default() }
    }

    /// Makes a book of the facts in a replacement file where one is named, else of the embedded ones.
    ///
    /// # Errors
    /// As for [`Facts::load`].
    pub fn load(replacement: Option<&Path>, sellers: Sellers) -> Result<Self, Error> {
        Ok(Self::new(Arc::new(Facts::load_or_embedded(replacement)?), sellers))
    }

    /// Returns the facts behind it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns whether an upstream's calls are on a machine of one's own, which has no price by the token.
    #[must_use]
    pub fn is_own(&self, upstream: &str) -> bool {
        self.sellers.is_own(upstream)
    }

    /// Returns what the tokens of an upstream's model cost on a day, or `None` where that is not known.
    #[must_use]
    pub fn tariff(&self, upstream: &str, model: &str, day: i32) -> Option<Tariff> {
        let period = self.changes.partition_point(|change| *change <= day);
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(periods) = kept.upstreams.get(upstream).and_then(|models| models.get(model)) {
                return periods[period];
            }
        }
        let periods = self.look_up(upstream, model);
        let tariff = periods[period];
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.pairs < KEPT_MAX {
            let models = kept.upstreams.entry(upstream.to_owned()).or_default();
            let is_new = models.insert(model.to_owned(), periods).is_none();
            kept.pairs += usize::from(is_new);
        }
        tariff
    }

    /// Returns what the tokens of an upstream's model cost on the day the facts were compiled, or `None` where that is not known.
    #[must_use]
    pub fn current(&self, upstream: &str, model: &str) -> Option<Tariff> {
        self.tariff(upstream, model, day_of(self.facts.compiled_on()))
    }

    /// Returns what one call costs on a day in millionths of a US dollar, or `None` where that is not known.
    #[must_use]
    pub fn cost_microusd(&self, (upstream, model): (&str, &str), day: i32, usage: &Usage) -> Option<u64> {
        self.tariff(upstream, model, day)?.cost_microusd(usage)
    }

    /// Makes it what the gateway prices calls by. Machines of one's own cost nobody anything by the token.
    #[must_use]
    pub fn into_pricing(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Pricing {
        Arc::new(move |upstream, model, usage| {
            if self.is_own(upstream) {
                return Some(0);
            }
            let seconds = now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let day = i32::try_from(seconds / 86_400).unwrap_or(i32::MAX);
            self.cost_microusd((upstream, model), day, usage)
        })
    }

    fn look_up(&self, upstream: &str, model: &str) -> Periods {
        let first = self.changes.first().map_or(0, |day| day - 1);
        let days = std::iter::once(first).chain(self.changes.iter().copied());
        days.map(|day| self.price_on(upstream, model, date_of(day)?)).collect()
    }

    fn price_on(&self, upstream: &str, model: &str, day: Date) -> Option<Tariff> {
        let facts = &self.facts;
        let price = match self.sellers.of(upstream, facts) {
            Seller::Nobody => None,
            Seller::Vendor(vendor) => facts.price_of_vendor(vendor, model, day),
            Seller::First(vendor) => facts.price_of_vendor(vendor, model, day).or_else(|| facts.price_on(model, day)),
            Seller::Anyone => facts.price_on(model, day),
        };
        price.map(|price| price.tariff)
    }
}

/// Returns the date of a day since the Unix epoch, where the calendar reaches that far.
#[must_use]
pub fn date_of(day: i32) -> Option<Date> {
    date(1970, 1, 1).checked_add(Span::new().try_days(day).ok()?).ok()
}

/// Returns the days from the Unix epoch to a date.
#[must_use]
pub fn day_of(day: Date) -> i32 {
    (day - date(1970, 1, 1)).get_days()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(sellers: &[(&str, &str)]) -> PriceBook {
        let mut named = Sellers::default();
        for (upstream, vendor) in sellers {
            named.insert(*upstream, *vendor);
        }
        PriceBook::new(Arc::new(Facts::embedded()), named)
    }

    fn day(text: &str) -> i32 {
        day_of(text.parse().unwrap())
    }

    fn million() -> Usage {
        Usage { input: 1_000_000, ..Usage::default() }
    }

    #[test]
    fn old_call_costs_what_was_asked_then() {
        let book = book(&[]);
        let cost = |on: &str| book.cost_microusd(("any", "claude-sonnet-5"), day(on), &million());
        assert_eq!((cost("2026-08-31"), cost("2026-09-01")), (Some(2_000_000), Some(3_000_000)));
        assert_eq!(cost("2026-08-31"), Some(2_000_000), "the same once it is kept");
    }

    #[test]
    fn upstream_decides_whose_prices_apply() {
        let model = "llama-3.3-70b-versatile";
        let book = book(&[("mine", "none"), ("proxy", "groq"), ("other", "openai")]);
        let today = day("2026-11-22");
        let is_priced = |upstream: &str| book.tariff(upstream, model, today).is_some();
        assert!(is_priced("groq") && is_priced("proxy") && is_priced("some-name"));
        assert!(!is_priced("mine") && !is_priced("engine") && !is_priced("other"));
        assert!(book.is_own("mine") && book.is_own("engine") && !book.is_own("proxy"));
        assert!(book.tariff("openai", "claude-haiku-4-5", today).is_some(), "a mere name does not forbid others");
    }

    #[test]
    fn gateway_is_told_the_price_of_today_and_that_own_machines_cost_nothing() {
        let at = UNIX_EPOCH + std::time::Duration::from_secs(86_400 * u64::try_from(day("2026-08-31")).unwrap());
        let pricing = book(&[("mine", "none")]).into_pricing(move || at);
        assert_eq!(pricing("any", "claude-sonnet-5", &million()), Some(2_000_000));
        assert_eq!(pricing("mine", "claude-sonnet-5", &million()), Some(0));
        assert_eq!(pricing("any", "my-own-model", &million()), None);
    }

    #[test]
    fn names_that_callers_invent_are_not_all_kept() {
        let book = book(&[]);
        for at in 0..KEPT_MAX + 10 {
            assert!(book.tariff("any", &format!("invented-{at}"), 20_000).is_none());
        }
        assert_eq!(book.kept.read().unwrap().pairs, KEPT_MAX);
        assert!(book.tariff("any", "gpt-4o", 20_000).is_some(), "what is not kept is still found");
    }

    #[test]
    fn days_and_dates_agree() {
        for (day, date) in [(0, "1970-01-01"), (20_779, "2026-11-22"), (-1, "1969-12-31")] {
            assert_eq!(date_of(day).unwrap().to_string(), date);
            assert_eq!(day_of(date.parse().unwrap()), day);
        }
    }
}
