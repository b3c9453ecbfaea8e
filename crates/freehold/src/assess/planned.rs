//! Looks planned beforehand: the ordinary decision at a few fixed numbers of units, each at the level that its look may spend.

use freehold_evidence::looks::{self, Spending};
use freehold_evidence::{Decision, Pair, Rule, Verdict, decide, decision, quantile};

use super::sequence::units;

/// The looks of an assessment.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    rule: Rule,
    /// Units at each look, and the one-sided level of its limits.
    looks: Vec<(usize, f64)>,
}

impl Planned {
    /// Plans so many looks, evenly spread over the units, by O'Brien and Fleming's way of spending.
    pub(super) fn new(rule: &Rule, looks: u32, units: usize) -> Result<Self, looks::Error> {
        let count = looks as usize;
        let at: Vec<usize> = (1..=count).map(|look| (units * look).div_ceil(count)).collect();
        let fractions: Vec<f64> = at.iter().map(|at| *at as f64 / units as f64).collect();
        let bounds = looks::bounds(Spending::OBrienFleming, 1.0 - rule.confidence(), &fractions)?;
        let levels = bounds.into_iter().map(|bound| 1.0 - quantile::normal_tail(bound));
        Ok(Planned { rule: *rule, looks: at.into_iter().zip(levels).collect() })
    }

    /// Returns the units at each look.
    pub(super) fn at(&self) -> Vec<usize> {
        self.looks.iter().map(|(units, _)| *units).collect()
    }

    /// Returns the decision of the first look that decides, or of the last that these pairs reach.
    ///
    /// Its limits are those of that look, wider than those of a single one, so that all looks together keep the rule's level
    /// (repeated confidence intervals; Jennison and Turnbull 1989, JRSS-B 51:305).
    pub(super) fn decide(&self, pairs: &[Pair]) -> Result<Decision, decision::Error> {
        let ends = units(pairs);
        let reached: Vec<&(usize, f64)> = self.looks.iter().filter(|(units, _)| *units <= ends.len()).collect();
        for (look, (units, level)) in reached.iter().enumerate() {
            let found = self.at_level(&pairs[..ends[*units - 1]], *level)?;
            if found.verdict != Verdict::Undecided || look + 1 == reached.len() {
                return Ok(found);
            }
        }
        self.at_level(pairs, self.looks.first().map_or(self.rule.confidence(), |(_, level)| *level))
    }

    /// Decides on pairs that are a part of what was looked at when so many units were in, at the level of that look.
    pub(super) fn decide_part(&self, pairs: &[Pair], units: usize) -> Result<Decision, decision::Error> {
        let level = self.looks.iter().rev().find(|(at, _)| *at <= units).or(self.looks.first());
        self.at_level(pairs, level.map_or(self.rule.confidence(), |(_, level)| *level))
    }

    fn at_level(&self, pairs: &[Pair], level: f64) -> Result<Decision, decision::Error> {
        let found = decide(pairs, &Rule::new(self.rule.margin(), level)?)?;
        let method = format!("planned_looks_{}", found.method);
        Ok(Decision { confidence: self.rule.confidence(), method, floor_cases: self.rule.floor_cases(), ..found })
    }
}
