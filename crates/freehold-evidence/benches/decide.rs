//! Measures the decision on many cases: `cargo bench -p freehold-evidence --bench decide [-- MILLIONS]`.
//!
//! One core, in time on the processor: a million paired cases in 100,000 clusters, right/wrong and graded, then so many
//! millions of rows through a tally, which is how a file is read.

#![expect(clippy::unwrap_used, reason = "a measurement stops where something is not as it expects")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use freehold_evidence::decision::{Decision, Pair, Rule, Tally, decide};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CASES: usize = 1_000_000;
const CLUSTERS: usize = 100_000;

fn main() {
    let millions = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(10);
    let rule = Rule::new(0.02, 0.95).unwrap();
    for (what, grades) in [("right or wrong", 1), ("graded", 20)] {
        let pairs = pairs(grades);
        let times: Vec<Duration> = (0..5).map(|_| measured(|| drop(decide(&pairs, &rule).unwrap())).1).collect();
        let decision = decide(&pairs, &rule).unwrap();
        println!(
            "{what}: {} cases in {} clusters, {}: {:.0} ms (best of {}), {:.0} ms at worst",
            decision.n,
            decision.clusters,
            decision.method,
            milliseconds(*times.iter().min().unwrap()),
            times.len(),
            milliseconds(*times.iter().max().unwrap()),
        );
    }
    for (what, clusters) in [("clusters of ten", 10), ("no clusters", usize::MAX)] {
        let (decision, took) = measured(|| tallied(millions * CASES, clusters, &rule));
        println!(
            "{what}: {} rows as they come: {:.0} ms a million, peak of the process {} MB",
            decision.n,
            milliseconds(took) / millions as f64,
            peak_mb().map_or("unknown".to_owned(), |peak| peak.to_string()),
        );
    }
}

/// Pairs with a small loss, a tenth of them discordant; `grades` steps between 0 and 1.
fn pairs(grades: u32) -> Vec<Pair> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut grade = || f64::from(random.random_range(0..=grades)) / f64::from(grades);
    let of_case = |number: usize| {
        let incumbent = grade();
        let candidate = if number.is_multiple_of(10) { grade() } else { incumbent };
        let cluster = Some(format!("run-{}", number % CLUSTERS));
        Pair { case: format!("case-{number}"), incumbent, candidate, cluster }
    };
    (0..CASES).map(of_case).collect()
}

/// A tally of rows made on the way, names written into the same two strings.
fn tallied(rows: usize, cluster_size: usize, rule: &Rule) -> Decision {
    let mut tally = Tally::default();
    let mut pair = Pair { case: String::new(), incumbent: 1.0, candidate: 1.0, cluster: None };
    for number in 0..rows {
        pair.case.clear();
        write!(pair.case, "case-{number}").unwrap();
        if cluster_size < rows {
            let name = pair.cluster.get_or_insert_default();
            name.clear();
            write!(name, "run-{}", number / cluster_size).unwrap();
        }
        pair.candidate = f64::from(u8::from(!number.is_multiple_of(17)));
        pair.incumbent = f64::from(u8::from(!number.is_multiple_of(19)));
        tally.add(&pair).unwrap();
    }
    tally.decide(rule).unwrap()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = busy();
    let result = work();
    (result, busy().saturating_sub(begun))
}

/// Returns how long this thread has been on a processor; where the system does not tell, how long it has been.
fn busy() -> Duration {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begun = BEGUN.get_or_init(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? / 1024)
}
