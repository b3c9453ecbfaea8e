//! How many cases a test that may stop anywhere takes, found by drawing streams of differences; the draws are fixed.

use freehold_evidence::sequential::Watch;
use freehold_evidence::{Rule, Verdict};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::sequence::Sequential;

/// Streams drawn; odd, so that there is a middle one.
const STREAMS: u64 = 101;
/// A stream that is not decided by then counts as endless.
const CASES_MAX: u64 = 20_000;

/// What is supposed to be true.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    pub(super) difference: f64,
    /// Share of right/wrong cases on which the two differ; of graded ones the mean squared difference.
    pub(super) discordance: f64,
}

/// Returns the median number of cases until a verdict; `None` when half of the streams are not decided after 20,000.
pub(super) fn median_cases(test: &Sequential, rule: &Rule, truth: Truth) -> Option<u64> {
    let mut cases: Vec<u64> = (0..STREAMS).map(|seed| stop(test.watch(rule), truth, seed)).collect();
    cases.sort_unstable();
    Some(cases[cases.len() / 2]).filter(|cases| *cases < CASES_MAX)
}

fn stop(mut watch: Watch, truth: Truth, seed: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for case in 1..CASES_MAX {
        if watch.observe(draw(&mut rng, truth)).is_ok_and(|verdict| verdict != Verdict::Undecided) {
            return case;
        }
    }
    CASES_MAX
}

/// Draws 1, 0 or -1 with the given mean and mean square.
fn draw(rng: &mut ChaCha8Rng, truth: Truth) -> f64 {
    let better = f64::midpoint(truth.discordance, truth.difference);
    match rng.random::<f64>() {
        drawn if drawn < better => 1.0,
        drawn if drawn < truth.discordance => -1.0,
        _ => 0.0,
    }
}
