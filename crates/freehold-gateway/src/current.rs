//! The configuration in force, with the connections and the health of its upstreams; swapped as a whole.

use std::sync::Arc;

use crate::breaker::Breaker;
use crate::budget::Prices;
use crate::config::{GatewayConfig, Upstream};
use crate::error::Error;
use crate::route::{Among, Directory};
use crate::upstream::Pool;

/// What a call needs of the configuration; a call keeps the one that it began with.
pub(crate) struct Current {
    pub config: GatewayConfig,
    pub pool: Pool,
    pub directory: Directory,
    /// What calls cost that a budget pays for.
    pub prices: Prices,
    /// One for each upstream, in their order.
    pub breakers: Vec<Arc<Breaker>>,
}

impl Current {
    /// Makes what a configuration asks for; connections and health of upstreams that stay are kept from the `last` one.
    pub(crate) fn new(config: GatewayConfig, last: Option<&Current>) -> Result<Self, Error> {
        let breaker = |upstream: &Upstream| {
            let known = last.and_then(|last| last.breaker_of(upstream));
            known.unwrap_or_else(|| Arc::new(Breaker::new(upstream.breaker)))
        };
        let breakers = config.upstreams.iter().map(breaker).collect();
        let pool = match last {
            Some(last) if last.pool.suits(&config) => last.pool.clone(),
            _ => Pool::new(&config)?,
        };
        Ok(Current { directory: Directory::of(&config.upstreams), prices: Prices::of(&config), config, pool, breakers })
    }

    /// Returns the upstreams, to be chosen among.
    pub(crate) fn among(&self) -> Among<'_> {
        Among { upstreams: &self.config.upstreams, directory: &self.directory }
    }

    fn breaker_of(&self, upstream: &Upstream) -> Option<Arc<Breaker>> {
        let at = self.directory.named(&upstream.name)?;
        let is_same = self.config.upstreams[at].base_url == upstream.base_url;
        let breaker = &self.breakers[at];
        (is_same && breaker.terms() == upstream.breaker).then(|| Arc::clone(breaker))
    }
}
