//! The tables of the documentation at reduced size: error rates under what is stated, and cases that sequential looks save.

use freehold_evidence::decision::Rule;
use freehold_evidence::multiplicity;
use freehold_evidence::sequential::{Prior, Sequence, watch};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[path = "../../examples/calibration/figures.rs"]
#[expect(dead_code, reason = "the program that prints the tables uses all of it, the test a part")]
mod figures;

use figures::{Setting, Truth};

const NOMINAL: f64 = 0.05;

fn rule(margin: f64) -> Rule {
    Rule::new(margin, 1.0 - NOMINAL).expect("legal")
}

/// What a share over `draws` may come to by chance alone, where the true one is `share`.
fn ceiling(share: f64, draws: usize) -> f64 {
    share + 3.0 * (share * (1.0 - share) / draws as f64).sqrt()
}

/// Exact, no simulation: at most 0.7 points over the nominal level.
#[test]
fn tango_at_the_margin_is_wrong_as_rarely_as_it_says() {
    for cases in [50, 100, 200, 500] {
        for (margin, discordance) in [(0.02, 0.02), (0.02, 0.1), (0.05, 0.05), (0.05, 0.1), (0.05, 0.2), (0.05, 0.4)] {
            let truth = Truth { discordance, difference: -margin };
            let level = figures::tango_adequate(cases, truth, &rule(margin));
            assert!(level <= NOMINAL + 0.007, "n={cases} margin={margin} discordance={discordance}: {level}");
        }
    }
}

/// Looking after every case: neither verdict falls wrongly more often than stated where the truth lies on the margin.
#[test]
fn looking_after_every_case_keeps_the_level() {
    for (discordance, pilot) in [(0.1, 0), (0.1, 100), (0.25, 0), (0.25, 100)] {
        let truth = Truth { discordance, difference: -0.05 };
        let setting =
            Setting { sequence: Sequence::Betting, rule: rule(0.05), pilot, cases_max: 1_000, streams: 1_000 };
        let streams = figures::watch_streams(&setting, 81, |random| truth.draw(random));
        println!("{discordance} pilot {pilot}: {:.3} {:.3}", streams.adequate, streams.not_adequate);
        for share in [streams.adequate, streams.not_adequate] {
            assert!(share <= ceiling(NOMINAL, 1_000), "discordance {discordance}, pilot {pilot}: {share}");
        }
        assert!(streams.adequate >= 0.01, "needlessly timid: {}", streams.adequate);
    }
}

/// The limits are those of the bets laid against the margin, and still hold the true mean wherever it lies.
#[test]
fn limits_hold_the_truth_wherever_it_lies() {
    for difference in [-0.2, -0.05, 0.0, 0.1] {
        let truth = Truth { discordance: 0.3, difference };
        let mut random = ChaCha8Rng::seed_from_u64(86);
        let mut missed = [0.0; 2];
        for _ in 0..600 {
            let differences: Vec<f64> = (0..400).map(|_| truth.draw(&mut random)).collect();
            let state = watch(Sequence::Betting, &differences, &rule(0.05), &Prior::default()).expect("differences");
            missed[0] += f64::from(u8::from(state.lower >= difference)) / 600.0;
            missed[1] += f64::from(u8::from(state.upper <= difference)) / 600.0;
        }
        println!("difference {difference}: above {:.3}, below {:.3}", missed[0], missed[1]);
        assert!(missed.iter().all(|share| *share <= ceiling(NOMINAL, 600)), "difference {difference}: {missed:?}");
    }
}

/// Equal models cost no more than a fixed test of power 0.8 in the median, and clear cases far less.
#[test]
fn sequential_looks_save_cases_in_the_median() {
    let fixed = figures::fixed_cases(0.15, &rule(0.05));
    for (difference, pilot, share_max) in [(0.0, 100, 1.05), (0.1, 0, 0.6), (-0.15, 0, 0.6)] {
        let truth = Truth { discordance: 0.15, difference };
        let setting =
            Setting { sequence: Sequence::Betting, rule: rule(0.05), pilot, cases_max: 4 * fixed, streams: 600 };
        let median = figures::watch_streams(&setting, 82, |random| truth.draw(random)).stop(0.5);
        println!("difference {difference}: {median} cases in the median, fixed {fixed}");
        assert!(median as f64 <= share_max * fixed as f64, "difference {difference}: {median} of {fixed}");
    }
}

#[test]
fn equal_models_are_rolled_back_as_rarely_as_stated() {
    for (difference, alpha) in [(0.0, 0.05), (0.0, 0.1), (-0.05, 0.1)] {
        let truth = Truth { discordance: 0.2, difference };
        let (share, _) = figures::rollbacks(truth, 0.05, alpha, (1_000, 1_000, 83));
        println!("difference {difference} at {alpha}: {share:.3}");
        assert!(share <= ceiling(alpha, 1_000), "difference {difference} at {alpha}: {share}");
    }
    let (found, median) = figures::rollbacks(Truth { discordance: 0.4, difference: -0.3 }, 0.05, 0.1, (200, 1_000, 84));
    assert!(found >= 0.99 && median.is_some_and(|cases| cases < 60), "{found} {median:?}");
}

#[test]
fn adjusted_claims_are_wrong_as_rarely_as_stated() {
    let ways: [figures::Adjust; 3] =
        [|p_values| Ok(p_values.to_vec()), multiplicity::holm, multiplicity::benjamini_hochberg];
    let [plain, holm, shares] = figures::several_steps(ways, &rule(0.05), 500, 85);
    println!("{plain:?} {holm:?} {shares:?}");
    assert!(plain.any_wrong > 0.15, "what is guarded against must be there: {plain:?}");
    assert!(holm.any_wrong <= ceiling(NOMINAL, 500) && shares.share_wrong <= ceiling(NOMINAL, 500));
    assert!(shares.made > holm.made && shares.any_wrong > holm.any_wrong);
}

/// The expected share of wrong claims, where one may stop at any case; at the same level the claims are many.
#[test]
fn evidence_claimed_over_several_steps_is_wrong_as_rarely_as_stated() {
    let claims = figures::several_steps_by_bets(&rule(0.05), 800, 200, 87);
    println!("{claims:?}");
    assert!(claims.share_wrong <= ceiling(NOMINAL, 200), "{claims:?}");
    assert!(claims.made > 3.0, "needlessly timid: {claims:?}");
}

/// The best of several that are all on the margin: choosing on one half keeps the level, choosing on all breaks it.
#[test]
fn candidate_chosen_on_one_half_is_wrong_as_rarely_as_stated() {
    let truth = Truth { discordance: 0.15, difference: -0.05 };
    for candidates in [2, 5] {
        let [split, all] = figures::best_of(candidates, 400, truth, (2_000, 88));
        println!("{candidates} candidates: {split:.4} chosen on one half, {all:.4} on all");
        assert!(split <= ceiling(NOMINAL + 0.007, 2_000) && split >= 0.03, "{candidates}: {split}");
        assert!(all > 1.5 * NOMINAL, "what is guarded against must be there: {all}");
    }
}
