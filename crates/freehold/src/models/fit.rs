//! Whether a model fits into the memory of a machine, for the traffic that was recorded.

use freehold_store::Load;
use freehold_vault::{CacheType, Description, Memory, Serving};
use serde::Serialize;
use serde_json::{Value, json};

use super::measure::Measured;
use super::needs::Needs;
use super::sizes;
use crate::report::{self, Align, figures};

/// Contexts are rounded up to a multiple of so many tokens.
const CONTEXT_STEP: u64 = 256;
/// What a slot holds where neither traffic, entry nor flags say.
const CONTEXT_TOKENS: u64 = 2048;
/// How many run at once where nothing says.
const SLOTS: u64 = 4;

/// What is fixed beforehand: by flags, or by the model's entry.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fixed {
    /// The context of each slot.
    pub(crate) context_tokens: Option<u64>,
    /// How many run at once.
    pub(crate) slots: Option<u64>,
    /// How the cache is stored.
    pub(crate) cache: CacheType,
}

/// One way to serve the model, with what it takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Case {
    pub(crate) serving: Serving,
    pub(crate) memory: Memory,
    /// What it takes in all.
    pub(crate) bytes: u64,
}

/// Whether it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// With the largest figure.
    Fits,
    /// With the likely figure, not with the largest.
    Tight,
    /// One call at a time only.
    OneAtATime,
    /// Not at all.
    TooLarge,
}

/// The whole answer.
#[derive(Debug)]
pub(crate) struct Fit {
    pub(crate) needs: Needs,
    pub(crate) min: Case,
    pub(crate) likely: Case,
    pub(crate) max: Case,
    /// The memory that there is.
    pub(crate) available: Option<u64>,
    /// Calls that are longer than the model's context.
    pub(crate) too_long: u64,
    pub(crate) measured: Option<Measured>,
}

/// Estimates what a model takes: the longest call alone; as many as are usual at once; as many as ever were, with all that is reserved.
pub(crate) fn estimate(model: &Description, loads: &[Load], fixed: Fixed, available: Option<u64>) -> Fit {
    let needs = Needs::of(loads);
    let longest = Some(needs.tokens.max).filter(|tokens| *tokens > 0);
    let wanted = fixed.context_tokens.or(longest.map(|tokens| tokens.next_multiple_of(CONTEXT_STEP)));
    let context_tokens = model.context(wanted.unwrap_or(CONTEXT_TOKENS));
    let usual = Some(needs.at_once.p95).filter(|slots| *slots > 0);
    let most = Some(needs.at_once.max).filter(|slots| *slots > 0);
    let case = |slots: u64, total: fn(&Memory) -> u64| {
        let serving = Serving { context_tokens, slots, cache: fixed.cache };
        let memory = model.memory(&serving);
        Case { serving, memory, bytes: total(&memory) }
    };
    let likely = fixed.slots.or(usual).unwrap_or(SLOTS);
    Fit {
        min: case(1, Memory::likely),
        likely: case(likely, Memory::likely),
        max: case(fixed.slots.or(most).unwrap_or(SLOTS), Memory::reserved),
        available,
        too_long: loads.iter().filter(|load| load.tokens.is_some_and(|tokens| model.context(tokens) < tokens)).count()
            as u64,
        measured: None,
        needs,
    }
}

impl Fit {
    /// Returns whether it fits; `None` where it is not known how much memory there is.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let available = self.available?;
        Some(match available {
            _ if self.max.bytes <= available => Answer::Fits,
            _ if self.likely.bytes <= available => Answer::Tight,
            _ if self.min.bytes <= available => Answer::OneAtATime,
            _ => Answer::TooLarge,
        })
    }

    /// Returns everything as JSON.
    pub(crate) fn as_json(&self, name: &str) -> Value {
        let measured = self.measured.map(|measured| {
            json!({
                "serving": self.likely.serving,
                "bytes": measured.peak_bytes,
                "estimated_bytes": self.likely.bytes,
                "difference": self.difference(),
                "prompt_tokens": measured.prompt_tokens,
            })
        });
        json!({
            "model": name,
            "answer": self.answer(),
            "available_bytes": self.available,
            "min": self.min,
            "likely": self.likely,
            "max": self.max,
            "needs": self.needs,
            "calls_longer_than_the_model": self.too_long,
            "measured": measured,
        })
    }

    /// Returns by which share of what was measured the estimate is off.
    fn difference(&self) -> Option<f64> {
        let measured = self.measured?.peak_bytes;
        #[expect(clippy::cast_precision_loss, reason = "a share has three digits")]
        let share = self.likely.bytes as f64 / measured as f64 - 1.0;
        (measured > 0).then_some(share)
    }

    /// Draws the answer for a terminal.
    pub(crate) fn shown(&self, name: &str) -> String {
        let heads = [
            ("", Align::Left),
            ("CONTEXT", Align::Right),
            ("SLOTS", Align::Right),
            ("WEIGHTS", Align::Right),
            ("CACHE", Align::Right),
            ("BUFFERS", Align::Right),
            ("WORKER", Align::Right),
            ("IN ALL", Align::Right),
        ];
        let max = Memory { buffers: self.max.memory.buffers_reserved, ..self.max.memory };
        let rows = [
            row("min", &self.min, &self.min.memory),
            row("likely", &self.likely, &self.likely.memory),
            row("max", &self.max, &max),
        ];
        let mut text = format!("{}\n{}", self.sentence(name), report::table(&heads, &rows));
        for line in self.told() {
            text.push_str("  ");
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn sentence(&self, name: &str) -> String {
        let Some((answer, available)) = self.answer().zip(self.available) else {
            return format!("{name}: this machine does not say how much memory it has; give --memory SIZE");
        };
        let available = sizes::bytes(available);
        match answer {
            Answer::Fits => format!("{name} fits into {available}"),
            Answer::Tight => {
                format!("{name} fits into {available}, but not with everything it may reserve at the peak of calls")
            }
            Answer::OneAtATime => format!("{name} fits into {available} for one call at a time; the others wait"),
            Answer::TooLarge => format!("{name} does not fit into {available}"),
        }
    }

    fn told(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let (tokens, at_once) = (&self.needs.tokens, &self.needs.at_once);
        if tokens.known > 0 {
            lines.push(format!(
                "tokens of a call: half up to {}, 95 % up to {}, longest {} ({} calls, counted by whoever served them)",
                figures::count(tokens.p50),
                figures::count(tokens.p95),
                figures::count(tokens.max),
                figures::count(tokens.known)
            ));
        } else {
            lines.push("no recorded call says how long it was: context as set, or by default".to_owned());
        }
        if at_once.known > 0 {
            lines.push(format!(
                "calls at once: half up to {}, 95 % up to {}, most {} (at the pace of whoever served them)",
                at_once.p50, at_once.p95, at_once.max
            ));
        } else {
            lines.push("no recorded call says how long it took: slots as set, or by default".to_owned());
        }
        if self.too_long > 0 {
            let calls = figures::counted(self.too_long, "call is", "calls are");
            lines.push(format!("{calls} longer than the model's context: they would be refused"));
        }
        if let Some((measured, difference)) = self.measured.zip(self.difference()) {
            lines.push(format!(
                "measured as likely: {} after a prompt of {} tokens; the estimate is {:+.1} % off",
                sizes::bytes(measured.peak_bytes),
                measured.prompt_tokens,
                difference * 100.0
            ));
        }
        lines
    }
}

fn row(name: &str, case: &Case, memory: &Memory) -> Vec<String> {
    let mut cells = vec![name.to_owned(), figures::count(case.serving.context_tokens), case.serving.slots.to_string()];
    let parts = [memory.weights, memory.cache, memory.buffers, memory.worker, case.bytes];
    cells.extend(parts.map(sizes::bytes));
    cells
}
