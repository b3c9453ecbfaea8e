//! What the scores of a file come to.

use std::collections::BTreeMap;

use freehold_evidence::check::Score;

/// Different reasons that are counted apart.
const REASONS_MAX: usize = 1_000;

/// Sums of many scores.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Answers scored.
    pub answers: u64,
    /// Lines among them that could not be read and score 0.
    pub bad_lines: u64,
    /// Answers with score 1.
    pub right: u64,
    /// Answers with score 0.
    pub wrong: u64,
    sum: f64,
    sum_of_squares: f64,
    reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a score.
    pub fn add(&mut self, score: &Score) {
        self.answers += 1;
        self.right += u64::from(score.value >= 1.0);
        self.wrong += u64::from(score.value <= 0.0);
        self.sum += score.value;
        self.sum_of_squares += score.value * score.value;
        let Some(reason) = &score.reason else { return };
        if let Some(count) = self.reasons.get_mut(reason) {
            *count += 1;
        } else if self.reasons.len() < REASONS_MAX {
            self.reasons.insert(reason.clone(), 1);
        }
    }

    /// Returns the mean score; `None` where there is none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.sum / self.answers as f64)
    }

    /// Returns the limits of the mean at 95 %, answers taken as independent; `None` below two answers.
    ///
    /// Wilson's (1927) interval widened for graded scores by their own variance in place of p(1-p), which it never exceeds.
    #[must_use]
    pub fn limits(&self) -> Option<(f64, f64)> {
        const Z: f64 = 1.959_963_984_540_054;
        let (n, mean) = (self.answers as f64, self.mean()?);
        if self.answers < 2 {
            return None;
        }
        let variance = (self.sum_of_squares / n - mean * mean).clamp(0.0, mean * (1.0 - mean).max(0.0));
        let shrink = 1.0 + Z * Z / n;
        let middle = (mean + Z * Z / (2.0 * n)) / shrink;
        let half = Z / shrink * (variance / n + Z * Z / (4.0 * n * n)).sqrt();
        Some(((middle - half).max(0.0), (middle + half).min(1.0)))
    }

    /// Returns the most frequent reasons with their counts.
    #[must_use]
    pub fn reasons(&self, most: usize) -> Vec<(&str, u64)> {
        let mut reasons: Vec<(&str, u64)> =
            self.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons.truncate(most);
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(scores: &[f64]) -> Tally {
        let mut tally = Tally::default();
        for value in scores {
            tally.add(&Score { value: *value, reason: None });
        }
        tally
    }

    #[test]
    fn limits_of_right_and_wrong_are_wilsons() {
        // 8 of 10 (Wilson 1927, as R's prop.test(8, 10, correct = FALSE) gives it).
        let (lower, upper) = tally(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]).limits().unwrap();
        assert!((lower - 0.490_162_5).abs() < 1e-6 && (upper - 0.943_317_8).abs() < 1e-6, "{lower} {upper}");
        let (lower, upper) = tally(&[1.0; 20]).limits().unwrap();
        assert!(lower < 0.85 && upper == 1.0, "{lower} {upper}");
        assert!(tally(&[1.0]).limits().is_none() && tally(&[]).mean().is_none());
    }
}
