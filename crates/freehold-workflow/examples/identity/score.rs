//! B-cubed precision and recall, and what a method of identification reaches on a stream.

use std::collections::BTreeMap;

use freehold_workflow::{Heads, Marks, Steps};

use super::stream::{Change, Sent};

/// B-cubed precision and recall (Bagga and Baldwin, 1998).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score {
    /// Of the calls with a call's id, the share from its site.
    pub(crate) precision: f64,
    /// Of the calls from a call's site, the share with its id.
    pub(crate) recall: f64,
}

impl Score {
    /// Returns their harmonic mean.
    pub(crate) fn f1(&self) -> f64 {
        2.0 * self.precision * self.recall / (self.precision + self.recall)
    }
}

/// Scores ids against the sites of the calls that `of` counts; calls of other sites still count as wrong company.
pub(crate) fn b_cubed<S: Ord>(ids: &[String], sites: &[S], of: impl Fn(usize) -> bool) -> Score {
    let mut found: BTreeMap<&String, f64> = BTreeMap::new();
    let mut truth: BTreeMap<&S, f64> = BTreeMap::new();
    let mut both: BTreeMap<(&String, &S), f64> = BTreeMap::new();
    for (id, site) in ids.iter().zip(sites) {
        *found.entry(id).or_default() += 1.0;
        *truth.entry(site).or_default() += 1.0;
        *both.entry((id, site)).or_default() += 1.0;
    }
    let (mut precision, mut recall, mut count) = (0.0, 0.0, 0.0);
    for (at, (id, site)) in ids.iter().zip(sites).enumerate() {
        if of(at) {
            let same = both[&(id, site)];
            precision += same / found[id];
            recall += same / truth[site];
            count += 1.0;
        }
    }
    Score { precision: precision / count, recall: recall / count }
}

/// The ids that steps gave to a stream.
#[derive(Debug)]
pub(crate) struct Given {
    /// As they were given when each call came.
    pub(crate) at_once: Vec<String>,
    /// As they stand after the stream, with what became an alias.
    pub(crate) resolved: Vec<String>,
}

/// Identifies all calls of a stream, one after the other, learning after each.
pub(crate) fn identified(steps: &Steps, sent: &[Sent]) -> Given {
    let mut heads = Heads::default();
    let mut aliases: BTreeMap<String, String> = BTreeMap::new();
    let mut at_once = Vec::with_capacity(sent.len());
    for call in sent {
        at_once.push(steps.identify(&call.request, Marks::default(), &mut heads).step);
        steps.learn(16);
        let new = steps.take_aliases().into_iter();
        aliases.extend(new.map(|alias| (alias.from.to_string(), alias.to.to_string())));
    }
    let resolved = at_once.iter().map(|id| aliases.get(id).unwrap_or(id).clone()).collect();
    Given { at_once, resolved }
}

/// Scores ids on all calls, or on those of the sites in which this varies.
pub(crate) fn of_stream(ids: &[String], sent: &[Sent], change: Option<Change>) -> Score {
    let sites: Vec<usize> = sent.iter().map(|call| call.site).collect();
    b_cubed(ids, &sites, |at| change.is_none_or(|change| sent[at].change == change))
}
