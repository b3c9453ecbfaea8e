//! A histogram of durations with fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Exposition;

/// The upper limits of the buckets, in microseconds and as Prometheus is told them, in seconds; one more bucket holds what is longer.
const LIMITS_US: [(u64, &str); 15] = [
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (60_000_000, "60"),
    (120_000_000, "120"),
    (300_000_000, "300"),
];

/// Counts durations by bucket; every count is one atomic addition and one for the sum.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; LIMITS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts a duration.
    pub(super) fn count_us(&self, duration_us: u64) {
        let bucket = LIMITS_US.partition_point(|(limit, _)| *limit < duration_us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(duration_us, Ordering::Relaxed);
    }

    /// Writes its samples; buckets are cumulative there.
    pub(super) fn expose(&self, out: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
        let mut labels: Vec<(&str, &str)> = labels.to_vec();
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            below += count.load(Ordering::Relaxed);
            labels.push(("le", LIMITS_US.get(index).map_or("+Inf", |(_, seconds)| seconds)));
            out.sample(&bucket, &labels, below);
            labels.pop();
        }
        out.sample(&format!("{name}_sum"), &labels, self.sum_us.load(Ordering::Relaxed) as f64 / 1e6);
        out.sample(&format!("{name}_count"), &labels, below);
    }
}
