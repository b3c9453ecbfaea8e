//! Keeps calls from an upstream that fails one time after the other, until one call in its turn finds it well again.
//!
//! It asks no clock: the time comes in with every question.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config;
use crate::error::CallError;

/// What is known of the health of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    terms: config::Breaker,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures_in_row: u32,
    /// Until when nobody asks; set while the breaker is open.
    rests_until: Option<Instant>,
    is_probed: bool,
    /// Whether the last failure kept its caller waiting.
    is_slow: bool,
}

/// How an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// At once: with an error of its own, or a connection that did not come about.
    Prompt,
    /// It kept the caller waiting, or broke off.
    Slow,
}

impl Fault {
    /// Returns how an upstream failed of which there is no answer.
    pub(crate) fn of(error: &CallError) -> Self {
        if matches!(error, CallError::Connect { .. }) { Fault::Prompt } else { Fault::Slow }
    }
}

/// Whether there is somebody else to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// There is, so an upstream that rests is passed over.
    Some,
    /// There is none. An upstream that fails at once is asked all the same: that costs nobody time, its error says more
    /// than ours, and it is found well again by the first call that it can answer.
    None,
}

/// What is shown of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Health {
    /// `closed`: calls pass; `open`: none does; `half_open`: one call is finding out.
    pub word: &'static str,
    pub failures_in_row: u32,
    pub rest: Option<Duration>,
}

/// A permission to ask. Dropped without a word on how it went, it leaves the breaker as it was.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    /// Makes a breaker that lets calls pass.
    pub(crate) fn new(terms: config::Breaker) -> Self {
        Breaker { terms, state: Mutex::default() }
    }

    /// Asks for a permission; where there is none, returns how long the upstream rests yet.
    pub(crate) fn pass(&self, now: Instant, others: Others) -> Result<Pass<'_>, Duration> {
        let mut state = self.state();
        let Some(until) = state.rests_until else { return Ok(Pass { breaker: self, is_probe: false }) };
        if now >= until && !state.is_probed {
            state.is_probed = true;
            return Ok(Pass { breaker: self, is_probe: true });
        }
        if others == Others::None && !state.is_slow {
            return Ok(Pass { breaker: self, is_probe: false });
        }
        Err(until.saturating_duration_since(now))
    }

    /// Returns what to show of it.
    pub(crate) fn health(&self, now: Instant) -> Health {
        let state = self.state();
        let rest = state.rests_until.map(|until| until.saturating_duration_since(now));
        let word = match rest {
            None => "closed",
            Some(rest) if state.is_probed || rest.is_zero() => "half_open",
            Some(_) => "open",
        };
        Health { word, failures_in_row: state.failures_in_row, rest }
    }

    /// Returns the terms it was made with.
    pub(crate) fn terms(&self) -> config::Breaker {
        self.terms
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Says that the upstream is well.
    pub(crate) fn worked(mut self) {
        self.is_probe = false;
        let mut state = self.breaker.state();
        if state.failures_in_row > 0 {
            *state = State::default();
        }
    }

    /// Says that the upstream failed.
    pub(crate) fn failed(mut self, now: Instant, fault: Fault) {
        let terms = self.breaker.terms;
        let mut state = self.breaker.state();
        state.failures_in_row = state.failures_in_row.saturating_add(1);
        state.is_slow = fault == Fault::Slow;
        let rests = terms.failures_max > 0 && state.failures_in_row >= terms.failures_max;
        // Calls that were under way when it opened do not make the rest longer.
        if rests && (self.is_probe || state.rests_until.is_none()) {
            state.rests_until = Some(now + terms.pause);
        }
        if self.is_probe {
            state.is_probed = false;
            self.is_probe = false;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.state().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    fn breaker() -> Breaker {
        Breaker::new(config::Breaker { failures_max: 3, pause: PAUSE })
    }

    fn fail(breaker: &Breaker, now: Instant, times: u32) {
        for _ in 0..times {
            breaker.pass(now, Others::Some).unwrap().failed(now, Fault::Slow);
        }
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let (breaker, now) = (breaker(), Instant::now());
        fail(&breaker, now, 2);
        breaker.pass(now, Others::Some).unwrap().worked();
        fail(&breaker, now, 2);
        assert_eq!(breaker.health(now), Health { word: "closed", failures_in_row: 2, rest: None });
        fail(&breaker, now, 1);
        assert_eq!(breaker.pass(now, Others::Some).unwrap_err(), PAUSE);
        assert_eq!(breaker.health(now).word, "open");
    }

    #[test]
    fn one_call_finds_out_after_the_pause_and_the_others_wait_for_it() {
        let (breaker, now) = (breaker(), Instant::now());
        fail(&breaker, now, 3);
        let later = now + PAUSE;
        let probe = breaker.pass(later, Others::Some).unwrap();
        assert_eq!((breaker.pass(later, Others::None).is_err(), breaker.health(later).word), (true, "half_open"));
        probe.failed(later, Fault::Slow);
        assert_eq!(breaker.pass(later, Others::Some).unwrap_err(), PAUSE);
        breaker.pass(later + PAUSE, Others::Some).unwrap().worked();
        assert_eq!(breaker.health(later).word, "closed");
    }

    #[test]
    fn probe_whose_caller_leaves_lets_the_next_one_try() {
        let (breaker, now) = (breaker(), Instant::now());
        fail(&breaker, now, 3);
        drop(breaker.pass(now + PAUSE, Others::Some).unwrap());
        assert!(breaker.pass(now + PAUSE, Others::Some).is_ok());
    }

    #[test]
    fn who_fails_at_once_is_asked_where_there_is_nobody_else() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..4 {
            breaker.pass(now, Others::None).unwrap().failed(now, Fault::Prompt);
        }
        assert!(breaker.pass(now, Others::Some).is_err() && breaker.pass(now, Others::None).is_ok());
    }

    #[test]
    fn breaker_that_is_switched_off_never_opens() {
        let (breaker, now) = (Breaker::new(config::Breaker { failures_max: 0, pause: PAUSE }), Instant::now());
        fail(&breaker, now, 100);
        assert!(breaker.pass(now, Others::Some).is_ok());
    }
}
