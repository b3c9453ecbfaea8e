//! The generation of routes in force, swapped at once and without waiting.

use std::sync::Arc;

use arc_swap::ArcSwap;

use freehold_store::Generation;

/// A handle to the routes in force; clones share them.
#[derive(Debug, Clone)]
pub struct RoutesHandle {
    current: Arc<ArcSwap<Generation>>,
}

impl RoutesHandle {
    pub(crate) fn new(initial: Generation) -> Self {
        RoutesHandle { current: Arc::new(ArcSwap::from_pointee(initial)) }
    }

    /// Puts a generation in force for all calls that begin from now on; calls in flight keep theirs.
    pub fn set(&self, generation: Generation) {
        self.current.store(Arc::new(generation));
    }

    /// Returns the number of the generation in force.
    pub fn current_number(&self) -> u64 {
        self.current.load().number
    }

    /// Returns the generation in force, to be kept for the whole of a call.
    pub(crate) fn snapshot(&self) -> Arc<Generation> {
        self.current.load_full()
    }
}
