//! Finds the step of each call: what it needs of the path takes microseconds, what it learns it learns off the path.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use freehold_wire::Request;

use super::known::{Heads, Known, first_turn, is_opening};
use super::learned::{Alias, Learned, Seen};
use super::state::{self, StateError};
use super::trie::child;
use super::units::Text;
use super::{Identity, Marks, StepBy, mark_of, run_of};

/// The most bytes of the texts that wait to be learned; more are not learned from, and counted.
const QUEUE_BYTES_MAX: usize = 8 << 20;

/// A head's calls are counted one by one up to here, and then at each power of two.
const EACH_MAX: u32 = 8;

/// The steps of one tenant.
///
/// [`Self::identify`] is for the path: it reads, and puts down what is worth learning. [`Self::learn`] is for another
/// thread, or for whoever has time.
#[derive(Debug, Default)]
pub struct Steps {
    seed: u64,
    learned: RwLock<Learned>,
    merged: RwLock<HashMap<String, String>>,
    queue: Mutex<Queue>,
    unlearned: AtomicU64,
}

/// What waits to be learned, each with the id that the call got.
#[derive(Debug, Default)]
struct Queue {
    texts: VecDeque<(Seen, Arc<str>)>,
    bytes: usize,
}

/// How much is known, and what was not learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The heads that are remembered.
    pub heads: usize,
    /// The templates that were found.
    pub templates: usize,
    /// The edges of the trie.
    pub edges: usize,
    /// Texts that were not learned from because too many waited.
    pub unlearned: u64,
    /// How often the trie was full, and all its counts were halved.
    pub halvings: u64,
}

impl Steps {
    /// Goes on with what was learned before, as [`Self::state`] wrote it.
    ///
    /// # Errors
    /// The bytes are damaged or of another version.
    pub fn restored(state: &[u8]) -> Result<Self, StateError> {
        let (learned, seed) = state::read(state)?;
        Ok(Steps { seed, learned: RwLock::new(learned), ..Self::default() })
    }

    /// Writes down what was learned, with the seed.
    pub fn state(&self) -> Vec<u8> {
        state::write(&self.learned.read().unwrap_or_else(PoisonError::into_inner), self.seed)
    }

    /// Makes an empty one; whoever does not know the seed cannot send texts that meet in one hash.
    pub fn new(seed: u64) -> Self {
        Steps { seed, ..Self::default() }
    }

    /// Finds the step and run of a request.
    ///
    /// The step is the one that the header names, else the one that `metadata.step` names, else that of the head: API
    /// family, system text with numbers, dates and ids masked and passages left out, tools and response schema. A head
    /// that was never seen belongs to the step whose static text it has, where calls have shown what is static
    /// ([`StepBy::Template`]); otherwise it is a step of its own until they do. Where the system text is short, the
    /// static text of the first turn tells steps apart.
    ///
    /// The run and the names are those of [`super::identify`]. A step that was merged is the one it was merged into.
    pub fn identify(&self, request: &Request, marks: Marks<'_>, heads: &mut Heads) -> Identity {
        let mut identity = self.found(request, marks, heads);
        let merged = self.merged.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(into) = merged.get(&identity.step) {
            identity.step.clone_from(into);
        }
        identity
    }

    fn found(&self, request: &Request, marks: Marks<'_>, heads: &mut Heads) -> Identity {
        let run = run_of(request, marks);
        if let Some((step, by)) = mark_of(request, marks) {
            return Identity { step, by, run };
        }
        let known = heads.known(request, self.seed);
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let found = learned.step(&known);
        let is_full = learned.is_full();
        let turn = known.is_generic.then(|| first_turn(request, self.seed)).flatten();
        let turn = turn.map(|text| (child(known.key, 0x7e57), text));
        let of_turn = turn.as_ref().and_then(|(root, text)| learned.step_of_turn(*root, text));
        drop(learned);
        let calls = found.as_ref().map_or(1, |(_, _, calls)| *calls);
        let (step, by) = match found {
            Some((step, by, _)) => (step, by),
            None if is_full => (super::head::shared_id(request).into(), StepBy::Head),
            None => (Arc::clone(&known.exact), StepBy::Head),
        };
        if is_opening(request) {
            self.keep(&known, turn, (&step, by, calls));
        }
        match of_turn {
            Some(step) => Identity { step: step.to_string(), by: StepBy::Template, run },
            None => Identity { step: step.to_string(), by, run },
        }
    }

    /// Puts down what is to be learned from a call.
    fn keep(&self, known: &Known, turn: Option<(u64, Arc<Text>)>, (step, by, calls): (&Arc<str>, StepBy, u32)) {
        let seen = |root, text, is_turn, weight| Seen {
            key: known.key,
            root,
            text,
            exact: Arc::clone(&known.exact),
            by,
            family: known.family,
            tools: known.tools,
            weight,
            is_turn,
        };
        if let Some(weight) = weight(calls) {
            self.put((seen(known.root, Arc::clone(&known.text), false, weight), Arc::clone(step)));
        }
        if let Some((root, text)) = turn {
            self.put((seen(root, text, true, 1), Arc::clone(step)));
        }
    }

    /// Learns from at most so many of the texts that wait; returns how many it took.
    pub fn learn(&self, texts_max: usize) -> usize {
        let mut taken = 0;
        while taken < texts_max {
            let Some((seen, given)) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take() else { break };
            self.learned.write().unwrap_or_else(PoisonError::into_inner).learn(&seen, &given);
            taken += 1;
        }
        taken
    }

    /// Takes the aliases that were found since this was last asked: ids under which calls were recorded before it was
    /// known that they belong to another step.
    pub fn take_aliases(&self) -> Vec<Alias> {
        self.learned.write().unwrap_or_else(PoisonError::into_inner).take_aliases()
    }

    /// Makes ids stay what they are from now on, whatever is learned: those that somebody relies on, such as routes. Those
    /// that were locked before are no longer.
    pub fn lock<'i>(&self, ids: impl IntoIterator<Item = &'i str>) {
        let ids = ids.into_iter().map(Arc::from).collect();
        self.learned.write().unwrap_or_else(PoisonError::into_inner).lock(ids);
    }

    /// Makes calls of some steps calls of others from now on, because somebody said that they are; those that were merged
    /// before are no longer.
    pub fn merge(&self, merged: HashMap<String, String>) {
        *self.merged.write().unwrap_or_else(PoisonError::into_inner) = merged;
    }

    /// Returns how much is known.
    pub fn figures(&self) -> Figures {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let (heads, edges, halvings) = (learned.heads.len(), learned.trie.edges(), learned.trie.halvings);
        Figures {
            heads,
            templates: learned.templates.len(),
            edges,
            unlearned: self.unlearned.load(Ordering::Relaxed),
            halvings,
        }
    }

    fn put(&self, seen: (Seen, Arc<str>)) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = queue.bytes + seen.0.text.size();
        if bytes <= QUEUE_BYTES_MAX {
            queue.bytes = bytes;
            queue.texts.push_back(seen);
        } else {
            self.unlearned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Queue {
    fn take(&mut self) -> Option<(Seen, Arc<str>)> {
        let seen = self.texts.pop_front()?;
        self.bytes -= seen.0.text.size();
        Some(seen)
    }
}

/// Returns for how many calls the one that made it `calls` is learned, if it is.
fn weight(calls: u32) -> Option<u32> {
    if calls <= EACH_MAX { Some(1) } else { calls.is_power_of_two().then_some(calls / 2) }
}
