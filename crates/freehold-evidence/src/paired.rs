//! Mean paired differences: their error with independent and with clustered cases, and t intervals.

use crate::quantile;

/// Holds what the paired differences of an assessment say about their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of differences.
    pub cases: usize,
    /// Mean difference.
    pub mean: f64,
    /// Variance with n - 1 in the denominator; 0 below two cases.
    pub variance: f64,
}

impl Summary {
    /// Returns the squared standard error of the mean for independent cases.
    #[must_use]
    pub fn error_squared(&self) -> f64 {
        if self.cases == 0 { 0.0 } else { self.variance / self.cases as f64 }
    }
}

/// Holds the cluster-robust error of a mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clustered {
    /// Number of clusters.
    pub clusters: usize,
    /// Squared standard error of the mean; 0 with fewer than two clusters, where it cannot be estimated.
    pub error_squared: f64,
    /// Design effect if all cases of a cluster told the same: the sum of squared cluster sizes over the cases (Kish 1965).
    pub worst_design_effect: f64,
}

impl Clustered {
    /// Returns the squared clustered error over the squared independent error, never below 1.
    ///
    /// A few clusters estimate it badly, so that it may widen an interval but never narrow it. Where there is no variation,
    /// or one cluster only, the correlation cannot be seen and the worst case stands in for it: each cluster then counts
    /// as one case. Source: Rao and Scott (1992, Biometrics 48:577), with the floor of 1 added.
    #[must_use]
    pub fn design_effect(&self, summary: &Summary) -> f64 {
        let independent = summary.error_squared();
        if self.clusters < 2 || independent <= 0.0 {
            return self.worst_design_effect.max(1.0);
        }
        (self.error_squared / independent).max(1.0)
    }
}

/// Sums up differences one by one.
///
/// Source: Welford (1962, Technometrics 4:419). Equal differences have no variance, not even by rounding, and whole numbers
/// the mean that their sum gives.
#[derive(Debug, Clone, Copy, Default)]
pub struct Running {
    cases: usize,
    sum: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    /// Adds one difference.
    pub fn push(&mut self, difference: f64) {
        self.cases += 1;
        self.sum += difference;
        let before = difference - self.mean;
        self.mean += before / self.cases as f64;
        self.squares += before * (difference - self.mean);
    }

    /// Returns the number of differences added.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.cases
    }

    /// Returns mean and variance of what was added.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let variance = if self.cases > 1 { self.squares / (self.cases - 1) as f64 } else { 0.0 };
        let mean = if variance > 0.0 { self.sum / self.cases as f64 } else { self.mean };
        Summary { cases: self.cases, mean, variance }
    }
}

/// Holds what a cluster adds to the clustered error.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClusterTotal {
    cases: f64,
    sum: f64,
}

impl ClusterTotal {
    /// Adds the difference of one of its cases.
    pub fn add(&mut self, difference: f64) {
        self.cases += 1.0;
        self.sum += difference;
    }
}

/// Returns mean and variance of the differences.
#[must_use]
pub fn summarise(differences: &[f64]) -> Summary {
    let mut running = Running::default();
    differences.iter().for_each(|difference| running.push(*difference));
    running.summary()
}

/// Returns the cluster-robust error of the mean; `clusters[i]` is the cluster of case i, counted from 0 without gaps.
///
/// See [`of_totals`].
#[must_use]
pub fn cluster_robust(differences: &[f64], clusters: &[usize]) -> Clustered {
    let count = clusters.iter().max().map_or(0, |last| last + 1);
    let mut totals = vec![ClusterTotal::default(); count];
    for (difference, cluster) in differences.iter().zip(clusters) {
        totals[*cluster].add(*difference);
    }
    of_totals(&totals, &summarise(differences))
}

/// Returns the cluster-robust error of the mean from the totals of all clusters and the summary of all their cases.
///
/// Source: Miller (2024, arXiv 2411.00640), section 2.2, with the small-sample factor G/(G-1), which makes clusters of one
/// case each give the independent error. Use it with G - 1 degrees of freedom.
#[must_use]
pub fn of_totals(totals: &[ClusterTotal], summary: &Summary) -> Clustered {
    let count = totals.len();
    let cases = summary.cases as f64;
    let squares: f64 = totals.iter().map(|total| (total.sum - total.cases * summary.mean).powi(2)).sum();
    let factor = if count > 1 { count as f64 / (count - 1) as f64 } else { 0.0 };
    let sizes: f64 = totals.iter().map(|total| total.cases * total.cases).sum();
    Clustered {
        clusters: count,
        error_squared: if cases > 0.0 { factor * squares / (cases * cases) } else { 0.0 },
        worst_design_effect: if cases > 0.0 { sizes / cases } else { 1.0 },
    }
}

/// Returns mean -+ t * error, where `confidence` is the level of each limit alone.
///
/// Source: Student (1908, Biometrika 6:1). Without degrees of freedom the limits are infinite.
#[must_use]
pub fn t_interval(mean: f64, error: f64, freedom: f64, confidence: f64) -> (f64, f64) {
    let half = quantile::student(confidence, freedom) * error;
    if half.is_nan() { (f64::NEG_INFINITY, f64::INFINITY) } else { (mean - half, mean + half) }
}

/// Returns limits if the share z^2 / (n + z^2) of `cases`, the most that so many can hide, scored the worst or the best.
///
/// `mean` is a mean difference in -1..=1, `confidence` the level of each limit alone. It is the limit of a score interval
/// (Wilson 1927, JASA 22:209) for a kind of case that was never seen, and what Tango's interval gives without disagreement.
#[must_use]
pub fn unseen_limits(mean: f64, cases: f64, confidence: f64) -> (f64, f64) {
    let z_squared = quantile::normal(confidence).powi(2);
    let unseen = z_squared / (cases + z_squared);
    (mean - unseen * (1.0 + mean), mean + unseen * (1.0 - mean))
}
