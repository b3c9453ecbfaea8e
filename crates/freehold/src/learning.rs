//! Learns the steps of calls, and keeps in the store what was learned and which ids turned out to be other names.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use freehold_store::{Error, Generation, StepRules, Store};
use freehold_workflow::{Alias, Figures, Steps};

use crate::config::Settings;
use crate::moves;

/// How many texts are learned at once; others may look at the store between.
const TEXTS_MAX: usize = 512;
/// How long what was learned may be in memory alone, at most, and where ids were given that depend on it.
const KEPT_EVERY: Duration = Duration::from_secs(600);
const KEPT_AFTER_TEMPLATES: Duration = Duration::from_secs(30);

/// What is learned while calls come.
pub(crate) struct Learning {
    steps: Arc<Steps>,
    /// The steps that the settings name.
    named: Vec<String>,
    state: Mutex<State>,
}

struct State {
    /// Aliases that the store has not taken yet.
    aliases: Vec<Alias>,
    kept: Figures,
    kept_at: Instant,
    rules: StepRules,
    keys_version: Option<i64>,
    /// The steps that keys are for.
    scopes: Vec<String>,
    relied_on: BTreeSet<String>,
}

impl Learning {
    /// Takes up what the store has.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn begin(store: &Store, settings: &Settings) -> Result<Arc<Self>, Error> {
        let steps = match store.learned()?.map(|state| Steps::restored(&state)) {
            Some(Ok(steps)) => steps,
            None => Steps::new(seed()),
            Some(Err(error)) => {
                tracing::warn!(%error, "the steps of prompts that vary are learned anew");
                Steps::new(seed())
            }
        };
        let kept = steps.figures();
        let state = State {
            aliases: Vec::new(),
            kept,
            kept_at: Instant::now(),
            rules: StepRules::default(),
            keys_version: None,
            scopes: Vec::new(),
            relied_on: BTreeSet::new(),
        };
        let named = settings.budgets.iter().map(|budget| budget.step.clone()).collect();
        let learning = Learning { steps: Arc::new(steps), named, state: Mutex::new(state) };
        learning.rely_on(store, &store.generation()?)?;
        Ok(Arc::new(learning))
    }

    /// Returns what finds steps with it.
    pub(crate) fn steps(&self) -> Arc<Steps> {
        Arc::clone(&self.steps)
    }

    /// Learns from some of the calls that came, and keeps what the store should know.
    ///
    /// # Errors
    /// The store cannot be written; nothing is lost by that as long as the process lives.
    pub(crate) fn learn(&self, store: &Store) -> Result<(), Error> {
        self.steps.learn(TEXTS_MAX);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.aliases.extend(self.steps.take_aliases());
        state.put_down(store)?;
        let figures = self.steps.figures();
        let has_templates = figures.templates != state.kept.templates;
        let wait = if has_templates { KEPT_AFTER_TEMPLATES } else { KEPT_EVERY };
        if figures != state.kept && state.kept_at.elapsed() >= wait {
            store.keep_learned(&self.steps.state())?;
            (state.kept, state.kept_at) = (figures, Instant::now());
        }
        Ok(())
    }

    /// Learns from all calls that came, and keeps everything.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) fn keep(&self, store: &Store) -> Result<(), Error> {
        while self.steps.learn(TEXTS_MAX) > 0 {}
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.aliases.extend(self.steps.take_aliases());
        state.put_down(store)?;
        if self.steps.figures() == state.kept {
            return Ok(());
        }
        store.keep_learned(&self.steps.state())
    }

    /// Lets ids be what they are that routes, keys, settings or people rely on, and merges what people merged.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn rely_on(&self, store: &Store, generation: &Generation) -> Result<(), Error> {
        let rules = store.step_rules()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let keys_version = Some(store.keys_version()?);
        if state.keys_version != keys_version {
            state.scopes = store.keys()?.into_iter().flat_map(|key| key.terms.steps).collect();
            state.keys_version = keys_version;
        }
        let relied_on = state.scopes.iter().chain(&self.named).chain(generation.routes.keys());
        let relied_on: BTreeSet<String> = relied_on.chain(&rules.own).chain(rules.names.keys()).cloned().collect();
        if relied_on != state.relied_on {
            self.steps.lock(relied_on.iter().map(String::as_str));
            state.relied_on = relied_on;
        }
        if rules != state.rules {
            self.steps.merge(rules.merged.clone());
            state.rules = rules;
        }
        Ok(())
    }
}

impl State {
    fn put_down(&mut self, store: &Store) -> Result<(), Error> {
        if self.aliases.is_empty() {
            return Ok(());
        }
        let pairs: Vec<(&str, &str)> = self.aliases.iter().map(|alias| (&*alias.from, &*alias.to)).collect();
        store.add_aliases(&pairs, moves::now_ms())?;
        self.aliases.clear();
        Ok(())
    }
}

/// Draws a number that nobody can guess.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
