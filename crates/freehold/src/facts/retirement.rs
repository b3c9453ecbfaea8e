//! When a vendor shuts a model down, and how sure that is.

use jiff::civil::Date;

use super::name;

/// Says how firm a shutdown date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// The vendor committed to the date.
    Exact,
    /// The vendor only promises not to shut the model down before.
    Earliest,
}

impl Precision {
    /// Returns the stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Precision::Exact => "exact",
            Precision::Earliest => "earliest",
        }
    }
}

/// Holds the shutdown date of one model.
#[derive(Debug, Clone)]
pub struct Retirement {
    /// The vendor that shuts the model down.
    pub vendor: String,
    /// The name the date was published for; may differ from the one asked for (a snapshot, a fine-tune).
    pub model: String,
    /// The day of the shutdown.
    pub date: Date,
    /// Whether the vendor committed to that day.
    pub precision: Precision,
    /// The day the shutdown was announced, where known.
    pub announced_on: Option<Date>,
    /// What the vendor suggests instead; says nothing about whether that is adequate.
    pub replacement: Vec<String>,
    /// The id of the source.
    pub source: String,
    /// The page the date was read on, where there is one.
    pub page: Option<String>,
    /// The day or month the date was last checked.
    pub verified_on: String,
    pub(super) covers_fine_tunes: bool,
}

/// Finds the date that applies to a model name: its own, else that of its undated name, its newest snapshot, or its base.
pub(super) fn find<'r>(records: impl IntoIterator<Item = &'r Retirement>, model: &str) -> Option<&'r Retirement> {
    let records: Vec<_> = records.into_iter().collect();
    if let Some(base) = name::fine_tune_base(model) {
        return of_model(&records, base).filter(|found| found.covers_fine_tunes);
    }
    of_model(&records, model)
}

fn of_model<'r>(records: &[&'r Retirement], model: &str) -> Option<&'r Retirement> {
    let exact = |wanted: &str| records.iter().copied().find(|r| r.model == wanted);
    exact(model).or_else(|| name::undated(model).and_then(exact)).or_else(|| {
        let wanted = name::without_latest(model);
        let snapshots = records.iter().copied().filter(|r| name::undated(&r.model) == Some(wanted));
        snapshots.max_by(|a, b| a.model.cmp(&b.model))
    })
}
