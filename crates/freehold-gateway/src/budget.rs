//! Budgets that stop: what a call may take is reserved before it goes out, and what it took replaces that when it has ended.
//!
//! Nothing here touches the store; the ledger is filled from it at start and tells it what changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use freehold_store::{Budget, Period, Spent, Unit, UnknownPrice};
use freehold_wire::{Api, Call, Part, Usage};

use crate::calendar;
use crate::identify::View;
use crate::observe::Pricing;

/// The answer that is reserved for a call that sets no limit to its own, in tokens.
const OUTPUT_TOKENS_ASSUMED: u64 = 1024;
/// What an image or another part that is no text counts in an estimate, in tokens.
const PART_TOKENS: u64 = 1024;
/// Bytes of text to a token, in an estimate.
const BYTES_PER_TOKEN: u64 = 4;
/// A running stream is compared with its budgets whenever it has grown by this many tokens.
const GROWTH_TOKENS: u64 = 64;

/// Money and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub microusd: u64,
    pub tokens: u64,
}

/// What a key or a step may spend.
#[derive(Debug)]
pub(crate) struct Purse {
    account: Arc<Account>,
    budgets: Vec<Budget>,
    unknown_price: UnknownPrice,
}

/// Every account there is, by its holder.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: Mutex<HashMap<String, Arc<Account>>>,
}

/// What a holder has spent in each current period, and what is reserved for calls in flight.
#[derive(Debug)]
struct Account {
    holder: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    meters: [Meter; 3],
    reserved: Amount,
    has_changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Meter {
    period: Period,
    start_ms: i64,
    end_ms: i64,
    spent: Amount,
}

/// A budget does not suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exhausted {
    /// Whose: `key "NAME"` or `step "NAME"`.
    pub holder: String,
    pub budget: Budget,
    /// What is spent or reserved, in the budget's unit.
    pub taken: u64,
    /// What the call may take on top.
    pub wanted: u64,
    /// When counting begins anew, in milliseconds since the Unix epoch.
    pub resets_ms: i64,
    /// How long that is from now, in seconds.
    pub resets_in_s: u64,
}

/// Why a call may not be paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Exhausted(Box<Exhausted>),
    /// A money budget stands before a model whose price is not known.
    UnknownPrice {
        holder: String,
        upstream: String,
        model: String,
    },
}

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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exhausted = match self {
            Refusal::Exhausted(exhausted) => exhausted,
            Refusal::UnknownPrice { holder, upstream, model } => {
                return write!(
                    f,
                    "{holder} has a budget, and what the model {model:?} of {upstream} costs is not known: state its price, or let the budget pass over it (unknown price: allow)"
                );
            }
        };
        let Exhausted { holder, budget, taken, wanted, resets_ms, .. } = &**exhausted;
        let shown = |amount| shown(amount, budget.unit);
        write!(
            f,
            "the budget of {holder} does not suffice: {} of {} a {} are spent or reserved, and this call may take {} more; counting begins anew at {}",
            shown(*taken),
            shown(budget.amount),
            budget.period.as_str(),
            shown(*wanted),
            calendar::text(*resets_ms)
        )
    }
}

fn shown(amount: u64, unit: Unit) -> String {
    match unit {
        Unit::Microusd => format!("{}.{:06} USD", amount / 1_000_000, amount % 1_000_000),
        Unit::Tokens => format!("{amount} tokens"),
    }
}

impl Amount {
    fn of(self, unit: Unit) -> u64 {
        match unit {
            Unit::Microusd => self.microusd,
            Unit::Tokens => self.tokens,
        }
    }

    fn plus(self, other: Amount) -> Amount {
        Amount {
            microusd: self.microusd.saturating_add(other.microusd),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    fn less(self, other: Amount) -> Amount {
        Amount {
            microusd: self.microusd.saturating_sub(other.microusd),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}

impl Ledger {
    /// Returns a purse on the account of a holder; `None` where nothing is limited.
    pub(crate) fn purse(&self, holder: &str, budgets: &[Budget], unknown_price: UnknownPrice) -> Option<Arc<Purse>> {
        if budgets.is_empty() {
            return None;
        }
        let account = self.account(holder);
        Some(Arc::new(Purse { account, budgets: budgets.to_vec(), unknown_price }))
    }

    /// Takes up what the store kept of earlier spending.
    pub(crate) fn restore(&self, spent: &[Spent]) {
        for one in spent {
            let account = self.account(&one.holder);
            let amount = Amount { microusd: one.microusd, tokens: one.tokens };
            account.lock().meter(one.period).add(one.start_ms, amount);
        }
    }

    /// Returns what has changed since it was last asked.
    pub(crate) fn take_changed(&self) -> Vec<Spent> {
        let accounts: Vec<Arc<Account>> = self.accounts().values().cloned().collect();
        accounts.iter().flat_map(|account| account.take_changed()).collect()
    }

    /// Marks the accounts of these as changed.
    pub(crate) fn mark_changed(&self, spent: &[Spent]) {
        for one in spent {
            self.account(&one.holder).lock().has_changed = true;
        }
    }

    fn account(&self, holder: &str) -> Arc<Account> {
        let mut accounts = self.accounts();
        if let Some(account) = accounts.get(holder) {
            return Arc::clone(account);
        }
        let meters =
            Period::ALL.map(|period| Meter { period, start_ms: i64::MIN, end_ms: i64::MIN, spent: Amount::default() });
        let state = Mutex::new(State { meters, reserved: Amount::default(), has_changed: false });
        let account = Arc::new(Account { holder: holder.to_owned(), state });
        accounts.insert(holder.to_owned(), Arc::clone(&account));
        account
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    /// Begins the period of a moment, unless a later one has begun: a clock that goes back gives nothing back.
    fn roll(&mut self, at_ms: i64) {
        if at_ms >= self.end_ms {
            (self.start_ms, self.end_ms) = calendar::bounds(self.period, at_ms);
            self.spent = Amount::default();
        }
    }

    /// Adds what was spent at a moment; what belongs to an earlier period no longer counts.
    fn add(&mut self, at_ms: i64, amount: Amount) {
        self.roll(at_ms);
        if at_ms >= self.start_ms {
            self.spent = self.spent.plus(amount);
        }
    }
}

impl State {
    fn meter(&mut self, period: Period) -> &mut Meter {
        &mut self.meters[period as usize]
    }
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, amount: Amount) {
        let mut state = self.lock();
        state.reserved = state.reserved.less(amount);
    }

    fn take_changed(&self) -> Vec<Spent> {
        let mut state = self.lock();
        if !std::mem::take(&mut state.has_changed) {
            return Vec::new();
        }
        let one = |meter: &Meter| Spent {
            holder: self.holder.clone(),
            period: meter.period,
            start_ms: meter.start_ms,
            microusd: meter.spent.microusd,
            tokens: meter.spent.tokens,
        };
        state.meters.iter().filter(|meter| meter.start_ms > i64::MIN).map(one).collect()
    }
}

impl Purse {
    fn counts_money(&self) -> bool {
        self.budgets.iter().any(|budget| budget.unit == Unit::Microusd)
    }

    fn holder(&self) -> String {
        let (kind, name) = self.account.holder.split_once(':').unwrap_or(("holder", &self.account.holder));
        format!("{kind} {name:?}")
    }

    /// Reserves an amount, if every budget suffices.
    fn reserve(&self, now_ms: i64, amount: Amount) -> Result<(), Box<Exhausted>> {
        let mut state = self.account.lock();
        let reserved = state.reserved;
        for budget in &self.budgets {
            let meter = state.meter(budget.period);
            meter.roll(now_ms);
            let taken = meter.spent.plus(reserved).of(budget.unit);
            let wanted = amount.of(budget.unit);
            if taken.saturating_add(wanted) > budget.amount {
                let resets_in_s = u64::try_from(meter.end_ms.saturating_sub(now_ms)).unwrap_or(0).div_ceil(1000);
                let (budget, resets_ms) = (*budget, meter.end_ms);
                return Err(Box::new(Exhausted {
                    holder: self.holder(),
                    budget,
                    taken,
                    wanted,
                    resets_ms,
                    resets_in_s,
                }));
            }
        }
        state.reserved = state.reserved.plus(amount);
        Ok(())
    }

    fn settle(&self, at_ms: i64, reserved: Amount, used: Amount) {
        let mut state = self.account.lock();
        state.reserved = state.reserved.less(reserved);
        if used != Amount::default() {
            state.meters.iter_mut().for_each(|meter| meter.add(at_ms, used));
            state.has_changed = true;
        }
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
                && purse.unknown_price == UnknownPrice::Refuse
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
                self.purses[..count].iter().for_each(|purse| purse.account.give_back(amount));
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
            purse.account.give_back(self.reserved);
        }
    }
}
