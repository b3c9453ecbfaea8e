//! Reservations that race, periods that end, and answers that outgrow what was reserved.

use std::sync::Arc;
use std::time::Instant;

use freehold_store::{Budget, Period, Unit, UnknownPrice};

use super::spend::BYTES_PER_TOKEN;
use super::*;

const HOUR_MS: i64 = 3_600_000;

fn purse(ledger: &Ledger, amount: u64, period: Period) -> Arc<Purse> {
    let budget = Budget { amount, unit: Unit::Tokens, period };
    ledger.purse("key:ci", &[budget], UnknownPrice::Refuse).unwrap()
}

fn tokens(tokens: u64) -> Amount {
    Amount { microusd: 0, tokens }
}

fn open(purses: &[&Arc<Purse>], output: u64) -> Result<Spend, Refusal> {
    let prices = Prices { pricing: None, unbilled: Arc::new([]) };
    let priced = Priced { prices: &prices, upstream: "vendor", model: "m" };
    let begun = Begun { at_ms: 0, at: Instant::now() };
    let estimate = Estimate { input: 0, output, is_opaque: false };
    Spend::open(purses.iter().map(|purse| Arc::clone(purse)).collect(), estimate, &priced, begun)
}

#[test]
fn calls_at_once_cannot_reserve_more_than_there_is() {
    let ledger = Ledger::default();
    let purse = purse(&ledger, 100, Period::Day);
    let begun = std::sync::Barrier::new(8);
    let reserved: usize = std::thread::scope(|scope| {
        let one = || {
            begun.wait();
            (0..100).filter(|_| purse.reserve(0, tokens(1)).is_ok()).count()
        };
        let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(reserved, 100);
}

#[test]
fn period_that_is_over_is_forgotten_and_a_clock_set_back_gives_nothing_back() {
    let ledger = Ledger::default();
    let purse = purse(&ledger, 10, Period::Hour);
    purse.settle(2 * HOUR_MS, Amount::default(), tokens(10));
    let exhausted = purse.reserve(2 * HOUR_MS + 1_500, tokens(1)).unwrap_err();
    assert_eq!((exhausted.taken, exhausted.resets_ms, exhausted.resets_in_s), (10, 3 * HOUR_MS, 3599));
    assert!(purse.reserve(HOUR_MS, tokens(1)).is_err(), "the clock was set back");
    // What belongs to an earlier hour is not counted for this one.
    purse.settle(HOUR_MS, Amount::default(), tokens(10));
    assert!(purse.reserve(3 * HOUR_MS, tokens(10)).is_ok());
}

#[test]
fn purse_that_suffices_gets_its_reservation_back_where_another_does_not() {
    let ledger = Ledger::default();
    let (wide, narrow) = (purse(&ledger, 100, Period::Month), {
        let budget = Budget { amount: 5, unit: Unit::Tokens, period: Period::Month };
        ledger.purse("step:triage", &[budget], UnknownPrice::Refuse).unwrap()
    });
    assert!(matches!(open(&[&wide, &narrow], 60), Err(Refusal::Exhausted(found)) if found.holder == "step \"triage\""));
    assert!(open(&[&wide], 100).is_ok());
    // Dropped without being settled, as when nobody was asked after all.
    assert!(open(&[&wide], 100).is_ok());
}

#[test]
fn running_answer_reserves_more_until_there_is_none() {
    let ledger = Ledger::default();
    let purse = purse(&ledger, 200, Period::Month);
    let mut spend = open(&[&purse], 10).unwrap();
    spend.grow(150 * BYTES_PER_TOKEN);
    assert!(spend.exhausted().is_none());
    assert!(purse.reserve(0, tokens(51)).is_err(), "what the answer has grown by is reserved");
    spend.grow(250 * BYTES_PER_TOKEN);
    assert_eq!(spend.exhausted().map(|exhausted| exhausted.taken), Some(150));
    drop(spend);
    assert!(purse.reserve(0, tokens(200)).is_ok());
}

#[test]
fn what_was_kept_is_taken_up_again() {
    let ledger = Ledger::default();
    let first = purse(&ledger, 10, Period::Day);
    first.settle(HOUR_MS, Amount::default(), tokens(7));
    let kept = ledger.take_changed();
    assert_eq!((kept.len(), ledger.take_changed().len()), (3, 0));
    ledger.mark_changed(&kept);
    assert_eq!(ledger.take_changed(), kept);
    let again = Ledger::default();
    again.restore(&kept);
    let exhausted = purse(&again, 10, Period::Day).reserve(2 * HOUR_MS, tokens(4)).unwrap_err();
    assert_eq!(exhausted.taken, 7);
}
