//! Turns phrase patterns into text: `[a|b|~c]` picks one alternative, `{slot}` is filled with a fact.
//!
//! An alternative or phrase that begins with `~` is held out: never written into a training ticket. One that begins
//! with `+` stands in training tickets alone, where it widens what a model reads and leaves the other splits as they were.

use rand::Rng;

use super::Split;

/// How often a choice outside training considers what is held out: customers mostly write as others did before.
const HELD_OUT_CHANCE: f64 = 0.3;

/// How carelessly a customer types; facts are never touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    Neat,
    LowerCase,
    Typos,
}

/// Writes phrases for one split with one customer's care.
pub(super) struct Pen<'a, R: Rng> {
    pub(super) rng: &'a mut R,
    pub(super) split: Split,
    pub(super) care: Care,
    pub(super) slots: Vec<(&'static str, String)>,
}

impl<'a, R: Rng> Pen<'a, R> {
    pub(super) fn new(rng: &'a mut R, split: Split) -> Self {
        Self { rng, split, care: Care::Neat, slots: Vec::new() }
    }

    /// Picks one phrase of a pool, expands its alternatives, adds typing errors, and fills its slots.
    pub(super) fn write(&mut self, pool: &[&str]) -> String {
        let phrase = self.choose(pool);
        let expanded = self.expand(phrase);
        let typed = match self.care {
            Care::Neat => expanded,
            Care::LowerCase => expanded.to_lowercase(),
            Care::Typos => self.misspell(&expanded),
        };
        self.fill(typed)
    }

    /// Picks one entry that this split may see, without its mark; held-out ones are rare where they are seen.
    pub(super) fn choose<'p>(&mut self, pool: &[&'p str]) -> &'p str {
        let sees_held_out = self.split != Split::Train && self.rng.random_bool(HELD_OUT_CHANCE);
        let is_training = self.split == Split::Train;
        let is_visible = |entry: &&&'p str| match entry.as_bytes().first() {
            Some(b'~') => sees_held_out,
            Some(b'+') => is_training,
            _ => true,
        };
        let Ok(count @ 1..) = u32::try_from(pool.iter().filter(is_visible).count()) else { return "" };
        let picked = self.rng.random_range(0..count) as usize;
        let entry = pool.iter().filter(is_visible).nth(picked).copied().unwrap_or_default();
        if entry.starts_with('~') || entry.starts_with('+') { &entry[1..] } else { entry }
    }

    /// Puts the facts where their slots are.
    fn fill(&self, text: String) -> String {
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            match self.slots.iter().find(|(slot, _)| rest.starts_with(slot)) {
                Some((slot, value)) => {
                    filled.push_str(value);
                    rest = &rest[slot.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        if filled.is_empty() { text } else { filled + rest }
    }

    fn expand(&mut self, pattern: &str) -> String {
        let mut text = String::new();
        let mut rest = pattern;
        while let Some(open) = rest.find('[') {
            let close = rest[open..].find(']').map_or(rest.len(), |at| open + at);
            text.push_str(&rest[..open]);
            let alternatives: Vec<&str> = rest[open + 1..close].split('|').collect();
            text.push_str(self.choose(&alternatives));
            rest = rest.get(close + 1..).unwrap_or_default();
        }
        text + rest
    }

    fn misspell(&mut self, text: &str) -> String {
        let words: Vec<String> = text.split(' ').map(|word| self.mistype(word)).collect();
        words.join(" ")
    }

    /// Swaps, drops or doubles one inner letter of one word in eight.
    fn mistype(&mut self, word: &str) -> String {
        let plain = word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !plain || !self.rng.random_bool(0.125) {
            return word.to_owned();
        }
        let mut letters: Vec<char> = word.chars().collect();
        let at = self.rng.random_range(1..letters.len() - 1);
        match self.rng.random_range(0..3) {
            0 => letters.swap(at, at + 1),
            1 => drop(letters.remove(at)),
            _ => letters.insert(at, letters[at]),
        }
        letters.into_iter().collect()
    }
}
