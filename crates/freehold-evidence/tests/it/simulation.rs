//! How often a candidate exactly at the margin is called adequate: at most the nominal 5 %, within simulation error.

use freehold_evidence::decision::{Pair, Rule, Verdict, decide};
use freehold_evidence::tango::{self, Table};
use freehold_evidence::{paired, quantile};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NOMINAL: f64 = 0.05;

/// Draws of a simulation: few enough to run with every test, or ten times as many where `FREEHOLD_FULL_SIMULATION` is set.
pub(crate) fn draws(reduced: u32) -> u32 {
    if std::env::var_os("FREEHOLD_FULL_SIMULATION").is_some() { reduced * 10 } else { reduced }
}

/// Share of `draws` samples that are called adequate; `fill` writes one sample's scores into the pairs.
fn adequate_share(pairs: &mut [Pair], draws: u32, margin: f64, mut fill: impl FnMut(&mut [Pair])) -> f64 {
    let rule = Rule::new(margin, 1.0 - NOMINAL).expect("legal");
    let mut adequate = 0_u32;
    for _ in 0..draws {
        fill(pairs);
        adequate += u32::from(decide(pairs, &rule).expect("legal").verdict == Verdict::Adequate);
    }
    f64::from(adequate) / f64::from(draws)
}

fn blank(cases: usize, cluster_size: usize) -> Vec<Pair> {
    let pair = |number: usize| Pair {
        case: number.to_string(),
        incumbent: 0.0,
        candidate: 0.0,
        cluster: (cluster_size > 1).then(|| (number / cluster_size).to_string()),
    };
    (0..cases).map(pair).collect()
}

/// Nominal level plus three standard errors of a share over `draws`.
fn ceiling(draws: u32) -> f64 {
    NOMINAL + 3.0 * (NOMINAL * (1.0 - NOMINAL) / f64::from(draws)).sqrt()
}

fn set(pair: &mut Pair, draw: f64, loss: f64, gain: f64) {
    (pair.incumbent, pair.candidate) = match draw {
        draw if draw < loss => (1.0, 0.0),
        draw if draw < loss + gain => (0.0, 1.0),
        _ => (1.0, 1.0),
    };
}

#[test]
fn right_or_wrong_scores_at_the_margin_keep_the_level() {
    let draws = draws(3_000);
    let mut random = ChaCha8Rng::seed_from_u64(41);
    for cases in [50, 100, 200] {
        for (margin, discordance) in [(0.05, 0.15), (0.05, 0.3), (0.1, 0.2)] {
            let (loss, gain) = ((discordance + margin) / 2.0, (discordance - margin) / 2.0);
            let share = adequate_share(&mut blank(cases, 1), draws, margin, |pairs| {
                pairs.iter_mut().for_each(|pair| set(pair, random.random(), loss, gain));
            });
            println!("tango n={cases} margin={margin} discordance={discordance}: {share:.4}");
            assert!(share <= ceiling(draws), "n={cases} margin={margin} discordance={discordance}: {share}");
            assert!(share >= 0.01, "n={cases} margin={margin} discordance={discordance}: {share} is needlessly timid");
        }
    }
}

/// Without simulation error: the level of Tango's test summed over every possible table.
#[test]
fn exact_level_of_tango_stays_near_nominal() {
    let z = quantile::normal(1.0 - NOMINAL);
    let log_factorial: Vec<f64> = (0..=200_u32)
        .scan(0.0, |sum, number| {
            *sum += f64::from(number.max(1)).ln();
            Some(*sum)
        })
        .collect();
    let level = |cases: usize, margin: f64, discordance: f64| {
        let shares = [(discordance - margin) / 2.0, (discordance + margin) / 2.0, 1.0 - discordance];
        let mut level = 0.0;
        for gain in 0..=cases {
            for loss in 0..=cases - gain {
                let rest = cases - gain - loss;
                let table = Table::new([rest as f64, gain as f64, loss as f64, 0.0]).expect("legal");
                if tango::statistic(&table, -margin) > z {
                    let parts = [gain, loss, rest].into_iter().zip(shares);
                    let log: f64 = parts.map(|(count, share)| count as f64 * share.ln() - log_factorial[count]).sum();
                    level += (log + log_factorial[cases]).exp();
                }
            }
        }
        level
    };
    for cases in [50, 100, 200] {
        for (margin, discordance) in [(0.05, 0.1), (0.05, 0.15), (0.05, 0.3), (0.1, 0.2), (0.1, 0.4)] {
            let level = level(cases, margin, discordance);
            println!("exact n={cases} margin={margin} discordance={discordance}: {level:.4}");
            assert!((0.01..=0.06).contains(&level), "n={cases} margin={margin} discordance={discordance}: {level}");
        }
    }
}

#[test]
fn graded_scores_at_the_margin_keep_the_level() {
    let (draws, margin) = (draws(2_000), 0.05);
    let mut random = ChaCha8Rng::seed_from_u64(42);
    for cases in [30, 100, 200] {
        let share = adequate_share(&mut blank(cases, 1), draws, margin, |pairs| {
            for pair in pairs {
                pair.incumbent = 0.5 + 0.1 * random.random::<f64>();
                // A spread of 0.35 either way: standard deviation 0.2, so that the t limit decides.
                pair.candidate = pair.incumbent - margin + 0.35 * (2.0 * random.random::<f64>() - 1.0);
            }
        });
        println!("graded n={cases}: {share:.4}");
        assert!(share <= ceiling(draws), "n={cases}: {share}");
    }
}

/// Rare failures hide from a t interval, which certifies most samples that happen to hold none.
#[test]
fn rare_failures_of_a_graded_score_do_not_pass_as_adequate() {
    let (draws, cases) = (draws(2_000), 60);
    let margin = 0.02;
    let mut random = ChaCha8Rng::seed_from_u64(43);
    let mut by_t_alone = 0_u32;
    let share = adequate_share(&mut blank(cases, 1), draws, margin, |pairs| {
        for pair in pairs.iter_mut() {
            pair.incumbent = 0.9 + 0.02 * random.random::<f64>();
            let fails = random.random::<f64>() < margin / 0.91;
            pair.candidate = if fails { 0.0 } else { pair.incumbent + 0.02 * (random.random::<f64>() - 0.5) };
        }
        let differences: Vec<f64> = pairs.iter().map(|pair| pair.candidate - pair.incumbent).collect();
        let summary = paired::summarise(&differences);
        let (lower, _) = paired::t_interval(summary.mean, summary.error_squared().sqrt(), (cases - 1) as f64, 0.95);
        by_t_alone += u32::from(lower > -margin);
    });
    let by_t_alone = f64::from(by_t_alone) / f64::from(draws);
    println!("rare failures: {share:.4}, by t alone {by_t_alone:.4}");
    assert!(by_t_alone > 0.2, "the simulation must hold what it guards against: {by_t_alone}");
    assert!(share <= ceiling(draws), "{share}");
}

/// Losses and gains that differ from cluster to cluster: `share` of the clusters have the first rates, the others the second.
struct Mixture {
    share: f64,
    rates: [(f64, f64); 2],
    /// What the level may be at most, apart from simulation error.
    level_max: f64,
}

#[test]
fn clustered_scores_at_the_margin_keep_the_level() {
    let (draws, margin) = (draws(2_000), 0.05);
    let mut random = ChaCha8Rng::seed_from_u64(44);
    let even = Mixture { share: 0.5, rates: [(0.2, 0.0), (0.02, 0.12)], level_max: NOMINAL };
    // A few clusters lose a lot: the estimates are skewed, and the level of any interval of this kind is some 6.5 %.
    let skewed = Mixture { share: 0.2, rates: [(0.4, 0.1), (0.02, 0.0325)], level_max: 0.065 };
    for (clusters, size, mixture) in [(20, 5, &even), (40, 5, &even), (40, 5, &skewed)] {
        let mut shares = [0.0; 2];
        for (share, known) in shares.iter_mut().zip([size, 1]) {
            *share = adequate_share(&mut blank(clusters * size, known), draws, margin, |pairs| {
                for cluster in pairs.chunks_mut(size) {
                    let (loss, gain) = mixture.rates[usize::from(random.random::<f64>() >= mixture.share)];
                    cluster.iter_mut().for_each(|pair| set(pair, random.random(), loss, gain));
                }
            });
        }
        let [clustered, naive] = shares;
        println!("clustered {clusters} x {size}: {clustered:.4}, ignoring clusters {naive:.4}");
        assert!(clustered <= mixture.level_max - NOMINAL + ceiling(draws), "{clusters} x {size}: {clustered}");
        assert!(clustered + 0.01 < naive, "{clusters} x {size}: {clustered} against {naive} without clusters");
    }
}
