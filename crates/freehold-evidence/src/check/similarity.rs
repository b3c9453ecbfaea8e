//! Likeness of two texts by the angle between their embeddings; who makes the embeddings is not known here.

use serde_json::Value;
use thiserror::Error as ThisError;

use super::Score;

/// Says why the answer of an embeddings endpoint cannot be used.
#[derive(Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum EmbeddingsError {
    /// There is no `data` with an entry for each text.
    #[error("the answer has no embedding for each of the {texts} texts")]
    Missing {
        /// How many texts were sent.
        texts: usize,
    },
    /// An embedding is not a list of finite numbers, or the lists differ in length.
    #[error("an embedding is no list of numbers of one length")]
    Numbers,
}

/// Reads the embeddings of an answer of `/v1/embeddings`, one for each text, in the order of their `index`.
///
/// # Errors
/// An embedding is missing or no list of finite numbers of the length of the others.
pub fn embeddings(answer: &Value, texts: usize) -> Result<Vec<Vec<f64>>, EmbeddingsError> {
    let missing = EmbeddingsError::Missing { texts };
    let data = answer.get("data").and_then(Value::as_array).filter(|data| data.len() == texts);
    let mut found: Vec<Option<Vec<f64>>> = vec![None; texts];
    for (position, entry) in data.ok_or(missing)?.iter().enumerate() {
        let index = entry.get("index").and_then(Value::as_u64).map_or(position, |index| index as usize);
        let numbers = entry.get("embedding").and_then(Value::as_array).ok_or(EmbeddingsError::Numbers)?;
        let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
        let place = found.get_mut(index).ok_or(EmbeddingsError::Missing { texts })?;
        *place = Some(numbers.filter(|numbers| !numbers.is_empty()).ok_or(EmbeddingsError::Numbers)?);
    }
    let found: Vec<Vec<f64>> = found.into_iter().collect::<Option<_>>().ok_or(EmbeddingsError::Missing { texts })?;
    let is_even = found.windows(2).all(|pair| pair[0].len() == pair[1].len());
    is_even.then_some(found).ok_or(EmbeddingsError::Numbers)
}

/// Returns the cosine of the angle between two vectors; `None` where they differ in length or one of them has none.
#[must_use]
pub fn cosine(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.len() != second.len() {
        return None;
    }
    // Divided by the largest part first, so that no square runs over.
    let scaled = |vector: &[f64]| -> Option<Vec<f64>> {
        let largest = vector.iter().fold(0.0_f64, |largest, part| largest.max(part.abs()));
        (largest > 0.0 && largest.is_finite()).then(|| vector.iter().map(|part| part / largest).collect())
    };
    let (first, second) = (scaled(first)?, scaled(second)?);
    let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
    let lengths = (product(&first, &first) * product(&second, &second)).sqrt();
    Some((product(&first, &second) / lengths).clamp(-1.0, 1.0))
}

/// Returns the score of two embeddings: their cosine, and 0 where it is negative.
#[must_use]
pub fn similarity(output: &[f64], reference: &[f64]) -> Score {
    match cosine(output, reference) {
        Some(cosine) => Score::graded(cosine.max(0.0)),
        None => Score::failed("the embeddings have no angle between them"),
    }
}
