//! Scores that somebody else's program gives: `{"score", "reason"}`.

use serde_json::Value;
use thiserror::Error as ThisError;

use super::Score;

/// Characters of a given reason that are kept.
const REASON_CHARS_MAX: usize = 500;

/// Says why what a program gave is no score.
#[derive(Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum GivenError {
    /// There is no JSON object.
    #[error("the answer is no JSON object")]
    NoObject,
    /// The object has no number under `score`.
    #[error("the answer has no number under `score`")]
    NoScore,
    /// The number is not a share.
    #[error("the score lies outside of 0 to 1")]
    OutOfRange,
}

/// Reads the score that a program wrote, as one JSON object.
///
/// # Errors
/// The bytes are no such object, or the score is not from 0 to 1.
pub fn given(answer: &[u8]) -> Result<Score, GivenError> {
    let Ok(Value::Object(members)) = serde_json::from_slice(answer) else { return Err(GivenError::NoObject) };
    let value = members.get("score").and_then(Value::as_f64).ok_or(GivenError::NoScore)?;
    if !(0.0..=1.0).contains(&value) {
        return Err(GivenError::OutOfRange);
    }
    let reason = members.get("reason").and_then(Value::as_str).filter(|reason| !reason.trim().is_empty());
    Ok(Score { value, reason: reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()) })
}
