//! Where to find upstreams by name and by model, so that deciding takes no longer where there are many.

use std::collections::HashMap;

use crate::config::Upstream;

/// The upstreams in the order of the configuration, with what leads to them.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    by_name: HashMap<String, usize>,
    /// Those that list a model.
    by_model: HashMap<String, Vec<usize>>,
    /// Those that take any model, the first of each choice of dialects: the others are never the first to fit.
    of_any: Vec<usize>,
}

impl Directory {
    /// Notes all upstreams of a configuration.
    pub(crate) fn of(upstreams: &[Upstream]) -> Self {
        let mut directory = Directory::default();
        for (at, upstream) in upstreams.iter().enumerate() {
            directory.by_name.entry(upstream.name.clone()).or_insert(at);
            for model in &upstream.models {
                directory.by_model.entry(model.clone()).or_default().push(at);
            }
            let is_alike = |known: &usize| upstreams[*known].apis == upstream.apis;
            if upstream.models.is_empty() && !directory.of_any.iter().any(is_alike) {
                directory.of_any.push(at);
            }
        }
        directory
    }

    /// Returns the place of the upstream of that name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the places of those that list a model.
    pub(super) fn listing(&self, model: &str) -> &[usize] {
        self.by_model.get(model).map_or(&[], Vec::as_slice)
    }

    /// Returns the places of those that take any model.
    pub(super) fn of_any(&self) -> &[usize] {
        &self.of_any
    }
}

#[cfg(test)]
mod tests {
    use freehold_store::Generation;
    use freehold_wire::Api;

    use super::*;
    use crate::route::{Among, Asked, Hop, plan, spoken};

    /// Returns who fits best when each is looked at: who lists the model before who takes any, then who need not translate.
    fn looked_at_each(upstreams: &[Upstream], api: Api) -> Option<usize> {
        let place = |(at, upstream): (usize, &Upstream)| {
            let is_translated = spoken(upstream, api)? != api;
            let is_listed = upstream.models.iter().any(|model| model == "m");
            (is_listed || upstream.models.is_empty()).then_some((!is_listed, is_translated, at))
        };
        Some(upstreams.iter().enumerate().filter_map(place).min()?.2)
    }

    #[test]
    fn first_to_fit_is_the_one_that_looking_at_each_would_find() {
        use Api::{AnthropicMessages, OpenAiChat};
        let dialects: [&[Api]; 3] = [&[OpenAiChat], &[AnthropicMessages], &[AnthropicMessages, OpenAiChat]];
        let models: [&[&str]; 3] = [&[], &["m"], &["n"]];
        let upstream = |name: usize, kind: usize| Upstream {
            models: models[kind / 3].iter().map(|&model| model.to_owned()).collect(),
            ..Upstream::new(name.to_string(), "http://localhost:1".parse().unwrap(), dialects[kind % 3])
        };
        for (number, api) in (0..9_usize.pow(3)).flat_map(|number| Api::DIALECTS.map(|api| (number, api))) {
            let upstreams = [upstream(0, number % 9), upstream(1, number / 9 % 9), upstream(2, number / 81)];
            let among = Among { upstreams: &upstreams, directory: &Directory::of(&upstreams) };
            let planned = plan(Asked { api, model: "m", step: "free" }, &Generation::default(), among, |_| false);
            let found = planned.ok().and_then(|hops| match hops.first() {
                Some(Hop::Upstream { at, .. }) => Some(*at),
                _ => None,
            });
            assert_eq!(found, looked_at_each(&upstreams, api), "{api} {upstreams:?}");
        }
    }

    #[test]
    fn names_lead_to_the_first_of_that_name() {
        let upstream = |name: &str| Upstream::new(name, "http://localhost:1".parse().unwrap(), &[Api::OpenAiChat]);
        let directory = Directory::of(&[upstream("a"), upstream("b"), upstream("a")]);
        assert_eq!((directory.named("a"), directory.named("b"), directory.named("c")), (Some(0), Some(1), None));
    }
}
