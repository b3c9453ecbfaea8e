//! The noise floor: how often a model disagrees with itself, and what that does to scores against a recording.
//! A recording favours the model that made it; only a second answer of the same model shows by how much.

use std::collections::HashMap;

use serde::Serialize;

use crate::decision::{self, Decision, Error, Pair, Rule};
use crate::proportion::{self, Share};

/// Holds one case whose reference is the incumbent's recorded answer.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCase {
    /// Name of the case.
    pub case: String,
    /// Agreement of the candidate's answer with the recording, 0 to 1; 0 where it failed.
    pub candidate: f64,
    /// Agreement of a second answer of the incumbent with the recording, 0 where it failed; `None` where it was not asked.
    pub rerun: Option<f64>,
    /// What the case shares with others, such as a run.
    pub cluster: Option<String>,
}

/// Returns the decision on scores against the incumbent's own recording.
///
/// With second answers of the incumbent (an A/A arm), the incumbent scores what its second answer agrees with the
/// recording, so that its own wavering is not held against the candidate; cases without one are left out and counted in
/// a note. Without any, the incumbent scores 1 by construction. A note says how large the wavering is, or that nobody knows.
///
/// # Errors
/// As [`decision::decide`].
pub fn decide_against_recording(cases: &[RecordedCase], rule: &Rule) -> Result<Decision, Error> {
    let rerun_any = cases.iter().any(|case| case.rerun.is_some());
    let pairs: Vec<Pair> = cases
        .iter()
        .filter_map(|case| {
            let incumbent = if rerun_any { case.rerun? } else { 1.0 };
            Some(Pair { case: case.case.clone(), incumbent, candidate: case.candidate, cluster: case.cluster.clone() })
        })
        .collect();
    let mut decision = decision::decide(&pairs, rule)?;
    let noise = incumbent_noise(cases, rule.confidence());
    decision.notes.push(sentence(noise.as_ref()));
    if rerun_any && pairs.len() < cases.len() {
        let left_out = cases.len() - pairs.len();
        decision.notes.push(format!("{left_out} cases without a second answer of the incumbent were left out"));
    }
    Ok(decision)
}

/// Returns how much a second answer of the incumbent loses against its own recording, on average; `None` without any.
///
/// It is 1 minus the mean agreement over the cases that were asked again, with the limits of [`proportion::of_groups`],
/// cases of one cluster being a group; `confidence` is the level of each limit alone.
#[must_use]
pub fn incumbent_noise(cases: &[RecordedCase], confidence: f64) -> Option<Share> {
    let mut groups: Vec<(f64, f64)> = Vec::new();
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    for case in cases {
        let Some(rerun) = case.rerun else { continue };
        let new = groups.len();
        let group = case.cluster.as_deref().map_or(new, |cluster| *group_of.entry(cluster).or_insert(new));
        if group == new {
            groups.push((0.0, 0.0));
        }
        groups[group].0 += 1.0 - rerun;
        groups[group].1 += 1.0;
    }
    proportion::of_groups(&groups, confidence)
}

/// Returns what a report says of the incumbent's own noise: how large it is, or what follows from not knowing it.
#[must_use]
pub fn sentence(noise: Option<&Share>) -> String {
    match noise {
        Some(noise) => format!(
            "asked again on {} cases, the incumbent misses its own recording by {:.1} points ({:.1} to {:.1}); \
             the candidate is measured against that, not against the recording",
            noise.of,
            noise.share * 100.0,
            noise.lower * 100.0,
            noise.upper * 100.0
        ),
        None => "the reference is the incumbent's own recorded answer, so the incumbent scores 1 by construction: \
                 every wavering of the incumbent counts against the candidate, and the true difference may be smaller"
            .to_owned(),
    }
}

/// Holds how often repeated answers to the same input disagree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repeats {
    /// Groups (inputs) with at least two answers.
    pub groups: u64,
    /// Pairs of answers compared, within groups only.
    pub pairs: u64,
    /// Share of the pairs that disagree.
    pub disagreement: f64,
    /// Lower limit of the disagreement, at the one-sided level asked for.
    pub lower: f64,
    /// Upper limit of the disagreement, at the one-sided level asked for.
    pub upper: f64,
}

/// Returns the share of pairs of repeats that disagree; `None` where no group has two.
///
/// `disagree` gives 0 for agreement to 1 for disagreement. The limits are those of [`proportion::of_groups`], a group of
/// repeats being a group; `confidence` is the level of each limit alone.
pub fn disagreement_between_repeats<T>(
    groups: &[Vec<T>],
    confidence: f64,
    disagree: impl Fn(&T, &T) -> f64,
) -> Option<Repeats> {
    let totals: Vec<(f64, f64)> =
        groups.iter().filter(|group| group.len() > 1).map(|group| disagreeing_pairs(group, &disagree)).collect();
    let rate = proportion::of_groups(&totals, confidence)?;
    Some(Repeats {
        groups: totals.len() as u64,
        pairs: rate.of,
        disagreement: rate.share,
        lower: rate.lower,
        upper: rate.upper,
    })
}

fn disagreeing_pairs<T>(group: &[T], disagree: &impl Fn(&T, &T) -> f64) -> (f64, f64) {
    let mut disagreeing = 0.0;
    for (position, first) in group.iter().enumerate() {
        for second in &group[position + 1..] {
            disagreeing += disagree(first, second);
        }
    }
    let repeats = group.len() as f64;
    (disagreeing, repeats * (repeats - 1.0) / 2.0)
}
