//! Log probabilities of the tokens of an answer's text, in the spelling of Chat Completions.
//!
//! They are those of the model's own distribution, before temperature, nucleus and grammar.

use std::collections::VecDeque;

use llama_cpp_2::token::LlamaToken;
use serde_json::{Value, json};

use crate::protocol::WorkerEvent;
use crate::worker::llama::vocabulary::Vocabulary;
use crate::worker::output::Output;

/// What of the tokens of one answer is still to be told.
pub(crate) struct Told {
    /// How many likely tokens stand beside each.
    beside: usize,
    /// Tokens whose text is held back, with the number of its bytes.
    held: VecDeque<(Value, usize)>,
    held_bytes: usize,
}

impl Told {
    pub(crate) fn new(beside: usize) -> Told {
        Told { beside, held: VecDeque::new(), held_bytes: 0 }
    }

    /// Takes the token that was chosen from these logits.
    pub(crate) fn add(&mut self, token: LlamaToken, logits: &[f32], vocabulary: &Vocabulary) {
        let spelt = |token: i32, logprob: f64| {
            let bytes = vocabulary.bytes(LlamaToken(token));
            json!({"token": String::from_utf8_lossy(&bytes), "logprob": logprob, "bytes": bytes})
        };
        let norm = log_sum(logits);
        let logprob = |token: i32| {
            let logit = usize::try_from(token).ok().and_then(|at| logits.get(at));
            // Of what is impossible JSON has no logarithm; the vendors write this number.
            logit.map_or(-9999.0, |logit| (f64::from(*logit) - norm).max(-9999.0))
        };
        let mut chosen = spelt(token.0, logprob(token.0));
        let likely = most_likely(logits, self.beside);
        chosen["top_logprobs"] = likely.into_iter().map(|token| spelt(token, logprob(token))).collect();
        let bytes = vocabulary.bytes(token).len();
        self.held_bytes += bytes;
        self.held.push_back((chosen, bytes));
    }

    /// Drops the tokens that begin past these pieces, at a stop text.
    pub(crate) fn stop(&mut self, own: &[WorkerEvent]) {
        let text_bytes: usize =
            own.iter().map(|event| if let WorkerEvent::Text(text) = event { text.len() } else { 0 }).sum();
        while let Some((_, bytes)) = self.held.back()
            && self.held_bytes - bytes >= text_bytes
        {
            self.held_bytes -= bytes;
            self.held.pop_back();
        }
    }

    /// Tells, before the pieces of this step, the tokens whose text is given out; drops those of anything but text.
    pub(crate) fn release(&mut self, output: &Output, own: &mut Vec<WorkerEvent>) {
        let has_text = own.iter().any(|event| matches!(event, WorkerEvent::Text(_)));
        let mut tokens = Vec::new();
        while let Some((_, bytes)) = self.held.front()
            && self.held_bytes - bytes >= output.held_bytes()
        {
            let Some((token, bytes)) = self.held.pop_front() else { break };
            self.held_bytes -= bytes;
            tokens.push(token);
        }
        if !output.is_at_text() {
            self.held.clear();
            self.held_bytes = 0;
        }
        if has_text && !tokens.is_empty() {
            own.insert(0, WorkerEvent::Logprobs(tokens));
        }
    }
}

/// Returns the logarithm of the sum of the exponentials.
fn log_sum(logits: &[f32]) -> f64 {
    let highest = logits.iter().copied().filter(|logit| !logit.is_nan()).fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().filter(|logit| !logit.is_nan()).map(|logit| f64::from(logit - highest).exp()).sum();
    f64::from(highest) + sum.ln()
}

/// Returns the tokens of the highest logits, the first of equals first.
fn most_likely(logits: &[f32], count: usize) -> Vec<i32> {
    let mut best: Vec<(i32, f32)> = Vec::with_capacity(count + 1);
    for (token, logit) in (0i32..).zip(logits.iter().copied()) {
        if logit.is_nan() || best.len() == count && best.last().is_none_or(|(_, lowest)| logit <= *lowest) {
            continue;
        }
        let at = best.partition_point(|(_, other)| *other >= logit);
        best.insert(at, (token, logit));
        best.truncate(count);
    }
    best.into_iter().map(|(token, _)| token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_tokens_are_those_of_a_sort() {
        let logits: Vec<f32> = (0u16..200).map(|token| (f32::from(token) * 1.7).sin()).collect();
        let mut sorted: Vec<i32> = (0..200).collect();
        sorted.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
        assert_eq!(most_likely(&logits, 7), sorted[..7]);
        assert!(most_likely(&logits, 0).is_empty());
        assert_eq!(most_likely(&[f32::NAN, 1.0, 1.0], 5), [1, 2]);
    }

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [1000.0, 999.0, f32::NEG_INFINITY, 990.0];
        let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - log_sum(&logits)).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }
}
