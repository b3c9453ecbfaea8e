//! chrF2: overlap of runs of characters, for texts in any script.

use std::collections::HashMap;

use super::Score;

/// Longest run of characters that is counted.
const RUN_MAX: usize = 6;
/// Weight of recall over precision, squared.
const BETA_SQUARED: f64 = 4.0;
/// Characters of each text that count.
const CHARACTERS_MAX: usize = 20_000;

/// chrF (Popovic 2015, with beta = 2 and n = 6): the F-score of the mean precision and recall over the lengths of runs that both
/// texts have, blanks left out. It agrees with sacreBLEU's sentence score without word runs.
pub(super) fn score(output: &str, reference: &str) -> Score {
    let (output, output_cut) = characters(output);
    let (reference, reference_cut) = characters(reference);
    if output.is_empty() && reference.is_empty() {
        return Score::right();
    }
    let (mut precision, mut recall, mut lengths) = (0.0, 0.0, 0.0);
    for length in 1..=RUN_MAX.min(output.len()).min(reference.len()) {
        let common = common_runs(&output, &reference, length) as f64;
        precision += common / (output.len() - length + 1) as f64;
        recall += common / (reference.len() - length + 1) as f64;
        lengths += 1.0;
    }
    let (precision, recall) = if lengths > 0.0 { (precision / lengths, recall / lengths) } else { (0.0, 0.0) };
    let value = if precision + recall > 0.0 {
        (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
    } else {
        0.0
    };
    let is_cut = output_cut || reference_cut;
    let reason = is_cut.then(|| format!("only the first {CHARACTERS_MAX} characters were compared"));
    Score { value: value.min(1.0), reason }
}

fn characters(text: &str) -> (Vec<char>, bool) {
    let mut left = text.chars().filter(|character| !character.is_whitespace());
    let counted: Vec<char> = left.by_ref().take(CHARACTERS_MAX).collect();
    (counted, left.next().is_some())
}

fn common_runs(output: &[char], reference: &[char], length: usize) -> usize {
    let mut counts: HashMap<&[char], usize> = HashMap::new();
    for run in reference.windows(length) {
        *counts.entry(run).or_default() += 1;
    }
    let mut common = 0;
    for run in output.windows(length) {
        if let Some(count) = counts.get_mut(run).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    common
}
