//! Which calls that a later one may go on from are in the log and not in the tables yet, so that one of them is found without
//! moving everything that came before it.

use std::collections::HashMap;

/// The most calls that are remembered; beyond it they are looked for in the tables alone, once those are as far.
const CALLS_MAX: usize = 32_768;

/// Calls by their ids, with their numbers in the log.
#[derive(Debug, Default)]
pub(super) struct Lately {
    numbers: HashMap<String, u64>,
    /// Up to where the log may hold calls that are not remembered.
    unknown_upto: u64,
}

/// Where a call is that is not in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the log, under that number.
    Log(u64),
    /// Nobody knows.
    Unknown,
    /// Nowhere.
    Nowhere,
}

impl Lately {
    /// Begins with a log of which nothing is known up to that number.
    pub(super) fn new(unknown_upto: u64) -> Self {
        Self { numbers: HashMap::new(), unknown_upto }
    }

    /// Remembers a call as far as there is room.
    pub(super) fn keep(&mut self, id: String, number: u64) {
        if self.numbers.len() < CALLS_MAX {
            self.numbers.insert(id, number);
        } else {
            self.unknown_upto = self.unknown_upto.max(number);
        }
    }

    /// Forgets the calls that the tables have.
    pub(super) fn forget(&mut self, upto: u64) {
        self.numbers.retain(|_, number| *number > upto);
    }

    /// Returns where a call is while the tables are as far as that number.
    pub(super) fn place(&self, id: &str, moved_upto: u64) -> Place {
        match self.numbers.get(id) {
            Some(number) => Place::Log(*number),
            None if self.unknown_upto > moved_upto => Place::Unknown,
            None => Place::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_in_the_log_until_the_tables_have_it() {
        let mut lately = Lately::new(7);
        lately.keep("a".to_owned(), 8);
        assert_eq!((lately.place("a", 3), lately.place("b", 3)), (Place::Log(8), Place::Unknown));
        lately.forget(7);
        assert_eq!((lately.place("a", 7), lately.place("b", 7)), (Place::Log(8), Place::Nowhere));
        lately.forget(8);
        assert_eq!(lately.place("a", 8), Place::Nowhere);
    }

    #[test]
    fn what_there_was_no_room_for_may_be_anywhere_until_the_tables_are_as_far() {
        let mut lately = Lately::new(0);
        let last = CALLS_MAX as u64 + 1;
        (1..=last).for_each(|number| lately.keep(number.to_string(), number));
        assert_eq!((lately.place("1", 0), lately.place(&last.to_string(), 0)), (Place::Log(1), Place::Unknown));
        lately.forget(last);
        assert_eq!(lately.place(&last.to_string(), last), Place::Nowhere);
    }
}
