//! A rented model in March and in June 2023: what fell is found subset by subset, what did not raises no alarm.

use freehold_evidence::drift::{Change, Detector, Method, Watched};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::real;

/// Scores of one model on one subset, in the order of the file.
fn scores(subset: &str, model: &str) -> Option<Vec<f64>> {
    let path = real("llmdrift/drift.csv")?;
    let rows = csv::Reader::from_path(path).expect("the file opens").into_records();
    let of_stream = rows.map(|row| row.expect("a row")).filter(|row| &row[3] == subset && &row[1] == model);
    Some(of_stream.map(|row| row[5].parse().expect("a score")).collect())
}

fn shuffled(mut scores: Vec<f64>) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(101);
    for place in (1..scores.len()).rev() {
        scores.swap(place, random.random_range(0..=place));
    }
    scores
}

/// Cases until the alarm, at a baseline of the mean in March, 5 points of tolerance and a run length of 1,000.
fn alarm_after(march: &[f64], watched: &[f64]) -> Option<u64> {
    let baseline = march.iter().sum::<f64>() / march.len() as f64;
    let settled = Watched {
        method: Method::ShiryaevRoberts,
        change: Change::Fall,
        baseline,
        tolerance: 0.05,
        run_length: 1_000.0,
    };
    let mut detector = Detector::new(settled).expect("legal");
    watched.iter().position(|score| detector.observe(*score).expect("0 or 1")).map(|place| place as u64 + 1)
}

#[test]
fn primes_are_found_within_ten_cases_and_composites_hide_nothing() {
    let (march, june) = ("gpt-4-0314", "gpt-4-0613");
    for (subset, at_most) in
        [("prime", Some(10)), ("counthappynumber", Some(21)), ("leetcode_easy", Some(26)), ("composite", None)]
    {
        let (Some(before), Some(after)) = (scores(subset, march), scores(subset, june)) else { return };
        let alarm = alarm_after(&before, &after);
        println!("{subset}: {} cases, alarm after {alarm:?}", after.len());
        assert_eq!(alarm.is_some(), at_most.is_some(), "{subset}: {alarm:?}");
        assert!(alarm <= at_most, "{subset}: {alarm:?}");
    }
}

/// Where primes are one case in five, what they lose is what composites win, and the pooled stream says nothing.
#[test]
fn pooled_stream_hides_what_a_subset_lost() {
    let of = |subset: &str, model: &str| scores(subset, model).map(shuffled);
    let mixed = |model: &str| -> Option<Vec<f64>> {
        let (primes, composites) = (of("prime", model)?, of("composite", model)?);
        Some(primes.into_iter().zip(composites.chunks(4)).flat_map(|(prime, four)| [&[prime], four].concat()).collect())
    };
    let (Some(march), Some(june)) = (mixed("gpt-4-0314"), mixed("gpt-4-0613")) else { return };
    assert_eq!(alarm_after(&march, &june), None);
    let primes = |mixed: &[f64]| mixed.iter().copied().step_by(5).collect::<Vec<f64>>();
    assert!(alarm_after(&primes(&march), &primes(&june)).is_some_and(|cases| cases <= 10));
}

#[test]
fn unchanged_streams_raise_no_alarm() {
    for model in ["gpt-4-0314", "gpt-4-0613", "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613"] {
        for subset in ["prime", "composite", "counthappynumber", "leetcode_easy", "sensitiveq", "opinionqa"] {
            let Some(stream) = scores(subset, model) else { return };
            let mean = stream.iter().sum::<f64>() / stream.len() as f64;
            // Below the tolerance no fall can be watched for. Questions come in blocks, so that their order is no stream.
            if mean > 0.05 {
                assert_eq!(alarm_after(&stream, &shuffled(stream.clone())), None, "{model} on {subset}");
            }
        }
    }
}
