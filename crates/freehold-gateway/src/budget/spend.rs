//! One call's reservation, from before it goes out to when its record is closed.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use freehold_store::UnknownPrice;
use freehold_wire::{Api, Call, Part, Usage};

use super::{Amount, Exhausted, Purse, Refusal};
use crate::config::{ENGINE, GatewayConfig};
use crate::identify::View;
use crate::observe::Pricing;

/// The answer that is reserved for a call that sets no limit to its own, in tokens.
const OUTPUT_TOKENS_ASSUMED: u64 = 1024;
/// What an image or another part that is no text counts in an estimate, in tokens.
const PART_TOKENS: u64 = 1024;
/// Bytes of text to a token, in an estimate.
pub(super) const BYTES_PER_TOKEN: u64 = 4;
/// A running stream is compared with its budgets whenever it has grown by this many tokens.
const GROWTH_TOKENS: u64 = 64;

/// Who is to answer, and so what it costs.
#[derive(Clone)]
pub(crate) struct Priced<'a> {
    pub prices: &'a Prices,
    pub upstream: &'a str,
    pub model: &'a str,
}

/// What calls cost.
#[derive(Clone)]
pub(crate) struct Prices {
    pub pricing: Option<Pricing>,
    /// The upstreams that nobody bills for.
    pub unbilled: Arc<[String]>,
}

/// When a call began, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub at_ms: i64,
    pub at: Instant,
}

/// How many tokens a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub input: u64,
    pub output: u64,
    /// Whether it is a kind of call whose use nobody can tell.
    pub is_opaque: bool,
}

/// What one call has reserved. It is settled when the call's record is closed; dropping it gives everything back.
pub(crate) struct Spend {
    purses: Vec<Arc<Purse>>,
    prices: Prices,
    upstream: String,
    model: String,
    begun: Begun,
    reserved: Amount,
    input: u64,
    output: u64,
    exhausted: Option<Box<Exhausted>>,
}

impl fmt::Debug for Spend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spend").field("reserved", &self.reserved).finish_non_exhaustive()
    }
}

impl Prices {
    /// Returns the prices of a configuration; our own engine bills nobody.
    pub(crate) fn of(config: &GatewayConfig) -> Self {
        let unbilled = config.unbilled.iter().cloned().chain([ENGINE.to_owned()]).collect();
        Prices { pricing: config.observe.pricing.clone(), unbilled }
    }
}

impl Estimate {
    /// What is known of a call that only passes through.
    pub(crate) const OPAQUE: Estimate = Estimate { input: 0, output: 0, is_opaque: true };

    /// Estimates what a request may take: its text, and the longest answer it allows.
    pub(crate) fn of(api: Api, view: &View, body_bytes: usize) -> Self {
        let Ok(request) = &view.request else {
            let input = body_bytes as u64 / BYTES_PER_TOKEN;
            return Estimate { input, output: OUTPUT_TOKENS_ASSUMED, is_opaque: false };
        };
        let part = |part: &Part| match part {
            Part::Text(text) | Part::ToolResult { text, .. } | Part::Reasoning(text) => text.len() as u64,
            Part::ToolCall(call) => (call.name.len() + call.arguments.len()) as u64,
            Part::Other(_) => PART_TOKENS * BYTES_PER_TOKEN,
        };
        let turns: u64 = request.messages.iter().flat_map(|message| &message.parts).map(part).sum();
        let tool = |tool: &freehold_wire::Tool| {
            (tool.name.len() + tool.description.len() + tool.parameters.to_string().len()) as u64
        };
        let tools: u64 = request.tools.iter().map(tool).sum();
        let input = (request.system.len() as u64 + turns + tools).div_ceil(BYTES_PER_TOKEN);
        let output = match api {
            Api::OpenAiEmbeddings => 0,
            _ => request.sampling.max_tokens.map_or(OUTPUT_TOKENS_ASSUMED, u64::from),
        };
        Estimate { input, output, is_opaque: false }
    }

    fn usage(self) -> Usage {
        Usage { input: self.input, output: self.output, ..Usage::default() }
    }
}

impl Spend {
    /// Reserves what a call may take from every purse, or from none.
    pub(crate) fn open(
        purses: Vec<Arc<Purse>>,
        estimate: Estimate,
        priced: &Priced<'_>,
        begun: Begun,
    ) -> Result<Spend, Refusal> {
        let mut spend = Spend {
            purses,
            prices: priced.prices.clone(),
            upstream: priced.upstream.to_owned(),
            model: priced.model.to_owned(),
            begun,
            reserved: Amount::default(),
            input: estimate.input,
            output: 0,
            exhausted: None,
        };
        let cost = if estimate.is_opaque { None } else { spend.cost(&estimate.usage()) };
        let refusing = spend.purses.iter().find(|purse| {
            (purse.counts_money() || estimate.is_opaque)
                && cost.is_none()
                && purse.unknown_price() == UnknownPrice::Refuse
        });
        if let Some(purse) = refusing {
            let (upstream, model) = (spend.upstream.clone(), spend.model.clone());
            return Err(Refusal::UnknownPrice { holder: purse.holder(), upstream, model });
        }
        let tokens = if estimate.is_opaque { 0 } else { estimate.input.saturating_add(estimate.output) };
        spend.reserve(Amount { microusd: cost.unwrap_or(0), tokens }).map_err(Refusal::Exhausted)?;
        Ok(spend)
    }

    /// Takes note of how long a running answer is, in bytes of text, and reserves more where it outgrows what was reserved.
    pub(crate) fn grow(&mut self, output_bytes: u64) {
        let output = output_bytes / BYTES_PER_TOKEN;
        if output < self.output.saturating_add(GROWTH_TOKENS) || self.exhausted.is_some() {
            return;
        }
        self.output = output;
        let more = self.so_far().less(self.reserved);
        if more != Amount::default() {
            self.exhausted = self.reserve(more).err();
        }
    }

    /// Returns the budget that a running answer has used up, where it has.
    pub(crate) fn exhausted(&self) -> Option<&Exhausted> {
        self.exhausted.as_deref()
    }

    /// Replaces what was reserved by what the call took: its usage, or the estimate where an answer came without.
    pub(crate) fn settle(mut self, call: &Call) {
        call.upstream.clone_into(&mut self.upstream);
        call.served_model.as_ref().unwrap_or(&call.model).clone_into(&mut self.model);
        let used = match &call.usage {
            Some(usage) => self.amount(usage),
            None if (200..300).contains(&call.status) => self.so_far(),
            None => Amount::default(),
        };
        let reserved = std::mem::take(&mut self.reserved);
        for purse in self.purses.drain(..) {
            purse.settle(self.begun.at_ms, reserved, used);
        }
    }

    fn so_far(&self) -> Amount {
        self.amount(&Usage { input: self.input, output: self.output, ..Usage::default() })
    }

    /// Returns what tokens come to. Where their price is not known after all, the money that was reserved stands in.
    fn amount(&self, usage: &Usage) -> Amount {
        let microusd = self.cost(usage).unwrap_or(self.reserved.microusd);
        Amount { microusd, tokens: usage.input.saturating_add(usage.output) }
    }

    fn cost(&self, usage: &Usage) -> Option<u64> {
        if !self.purses.iter().any(|purse| purse.counts_money()) {
            return Some(0);
        }
        if self.prices.unbilled.contains(&self.upstream) {
            return Some(0);
        }
        self.prices.pricing.as_ref()?(&self.upstream, &self.model, usage)
    }

    fn reserve(&mut self, amount: Amount) -> Result<(), Box<Exhausted>> {
        let elapsed_ms = i64::try_from(self.begun.at.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.begun.at_ms.saturating_add(elapsed_ms);
        for (count, purse) in self.purses.iter().enumerate() {
            if let Err(exhausted) = purse.reserve(now_ms, amount) {
                self.purses[..count].iter().for_each(|purse| purse.give_back(amount));
                return Err(exhausted);
            }
        }
        self.reserved = self.reserved.plus(amount);
        Ok(())
    }
}

impl Drop for Spend {
    fn drop(&mut self) {
        for purse in &self.purses {
            purse.give_back(self.reserved);
        }
    }
}
