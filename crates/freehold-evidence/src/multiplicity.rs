//! Several claims at once: p-values adjusted for their number, and levels for claims that come one after another.
//! A claim that everything is adequate needs none of it: it holds where each part holds at the full level (Berger 1982).

use thiserror::Error;

/// Says why claims cannot be weighed together; every one is for the user to put right.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A p-value is out of range.
    #[error("p-value {position} is {value}, not a number from 0 to 1")]
    PValue {
        /// Its place, counted from 0.
        position: usize,
        /// The value found.
        value: f64,
    },
    /// Evidence is no number.
    #[error("the logarithm of evidence {position} is not a number")]
    Evidence {
        /// Its place, counted from 0.
        position: usize,
    },
    /// The level is out of range.
    #[error("the level is {alpha}, not between 0 and 1")]
    Alpha {
        /// The level found.
        alpha: f64,
    },
}

/// Returns the p-values adjusted so that one wrong claim among all is as rare as the level, whatever their dependence.
///
/// In the order given; a claim holds where its adjusted value is at most the level. Source: Holm (1979, Scandinavian
/// Journal of Statistics 6:65).
///
/// # Errors
/// Refuses a p-value outside 0 to 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    adjust_down(p_values, |rank, claims| (claims - rank) as f64)
}

/// Returns the p-values adjusted as [`holm`] does, a little stronger, for claims that are independent or err together.
///
/// Source: Hochberg (1988, Biometrika 75:800).
///
/// # Errors
/// Refuses a p-value outside 0 to 1.
pub fn hochberg(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    adjust_up(p_values, |rank, claims| (claims - rank) as f64)
}

/// Returns the p-values adjusted so that the expected share of wrong claims among those made is at most the level.
///
/// For claims that are independent or err together. Source: Benjamini and Hochberg (1995, JRSS-B 57:289).
///
/// # Errors
/// Refuses a p-value outside 0 to 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    adjust_up(p_values, |rank, claims| claims as f64 / (rank + 1) as f64)
}

/// Returns the p-values adjusted as [`benjamini_hochberg`] does, for any dependence.
///
/// Source: Benjamini and Yekutieli (2001, Annals of Statistics 29:1165).
///
/// # Errors
/// Refuses a p-value outside 0 to 1.
pub fn benjamini_yekutieli(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    let harmonic: f64 = (1..=p_values.len()).map(|number| (number as f64).recip()).sum();
    adjust_up(p_values, |rank, claims| harmonic * claims as f64 / (rank + 1) as f64)
}

/// Returns which claims hold so that the expected share of wrong ones among them is at most `alpha`, for any dependence.
///
/// Takes the natural logarithm of each claim's evidence (as [`crate::sequential::Bettor::log_evidence`]), where one may
/// have stopped at any time. The k largest hold for the largest k with k-th evidence of at least m / (alpha k). Source:
/// Wang and Ramdas (2022, JRSS-B 84:822), the e-BH procedure.
///
/// # Errors
/// Refuses evidence that is no number and a level outside 0 to 1, the ends excluded.
pub fn e_bh(log_evidence: &[f64], alpha: f64) -> Result<Vec<bool>, Error> {
    let alpha = check_alpha(alpha)?;
    if let Some(position) = log_evidence.iter().position(|evidence| evidence.is_nan()) {
        return Err(Error::Evidence { position });
    }
    let claims = log_evidence.len();
    let order = ranked(log_evidence, |first, second| second.total_cmp(first));
    let holds = |rank: &usize| log_evidence[order[rank - 1]] >= (claims as f64 / (alpha * *rank as f64)).ln();
    let held = (1..=claims).rev().find(holds).unwrap_or(0);
    let mut claimed = vec![false; claims];
    for place in &order[..held] {
        claimed[*place] = true;
    }
    Ok(claimed)
}

/// Returns the place of the largest of these means, the first of equals; `None` where there is none.
///
/// It is how one of several candidates is chosen. What the chosen one's own mean says is too good by the choice; only
/// cases that took no part in it tell how good it is (sample splitting; Cox 1975, Biometrika 62:441).
#[must_use]
pub fn chosen(means: &[f64]) -> Option<usize> {
    let better = |best: usize, place: usize| if means[place] > means[best] { place } else { best };
    (0..means.len()).reduce(better)
}

/// Returns how many of these claims hold, tested in their order at the full level each until the first that fails.
///
/// One wrong claim among all is as rare as the level, as long as the order was fixed before the data were seen. Source:
/// Maurer, Hothorn and Lehmacher (1995, Biometrie in der chemisch-pharmazeutischen Industrie 6:3).
///
/// # Errors
/// Refuses a p-value outside 0 to 1 and a level outside 0 to 1, its ends excluded.
pub fn fixed_sequence(p_values: &[f64], alpha: f64) -> Result<usize, Error> {
    let alpha = check_alpha(alpha)?;
    check(p_values)?;
    Ok(p_values.iter().take_while(|value| **value <= alpha).count())
}

/// Returns the level of the `number`-th claim (counted from 1) of a list without an end: alpha 6 / (pi^2 number^2).
///
/// The levels of all claims sum to `alpha`, so that one wrong claim among all, ever, is as rare as `alpha`. Number 0 has
/// no claim and no level.
///
/// # Errors
/// Refuses a level outside 0 to 1, the ends excluded.
pub fn ledger_level(alpha: f64, number: u64) -> Result<f64, Error> {
    let alpha = check_alpha(alpha)?;
    if number == 0 {
        return Ok(0.0);
    }
    let number = number as f64;
    Ok(alpha * 6.0 / (std::f64::consts::PI * number).powi(2))
}

/// Returns p times factor by rank (counted from 0), made not to fall as p rises.
fn adjust_down(p_values: &[f64], factor: impl Fn(usize, usize) -> f64) -> Result<Vec<f64>, Error> {
    check(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, place) in ranked(p_values, f64::total_cmp).into_iter().enumerate() {
        largest = largest.max((p_values[place] * factor(rank, p_values.len())).min(1.0));
        adjusted[place] = largest;
    }
    Ok(adjusted)
}

/// Returns p times factor by rank (counted from 0), cut to the least of those at the same or a higher rank.
fn adjust_up(p_values: &[f64], factor: impl Fn(usize, usize) -> f64) -> Result<Vec<f64>, Error> {
    check(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, place) in ranked(p_values, f64::total_cmp).into_iter().enumerate().rev() {
        least = least.min(p_values[place] * factor(rank, p_values.len()));
        adjusted[place] = least;
    }
    Ok(adjusted)
}

/// Returns the places of the values in the order of `compare`.
fn ranked(values: &[f64], compare: impl Fn(&f64, &f64) -> std::cmp::Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|first, second| compare(&values[*first], &values[*second]));
    order
}

fn check(p_values: &[f64]) -> Result<(), Error> {
    match p_values.iter().position(|value| !(0.0..=1.0).contains(value)) {
        Some(position) => Err(Error::PValue { position, value: p_values[position] }),
        None => Ok(()),
    }
}

fn check_alpha(alpha: f64) -> Result<f64, Error> {
    if alpha > 0.0 && alpha < 1.0 { Ok(alpha) } else { Err(Error::Alpha { alpha }) }
}
