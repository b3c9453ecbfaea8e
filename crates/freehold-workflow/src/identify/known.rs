//! What of a request its step depends on, read once and remembered: an application sends the same few heads again and again.

use std::hash::Hasher;
use std::sync::Arc;

use freehold_wire::{Api, Request, ResponseFormat, Role, Tool};

use super::trie::child;
use super::units::Text;
use super::{Identity, Marks, StepBy, head, mark_of, mask, run_of, units};

/// System texts with fewer unmasked bytes say nothing about the step: the instruction stands in the first turn.
const GENERIC_BYTES_MAX: u32 = 100;

/// System texts with so many unmasked bytes tell the step even where its tools change from call to call.
const TELLING_BYTES_MIN: u32 = 150;

/// The most heads that are remembered, and the most bytes of one that is.
const HEADS_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 256 << 10;

/// What is read from a head; it depends on nothing but the head and the seed.
#[derive(Debug)]
pub(super) struct Known {
    /// The id that the head alone gives.
    pub(super) exact: Arc<str>,
    /// The masked head.
    pub(super) key: u64,
    /// The masked head without its tools, where its system text is telling and it has tools.
    pub(super) family: Option<u64>,
    /// The names of its tools, as a bloom filter.
    pub(super) tools: u64,
    /// Where its texts begin in the trie.
    pub(super) root: u64,
    /// The system text.
    pub(super) text: Arc<Text>,
    /// Whether the first turn must tell the step.
    pub(super) is_generic: bool,
}

/// The heads that came last on one thread.
#[derive(Debug, Default)]
pub struct Heads {
    /// The one that came last is the last.
    recent: Vec<(Head, Arc<Known>)>,
    misses: u64,
}

/// All of a request that its head is made of.
#[derive(Debug)]
struct Head {
    seed: u64,
    api: Api,
    system: String,
    tools: Vec<Tool>,
    response_format: ResponseFormat,
}

impl Heads {
    /// Finds the step and run of a request as [`super::identify`] does; a head that came lately is compared, not hashed.
    pub fn identify(&mut self, request: &Request, marks: Marks<'_>) -> Identity {
        let (step, by) =
            mark_of(request, marks).unwrap_or_else(|| (self.known(request, 0).exact.to_string(), StepBy::Head));
        Identity { step, by, run: run_of(request, marks) }
    }

    /// Returns what is known of a request's head; one that came lately is compared, not hashed.
    pub(super) fn known(&mut self, request: &Request, seed: u64) -> Arc<Known> {
        if let Some(at) = self.recent.iter().rposition(|(head, _)| head.seed == seed && head.is_of(request)) {
            self.recent[at..].rotate_left(1);
            return Arc::clone(&self.recent.last().expect("one was just found").1);
        }
        self.misses += 1;
        let (known, bytes) = known(request, seed);
        let known = Arc::new(known);
        if bytes <= HEAD_BYTES_MAX {
            if self.recent.len() == HEADS_MAX {
                self.recent.remove(0);
            }
            self.recent.push((Head::of(request, seed), Arc::clone(&known)));
        }
        known
    }

    /// Returns how many heads were read, because they had not come lately.
    pub fn misses(&self) -> u64 {
        self.misses
    }
}

impl Head {
    fn of(request: &Request, seed: u64) -> Self {
        let (tools, response_format) = (request.tools.clone(), request.response_format.clone());
        Head { seed, api: request.api, system: request.system.clone(), tools, response_format }
    }

    fn is_of(&self, request: &Request) -> bool {
        self.api == request.api
            && self.system == request.system
            && self.tools == request.tools
            && self.response_format == request.response_format
    }
}

fn known(request: &Request, seed: u64) -> (Known, usize) {
    let (exact, shape, bytes) = head::step_id(request);
    let text = units::text(&request.system, seed);
    let static_bytes = text.bytes();
    let hashed = |pieces: &[&[u8]]| {
        let mut hash = mask::hasher(seed);
        for piece in pieces {
            hash.write_usize(piece.len());
            hash.write(piece);
        }
        hash.finish()
    };
    let is_generic = static_bytes < GENERIC_BYTES_MAX;
    let api = request.api.as_str().as_bytes();
    let root = if is_generic || request.tools.is_empty() {
        hashed(&[b"root", api, &shape.format, &shape.tools])
    } else {
        hashed(&[b"root with tools", api, &shape.format])
    };
    let said = text.units.iter().fold(0, |said, unit| child(said, unit.hash));
    let family = hashed(&[b"head", api, &shape.format, &said.to_le_bytes()]);
    let is_telling = static_bytes >= TELLING_BYTES_MIN && !request.tools.is_empty();
    let tools = request.tools.iter().fold(0, |bits, tool| bits | 1 << (hashed(&[tool.name.as_bytes()]) % 64));
    let known = Known {
        exact: exact.into(),
        key: hashed(&[&family.to_le_bytes(), &shape.tools]),
        family: is_telling.then_some(family),
        tools,
        root,
        text: Arc::new(text),
        is_generic,
    };
    (known, bytes)
}

/// Returns the text of the first user turn, where there is one. People begin with the same few words, which make no step.
pub(super) fn first_turn(request: &Request, seed: u64) -> Option<Arc<Text>> {
    let first = request.messages.iter().find(|message| message.role == Role::User)?;
    Some(Arc::new(units::text(&first.text(), seed).without_words()))
}

/// Returns whether a request opens a conversation: those that go on with one say nothing about how often a head comes.
pub(super) fn is_opening(request: &Request) -> bool {
    request.messages.iter().all(|message| message.role == Role::User)
}
