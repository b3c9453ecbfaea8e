//! Sequential evidence: reference vectors, refusals, and what must hold whatever the differences are.

use freehold_evidence::decision::{Rule, Verdict};
use freehold_evidence::sequential::{
    ASYMPTOTIC_CASES_MIN, Asymptotic, Bernstein, Bettor, Claim, Error, Grid, Prior, STAKE_MAX, Sequence, State, Watch,
    watch,
};
use proptest::prelude::*;

const MARGIN: f64 = 0.05;

fn rule() -> Rule {
    Rule::new(MARGIN, 0.95).expect("legal")
}

/// Twelve differences, ten times over: the sequence of the reference vectors.
fn reference() -> Vec<f64> {
    [1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0].repeat(10)
}

fn bettor(claim: Claim, prior: &Prior) -> Bettor {
    Bettor::new(claim, MARGIN, prior).expect("legal")
}

fn grid(claim: Claim) -> Grid {
    Grid::new(claim, MARGIN).expect("legal")
}

#[test]
fn evidence_of_the_bets_matches_the_reference() {
    let prior = Prior::default();
    let unknowing = Prior::new(1.0, 0.0, 1.0).expect("legal");
    for (mut bettor, expected) in [
        (bettor(Claim::Above, &prior), -0.441_870_828_4),
        (bettor(Claim::Below, &prior), 0.0),
        (bettor(Claim::Above, &unknowing), -1.744_270_435),
    ] {
        for difference in reference() {
            bettor.observe(difference).expect("legal");
        }
        assert!((bettor.log_evidence() - expected).abs() < 1e-8, "{} instead of {expected}", bettor.log_evidence());
        assert!(bettor.peak() >= bettor.log_evidence());
        assert_eq!(bettor.cases(), 120);
    }
}

#[test]
fn evidence_of_the_grid_matches_the_reference() {
    for (claim, expected) in [(Claim::Above, -0.026_891_815_77), (Claim::Below, -0.975_566_581_9)] {
        let mut grid = grid(claim);
        for difference in reference() {
            grid.observe(difference).expect("legal");
        }
        assert!((grid.log_evidence() - expected).abs() < 1e-8, "{} instead of {expected}", grid.log_evidence());
        assert_eq!(grid.cases(), 120);
    }
}

#[test]
fn lower_limit_of_the_bernstein_sequence_matches_the_reference() {
    let mut sequence = Bernstein::new(0.05).expect("legal");
    assert_eq!(sequence.limits(), (-1.0, 1.0));
    let mut last = (-1.0, 1.0);
    for difference in reference() {
        last = sequence.observe(difference).expect("legal");
    }
    assert!((last.0 + 0.169_124_499_7).abs() < 1e-8, "{}", last.0);
    assert!(sequence.limits().0 >= last.0 && sequence.limits().1 <= last.1);
}

#[test]
fn lower_limit_of_the_asymptotic_sequence_matches_the_reference() {
    let mut sequence = Asymptotic::new(0.05, 100.0).expect("legal");
    for difference in reference() {
        sequence.observe(difference).expect("legal");
    }
    assert!((sequence.limits().0 + 0.147_793_193).abs() < 1e-8, "{}", sequence.limits().0);
    assert!((sequence.limits().0 + sequence.limits().1).abs() < 1e-12, "the mean of the differences is 0");
}

#[test]
fn numbers_that_are_no_differences_are_refused_and_change_nothing() {
    let mut bettor = bettor(Claim::Above, &Prior::default());
    let mut grid = grid(Claim::Below);
    let mut sequence = Bernstein::new(0.05).expect("legal");
    let mut asymptotic = Asymptotic::new(0.05, 100.0).expect("legal");
    let mut watcher = Watch::new(Sequence::Betting, &rule(), &Prior::default());
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.000_001, -1.5] {
        assert!(bettor.observe(bad).is_err(), "{bad}");
        assert!(grid.observe(bad).is_err(), "{bad}");
        assert!(sequence.observe(bad).is_err(), "{bad}");
        assert!(asymptotic.observe(bad).is_err(), "{bad}");
        assert!(watcher.observe(bad).is_err(), "{bad}");
        let mut late = vec![1.0; 400];
        late.push(bad);
        assert!(watch(Sequence::Betting, &late, &rule(), &Prior::default()).is_err(), "{bad} after the verdict");
        assert!(Prior::from_pilot(&[0.0, bad]).is_err(), "{bad}");
    }
    assert_eq!((bettor.cases(), grid.cases(), watcher.state().n), (0, 0, 0));
    assert_eq!((bettor.log_evidence(), grid.log_evidence()), (0.0, 0.0));
    assert!(matches!(Prior::from_pilot(&[]), Err(Error::PriorCases { .. })));
    for (cases, difference, discordance) in [(0.5, 0.0, 0.2), (f64::NAN, 0.0, 0.2), (50.0, 0.5, 0.2), (50.0, 0.0, 1.1)]
    {
        assert!(Prior::new(cases, difference, discordance).is_err(), "{cases} {difference} {discordance}");
    }
    assert!(Prior::new(50.0, f64::NAN, 0.2).is_err() && Prior::new(50.0, 0.0, f64::NAN).is_err());
    for margin in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(Bettor::new(Claim::Above, margin, &Prior::default()).is_err(), "{margin}");
        assert!(Grid::new(Claim::Above, margin).is_err(), "{margin}");
    }
    for alpha in [0.0, 0.5, f64::NAN] {
        assert!(Bernstein::new(alpha).is_err(), "{alpha}");
        assert!(Asymptotic::new(alpha, 100.0).is_err() && Asymptotic::new(0.05, alpha).is_err(), "{alpha}");
    }
}

#[test]
fn watch_without_cases_knows_nothing() {
    for sequence in [Sequence::Betting, Sequence::Asymptotic] {
        let state = watch(sequence, &[], &rule(), &Prior::default()).expect("legal");
        assert_eq!((state.verdict, state.n, state.stopped_at), (Verdict::Undecided, 0, None));
        assert_eq!((state.difference, state.lower, state.upper), (0.0, -1.0, 1.0));
    }
}

/// The floor of the notes: ln(1/alpha) / ln(1 + stake * margin / (1 - margin)) cases without any disagreement.
#[test]
fn equal_answers_are_adequate_at_the_floor_of_the_stake() {
    let prior = Prior::new(200.0, 0.0, 0.02).expect("legal");
    let state = watch(Sequence::Betting, &[0.0; 500], &rule(), &prior).expect("legal");
    let floor = (20.0_f64.ln() / (STAKE_MAX * MARGIN / (1.0 - MARGIN)).ln_1p()).ceil();
    assert_eq!(state.verdict, Verdict::Adequate);
    assert_eq!(state.stopped_at, Some(floor as u64));
    assert_eq!(state.n, floor as u64, "what comes after the verdict is not counted");
    assert!(state.lower > -MARGIN && state.lower < 0.0 && state.upper > 0.0 && state.upper < 0.2, "{state:?}");
}

#[test]
fn run_of_ties_is_no_certainty_to_the_asymptotic_sequence() {
    let ties = vec![0.0; ASYMPTOTIC_CASES_MIN as usize];
    let rule = Rule::new(0.02, 0.95).expect("legal");
    let state = watch(Sequence::Asymptotic, &ties, &rule, &Prior::default()).expect("legal");
    assert!(state.lower < -0.01 && state.upper > 0.01, "{state:?}");
    assert_eq!(state.verdict, Verdict::Undecided);
    let few = watch(Sequence::Asymptotic, &ties[1..], &rule, &Prior::default()).expect("legal");
    assert_eq!((few.lower, few.upper), (-1.0, 1.0));
}

#[test]
fn large_loss_is_found_within_few_cases() {
    let losses = [-1.0, 0.0].repeat(100);
    let state = watch(Sequence::Betting, &losses, &rule(), &Prior::default()).expect("legal");
    assert_eq!(state.verdict, Verdict::NotAdequate);
    assert!(state.stopped_at.is_some_and(|stopped| stopped <= 40), "{state:?}");
    assert!(state.upper < -MARGIN && state.lower < -0.5, "{state:?}");
}

/// Limits of an undecided or lopsided watch are wider than those of a fixed test, but say something on both sides.
#[test]
fn limits_are_informative_on_both_sides() {
    let rule = Rule::new(MARGIN, 0.95).expect("legal");
    let hidden = Rule::new(0.3, 0.95).expect("legal");
    let mostly_lost = [-1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0].repeat(30);
    for (differences, rule, half) in [(reference(), rule, 0.4), (mostly_lost, hidden, 0.25)] {
        let state = watch(Sequence::Betting, &differences, &rule, &Prior::default()).expect("legal");
        println!("{state:?}");
        assert!(state.lower < state.difference && state.difference < state.upper, "{state:?}");
        assert!(state.lower > state.difference - half && state.upper < state.difference + half, "{state:?}");
    }
}

fn differences() -> impl Strategy<Value = Vec<f64>> {
    let right_or_wrong = prop_oneof![6 => Just(0.0), 1 => Just(1.0), 1 => Just(-1.0)];
    let losing = prop_oneof![6 => Just(0.0), 1 => Just(1.0), 4 => Just(-1.0)];
    let graded = -0.3_f64..0.35;
    prop_oneof![
        prop::collection::vec(right_or_wrong, 0..400),
        prop::collection::vec(losing, 0..200),
        prop::collection::vec(graded, 0..400),
        prop::collection::vec(-1.0_f64..=1.0, 0..100),
    ]
}

fn prior() -> impl Strategy<Value = Prior> {
    (1.0_f64..300.0, -0.1_f64..0.1, 0.02_f64..1.0)
        .prop_map(|(cases, difference, discordance)| Prior::new(cases, difference, discordance).expect("legal"))
}

fn agrees(state: &State, margin: f64) -> bool {
    let by_limits = match (state.lower > -margin, state.upper < -margin) {
        (true, false) => Verdict::Adequate,
        (false, true) => Verdict::NotAdequate,
        (false, false) => Verdict::Undecided,
        (true, true) => return false,
    };
    by_limits == state.verdict && state.lower <= state.upper
}

proptest! {
    /// The verdict and the limits are two ways to say the same, at every look.
    #[test]
    fn verdict_agrees_with_the_limits(
        differences in differences(), prior in prior(), margin in 0.01_f64..0.4, betting: bool
    ) {
        let rule = Rule::new(margin, 0.95).expect("legal");
        let sequence = if betting { Sequence::Betting } else { Sequence::Asymptotic };
        let mut watch = Watch::new(sequence, &rule, &prior);
        let mut before = watch.state();
        for (number, difference) in differences.iter().enumerate() {
            watch.observe(*difference).expect("legal");
            if number % 7 == 0 || watch.verdict() != Verdict::Undecided {
                let state = watch.state();
                prop_assert!(agrees(&state, margin), "{state:?}");
                prop_assert!(state.lower >= before.lower - 1e-12 && state.upper <= before.upper + 1e-12, "{state:?}");
                before = state;
            }
            if watch.verdict() != Verdict::Undecided {
                break;
            }
        }
    }

    /// A candidate that does better on every case never has less evidence for it.
    #[test]
    fn better_differences_raise_the_evidence_of_a_grid(differences in differences(), gain in 0.0_f64..0.5) {
        let mut grids = [grid(Claim::Above), grid(Claim::Above)];
        for difference in differences {
            grids[0].observe(difference).expect("legal");
            grids[1].observe((difference + gain).min(1.0)).expect("legal");
        }
        prop_assert!(grids[1].log_evidence() >= grids[0].log_evidence() - 1e-9);
    }

    /// Exchanging the two models mirrors the limits of both charts.
    #[test]
    fn swapping_the_models_mirrors_the_limits(differences in differences()) {
        let mut bernstein = [Bernstein::new(0.05).expect("legal"), Bernstein::new(0.05).expect("legal")];
        let mut asymptotic = [100.0, 100.0].map(|cases| Asymptotic::new(0.05, cases).expect("legal"));
        for difference in differences {
            for (mirror, sign) in [1.0, -1.0].into_iter().enumerate() {
                bernstein[mirror].observe(sign * difference).expect("legal");
                asymptotic[mirror].observe(sign * difference).expect("legal");
            }
            for [(lower, upper), mirrored] in [
                [bernstein[0].limits(), bernstein[1].limits()],
                [asymptotic[0].limits(), asymptotic[1].limits()],
            ] {
                prop_assert!((lower + mirrored.1).abs() < 1e-9 && (upper + mirrored.0).abs() < 1e-9);
            }
        }
    }

    /// The evidence of a grid does not depend on the order of the cases.
    #[test]
    fn grid_forgets_the_order(differences in differences()) {
        let mut grids = [grid(Claim::Below), grid(Claim::Below)];
        for (first, last) in differences.iter().zip(differences.iter().rev()) {
            grids[0].observe(*first).expect("legal");
            grids[1].observe(*last).expect("legal");
        }
        prop_assert!((grids[0].log_evidence() - grids[1].log_evidence()).abs() < 1e-9);
    }

    /// One more case cannot be expected to raise the evidence when the truth lies on the margin: over the two outcomes of
    /// a fair game on minus the margin, the factors average to 1. It holds step by step, so the mean stays at 1 for ever.
    #[test]
    fn evidence_is_a_fair_game_on_the_margin(
        differences in differences(), prior in prior(), margin in 0.01_f64..0.4, above: bool, loss in 0.5_f64..=1.0, gain in 0.0_f64..=1.0
    ) {
        let claim = if above { Claim::Above } else { Claim::Below };
        let chance_of_gain = (loss - margin) / (loss + gain);
        let mut bettor = Bettor::new(claim, margin, &prior).expect("legal");
        let mut grid = Grid::new(claim, margin).expect("legal");
        for difference in differences {
            bettor.observe(difference).expect("legal");
            grid.observe(difference).expect("legal");
        }
        for (before, won, lost) in [
            (bettor.log_evidence(), bettor.clone().observe(gain), bettor.clone().observe(-loss)),
            (grid.log_evidence(), grid.clone().observe(gain), grid.clone().observe(-loss)),
        ] {
            let won = (won.expect("legal") - before).exp();
            let lost = (lost.expect("legal") - before).exp();
            let mean = chance_of_gain * won + (1.0 - chance_of_gain) * lost;
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }
    }
}
