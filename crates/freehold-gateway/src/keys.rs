//! Virtual keys: who a caller is, by a secret that is looked up by its digest and goes no further.
//!
//! The digest decides, so looking it up leaks nothing through time: whoever does not know the secret cannot steer its digest.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use freehold_store::{Key, Rate, Spent};

use crate::budget::{Ledger, Purse};
use crate::config::StepBudget;
use crate::rate::Throttle;

/// How every secret of ours begins.
pub const SECRET_PREFIX: &str = "fh-";

/// A handle to the keys in force; clones share them.
#[derive(Debug, Clone)]
pub struct KeysHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: ArcSwap<Table>,
    ledger: Ledger,
    steps: HashMap<String, Arc<Purse>>,
}

#[derive(Debug, Default)]
struct Table {
    by_digest: HashMap<[u8; 32], Held>,
    by_name: HashMap<String, Arc<VirtualKey>>,
}

/// A secret's key, and until when the secret is good.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub key: Arc<VirtualKey>,
    pub until_ms: Option<i64>,
}

/// A virtual key in force.
#[derive(Debug)]
pub(crate) struct VirtualKey {
    pub name: String,
    pub expires_ms: Option<i64>,
    pub is_revoked: bool,
    pub throttle: Arc<Throttle>,
    pub purse: Option<Arc<Purse>>,
    steps: Vec<String>,
    models: Vec<String>,
}

/// A virtual key does not admit a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("a key is needed here: send a virtual key of this gateway as a bearer token or as x-api-key")]
    Missing,
    #[error("this gateway knows no such key")]
    Unknown,
    #[error("the key {name:?} was revoked")]
    Revoked { name: String },
    #[error("this secret of the key {name:?} was good until {at}")]
    Expired { name: String, at: String },
    #[error("the key {name:?} may not call the step {step:?}")]
    Step { name: String, step: String },
    #[error("the key {name:?} may not use the model {model:?}")]
    Model { name: String, model: String },
    #[error("the key {name:?} may begin {} calls in {} s", rate.calls, rate.per_s)]
    Rate { name: String, rate: Rate, after: Duration },
    #[error("the key {name:?} may have {limit} calls in flight")]
    Concurrent { name: String, limit: u32 },
    #[error(
        "the upstream {upstream:?} has no key of its own, and the key {name:?} is good at this gateway only: set `key` in its [[upstream]] entry (any word, where it asks for none)"
    )]
    Upstream { name: String, upstream: String },
}

impl KeysHandle {
    /// Makes a handle without keys.
    pub(crate) fn new(budgets: &[StepBudget]) -> Self {
        let ledger = Ledger::default();
        let purse = |one: &StepBudget| {
            let purse = ledger.purse(&format!("step:{}", one.step), &one.budgets, one.unknown_price)?;
            Some((one.step.clone(), purse))
        };
        let steps = budgets.iter().filter_map(purse).collect();
        KeysHandle { shared: Arc::new(Shared { table: ArcSwap::default(), ledger, steps }) }
    }

    /// Puts keys in force, at once and for every call that begins from now on. What a key has spent stays with its name.
    pub fn set(&self, keys: Vec<Key>) {
        let before = self.shared.table.load();
        let now = Instant::now();
        let mut table = Table::default();
        for key in keys {
            let throttle = before.by_name.get(&key.name).map(|known| Arc::clone(&known.throttle));
            let throttle = throttle.filter(|throttle| throttle.keeps(key.terms.rate, key.terms.concurrent));
            let throttle =
                throttle.unwrap_or_else(|| Arc::new(Throttle::new(key.terms.rate, key.terms.concurrent, now)));
            let holder = format!("key:{}", key.name);
            let held = Arc::new(VirtualKey {
                purse: self.shared.ledger.purse(&holder, &key.terms.budgets, key.terms.unknown_price),
                name: key.name,
                expires_ms: key.expires_ms,
                is_revoked: key.revoked_ms.is_some(),
                throttle,
                steps: key.terms.steps,
                models: key.terms.models,
            });
            for secret in key.secrets {
                table.by_digest.insert(secret.digest, Held { key: Arc::clone(&held), until_ms: secret.until_ms });
            }
            table.by_name.insert(held.name.clone(), held);
        }
        self.shared.table.store(Arc::new(table));
    }

    /// Takes up what was spent before the start.
    pub fn restore(&self, spent: &[Spent]) {
        self.shared.ledger.restore(spent);
    }

    /// Says that what was taken could not be kept, so that it comes again with the next.
    pub fn restore_changed(&self, spent: &[Spent]) {
        self.shared.ledger.mark_changed(spent);
    }

    /// Returns what was spent by everyone who spent since it was last asked, to be kept.
    pub fn take_spent(&self) -> Vec<Spent> {
        self.shared.ledger.take_changed()
    }

    /// Returns the key of a secret.
    pub(crate) fn find(&self, secret: &str) -> Option<Held> {
        self.shared.table.load().by_digest.get(&digest(secret)).cloned()
    }

    /// Returns what a step may spend, where that is limited.
    pub(crate) fn step_purse(&self, step: &str) -> Option<Arc<Purse>> {
        if self.shared.steps.is_empty() { None } else { self.shared.steps.get(step).cloned() }
    }
}

impl VirtualKey {
    /// Returns whether calls of a step are in its scope.
    pub(crate) fn covers_step(&self, step: &str) -> bool {
        covers(&self.steps, step)
    }

    /// Returns whether calls of a model are in its scope.
    pub(crate) fn covers_model(&self, model: &str) -> bool {
        covers(&self.models, model)
    }
}

/// Returns the digest under which a secret is kept.
///
/// A plain SHA-256 is right here: slow hashes protect passwords, which can be guessed, and 256 random bits cannot.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn covers(patterns: &[String], name: &str) -> bool {
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    };
    patterns.is_empty() || patterns.iter().any(fits)
}
