//! How candidates are named: a `[[model]]` by its name, anything else as `UPSTREAM/MODEL`.

use std::fmt;

use crate::config::{Model, Settings, Upstream, layers};
use crate::exit::Fault;

pub use freehold_gateway::ENGINE;

/// Who can serve a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The upstream's name, or `engine`.
    pub upstream: String,
    /// The model's name there.
    pub model: String,
}

impl Target {
    /// Reads a candidate's name against what is configured.
    ///
    /// # Errors
    /// Nothing of that name is configured.
    pub fn parse(name: &str, settings: &Settings) -> Result<Self, Fault> {
        if settings.model(name).is_some() {
            return Ok(Target { upstream: ENGINE.to_owned(), model: name.to_owned() });
        }
        if let Some((upstream, model)) = name.split_once('/')
            && settings.upstreams.iter().any(|known| known.name == upstream)
            && !model.is_empty()
        {
            return Ok(Target { upstream: upstream.to_owned(), model: model.to_owned() });
        }
        let known: Vec<&str> = settings.model_names().collect();
        let hint = match layers::nearest(name, &known) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => format!(
                "models: {}; upstreams: {} (write UPSTREAM/MODEL); add one to freehold.toml",
                listed(known.into_iter()),
                listed(settings.upstreams.iter().map(|upstream| upstream.name.as_str()))
            ),
        };
        Err(Fault::input(format!("no model or upstream is called {name:?}")).hint(hint))
    }

    /// Tells whether `name` means this one: `UPSTREAM/MODEL`, or just the model where it is our own engine's.
    pub fn is_called(&self, name: &str) -> bool {
        name == self.to_string() || (self.upstream == ENGINE && name == self.model)
    }

    /// Returns the entry of the model whose weights answer, when it is one of our own engine's; an adapter's is that of its model.
    pub fn own_model<'a>(&self, settings: &'a Settings) -> Option<&'a Model> {
        settings.model(&self.model).filter(|_| self.upstream == ENGINE)
    }

    /// Returns the upstream's entry, when it is one.
    pub fn upstream<'a>(&self, settings: &'a Settings) -> Option<&'a Upstream> {
        settings.upstreams.iter().find(|upstream| upstream.name == self.upstream)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.upstream, self.model)
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_of_our_engine_goes_by_its_bare_name_too() {
        let target = |upstream: &str| Target { upstream: upstream.to_owned(), model: "desk-m".to_owned() };
        assert!(target(ENGINE).is_called("desk-m"));
        assert!(target(ENGINE).is_called("engine/desk-m"));
        assert!(target("box").is_called("box/desk-m"));
        assert!(!target("box").is_called("desk-m"));
    }
}
