//! From logits to a token: greedy, or drawn by temperature, then of the likeliest only. Pure; the same seed draws the same tokens.

use freehold_wire::Sampling;
use llguidance::toktrie::SimpleVob;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::worker::llama::constraint::Constraint;

/// The temperature where none is named, as the vendors' APIs have it.
const TEMPERATURE_DEFAULT: f32 = 1.0;

/// How one call samples.
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    top_k: usize,
    min_p: f32,
    random: ChaCha8Rng,
}

impl Sampler {
    pub(crate) fn new(sampling: &Sampling, seed: u64) -> Sampler {
        Sampler {
            temperature: sampling.temperature.unwrap_or(TEMPERATURE_DEFAULT),
            top_p: sampling.top_p.unwrap_or(1.0),
            top_k: sampling.top_k.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX)),
            min_p: sampling.min_p.unwrap_or(0.0),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Chooses a token that the constraint allows, and tells it so.
    pub(crate) fn choose(&mut self, logits: &[f32], constraint: Option<&mut Constraint>) -> Result<i32, String> {
        let Some(constraint) = constraint else {
            return self.draw(logits, None).ok_or_else(|| "the model gave no finite logits".to_owned());
        };
        // The free choice is usually allowed, and asking for one token costs far less than for all of them.
        if self.is_greedy()
            && let Some(free) = best(logits, None)
            && constraint.take(free)?
        {
            return Ok(free);
        }
        let allowed = constraint.allowed()?;
        let token = self.draw(logits, Some(&allowed)).ok_or("the constraint on the answer left no token")?;
        if constraint.take(token)? {
            Ok(token)
        } else {
            Err("the constraint refused a token it had allowed".to_owned())
        }
    }

    fn is_greedy(&self) -> bool {
        self.temperature <= 0.0
    }

    fn draw(&mut self, logits: &[f32], allowed: Option<&SimpleVob>) -> Option<i32> {
        let top = best(logits, allowed)?;
        if self.is_greedy() || self.top_p <= 0.0 {
            return Some(top);
        }
        let highest = logits[usize::try_from(top).ok()?];
        let mut weights: Vec<f32> = (0u32..)
            .zip(logits)
            .map(|(token, logit)| match allowed {
                Some(allowed) if !allowed.is_allowed(token) => 0.0,
                _ if logit.is_nan() => 0.0,
                _ => ((logit - highest) / self.temperature).exp(),
            })
            .collect();
        if self.top_k > 0 && self.top_k < weights.len() {
            keep_likeliest(&mut weights, self.top_k);
        }
        if self.min_p > 0.0 {
            // The likeliest weighs 1.
            weights.iter_mut().filter(|weight| **weight < self.min_p.min(1.0)).for_each(|weight| *weight = 0.0);
        }
        let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let share = self.share();
        let drawn =
            if self.top_p < 1.0 { nucleus(&weights, sum, self.top_p, share) } else { at_share(&weights, sum * share) };
        Some(drawn.unwrap_or(top))
    }

    /// Returns a number in [0, 1) with 53 random bits.
    fn share(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Returns the token of the highest logit, the first of equals.
fn best(logits: &[f32], allowed: Option<&SimpleVob>) -> Option<i32> {
    let mut best: Option<(i32, f32)> = None;
    for (token, logit) in (0i32..).zip(logits) {
        // Comparing first is cheap and seldom true; it is false for what is not a number.
        if *logit > best.map_or(f32::NEG_INFINITY, |(_, highest)| highest)
            && allowed.is_none_or(|allowed| allowed.is_allowed(token.cast_unsigned()))
        {
            best = Some((token, *logit));
        }
    }
    best.map(|(token, _)| token)
}

/// Returns the token at which the running sum of weights passes `mark`.
fn at_share(weights: &[f32], mark: f64) -> Option<i32> {
    let mut sum = 0.0;
    for (token, weight) in (0i32..).zip(weights) {
        sum += f64::from(*weight);
        if sum > mark {
            return Some(token);
        }
    }
    None
}

/// Leaves only the `count` heaviest weights, the first of equals; `count` is below their number and not 0.
fn keep_likeliest(weights: &mut [f32], count: usize) {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let (_, _, others) =
        order.select_nth_unstable_by(count - 1, |a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    for other in others {
        weights[*other] = 0.0;
    }
}

/// Draws from the smallest set of tokens that holds `top_p` of the weight (Holtzman et al., 2020).
fn nucleus(weights: &[f32], sum: f64, top_p: f32, share: f64) -> Option<i32> {
    // All tokens below this floor together weigh less than what the nucleus leaves out, so none of them is in it.
    let floor = sum * (1.0 - f64::from(top_p)) / weights.len() as f64;
    let mut ranked: Vec<(i32, f32)> =
        (0i32..).zip(weights.iter().copied()).filter(|(_, weight)| f64::from(*weight) > floor).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let (mut held, mut count) = (0.0, 0);
    for (_, weight) in &ranked {
        held += f64::from(*weight);
        count += 1;
        if held >= sum * f64::from(top_p) {
            break;
        }
    }
    let ranked = &ranked[..count];
    let weights: Vec<f32> = ranked.iter().map(|(_, weight)| *weight).collect();
    let at = at_share(&weights, held * share)?;
    ranked.get(usize::try_from(at).ok()?).map(|(token, _)| *token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_p: f32, seed: u64) -> Sampler {
        let sampling = Sampling { temperature: Some(temperature), top_p: Some(top_p), ..Sampling::default() };
        Sampler::new(&sampling, seed)
    }

    fn counts(mut sampler: Sampler, logits: &[f32]) -> Vec<u32> {
        let mut counts = vec![0; logits.len()];
        for _ in 0..20_000 {
            counts[sampler.choose(logits, None).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_first_of_the_highest() {
        assert_eq!(sampler(0.0, 1.0, 1).choose(&[1.0, 3.0, f32::NAN, 3.0], None), Ok(1));
        assert!(sampler(0.0, 1.0, 1).choose(&[f32::NAN, f32::NEG_INFINITY], None).is_err());
    }

    #[test]
    fn draws_follow_the_softmax() {
        // e^0 : e^-1 : e^-2 at temperature 1, and steeper below it.
        for temperature in [1.0f32, 0.5] {
            let logits = [0.0, -1.0, -2.0];
            let weights = logits.map(|logit: f32| (logit / temperature).exp());
            let sum: f32 = weights.iter().sum();
            for (count, weight) in counts(sampler(temperature, 1.0, 7), &logits).iter().zip(weights) {
                let expected = 20_000.0 * weight / sum;
                // Four standard deviations of a binomial count.
                assert!(
                    (*count as f32 - expected).abs() < 4.0 * (expected * (1.0 - weight / sum)).sqrt(),
                    "{count} {expected}"
                );
            }
        }
    }

    #[test]
    fn nucleus_leaves_the_tail_out() {
        // Shares 0.5, 0.25, 0.125, 0.125.
        let logits = [0.125f32, 0.5, 0.125, 0.25].map(f32::ln);
        let drawn = counts(sampler(1.0, 0.7, 3), &logits);
        assert_eq!((drawn[0], drawn[2]), (0, 0));
        let share = f64::from(drawn[1]) / 20_000.0;
        assert!((share - 2.0 / 3.0).abs() < 0.014, "{share}");
    }

    /// Shares 0.1, 0.4, 0.3, 0.1, 0.1 of the tokens.
    #[test]
    fn unlikely_tokens_are_left_out_by_number_and_by_share() {
        let logits = [0.1f32, 0.4, 0.3, 0.1, 0.1].map(f32::ln);
        let drawn = |sampling| counts(Sampler::new(&Sampling { temperature: Some(1.0), ..sampling }, 3), &logits);
        let near = |count: u32, share: f64| (f64::from(count) / 20_000.0 - share).abs() < 0.014;

        let two = drawn(Sampling { top_k: Some(2), ..Sampling::default() });
        assert!(near(two[1], 4.0 / 7.0) && near(two[2], 3.0 / 7.0), "{two:?}");
        let three = drawn(Sampling { top_k: Some(3), ..Sampling::default() });
        assert!(near(three[0], 1.0 / 8.0) && three[3] + three[4] == 0, "the first of equals: {three:?}");
        let half = drawn(Sampling { min_p: Some(0.5), ..Sampling::default() });
        assert!(near(half[1], 4.0 / 7.0) && near(half[2], 3.0 / 7.0), "{half:?}");
        let both = drawn(Sampling { top_k: Some(2), top_p: Some(0.5), ..Sampling::default() });
        assert_eq!(both, [0, 20_000, 0, 0, 0], "the nucleus is one of what is left");
        for all in
            [Sampling { top_k: Some(0), ..Sampling::default() }, Sampling { top_k: Some(9), ..Sampling::default() }]
        {
            assert!(drawn(all).iter().all(|count| *count > 1_500));
        }
        assert_eq!(drawn(Sampling { min_p: Some(7.0), ..Sampling::default() }), [0, 20_000, 0, 0, 0]);
    }

    #[test]
    fn same_seed_draws_the_same() {
        let logits: Vec<f32> = (0u8..50).map(|token| (f32::from(token) * 0.7).sin()).collect();
        let run = |seed| {
            let mut sampler = sampler(1.0, 0.9, seed);
            (0..40).map(|_| sampler.choose(&logits, None).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }
}
