//! Accounts: what each holder has spent in the current periods, and what is reserved for calls in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use freehold_store::{Budget, Period, Spent, Unit, UnknownPrice};

use super::{Amount, Exhausted};
use crate::calendar;

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
    /// Returns whether it has a budget in money.
    pub(super) fn counts_money(&self) -> bool {
        self.budgets.iter().any(|budget| budget.unit == Unit::Microusd)
    }

    /// Returns whose it is, for people.
    pub(super) fn holder(&self) -> String {
        let (kind, name) = self.account.holder.split_once(':').unwrap_or(("holder", &self.account.holder));
        format!("{kind} {name:?}")
    }

    /// Returns what its budgets in money do about a model whose price is not known.
    pub(super) fn unknown_price(&self) -> UnknownPrice {
        self.unknown_price
    }

    /// Gives back what was reserved.
    pub(super) fn give_back(&self, amount: Amount) {
        let mut state = self.account.lock();
        state.reserved = state.reserved.less(amount);
    }

    /// Reserves an amount, if every budget suffices.
    pub(super) fn reserve(&self, now_ms: i64, amount: Amount) -> Result<(), Box<Exhausted>> {
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

    /// Replaces what was reserved by what was used by a call of that moment.
    pub(super) fn settle(&self, at_ms: i64, reserved: Amount, used: Amount) {
        let mut state = self.account.lock();
        state.reserved = state.reserved.less(reserved);
        if used != Amount::default() {
            state.meters.iter_mut().for_each(|meter| meter.add(at_ms, used));
            state.has_changed = true;
        }
    }
}
