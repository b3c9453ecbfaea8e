//! The drift alarm: how soon it sounds, how rarely it errs, and what is refused.

use freehold_evidence::drift::{Change, Detector, Method, Watched};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const METHODS: [Method; 2] = [Method::ShiryaevRoberts, Method::Cusum];

fn watched(method: Method, change: Change, baseline: f64) -> Watched {
    Watched { method, change, baseline, tolerance: 0.05, run_length: 1_000.0 }
}

fn alarm_after(detector: &mut Detector, scores: impl IntoIterator<Item = f64>) -> Option<u64> {
    for score in scores {
        if detector.observe(score).expect("legal") {
            return Some(detector.cases());
        }
    }
    None
}

/// Worked out by hand: at a baseline of 1/2 and a tolerance of 1/10, a score of 0 multiplies by 1 + stake * 0.4 / 0.6.
#[test]
fn first_cases_add_up_as_written() {
    let factor = |stake: f64, score: f64| 1.0 - stake / 0.6 * (score - 0.4);
    let stakes: Vec<f64> = (0..8).map(|power| 0.8 * 0.6_f64.powi(power)).collect();
    for (method, expected) in [
        (Method::ShiryaevRoberts, stakes.iter().map(|s| (factor(*s, 0.0) + 1.0) * factor(*s, 0.25)).sum::<f64>() / 8.0),
        (Method::Cusum, stakes.iter().map(|s| factor(*s, 0.0) * factor(*s, 0.25)).sum::<f64>() / 8.0),
    ] {
        let watched = Watched { method, change: Change::Fall, baseline: 0.5, tolerance: 0.1, run_length: 1_000.0 };
        let mut detector = Detector::new(watched).expect("legal");
        assert_eq!(alarm_after(&mut detector, [0.0, 0.25]), None);
        assert!((detector.evidence() - expected).abs() < 1e-12, "{method:?}: {}", detector.evidence());
    }
}

#[test]
fn collapse_is_found_within_a_few_cases_and_forgotten_on_restart() {
    for method in METHODS {
        let mut detector = Detector::new(watched(method, Change::Fall, 0.976)).expect("legal");
        let steady = (0..200).map(|number| f64::from(u8::from(number % 40 != 0)));
        assert_eq!(alarm_after(&mut detector, steady), None, "{method:?}");
        let before = detector.cases();
        let after = alarm_after(&mut detector, [0.0; 20]).expect("an alarm") - before;
        assert!(after <= 6, "{method:?}: {after} cases");
        detector.restart();
        assert!(!detector.is_alarm() && detector.evidence() == 0.0 && detector.cases() == 0);
    }
}

/// At a mean exactly on the tolerance, alarms come no sooner on average than the run length says.
#[test]
fn false_alarms_are_as_rare_as_stated() {
    let mut random = ChaCha8Rng::seed_from_u64(61);
    for method in METHODS {
        let stated = 100.0;
        let watched = Watched { run_length: stated, ..watched(method, Change::Fall, 0.85) };
        let streams = 400;
        let mut lengths = 0.0;
        for _ in 0..streams {
            let mut detector = Detector::new(watched).expect("legal");
            let scores = (0..5_000).map(|_| f64::from(u8::from(random.random::<f64>() < 0.8)));
            lengths += alarm_after(&mut detector, scores).unwrap_or(5_000) as f64;
        }
        let length = lengths / f64::from(streams);
        println!("{method:?}: a false alarm every {length:.0} cases, stated {stated}");
        assert!(length >= stated, "{method:?}: {length}");
    }
}

#[test]
fn numbers_that_make_no_stream_are_refused() {
    let legal = watched(Method::Cusum, Change::Fall, 0.9);
    for bad in [
        Watched { baseline: f64::NAN, ..legal },
        Watched { baseline: 1.1, ..legal },
        Watched { baseline: 0.04, ..legal },
        Watched { baseline: 0.96, change: Change::Rise, ..legal },
        Watched { tolerance: -0.1, ..legal },
        Watched { tolerance: f64::NAN, ..legal },
        Watched { run_length: 1.0, ..legal },
        Watched { run_length: f64::INFINITY, ..legal },
    ] {
        assert!(Detector::new(bad).is_err(), "{bad:?}");
    }
    let mut detector = Detector::new(legal).expect("legal");
    for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        assert!(detector.observe(bad).is_err(), "{bad}");
    }
    assert_eq!(detector.cases(), 0);
}

proptest! {
    /// A rise is a fall of what is missing to 1.
    #[test]
    fn rise_mirrors_fall(scores in prop::collection::vec(0.0_f64..=1.0, 0..200), baseline in 0.1_f64..0.9) {
        for method in METHODS {
            let mut fall = Detector::new(watched(method, Change::Fall, baseline)).expect("legal");
            let mut rise = Detector::new(watched(method, Change::Rise, 1.0 - baseline)).expect("legal");
            for score in &scores {
                fall.observe(*score).expect("legal");
                rise.observe(1.0 - score).expect("legal");
            }
            prop_assert!((fall.evidence().ln_1p() - rise.evidence().ln_1p()).abs() < 1e-6);
        }
    }

    /// A worse score never lowers the evidence for a fall, and the sum over starting times is never below the best of them.
    #[test]
    fn worse_scores_raise_the_evidence(scores in prop::collection::vec((0.0_f64..=1.0, 0.0_f64..=1.0), 0..100)) {
        let detectors = METHODS.map(|method| {
            [(); 2].map(|()| Detector::new(watched(method, Change::Fall, 0.6)).expect("legal"))
        });
        let [mut sum, mut best] = detectors;
        for (score, share) in scores {
            for [better, worse] in [&mut sum, &mut best] {
                better.observe(score).expect("legal");
                worse.observe(score * share).expect("legal");
                prop_assert!(worse.evidence() >= better.evidence() * (1.0 - 1e-9));
            }
            prop_assert!(sum[0].evidence() >= best[0].evidence() * (1.0 - 1e-9));
        }
    }
}
