//! What a sample says about the true difference: its limits, now and at a multiple of the cases.

use crate::paired::{self, Summary};
use crate::quantile;
use crate::tango::{self, Table};

use super::CLUSTERS_FEW;
use super::tally::Tally;

/// A sample reduced to what its interval needs.
pub(super) struct Evidence {
    summary: Summary,
    clusters: usize,
    clustered: bool,
    design_effect: f64,
    scores: Scores,
}

enum Scores {
    RightWrong(Table),
    Graded,
}

impl Evidence {
    pub(super) fn weigh(tally: &Tally) -> Self {
        let summary = tally.running.summary();
        let clustered = tally.is_clustered();
        let design_effect =
            if clustered { paired::of_totals(&tally.totals, &summary).design_effect(&summary) } else { 1.0 };
        let scores = match tally.table {
            Some(counts) => Scores::RightWrong(Table::new(counts).expect("counted cases are finite and not negative")),
            None => Scores::Graded,
        };
        Self { summary, clusters: tally.totals.len(), clustered, design_effect, scores }
    }

    /// Returns the limits that `scale` times as many cases at the same rates would give, each at level `confidence`.
    pub(super) fn limits(&self, confidence: f64, scale: f64) -> (f64, f64) {
        match &self.scores {
            Scores::RightWrong(table) => {
                tango::interval(&table.scaled(scale / self.design_effect), self.tango_quantile(confidence, scale))
            }
            Scores::Graded => {
                let (lower, upper) = self.t_limits(confidence, scale);
                let (floor_lower, floor_upper) = self.unseen_limits(confidence, scale);
                (lower.min(floor_lower).max(-1.0), upper.max(floor_upper).min(1.0))
            }
        }
    }

    pub(super) fn difference(&self) -> f64 {
        self.summary.mean
    }

    /// Returns the variance of one difference.
    pub(super) fn variance(&self) -> f64 {
        match &self.scores {
            Scores::RightWrong(table) => table.discordance() - table.difference().powi(2),
            Scores::Graded => self.summary.variance,
        }
    }

    pub(super) fn cases(&self) -> f64 {
        self.summary.cases as f64
    }

    pub(super) fn design_effect(&self) -> f64 {
        self.design_effect
    }

    pub(super) fn method(&self) -> &'static str {
        match (&self.scores, self.clustered) {
            (Scores::RightWrong(_), false) => "tango_score",
            (Scores::RightWrong(_), true) => "tango_score_clustered",
            (Scores::Graded, false) => "paired_t",
            (Scores::Graded, true) => "paired_t_clustered",
        }
    }

    pub(super) fn notes(&self, confidence: f64) -> Vec<String> {
        let mut notes = Vec::new();
        if self.clustered && self.clusters < CLUSTERS_FEW {
            let clusters = self.clusters;
            notes.push(format!(
                "few clusters ({clusters}): how much cases of one cluster resemble each other is badly known"
            ));
        }
        if self.clustered && (self.clusters == 1 || self.summary.variance <= 0.0) {
            notes.push("how much cases of one cluster resemble each other cannot be seen here; each cluster counts as one case".into());
        }
        if self.summary.cases == 1 {
            notes.push("one case alone says next to nothing".into());
        } else if self.summary.variance <= 0.0 {
            notes
                .push("the difference is the same on every case; the limits allow for cases that were not seen".into());
        } else if self.is_floored(confidence) {
            notes.push(
                "the scores vary little for so few cases; the limits allow for rare losses that were not seen".into(),
            );
        }
        notes
    }

    /// With few clusters the design effect is itself an estimate; Student's t allows for that as it does for a variance.
    /// In simulation it keeps a nominal 5 % between 4 and 5.5 %, and at 6.5 % where few clusters hold most of the losses.
    fn tango_quantile(&self, confidence: f64, scale: f64) -> f64 {
        if self.clustered { quantile::student(confidence, self.freedom(scale)) } else { quantile::normal(confidence) }
    }

    fn t_limits(&self, confidence: f64, scale: f64) -> (f64, f64) {
        let error = (self.summary.error_squared() * self.design_effect / scale).sqrt();
        paired::t_interval(self.summary.mean, error, self.freedom(scale), confidence)
    }

    /// Limits for what was not seen, cases of a cluster counting as its design effect says.
    fn unseen_limits(&self, confidence: f64, scale: f64) -> (f64, f64) {
        paired::unseen_limits(self.summary.mean, self.cases() * scale / self.design_effect, confidence)
    }

    fn is_floored(&self, confidence: f64) -> bool {
        matches!(self.scores, Scores::Graded)
            && self.unseen_limits(confidence, 1.0).0 < self.t_limits(confidence, 1.0).0
    }

    fn freedom(&self, scale: f64) -> f64 {
        self.clusters as f64 * scale - 1.0
    }
}
