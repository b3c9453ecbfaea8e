//! What one tenant's traffic has taught about its steps: which heads are one step, which ids became aliases of others.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::known::Known;
use super::trie::{ByKey, Trie, Walk};
use super::units::Text;
use super::{StepBy, head};

/// The most heads that are remembered; the oldest of those that came once goes first.
pub(super) const HEADS_MAX: usize = 100_000;

/// The most heads, each seen once, that get an id of their own; those beyond share the id of their API until they recur.
pub(super) const ONCE_MAX: usize = 10_000;

/// The most bytes of the texts that wait to be explained, and how many of them are looked at again for each one that is
/// learned.
const WAITING_BYTES_MAX: usize = 8 << 20;
const AGAIN: usize = 2;

/// How many that wait are looked at when a step is found, so that it gets the id of the first of them.
const FOUNDING_MAX: usize = 256;

/// Calls told apart by the first turn alone must share so many unmasked bytes.
const TURN_BYTES_MIN: u64 = 24;

/// The most aliases that are remembered here; the store keeps all.
const ALIASES_MAX: usize = 50_000;

/// The most templates.
const TEMPLATES_MAX: usize = 20_000;

/// Among how many heads one that came once is looked for when one must go.
const FORGET_TRIES: usize = 16;

/// A text that was seen, to be learned off the path.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The head, or its first turn where the head is generic.
    pub(super) key: u64,
    pub(super) root: u64,
    pub(super) text: Arc<Text>,
    /// The id of the head alone, and how the step was found that the call got.
    pub(super) exact: Arc<str>,
    pub(super) by: StepBy,
    pub(super) family: Option<u64>,
    pub(super) tools: u64,
    /// The calls it stands for.
    pub(super) weight: u32,
    pub(super) is_turn: bool,
}

/// How far a head is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has the id of the head alone.
    Alone,
    /// It came once and shares the id of its API.
    Shared,
    /// Its step has a template.
    Explained,
}

/// A head that came before.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) step: Arc<str>,
    /// The id of the head alone.
    pub(super) own: Arc<str>,
    pub(super) standing: Standing,
    pub(super) calls: AtomicU32,
    pub(super) family: Option<u64>,
}

/// Heads that differ in their tools only.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) step: Arc<str>,
    pub(super) tools: u64,
    pub(super) head: u64,
}

/// That one id is from now on another name of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The id that calls had until then.
    pub from: Arc<str>,
    /// The step they belong to.
    pub to: Arc<str>,
}

/// What is known of one tenant's steps.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) trie: Trie,
    pub(super) heads: ByKey<Head>,
    pub(super) ring: VecDeque<u64>,
    pub(super) families: ByKey<Family>,
    /// The step of each way through the trie that explains a whole text.
    pub(super) templates: ByKey<Arc<str>>,
    /// The ids that name templates.
    pub(super) names: HashSet<Arc<str>>,
    pub(super) aliases: HashMap<Arc<str>, Arc<str>>,
    new_aliases: Vec<Alias>,
    waiting: VecDeque<Seen>,
    waiting_bytes: usize,
    /// The ids that stay what they are, whatever is learned.
    locked: HashSet<Arc<str>>,
    /// The heads that have an id of their own and are not explained.
    pub(super) alone: usize,
}

impl Learned {
    /// Returns the step of a head as far as it is known, and how it was found; counts the call.
    pub(super) fn step(&self, known: &Known) -> Option<(Arc<str>, StepBy, u32)> {
        if self.locked.contains(&known.exact) {
            let calls = self.heads.get(&known.key).map_or(0, |head| head.calls.fetch_add(1, Ordering::Relaxed));
            return Some((Arc::clone(&known.exact), StepBy::Head, calls.saturating_add(1)));
        }
        if let Some(head) = self.heads.get(&known.key) {
            let calls = head.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let is_template = head.standing == Standing::Explained && head.step != head.own;
            let by = if is_template { StepBy::Template } else { StepBy::Head };
            return Some((Arc::clone(&head.step), by, calls));
        }
        if let Some(family) = known.family.and_then(|family| self.families.get(&family))
            && has_tools_of(known.tools, family.tools)
        {
            return Some((Arc::clone(&family.step), StepBy::Template, 1));
        }
        let walk = self.trie.walk(known.root, &known.text);
        self.template(&walk).map(|step| (step, StepBy::Template, 1))
    }

    /// Returns the step that the first turn tells, where its static units do.
    pub(super) fn step_of_turn(&self, root: u64, text: &Text) -> Option<Arc<str>> {
        let walk = self.trie.walk(root, text);
        if walk.static_bytes < TURN_BYTES_MIN { None } else { self.template(&walk) }
    }

    fn template(&self, walk: &Walk) -> Option<Arc<str>> {
        if walk.is_settled { self.templates.get(&walk.node).cloned() } else { None }
    }

    /// Returns whether heads seen for the first time get no id of their own any more.
    pub(super) fn is_full(&self) -> bool {
        self.alone >= ONCE_MAX
    }

    /// Learns from one text.
    pub(super) fn learn(&mut self, seen: &Seen, given: &Arc<str>) {
        self.trie.learn(seen.root, &seen.text, seen.weight);
        let is_new = !seen.is_turn && self.remember(seen, given);
        if !self.explain(seen) && is_new {
            self.wait(seen.clone());
        }
        for _ in 0..AGAIN.min(self.waiting.len()) {
            let Some(again) = self.next_waiting() else { break };
            if !self.explain(&again) {
                self.wait(again);
            }
        }
    }

    /// Puts a text among those that wait; the oldest of them make room.
    fn wait(&mut self, seen: Seen) {
        self.waiting_bytes += seen.text.size();
        self.waiting.push_back(seen);
        while self.waiting_bytes > WAITING_BYTES_MAX && self.next_waiting().is_some() {}
    }

    fn next_waiting(&mut self) -> Option<Seen> {
        let seen = self.waiting.pop_front()?;
        self.waiting_bytes -= seen.text.size();
        Some(seen)
    }

    /// Makes ids stay what they are from now on, whatever is learned; those that were locked before are no longer.
    pub(super) fn lock(&mut self, ids: HashSet<Arc<str>>) {
        self.locked = ids;
    }

    /// Takes the aliases that were found since this was last asked.
    pub(super) fn take_aliases(&mut self) -> Vec<Alias> {
        std::mem::take(&mut self.new_aliases)
    }

    /// Remembers a head; returns whether it is new.
    fn remember(&mut self, seen: &Seen, given: &Arc<str>) -> bool {
        if let Some(head) = self.heads.get_mut(&seen.key) {
            if head.standing == Standing::Shared {
                // It has come again, so it gets its own.
                head.step = Arc::clone(&head.own);
                head.standing = Standing::Alone;
                self.alone += 1;
            }
            return false;
        }
        if self.heads.len() >= HEADS_MAX {
            self.forget_one();
        }
        let standing = match seen.by {
            StepBy::Template => Standing::Explained,
            _ if *given == seen.exact => Standing::Alone,
            _ => Standing::Shared,
        };
        self.alone += usize::from(standing == Standing::Alone);
        let own = Arc::clone(&seen.exact);
        let head = Head { step: Arc::clone(given), own, standing, calls: AtomicU32::new(1), family: seen.family };
        self.heads.insert(seen.key, head);
        self.ring.push_back(seen.key);
        if let Some(family) = seen.family {
            let tools = seen.tools;
            self.families.entry(family).or_insert_with(|| Family { step: Arc::clone(given), tools, head: seen.key });
        }
        true
    }

    /// Forgets one of the oldest heads, one that came once since it was last looked at where there is one among them.
    fn forget_one(&mut self) {
        for tried in 1..=FORGET_TRIES {
            let Some(key) = self.ring.pop_front() else { return };
            let Some(head) = self.heads.get_mut(&key) else { continue };
            let calls = *head.calls.get_mut();
            if calls > 1 && tried < FORGET_TRIES {
                *head.calls.get_mut() = calls / 2;
                self.ring.push_back(key);
                continue;
            }
            self.alone -= usize::from(head.standing == Standing::Alone);
            if let Some(family) = head.family
                && self.families.get(&family).is_some_and(|family| family.head == key)
            {
                self.families.remove(&family);
            }
            self.heads.remove(&key);
            return;
        }
    }

    /// Gives a text the step of its way through the trie, where that explains all of it.
    fn explain(&mut self, seen: &Seen) -> bool {
        let walk = self.trie.walk(seen.root, &seen.text);
        if !walk.is_settled || (seen.is_turn && walk.static_bytes < TURN_BYTES_MIN) {
            return false;
        }
        let step = match self.templates.get(&walk.node) {
            Some(step) => Arc::clone(step),
            None if self.templates.len() >= TEMPLATES_MAX => return false,
            None => self.found(seen, &walk),
        };
        if !seen.is_turn {
            self.join(seen, &step);
        }
        true
    }

    /// Names a way that has no step yet: with the id of the first text that went it, as far as no other step has that.
    fn found(&mut self, seen: &Seen, walk: &Walk) -> Arc<str> {
        let same = |waiting: &&Seen| waiting.root == seen.root && self.trie.walk(seen.root, &waiting.text) == *walk;
        let first = self.waiting.iter().skip(self.waiting.len().saturating_sub(FOUNDING_MAX)).find(same);
        let own = self.heads.get(&seen.key).map_or(&seen.exact, |head| &head.own);
        let id = Arc::clone(first.map_or(own, |first| &first.exact));
        let is_taken = self.names.contains(&id) || self.aliases.contains_key(&id) || self.locked.contains(&id);
        let is_free = !seen.is_turn && !is_taken;
        let id = if is_free { id } else { head::id_apart(&id, walk.node).into() };
        self.templates.insert(walk.node, Arc::clone(&id));
        self.names.insert(Arc::clone(&id));
        id
    }

    /// Makes a head one of a step's; the id that only this head had becomes an alias, unless it is locked.
    fn join(&mut self, seen: &Seen, step: &Arc<str>) {
        let Some(head) = self.heads.get_mut(&seen.key) else { return };
        let was = std::mem::replace(&mut head.standing, Standing::Explained);
        self.alone -= usize::from(was == Standing::Alone);
        if head.step == *step || self.locked.contains(&head.step) {
            return;
        }
        let own = Arc::clone(&head.own);
        head.step = Arc::clone(step);
        if let Some(family) = seen.family.and_then(|family| self.families.get_mut(&family)) {
            family.step = Arc::clone(step);
        }
        if was == Standing::Alone && !self.names.contains(&own) && self.aliases.len() < ALIASES_MAX {
            self.aliases.insert(Arc::clone(&own), Arc::clone(step));
            self.new_aliases.push(Alias { from: own, to: Arc::clone(step) });
        }
    }
}

/// Returns whether of two sets of tools the smaller one lies at least by half in the other.
fn has_tools_of(one: u64, other: u64) -> bool {
    let smaller = one.count_ones().min(other.count_ones());
    smaller > 0 && 2 * (one & other).count_ones() >= smaller
}
