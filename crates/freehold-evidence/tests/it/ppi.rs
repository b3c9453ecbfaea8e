//! Labels and a judge in one estimate: published and independent figures, coverage by simulation, and what it refuses.

use freehold_evidence::Rule;
use freehold_evidence::decision::Verdict;
use freehold_evidence::ppi::{self, Error, Estimate, Labelled};
use freehold_evidence::quantile;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::simulation::draws;

fn rule(margin: f64, confidence: f64) -> Rule {
    Rule::new(margin, confidence).expect("legal")
}

fn paired(people: &[f64], judge: &[f64]) -> Vec<Labelled> {
    people.iter().zip(judge).map(|(person, judge)| Labelled { person: *person, judge: *judge }).collect()
}

/// The reference vector of the method's formulas; its limits are normal ones at 95 % two-sided.
#[test]
fn estimate_matches_the_reference_vector() {
    let people = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0];
    let judge = [0.9, 0.2, 0.8, 0.6, 0.3, 0.7, 0.4, 0.1, 0.9, 0.5];
    let further: Vec<f64> = (0..40).map(|step| 0.05 + 0.9 * f64::from(step) / 39.0).collect();
    let found = ppi::estimate(&paired(&people, &judge), &further, &rule(0.05, 0.975)).expect("legal");
    let z = quantile::normal(0.975);
    for (value, expected) in [
        (found.difference, 0.56),
        (found.error, 0.104_762_026_4),
        (found.difference - z * found.error, 0.354_670_201_4),
        (found.difference + z * found.error, 0.765_329_798_6),
        (found.weight, 1.0),
    ] {
        assert!((value - expected).abs() < 1e-8, "{value} for {expected}");
    }
    // Ten labels take Student's quantile: t(9, 0.975) = 2.262157.
    assert!((found.upper - (0.56 + 2.262_157_16 * found.error)).abs() < 1e-7, "{found:?}");
    assert_eq!(found.notes[0], "few labels (10): adequate takes at least 50");
}

/// A case without clipping, by numpy (n - 1 in every variance); ppi-python's estimate at this weight is the same.
#[test]
fn estimate_matches_an_independent_computation() {
    let labelled: Vec<Labelled> = (0..60_i32)
        .map(|i| {
            let person = f64::from((i * 7) % 3 - 1);
            Labelled { person, judge: if i % 4 < 2 { person } else { f64::from((i / 4) % 3 - 1) } }
        })
        .collect();
    let further: Vec<f64> = (0..400_i32).map(|j| f64::from((j * 5) % 7 - 3) / 3.0).collect();
    let found = ppi::estimate(&labelled, &further, &rule(0.05, 0.95)).expect("legal");
    for (value, expected) in [
        (found.weight, 0.774_617_173_448_373_6),
        (found.difference, -0.001_936_542_933_620_931_5),
        (found.error, 0.088_368_470_663_709_66),
        (found.labels_worth, 1.446_978_410_422_531_6),
        (found.lower, -0.147_289_742_412_978_54),
        (found.upper, 0.143_416_656_545_736_65),
    ] {
        assert!((value - expected).abs() < 1e-8, "{value} for {expected}");
    }
}

#[test]
fn judge_that_tells_nothing_leaves_the_labels() {
    let people: Vec<f64> = (0..80).map(|n| [1.0, 0.0, -1.0, 0.0, 0.0][n % 5]).collect();
    let alone = ppi::estimate(&paired(&people, &[0.0; 80]), &[0.0; 500], &rule(0.05, 0.95)).expect("legal");
    assert_eq!((alone.weight, alone.labels_worth, alone.difference), (0.0, 1.0, 0.0));
    assert!(alone.notes.iter().any(|note| note.contains("tells nothing")), "{:?}", alone.notes);
    // A judge that says the opposite of people is not believed the other way round.
    let contrary: Vec<f64> = people.iter().map(|person| -person).collect();
    let found = ppi::estimate(&paired(&people, &contrary), &contrary, &rule(0.05, 0.95)).expect("legal");
    assert_eq!((found.weight, found.lower), (0.0, alone.lower));
    // Nor is one with no further cases of any use.
    assert_eq!(ppi::estimate(&paired(&people, &people), &[], &rule(0.05, 0.95)).expect("legal").weight, 0.0);
}

#[test]
fn labels_that_agree_everywhere_are_not_certain() {
    let alike =
        |labels: usize| ppi::estimate(&paired(&vec![0.0; labels], &vec![0.0; labels]), &[0.0; 900], &rule(0.05, 0.95));
    let found = alike(51).expect("legal");
    assert_eq!((found.error, found.verdict), (0.0, Verdict::Undecided));
    assert!(found.lower < -0.05 && found.notes.iter().any(|note| note.contains("rare losses")), "{found:?}");
    assert_eq!(alike(52).expect("legal").verdict, Verdict::Adequate);
}

#[test]
fn few_labels_never_make_adequate() {
    let of = |labels: usize, difference: f64| {
        let people: Vec<f64> = (0..labels).map(|n| difference + [0.1, -0.1][n % 2]).collect();
        ppi::estimate(&paired(&people, &people), &vec![difference; 500], &rule(0.05, 0.95)).expect("legal").verdict
    };
    assert_eq!((of(49, 0.8), of(50, 0.8)), (Verdict::Undecided, Verdict::Adequate));
    assert_eq!(of(20, -0.8), Verdict::NotAdequate);
}

#[test]
fn bad_input_is_refused() {
    let rule = rule(0.05, 0.95);
    assert_eq!(ppi::estimate(&[], &[], &rule), Err(Error::FewLabels { labels: 0 }));
    assert_eq!(ppi::estimate(&paired(&[1.0], &[1.0]), &[], &rule), Err(Error::FewLabels { labels: 1 }));
    for bad in [f64::NAN, 1.1, -1.1, f64::INFINITY] {
        assert!(ppi::estimate(&paired(&[bad, 0.0], &[0.0, 0.0]), &[], &rule).is_err(), "{bad}");
        assert!(ppi::estimate(&paired(&[0.0, 0.0], &[0.0, bad]), &[], &rule).is_err(), "{bad}");
        let error = ppi::estimate(&paired(&[0.0, 0.0], &[0.0, 0.0]), &[bad], &rule).expect_err("a bad difference");
        assert!(error.to_string().starts_with("the difference by the judge is"), "{error}");
    }
}

/// What people and a judge say of one case: the judge repeats people with chance `fidelity`, else leans to the candidate.
fn draw(random: &mut ChaCha8Rng, fidelity: f64) -> Labelled {
    let person = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0][random.random_range(0..10)];
    let judge =
        if random.random::<f64>() < fidelity { person } else { [1.0, 1.0, 0.0, -1.0][random.random_range(0..4)] };
    Labelled { person, judge }
}

fn drawn(random: &mut ChaCha8Rng, labels: usize, (fidelity, confidence): (f64, f64)) -> Estimate {
    let labelled: Vec<Labelled> = (0..labels).map(|_| draw(random, fidelity)).collect();
    let judged: Vec<f64> = (0..1_000).map(|_| draw(random, fidelity).judge).collect();
    ppi::estimate(&labelled, &judged, &rule(0.05, confidence)).expect("legal")
}

/// The truth is -0.1 while the judge alone leans to the candidate; each limit may miss it in 5 % of samples.
#[test]
fn limits_cover_what_people_would_say() {
    const TRUTH: f64 = -0.1;
    let draws = draws(2_000);
    let mut random = ChaCha8Rng::seed_from_u64(71);
    for fidelity in [0.3, 0.7] {
        for labels in [20, 50, 100, 300] {
            let (mut above, mut below, mut worth) = (0_u32, 0_u32, 0.0);
            for _ in 0..draws {
                let found = drawn(&mut random, labels, (fidelity, 0.95));
                above += u32::from(found.lower > TRUTH);
                below += u32::from(found.upper < TRUTH);
                worth += found.labels_worth / f64::from(draws);
            }
            let [above, below] = [above, below].map(|count| f64::from(count) / f64::from(draws));
            println!(
                "ppi fidelity={fidelity} labels={labels}: lower misses {above:.4}, upper {below:.4}, worth {worth:.2}"
            );
            // The weight comes from the same labels: with few of them and a good judge the level rises to some 7 %, and
            // nothing is called adequate. Elsewhere a point above the nominal 5 %; three simulation errors on top.
            let level = if labels < ppi::LABELS_FEW { 0.073 } else { 0.06 };
            let ceiling = level + 3.0 * (0.05_f64 * 0.95 / f64::from(draws)).sqrt();
            assert!(above <= ceiling && below <= ceiling, "{labels} labels: {above} and {below}");
            assert!(worth > if fidelity > 0.5 { 1.4 } else { 0.99 }, "{labels} labels: {worth}");
        }
    }
}

/// At the levels that corrections for the number of steps ask for: the lower limit is what an `adequate` rests on.
#[test]
fn lower_limits_keep_stricter_levels_too() {
    const TRUTH: f64 = -0.1;
    let draws = draws(2_000);
    let mut random = ChaCha8Rng::seed_from_u64(72);
    for (fidelity, labels) in [(0.3, 50), (0.7, 50), (0.7, 100), (0.7, 300)] {
        for level in [0.01, 0.005] {
            let misses =
                (0..draws).filter(|_| drawn(&mut random, labels, (fidelity, 1.0 - level)).lower > TRUTH).count();
            let share = misses as f64 / f64::from(draws);
            println!("ppi fidelity={fidelity} labels={labels} level={level}: lower misses {share:.4}");
            let ceiling = 2.0 * level + 3.0 * (level * (1.0 - level) / f64::from(draws)).sqrt();
            assert!(share <= ceiling, "{labels} labels at {level}: {share}");
        }
    }
}

proptest! {
    #[test]
    fn estimate_is_consistent(
        labelled in prop::collection::vec((-4_i8..=4, -4_i8..=4), 2..60),
        judged in prop::collection::vec(-4_i8..=4, 0..60),
        margin in 0.01_f64..0.5,
    ) {
        let quarter = |value: i8| f64::from(value) / 4.0;
        let labelled: Vec<Labelled> =
            labelled.iter().map(|(person, judge)| Labelled { person: quarter(*person), judge: quarter(*judge) }).collect();
        let judged: Vec<f64> = judged.iter().map(|value| quarter(*value)).collect();
        let found = ppi::estimate(&labelled, &judged, &rule(margin, 0.95)).expect("legal");
        prop_assert!((0.0..=1.0).contains(&found.weight) && found.labels_worth >= 0.0 && found.error.is_finite());
        prop_assert!(-1.0 <= found.lower && found.lower <= found.upper && found.upper <= 1.0);
        prop_assert!(found.lower <= found.difference.min(1.0) + 1e-12 && found.difference.max(-1.0) <= found.upper + 1e-12);
        prop_assert!(found.verdict != Verdict::Adequate || found.lower > -margin);
        // Turning every difference round turns the estimate round.
        let turned: Vec<Labelled> = labelled.iter().map(|case| Labelled { person: -case.person, judge: -case.judge }).collect();
        let back: Vec<f64> = judged.iter().map(|value| -value).collect();
        let mirrored = ppi::estimate(&turned, &back, &rule(margin, 0.95)).expect("legal");
        prop_assert!((mirrored.difference + found.difference).abs() < 1e-12 && (mirrored.lower + found.upper).abs() < 1e-9);
    }
}
