//! Bootstrap intervals of a mean, for display only: at small numbers they err far more often than they say.
//! The resamples come from a counter, so that any language and any order of work gives the same numbers.

use thiserror::Error;

use crate::quantile;

/// Most resamples that are drawn.
pub const RESAMPLES_MAX: u32 = 1_000_000;
/// The step of SplitMix64: 2^64 over the golden ratio, odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Says why no interval can be drawn; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no values.
    #[error("no values to resample")]
    NoValues,
    /// A value is not finite.
    #[error("value {position} is {value}, not a finite number")]
    Value {
        /// Its place, counted from 0.
        position: usize,
        /// The value found.
        value: f64,
    },
    /// The number of resamples is out of range.
    #[error("{resamples} resamples are asked for, not 1 to {RESAMPLES_MAX}")]
    Resamples {
        /// The number found.
        resamples: u32,
    },
    /// The confidence is out of range.
    #[error("the confidence is {confidence}, not between 0.5 and 1")]
    Confidence {
        /// The confidence found.
        confidence: f64,
    },
}

/// Holds which resamples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// Where the stream of indices begins.
    pub seed: u64,
    /// Number of resamples, each of as many values as there are.
    pub resamples: u32,
}

/// Returns the `counter`-th index (counted from 0) below `count` of the stream that `seed` begins; 0 where `count` is 0.
///
/// It is the high word of count times the (counter + 1)-th output of SplitMix64. Draw j of resample b has the counter
/// b n + j. Source: Steele, Lea and Flood (2014, OOPSLA), the mixing of their reference code.
#[must_use]
pub fn index(seed: u64, counter: u64, count: u64) -> u64 {
    let mut word = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(STEP));
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^= word >> 31;
    ((u128::from(word) * u128::from(count)) >> 64) as u64
}

/// Returns the percentile limits of the mean, `confidence` being the level of each limit alone: the order statistics
/// ceil(B p) of the means of B resamples.
///
/// Source: Efron (1979, Annals of Statistics 7:1).
///
/// # Errors
/// Refuses no values, a value that is not finite, and a number of resamples or a confidence out of range.
pub fn percentile(values: &[f64], resampling: &Resampling, confidence: f64) -> Result<(f64, f64), Error> {
    let means = sorted_means(values, resampling, confidence)?;
    Ok((at(&means, 1.0 - confidence), at(&means, confidence)))
}

/// Returns the bias-corrected and accelerated limits of the mean, `confidence` being the level of each limit alone.
///
/// Values that are all the same give their mean twice. Source: Efron (1987, JASA 82:171), with half of the resampled means
/// that equal the mean counted as below it.
///
/// # Errors
/// As [`percentile`].
pub fn bca(values: &[f64], resampling: &Resampling, confidence: f64) -> Result<(f64, f64), Error> {
    let means = sorted_means(values, resampling, confidence)?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let (squares, cubes) = values.iter().fold((0.0, 0.0), |(squares, cubes), value| {
        let deviation = value - mean;
        (squares + deviation * deviation, cubes + deviation.powi(3))
    });
    if squares <= 0.0 {
        return Ok((mean, mean));
    }
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    let below = means.partition_point(|resampled| *resampled < mean) as f64;
    let up_to = means.partition_point(|resampled| *resampled <= mean) as f64;
    let resamples = means.len() as f64;
    // No share of resamples can be told from one that lies half a resample inside.
    let share = (f64::midpoint(below, up_to) / resamples).clamp(0.5 / resamples, 1.0 - 0.5 / resamples);
    let bias = quantile::normal(share);
    let cut = |z: f64| quantile::normal_tail(-(bias + (bias + z) / (1.0 - acceleration * (bias + z))));
    let z = quantile::normal(confidence);
    Ok((at(&means, cut(-z)), at(&means, cut(z))))
}

/// Returns the means of the resamples in rising order.
fn sorted_means(values: &[f64], resampling: &Resampling, confidence: f64) -> Result<Vec<f64>, Error> {
    if values.is_empty() {
        return Err(Error::NoValues);
    }
    if let Some(position) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::Value { position, value: values[position] });
    }
    if !(1..=RESAMPLES_MAX).contains(&resampling.resamples) {
        return Err(Error::Resamples { resamples: resampling.resamples });
    }
    if !(confidence > 0.5 && confidence < 1.0) {
        return Err(Error::Confidence { confidence });
    }
    let count = values.len() as u64;
    let mean_of = |resample: u64| {
        let first = resample.wrapping_mul(count);
        let draws = (0..count).map(|draw| values[index(resampling.seed, first.wrapping_add(draw), count) as usize]);
        draws.sum::<f64>() / count as f64
    };
    let mut means: Vec<f64> = (0..u64::from(resampling.resamples)).map(mean_of).collect();
    means.sort_by(f64::total_cmp);
    Ok(means)
}

/// Returns the order statistic ceil(B p) of B sorted values.
fn at(sorted: &[f64], probability: f64) -> f64 {
    let rank = (sorted.len() as f64 * probability).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
